/** Log probabilities of many short texts: batched with others of about the same length, so that little is computed for padding. */
import { writeBatch } from "../standalone/train-step.ts";
import type { Executor } from "../standalone/types.ts";
import type { Request } from "./requests.ts";

/** Texts of up to `length` predicted tokens, which run together. */
export interface Bucket {
  readonly length: number;
  /** Rows of a batch. */
  readonly batch: number;
  /** Indices into the list of requests. */
  readonly requests: readonly number[];
}

/** Positions of a batch, about. */
const POSITIONS = 2048;

/** Lengths 8, 12, 16, 24, 32, 48, … up to the model's context: at most a third of a bucket's longest text is padding. */
export function bucketsOf(requests: readonly Request[], seqLen: number): readonly Bucket[] {
  const byLength = new Map<number, number[]>();
  requests.forEach(({ tokens }, i) => {
    const length = Math.min(seqLen, bucketLength(tokens.length - 1));
    byLength.set(length, [...(byLength.get(length) ?? []), i]);
  });
  return [...byLength].sort(([a], [b]) => a - b).map(([length, indices]) =>
    ({ length, batch: Math.max(1, Math.min(indices.length, Math.floor(POSITIONS / length))), requests: indices }));
}

function bucketLength(predicted: number): number {
  for (let length = 8; ; length *= 2) {
    if (predicted <= length) return length;
    if (predicted <= 1.5 * length) return 1.5 * length;
  }
}

/**
 * Sum of the log probabilities of each request's scored tokens, by its index.
 * @param executor with the entry "evaluate" for the bucket's batch and length
 */
export async function* scoreBucket(
  executor: Executor, bucket: Bucket, requests: readonly Request[],
): AsyncGenerator<readonly [index: number, sum: number]> {
  const { length, batch, requests: indices } = bucket;
  for (let first = 0; first < indices.length; first += batch) {
    const rows = indices.slice(first, first + batch);
    const [tokens, targets] = [new Uint32Array(batch * length), new Uint32Array(batch * length)];
    rows.forEach((index, row) => {
      const sequence = requests[index]!.tokens;
      tokens.set(sequence.slice(0, -1), row * length);
      targets.set(sequence.slice(1), row * length);
    });
    writeBatch(executor, "evaluate", { tokens, targets });
    const { "evaluate/token_loss": losses } = await executor.run(["evaluate"], ["evaluate/token_loss"]);
    for (const [row, index] of rows.entries()) {
      const { tokens: sequence, from } = requests[index]!;
      let sum = 0;
      for (let i = from; i < sequence.length; i++) sum -= losses![row * length + i - 1]!;
      yield [index, sum];
    }
  }
}
