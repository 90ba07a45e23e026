/** One optimizer step over an executor. */
import { product } from "./layout.ts";
import { writePositions } from "./positions.ts";
import { NO_NOISE, stepNoise, writeNoise } from "./noise.ts";
import { learningRate, updateWords, type Recipe } from "./schedule.ts";
import { METRICS, type Executor } from "./types.ts";

/** A target that is no token: in training and in losses its position counts for nothing. Only plans that are told so can train on it. */
export const IGNORED = 0xffffffff;

/** One micro-batch: targets[b, t] follows tokens[b, t]. T is that of an entry: of "train", or of one for shorter rows. */
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
  for (const index of batches.slice(0, -1).keys()) await executor.run([writeMicroBatch(executor, batches, shares, index, seed, step)]);
  const last = writeMicroBatch(executor, batches, shares, batches.length - 1, seed, step);
  const { metrics } = await executor.run([last, "update"], ["metrics"]);
  return readMetrics(metrics!, learningRate(recipe, step));
}

/** What each micro-batch of a step weighs: its share of the targets of all. */
export function sharesOf(batches: readonly MicroBatch[]): readonly number[] {
  const counts = batches.map(({ targets }) => targets.reduce((sum, target) => sum + Number(target !== IGNORED), 0));
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => count / Math.max(1, all));
}

/** Writes one of a step's micro-batches. @param shares see sharesOf @returns the entry that trains on it */
export function writeMicroBatch(
  executor: Executor, batches: readonly MicroBatch[], shares: readonly number[], index: number, seed: number, step: number,
): string {
  const entry = entryFor(executor, batches[index]!);
  const sequences = executor.shape(`${entry}/tokens`)[0]!;
  executor.write(`${entry}/loss_scale`, Float32Array.of(shares[index]!));
  writeBatch(executor, entry, batches[index]!, stepNoise(seed, step, index * sequences));
  return entry;
}

/** "train", or the one whose rows are as short as the batch's. */
function entryFor({ entries, shape }: Executor, { tokens }: MicroBatch): string {
  return entries.find((entry) => entry.startsWith("train.") && product(shape(`${entry}/tokens`)) === tokens.length) ?? "train";
}

/**
 * Writes the inputs of an entry of training, or of "evaluate". Entries share input buffers of one shape, so all are written, the position
 * too.
 */
export function writeBatch(executor: Executor, entry: string, batch: MicroBatch, noise: Uint32Array = NO_NOISE): void {
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
