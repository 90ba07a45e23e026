/** The search for each variant's learning rate: trials on seeds that are not compared, and the one with the least held-out loss. */
import { join } from "node:path";
import { mean } from "../statistics/describe.ts";
import { lossOf } from "./difference.ts";
import { readFailure, readFinal, trialFolder } from "./folder.ts";
import type { TrialResult, TuningResult } from "./results.ts";
import type { CompareOptions, Job } from "./run.ts";
import type { Candidate, Tuning, Variant } from "./variant.ts";

/** Of all variants. Values are the inner loop, so that a search that was cut off has a whole one for the first variants. */
export const trialJobs = ({ seeds, candidates }: Tuning): readonly Job[] => seeds.flatMap((seed) =>
  Object.values(candidates).flatMap((of) => of.map(({ trial }) =>
    ({ variant: trial, seed, folder: trialFolder(trial, seed), isTrial: true }))));

interface Tuned {
  /** As they are to be compared. */
  readonly variants: readonly Variant[];
  readonly result: TuningResult | null;
}

/** What the trials say that are finished. Where none of a variant is sound, its least value is taken, and the runs say the rest. */
export function tuned({ out, variants, tuning }: Pick<CompareOptions, "out" | "variants" | "tuning">): Tuned {
  if (tuning === null) return { variants, result: null };
  const found = variants.map(({ name }) => {
    const trials = tuning.candidates[name]!.map((candidate) => trialOf(out, candidate, tuning.seeds));
    const best = bestOf(trials);
    return { name, trials, best, candidate: tuning.candidates[name]![best ?? leastOf(trials)]! };
  });
  return {
    variants: found.map(({ candidate }) => candidate.run),
    result: {
      setting: "lr", seeds: tuning.seeds, steps: tuning.steps,
      variants: found.map(({ name, trials, best, candidate }) =>
        ({ name, chosen: candidate.lr, sound: best !== null, edge: edgeOf(trials, best), trials })),
    },
  };
}

function trialOf(out: string, { lr, trial }: Candidate, seeds: readonly number[]): TrialResult {
  const runs = seeds.map((seed) => {
    const folder = join(out, trialFolder(trial, seed));
    const final = readFinal(folder);
    const failed = final === null ? (readFailure(folder)?.failed ?? null) : null;
    return { seed, folder: trialFolder(trial, seed), validation_loss: lossOf(final), diverged: final?.diverged ?? null, failed };
  });
  const losses = runs.flatMap(({ validation_loss: loss }) => loss ?? []);
  return { lr, validation_loss: losses.length === runs.length ? mean(losses) : null, runs };
}

/** null if none has a result with every seed. */
function bestOf(trials: readonly TrialResult[]): number | null {
  const losses = trials.map(({ validation_loss: loss }) => loss ?? Infinity);
  const least = Math.min(...losses);
  return least === Infinity ? null : losses.indexOf(least);
}

const leastOf = (trials: readonly TrialResult[]): number => {
  const values = trials.map(({ lr }) => lr);
  return values.indexOf(Math.min(...values));
};

/** At an edge of the grid the best value may lie beyond it. */
function edgeOf(trials: readonly TrialResult[], best: number | null): "least" | "greatest" | null {
  if (best === null || trials.length < 2) return null;
  const [chosen, values] = [trials[best]!.lr, trials.map(({ lr }) => lr)];
  return chosen === Math.min(...values) ? "least" : chosen === Math.max(...values) ? "greatest" : null;
}
