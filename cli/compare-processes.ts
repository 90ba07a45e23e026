/** Several processes for one comparison: each is this command again, which claims what the others do not do. */
import { spawn, type ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import type { AdapterInfo } from "../runtime/adapter/index.ts";
import { POLL_MS } from "../runtime/files/folder.ts";
import { PACKAGE_ROOT } from "../runtime/package-root.ts";
import type { ComparisonOptions } from "./compare-plan.ts";
import { say } from "./terminal.ts";

/**
 * They train and measure, each with its share of the threads, until nothing is left; one that dies leaves its work to the others.
 * @param args of this command; of options that come twice the last counts
 */
export const processesFor = (
  count: number, args: readonly string[], threads: number = availableParallelism(),
): NonNullable<ComparisonOptions["processes"]> => async ({ kind }: AdapterInfo, shouldStop) => {
  const share = kind === "cpu" ? ["--threads", String(Math.max(1, Math.floor(threads / count)))] : [];
  const children = Array.from({ length: count }, (_, i) => started([...args, ...share, "--jobs", "1", "--no-report"], i + 1));
  const end = (): void => children.forEach((child) => child.kill("SIGTERM")); // they save what they have
  process.once("exit", end);
  let over = false;
  const closed = children.map((child) => new Promise((done) => child.once("close", done).once("error", done)));
  const all = Promise.all(closed).then(() => (over = true));
  while (!over && !shouldStop()) await setTimeout(POLL_MS);
  if (!over) end();
  await all;
  process.off("exit", end);
};

/** Detached, so that a Ctrl-C is heard once: by this process, which passes it on. What they say has their number in front. */
function started(args: readonly string[], number: number): ChildProcess {
  const child = spawn(process.execPath, [...process.execArgv, join(PACKAGE_ROOT, "bin", "moeut.mjs"), ...args], {
    detached: true, windowsHide: true, stdio: ["ignore", "ignore", "pipe"],
  });
  createInterface(child.stderr!).on("line", (line) => say(`[${number}] ${line}`));
  return child;
}
