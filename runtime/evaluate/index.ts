/** Loss of a model on held-out data. */
import type { ValidationBatch } from "../data/index.ts";
import { writeBatch } from "../standalone/train-step.ts";
import type { Executor } from "../standalone/types.ts";

export interface Evaluation {
  /** Mean cross-entropy in nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  /** Tokens predicted. */
  readonly tokens: number;
  /** Mean loss of each sequence, in the order of the data. */
  readonly sequences: readonly number[];
}

/** Runs the "evaluate" entry over batches of the size it was planned for; rows that pad the last one do not count. */
export async function evaluate(executor: Executor, batches: Iterable<ValidationBatch>, bytesPerToken: number, onBatch: (sequences: number) => void = () => {}): Promise<Evaluation> {
  const seqLen = executor.shape("evaluate/tokens")[1]!;
  const sequences: number[] = [];
  for (const batch of batches) {
    writeBatch(executor, "evaluate", batch);
    const losses = (await executor.run(["evaluate"], ["evaluate/token_loss"]))["evaluate/token_loss"]!;
    for (let row = 0; row < batch.rows; row++) sequences.push(mean(losses.subarray(row * seqLen, (row + 1) * seqLen)));
    onBatch(sequences.length);
  }
  return summary(sequences, seqLen, bytesPerToken);
}

/** Sums in float64, whatever the array holds. */
function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

function summary(sequences: readonly number[], seqLen: number, bytesPerToken: number): Evaluation {
  const loss = mean(sequences);
  return { loss, perplexity: Math.exp(loss), bitsPerByte: loss / Math.LN2 / bytesPerToken, tokens: sequences.length * seqLen, sequences };
}
