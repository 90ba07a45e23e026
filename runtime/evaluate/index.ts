/** Loss of a model on held-out data. */
import type { ValidationBatch } from "../data/index.ts";
import { writeBatch } from "../standalone/train-step.ts";
import type { Executor, HostArray } from "../standalone/types.ts";

export interface Evaluation {
  /** Mean cross-entropy in nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  /** Tokens predicted. */
  readonly tokens: number;
  /** Mean loss of each sequence, in the order of the data. */
  readonly sequences: readonly number[];
  /** Mean number of passes that a token takes before it halts; null for models without halting. */
  readonly passes: number | null;
}

/** Runs the "evaluate" entry over batches of the size it was planned for; rows that pad the last one do not count. */
export async function evaluate(executor: Executor, batches: Iterable<ValidationBatch>, bytesPerToken: number, onBatch: (sequences: number) => void = () => {}): Promise<Evaluation> {
  const seqLen = executor.shape("evaluate/tokens")[1]!;
  const sequences: number[] = [];
  const passes: number[] = [];
  const outputs = ["evaluate/token_loss", "evaluate/passes"].filter((name) => executor.has(name));
  const means = (values: HostArray, rows: number): readonly number[] => Array.from({ length: rows }, (_, row) => mean(values.subarray(row * seqLen, (row + 1) * seqLen)));
  for (const batch of batches) {
    writeBatch(executor, "evaluate", batch);
    const { "evaluate/token_loss": losses, "evaluate/passes": taken } = await executor.run(["evaluate"], outputs);
    sequences.push(...means(losses!, batch.rows));
    if (taken !== undefined) passes.push(...means(taken, batch.rows));
    onBatch(sequences.length);
  }
  return summary(sequences, passes, seqLen, bytesPerToken);
}

/** Sums in float64, whatever the array holds. */
function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** @param passes mean of each sequence, empty for models without halting */
function summary(sequences: readonly number[], passes: readonly number[], seqLen: number, bytesPerToken: number): Evaluation {
  const loss = mean(sequences);
  return {
    loss, perplexity: Math.exp(loss), bitsPerByte: loss / Math.LN2 / bytesPerToken, tokens: sequences.length * seqLen, sequences,
    passes: passes.length === 0 ? null : mean(passes),
  };
}
