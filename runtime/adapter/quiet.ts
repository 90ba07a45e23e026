/**
 * Dawn and the drivers write warnings of no use to anybody to file descriptor 2 while they look for adapters; `process.stderr` does not
 * see them. Node can neither duplicate a descriptor onto another nor move a position in a file, so there are two ways: what a terminal
 * or a pipe would get is held back in a file meanwhile; what a file got is cut out of it again. A socket, which is what a parent in Node
 * gives, can be neither opened again nor cut: it is reached through a pipe from then on.
 */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, readSync, unlinkSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { isatty } from "node:tty";
import { isMainThread } from "node:worker_threads";
import type { WASI } from "node:wasi";
import { cacheDirectory } from "../cache.ts";

const STDERR = 2;

/** Lines that say nothing which `doctor` does not say better: warnings of Dawn with where they arose, complaints of Mesa about Wayland. */
const NOISE = [/^Warning: /, /^ - While /, /^ +at \w+ \(.*\/dawn\//, /^error: XDG_RUNTIME_DIR /];

/** Runs `work`, and keeps the noise of the drivers out of standard error, as far as the system lets it. */
export async function withoutNoise<T>(work: () => Promise<T>): Promise<T> {
  const finish = begin();
  try {
    return await work();
  } finally {
    finish();
  }
}

/** @returns what to do afterwards */
function begin(): () => void {
  const nothing = (): void => {};
  if (process.platform !== "linux" || !isMainThread) return nothing;
  try {
    const status = fstatSync(STDERR);
    if (status.isFile()) return cutAfterwards();
    if (status.isSocket()) putPipeInFront();
    return isatty(STDERR) || fstatSync(STDERR).isFIFO() ? holdBack() : nothing;
  } catch {
    return nothing;
  }
}

/** Lines without noise, and without the empty lines that come behind it. */
export function quieted(text: string): string {
  let quiet = false;
  return text.split(/(?<=\n)/).filter((line) => {
    quiet = NOISE.some((pattern) => pattern.test(line)) || (quiet && line === "\n");
    return !quiet;
  }).join("");
}

/** Standard error becomes a pipe, and a process that ends when the pipe does copies it to where it went. */
function putPipeInFront(): void {
  const path = join(cacheDirectory(), `stderr-pipe-${process.pid}`);
  execFileSync("mkfifo", ["-m", "600", path], { stdio: "ignore" });
  // With a reader the writer need not wait, and with a writer the next reader.
  const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const [writer, reader] = [openSync(path, "w"), openSync(path, "r")];
  unlinkSync(path);
  const copier = spawn("cat", { stdio: [reader, STDERR, "ignore"], detached: true }); // no signal of the terminal ends it
  copier.on("error", () => {}); // without it the noise stays
  if (copier.pid !== undefined) {
    copier.unref();
    closeSync(STDERR);
    openSync(`/proc/self/fd/${writer}`, "w"); // opening takes the lowest free number
  }
  for (const file of [first, writer, reader]) closeSync(file);
}

/** Other output goes on to where it went: it is not lost even if the process ends meanwhile. */
function holdBack(): () => void {
  const file = join(cacheDirectory(), `stderr-${process.pid}`);
  closeSync(openSync(file, "w")); // so that the opening below cannot fail for lack of rights or space
  const original = openSync(`/proc/self/fd/${STDERR}`, "w");
  const { write } = process.stderr;
  process.stderr.write = (text: string | Uint8Array, ...rest: readonly unknown[]) => {
    const written = put(original, text);
    (rest.find((argument) => typeof argument === "function") as (() => void) | undefined)?.(); // who waits for the end of the writing
    return written;
  };
  closeSync(STDERR);
  openSync(file, "a"); // opening takes the lowest free number
  unlinkSync(file); // so that a process that is killed leaves nothing behind
  return () => {
    const kept = quieted(readFileSync(`/proc/self/fd/${STDERR}`, "utf8"));
    closeSync(STDERR);
    openSync(`/proc/self/fd/${original}`, "w");
    closeSync(original);
    process.stderr.write = write;
    if (kept !== "") put(STDERR, kept);
  };
}

/** Output that nobody reads any more is lost; that is no error. */
function put(file: number, text: string | Uint8Array): boolean {
  try {
    return writeSync(file, text as Uint8Array) >= 0;
  } catch {
    return false;
  }
}

function cutAfterwards(): () => void {
  const start = place();
  return () => {
    try {
      cut(start.at);
    } catch {
      // The noise stays.
    }
  };
}

/** Where the next output goes to. */
function place(): { readonly at: number; readonly append: boolean } {
  const info = readFileSync(`/proc/self/fdinfo/${STDERR}`, "utf8");
  const append = (Number.parseInt(/flags:\s*(\d+)/.exec(info)![1]!, 8) & 0o2000) !== 0;
  return { at: append ? fstatSync(STDERR).size : Number(/pos:\s*(\d+)/.exec(info)![1]), append };
}

/** Takes the noise out of what was written since; a file that others write into at the same time is left as it is. */
function cut(start: number): void {
  const { at: end, append } = place();
  if (end <= start || fstatSync(STDERR).size !== end) return;
  const file = openSync(`/proc/self/fd/${STDERR}`, "r+");
  try {
    const bytes = Buffer.alloc(end - start);
    readSync(file, bytes, 0, bytes.length, start);
    const kept = Buffer.from(quieted(bytes.toString("latin1")), "latin1");
    if (kept.length === bytes.length) return;
    if (!append) moveTo(start + kept.length);
    writeSync(file, kept, 0, kept.length, start);
    ftruncateSync(file, start + kept.length);
  } finally {
    closeSync(file);
  }
}

/** Sets the position of standard error, which shells and other processes share. Of all of Node, only its WASI can: the import `fd_seek`. */
function moveTo(position: number): void {
  interface Memory { readonly Memory: new (pages: { readonly initial: number }) => object }
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Memory };
  const wasi = new (wasiClass())({ version: "preview1", stderr: STDERR });
  wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } });
  const seek = wasi.wasiImport["fd_seek"] as (fd: number, offset: bigint, whence: number, result: number) => number;
  if (seek(STDERR, BigInt(position), 0, 0) !== 0) throw new Error("cannot move the position of standard error");
}

/** Without the warning that it is experimental. */
function wasiClass(): typeof WASI {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return (createRequire(import.meta.url)("node:wasi") as { readonly WASI: typeof WASI }).WASI;
  } finally {
    process.emitWarning = emitWarning;
  }
}
