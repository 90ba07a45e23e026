/**
 * The tensor "ENTRY/noise", u32 [4], of entries with random numbers: two words of key, the first sequence, and 1 if sequences have
 * numbers of their own.
 */
import { createRandom } from "./random.ts";
import type { Executor } from "./types.ts";

/** Where nothing is to vary but by position. */
export const NO_NOISE: Uint32Array<ArrayBuffer> = Uint32Array.of(0, 0, 0, 0);

/**
 * Another key for every seed and step: a pure function of them, so that a resumed run continues to the same bits.
 * @param step counted from 0
 * @param first index of the micro-batch's first sequence in its batch: masks do not depend on how the batch is cut
 */
export function stepNoise(seed: number, step: number, first: number): Uint32Array<ArrayBuffer> {
  const random = createRandom(seed, "noise");
  return Uint32Array.of(random.uint32(2 * step), random.uint32(2 * step + 1), first, 1);
}

/** Entries share input buffers of one shape, so each that has this input writes it before every run. */
export function writeNoise(executor: Executor, entry: string, noise: Uint32Array): void {
  if (executor.has(`${entry}/noise`)) executor.write(`${entry}/noise`, noise);
}
