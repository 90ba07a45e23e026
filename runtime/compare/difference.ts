/** Differences between two variants, paired by seed and held-out sequence. */
import { jointInterval } from "../statistics/bootstrap.ts";
import { mean } from "../statistics/describe.ts";
import { studentInterval } from "../statistics/student.ts";
import type { FinalRecord } from "./folder.ts";
import type { Estimate } from "./results.ts";

export interface MeasuredRun {
  readonly seed: number;
  /** null if the run failed. */
  readonly final: FinalRecord | null;
}

/** The final losses of `one` less those of `other`; null if no seed has a sound run of both. */
export function differenceOf(one: readonly MeasuredRun[], other: readonly MeasuredRun[]): Estimate | null {
  const pairs = one.flatMap(({ seed, final }) => {
    const match = other.find((run) => run.seed === seed)?.final;
    if (!isSound(final) || !isSound(match)) return [];
    return [{ seed, sequences: final.sequences.map((loss, i) => loss - match.sequences[i]!) }];
  });
  if (pairs.length === 0) return null;
  const sequences = pairs.map((pair) => pair.sequences);
  const perSeed = pairs.map((pair) => ({ seed: pair.seed, difference: mean(pair.sequences) }));
  const differences = perSeed.map(({ difference }) => difference);
  const perSequence = sequences[0]!.map((_, i) => mean(sequences.map((losses) => losses[i]!)));
  return {
    mean: mean(differences), seed_interval: studentInterval(differences), text_interval: studentInterval(perSequence),
    joint_interval: jointInterval(sequences), per_seed: perSeed, diverged: { variant: countDiverged(one), against: countDiverged(other) },
  };
}

const countDiverged = (runs: readonly MeasuredRun[]): number => runs.filter(({ final }) => final !== null && !isSound(final)).length;

/** The run reached its end. */
export const isSound = (final: FinalRecord | null | undefined): final is FinalRecord => final?.diverged === null;
