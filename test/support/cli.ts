/** Runs the command line as users do: a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { vi } from "vitest";
import { runCommand } from "../../cli/program.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param onOutput sees everything written so far after each write; for a signal at a certain point take `moeutStopped` */
export function moeut(
  args: readonly string[], onOutput: (all: string, child: ChildProcess) => void = () => {}, node: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<CliResult> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [...node, join(ROOT, "bin", "moeut.mjs"), ...args], {
      cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => onOutput((stdout += text) + stderr, child));
    child.stderr.setEncoding("utf8").on("data", (text: string) => onOutput(stdout + (stderr += text), child));
    child.on("error", fail).on("close", (status) => done({ status, stdout, stderr }));
  });
}

/** The same, and the process gets the signal when its error output says what matches: at that point on any machine, however busy. */
export const moeutStopped = (
  args: readonly string[], at: RegExp, signal: NodeJS.Signals, onOutput?: (all: string, child: ChildProcess) => void,
): Promise<CliResult> =>
  moeut(args, onOutput, ["--import", new URL("signal-self.mjs", import.meta.url).href], {
    MOEUT_TEST_SIGNAL: signal, MOEUT_TEST_SIGNAL_AT: at.source,
  });

/** As `moeut`, within this process: quicker, where the process itself (signals, streams, what is left of it) is not what is tested. */
export async function moeutHere(args: readonly string[]): Promise<CliResult> {
  let [stdout, stderr] = ["", ""];
  const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => ((stdout += String(text)), true));
  const err = vi.spyOn(process.stderr, "write").mockImplementation((text) => ((stderr += String(text)), true));
  const console = vi.spyOn(globalThis.console, "error").mockImplementation((text: unknown) => void (stderr += `${String(text)}\n`));
  try {
    const status = await runCommand(args);
    return { status, stdout, stderr };
  } finally {
    for (const spy of [out, err, console]) spy.mockRestore();
    process.exitCode = undefined;
  }
}

/** Of a file's content; comparing buffers element by element takes seconds. */
export const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Standard output as one JSON document; the error output in the message if it is none. */
// biome-ignore lint/suspicious/noExplicitAny: a field that is not there fails the test that reads it
export function json(result: CliResult): any {
  try {
    return JSON.parse(result.stdout);
  } catch {
    throw new Error(`status ${result.status}, no JSON on standard output:\n${result.stdout}\n${result.stderr}`);
  }
}
