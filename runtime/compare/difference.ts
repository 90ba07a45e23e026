/** Differences between two variants, paired by seed and held-out sequence. */
import type { FinalRecord } from "./folder.ts";
import type { Difference } from "./results.ts";
import { mean, studentInterval } from "./statistics.ts";

export interface MeasuredRun {
  readonly seed: number;
  /** null if the run failed. */
  readonly final: FinalRecord | null;
}

/** The final losses of `one` less those of `other`; null if no seed has a sound run of both. */
export function differenceOf(one: readonly MeasuredRun[], other: readonly MeasuredRun[]): Difference | null {
  const pairs = one.flatMap(({ seed, final }) => {
    const match = other.find((run) => run.seed === seed)?.final;
    if (!isSound(final) || !isSound(match)) return [];
    return [{ seed, sequences: final.sequences.map((loss, i) => loss - match.sequences[i]!) }];
  });
  if (pairs.length === 0) return null;
  const perSeed = pairs.map(({ seed, sequences }) => ({ seed, difference: mean(sequences) }));
  const differences = perSeed.map(({ difference }) => difference);
  const perSequence = pairs[0]!.sequences.map((_, i) => mean(pairs.map(({ sequences }) => sequences[i]!)));
  return {
    mean: mean(differences), seed_interval: studentInterval(differences), text_interval: studentInterval(perSequence), per_seed: perSeed,
  };
}

/** The run reached its end. */
export const isSound = (final: FinalRecord | null | undefined): final is FinalRecord => final?.diverged === null;
