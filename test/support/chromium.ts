/**
 * A real Chromium without a window: that of the npm package @sparticuz/chromium, whose SwiftShader the adapter of that name uses as well.
 * It is driven by the DevTools protocol through two pipes: JSON documents with a zero byte behind each.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { brotliDecompressSync } from "node:zlib";
import { readTar } from "../../runtime/adapter/tar.ts";
import { ROOT } from "./cli.ts";

const PACKED = join(ROOT, "node_modules", "@sparticuz", "chromium", "bin");

/** Why there is none on this machine, or null. */
export function chromiumProblem(): string | null {
  const machine = `${process.platform} on ${process.arch}`;
  if (machine !== "linux on x64") return `it is for linux on x64, this is ${machine}`;
  return existsSync(join(PACKED, "chromium.br")) ? null : "the optional npm package @sparticuz/chromium is not installed";
}

/** @param folder gets some 200 MB @returns the program */
export function unpackChromium(folder: string): string {
  const unpacked = (name: string): Buffer => brotliDecompressSync(readFileSync(join(PACKED, `${name}.br`)));
  for (const archive of ["swiftshader.tar", "al2023.tar"]) {
    for (const { name, data } of readTar(unpacked(archive))) {
      const path = join(folder, archive === "al2023.tar" ? join("lib", basename(name)) : name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, data, { mode: 0o755 });
    }
  }
  writeFileSync(join(folder, "chromium"), unpacked("chromium"), { mode: 0o755 });
  return join(folder, "chromium");
}

export const WITH_WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

export interface Chromium {
  /** What an expression comes to in a new page; promises are waited for. */
  evaluate(url: string, expression: string): Promise<unknown>;
  close(): Promise<void>;
}

const LOADED = `new Promise((done) => (document.readyState === "complete" ? done() : addEventListener("load", done)))`;

interface Reply {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: Record<string, unknown>;
}

/** Rejects if it does not start, with what it says. @param profile a folder of its own */
export async function openChromium(program: string, profile: string, flags: readonly string[]): Promise<Chromium> {
  const args = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-pipe", `--user-data-dir=${profile}`, ...flags];
  const env = { ...process.env, LD_LIBRARY_PATH: join(dirname(program), "lib") };
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], env });
  const { send, fail } = conversation(child.stdio[3] as Writable, child.stdio[4] as Readable);
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const ended = new Promise<void>((done) => {
    const end = (error: Error): void => (fail(error), done());
    child.on("error", end).on("close", (code) => end(new Error(`Chromium ended with ${code}: ${said.slice(-2000)}`)));
  });
  await send("Browser.getVersion");
  return {
    evaluate: async (url, expression) => {
      const { targetId } = await send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true }) as { sessionId: string };
      await send("Page.enable", {}, sessionId);
      await send("Page.navigate", { url }, sessionId);
      await send("Runtime.evaluate", { expression: LOADED, awaitPromise: true }, sessionId);
      const what = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await send("Runtime.evaluate", what, sessionId);
      await send("Target.closeTarget", { targetId });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { readonly value: unknown }).value;
    },
    close: async () => {
      await send("Browser.close").catch(() => child.kill("SIGKILL"));
      await ended;
    },
  };
}

type Send = (method: string, params?: object, sessionId?: string) => Promise<Record<string, unknown>>;

function conversation(to: Writable, from: Readable): { readonly send: Send; readonly fail: (error: Error) => void } {
  const waiting = new Map<number, (reply: Reply) => void>();
  let [count, heard, over] = [0, "", null as Error | null];
  const fail = (error: Error): void => {
    over ??= error;
    for (const answer of waiting.values()) answer({ error: over });
  };
  to.on("error", fail);
  from.setEncoding("utf8").on("data", (text: string) => {
    const parts = (heard + text).split("\0");
    heard = parts.pop()!;
    for (const reply of parts.map((part) => JSON.parse(part) as Reply)) if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
  });
  const send: Send = (method, params = {}, sessionId) => new Promise((done, refuse) => {
    const id = ++count;
    waiting.set(id, ({ error, result }) => {
      waiting.delete(id);
      if (error === undefined) done(result!);
      else refuse(new Error(`${method}: ${error.message}`));
    });
    if (over !== null) fail(over);
    else to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  });
  return { send, fail };
}
