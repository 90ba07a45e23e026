/**
 * Dawn writes warnings of no use to anybody to file descriptor 2 while it looks for adapters; `process.stderr` does not see
 * them. Node cannot duplicate a descriptor onto another, but opening a file takes the lowest free number.
 */
import { closeSync, fstatSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isatty } from "node:tty";
import { isMainThread } from "node:worker_threads";
import { cacheDirectory } from "../cache.ts";

const STDERR = 2;

/** Lines that say nothing which `doctor` does not say better. */
const NOISE = [/^Warning: maxDynamic\w+ artificially reduced/, /^Warning: vkCreateInstance/, /^Warning: Couldn't load Vulkan/, /^ +at \w+ \(.*\/dawn\//];

/** Runs `work` with standard error held back; afterwards prints all of it except Dawn's noise. */
export async function withoutNoise<T>(work: () => Promise<T>): Promise<T> {
  const held = canHoldBack() ? holdBack() : null;
  if (held === null) return work();
  try {
    return await work();
  } finally {
    release(held);
  }
}

/** Only a terminal or a pipe can be opened a second time with the same meaning: a file would have a second position. */
function canHoldBack(): boolean {
  if (process.platform !== "linux" || !isMainThread) return false;
  try {
    return isatty(STDERR) || fstatSync(STDERR).isFIFO();
  } catch {
    return false;
  }
}

interface Held {
  /** Opens what was standard error. */
  readonly original: number;
  readonly file: string;
}

function holdBack(): Held | null {
  const file = join(cacheDirectory(), `stderr-${process.pid}`);
  try {
    closeSync(openSync(file, "w")); // so that the opening below cannot fail for lack of rights or space
    const original = openSync(`/proc/self/fd/${STDERR}`, "w");
    closeSync(STDERR);
    openSync(file, "a");
    return { original, file };
  } catch {
    return null;
  }
}

function release({ original, file }: Held): void {
  closeSync(STDERR);
  openSync(`/proc/self/fd/${original}`, "w");
  closeSync(original);
  const text = readFileSync(file, "utf8");
  unlinkSync(file);
  const kept = text.split("\n").filter((line) => line !== "" && !NOISE.some((pattern) => pattern.test(line)));
  if (kept.length > 0) writeSync(STDERR, `${kept.join("\n")}\n`);
}
