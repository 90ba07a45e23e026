/** One optimizer step over an executor. */
import { writePositions } from "./positions.ts";
import { NO_NOISE, stepNoise, writeNoise } from "./noise.ts";
import { learningRate, updateWords, type Recipe } from "./schedule.ts";
import { METRICS, type Executor } from "./types.ts";

/** A target that is no token: in training and in losses its position counts for nothing. Only plans that are told so can train on it. */
export const IGNORED = 0xffffffff;

/** One micro-batch: targets[b, t] follows tokens[b, t]. */
export interface MicroBatch {
  readonly tokens: Uint32Array; // [B, T]
  readonly targets: Uint32Array; // [B, T]
}

/** Losses are of the weights before the update, means over the targets of all micro-batches, in nats. */
export interface StepMetrics {
  readonly ceLoss: number;
  readonly regLoss: number;
  /** Global 2-norm before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Index of the first parameter whose gradient is not finite, or null. Such an update was skipped. */
  readonly firstBad: number | null;
}

/**
 * Forward and backward passes of all micro-batches, then the update.
 * @param step counted from 0
 * @param batches as many as the recipe accumulates, each of the size the plan was made for
 * @param seed of what is random in a step
 */
export async function trainStep(
  executor: Executor, recipe: Recipe, step: number, batches: readonly MicroBatch[], seed: number,
): Promise<StepMetrics> {
  executor.write("update", updateWords(recipe, step));
  const shares = sharesOf(batches);
  for (const index of batches.slice(0, -1).keys()) {
    writeMicroBatch(executor, batches, shares, index, seed, step);
    await executor.run(["train"]);
  }
  writeMicroBatch(executor, batches, shares, batches.length - 1, seed, step);
  const { metrics } = await executor.run(["train", "update"], ["metrics"]);
  return readMetrics(metrics!, learningRate(recipe, step));
}

/** What each micro-batch of a step weighs: its share of the targets of all. */
export function sharesOf(batches: readonly MicroBatch[]): readonly number[] {
  const counts = batches.map(({ targets }) => targets.reduce((sum, target) => sum + Number(target !== IGNORED), 0));
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => count / Math.max(1, all));
}

/** Writes the inputs of "train" for one of a step's micro-batches. @param shares see sharesOf */
export function writeMicroBatch(
  executor: Executor, batches: readonly MicroBatch[], shares: readonly number[], index: number, seed: number, step: number,
): void {
  const sequences = executor.shape("train/tokens")[0]!;
  executor.write("train/loss_scale", Float32Array.of(shares[index]!));
  writeBatch(executor, "train", batches[index]!, stepNoise(seed, step, index * sequences));
}

/** Writes the inputs of "train" or "evaluate". Entries share input buffers of one shape, so all are written, the position too. */
export function writeBatch(executor: Executor, entry: "train" | "evaluate", batch: MicroBatch, noise: Uint32Array = NO_NOISE): void {
  executor.write(`${entry}/tokens`, batch.tokens);
  executor.write(`${entry}/targets`, batch.targets);
  writePositions(executor, entry, 0);
  writeNoise(executor, entry, noise);
}

function readMetrics(words: ArrayLike<number>, rate: number): StepMetrics {
  const firstBad = words[METRICS.firstBad]!;
  return {
    ceLoss: words[METRICS.ceLoss]!, regLoss: words[METRICS.regLoss]!, gradNorm: words[METRICS.gradNorm]!,
    learningRate: rate, firstBad: firstBad === 0 ? null : firstBad - 1,
  };
}
