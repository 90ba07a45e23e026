/** Differences between two variants, paired by seed and by what both were measured on: held-out sequences, or items of a task. */
import { groupedMean, itemInterval, jointInterval, type Groups } from "../statistics/bootstrap.ts";
import { mean } from "../statistics/describe.ts";
import { studentInterval } from "../statistics/student.ts";
import type { FinalRecord } from "./folder.ts";
import type { Estimate } from "./results.ts";

/** A run as it is compared. */
export interface PairedRun {
  readonly seed: number;
  /** By sequence or item; null without a result. */
  readonly values: readonly number[] | null;
  readonly diverged: boolean;
}

export interface MeasuredRun {
  readonly seed: number;
  /** null if the run failed. */
  readonly final: FinalRecord | null;
}

/** By the losses of held-out sequences. */
export const byLoss = ({ seed, final }: MeasuredRun): PairedRun =>
  ({ seed, values: isSound(final) ? final.sequences : null, diverged: hasDiverged(final) });

/**
 * The values of `one` less those of `other`; null if no seed has a result of both.
 * @param groups of the items
 */
export function differenceOf(one: readonly PairedRun[], other: readonly PairedRun[], groups?: Groups): Estimate | null {
  const pairs = one.flatMap(({ seed, values }) => {
    const match = other.find((run) => run.seed === seed)?.values ?? null;
    return values === null || match === null ? [] : [{ seed, values: values.map((value, i) => value - match[i]!) }];
  });
  if (pairs.length === 0) return null;
  const values = pairs.map((pair) => pair.values);
  const perSeed = pairs.map((pair) => ({ seed: pair.seed, difference: groupedMean(pair.values, groups) }));
  const differences = perSeed.map(({ difference }) => difference);
  return {
    mean: mean(differences), seed_interval: studentInterval(differences), text_interval: itemInterval(values, groups),
    joint_interval: jointInterval(values, groups), per_seed: perSeed,
    diverged: { variant: one.filter((run) => run.diverged).length, against: other.filter((run) => run.diverged).length },
  };
}

/** The run reached its end. */
export const isSound = (final: FinalRecord | null | undefined): final is FinalRecord => final?.diverged === null;

/** Over all that was held out; null unless the run is sound. */
export const lossOf = (final: FinalRecord | null): number | null => (isSound(final) ? mean(final.sequences) : null);

export const hasDiverged = (final: FinalRecord | null): boolean => final !== null && !isSound(final);
