/** Loss of a model on held-out data. */
import type { ValidationBatch } from "../data/index.ts";
import { IGNORED, writeBatch } from "../standalone/train-step.ts";
import type { Executor, HostArray } from "../standalone/types.ts";

export interface Evaluation {
  /** Mean cross-entropy in nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  /** Tokens predicted. */
  readonly tokens: number;
  /** Mean loss of each sequence, in the order of the data. */
  readonly sequences: readonly number[];
  /** Tokens of each sequence that count. */
  readonly counts: readonly number[];
  /** Tokens of each sequence that count and are the most probable ones; null unless the executor keeps "best". */
  readonly right: readonly number[] | null;
  /** Mean number of passes that a token takes before it halts; null for models without halting. */
  readonly passes: number | null;
}

/** Runs the "evaluate" entry over batches of the size it was planned for. Positions that do not count are read and not scored. */
export async function evaluate(
  executor: Executor, batches: Iterable<ValidationBatch>, onBatch: (sequences: number) => void = () => {},
): Promise<Evaluation> {
  const seqLen = executor.shape("evaluate/tokens")[1]!;
  const sequences: number[] = [];
  const passes: number[] = [];
  const counts: number[] = [];
  const right: number[] = [];
  const outputs = ["evaluate/token_loss", "evaluate/passes", "evaluate/best"].filter((name) => executor.has(name));
  for (const batch of batches) {
    writeBatch(executor, "evaluate", batch);
    const { "evaluate/token_loss": losses, "evaluate/passes": taken, "evaluate/best": best } = await executor.run(["evaluate"], outputs);
    const scored = countedPositions(batch, seqLen);
    const means = (values: HostArray): readonly number[] => scored.map((positions) => mean(positions, values));
    counts.push(...scored.map(({ length }) => length));
    sequences.push(...means(losses!));
    if (taken !== undefined) passes.push(...means(taken));
    if (best !== undefined) right.push(...scored.map((positions) => positions.filter((at) => best[at] === batch.targets[at]).length));
    onBatch(sequences.length);
  }
  return { ...summary(sequences, passes, counts), right: right.length === 0 ? null : right };
}

/**
 * Tokens: the share of them that are the most probable ones. Answers: the share of sequences all of whose tokens are so, the end too, which
 * is what greedy decoding answers exactly, since it reads the same words as long as they are right. @param evaluation with `right`
 */
export function accuracyOf({ right, counts, tokens }: Evaluation, of: "tokens" | "answers"): number {
  if (of === "tokens") return right!.reduce((sum, n) => sum + n, 0) / tokens;
  return counts.filter((count, i) => right![i] === count).length / counts.length;
}

/** Why a loss measures nothing, or null if it does. */
export function nonFinite({ sequences }: Evaluation): string | null {
  const bad = sequences.filter((loss) => !Number.isFinite(loss)).length;
  if (bad === 0) return null;
  return `the loss is not finite (NaN or infinite in ${bad} of ${sequences.length} windows): `
    + "numbers in the model are too large for float32";
}

/** Positions of a batch that count, of each row that does. */
export const countedPositions = ({ targets, scoredFrom }: ValidationBatch, seqLen: number): readonly (readonly number[])[] =>
  scoredFrom.map((from, row) => Array.from({ length: seqLen - from }, (_, i) => row * seqLen + from + i)
    .filter((position) => targets[position] !== IGNORED));

/** Sums in float64, whatever the array holds. */
const mean = (positions: readonly number[], values: HostArray): number =>
  positions.reduce((sum, position) => sum + values[position]!, 0) / positions.length;

/**
 * @param passes mean of each sequence, empty for models without halting
 * @param counts tokens of each sequence
 */
function summary(sequences: readonly number[], passes: readonly number[], counts: readonly number[]): Omit<Evaluation, "right"> {
  const tokens = counts.reduce((a, b) => a + b, 0);
  const overTokens = (means: readonly number[]): number => means.reduce((sum, value, i) => sum + value * (counts[i]! / tokens), 0);
  const loss = overTokens(sequences);
  return {
    loss, perplexity: Math.exp(loss), tokens, sequences, counts,
    passes: passes.length === 0 ? null : overTokens(passes),
  };
}
