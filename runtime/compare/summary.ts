/** From the records of finished runs to results. */
import { join } from "node:path";
import { logPath, readLog, type DataInfo, type StepRecord } from "../train/index.ts";
import { diffLines, showDiff } from "./diff.ts";
import { readFinal, runFolder, type FinalRecord } from "./folder.ts";
import type { CompareResults, Difference, RunResult, VariantResult } from "./results.ts";
import type { Variant } from "./run.ts";
import { bootstrapInterval, deviation, mean, median, studentInterval } from "./statistics.ts";

export interface SummaryOptions {
  readonly out: string;
  readonly title: string;
  readonly variants: readonly Variant[];
  readonly seeds: readonly number[];
  /** Name of a variant. */
  readonly baseline: string;
  readonly data: DataInfo;
  readonly budget: CompareResults["budget"];
  readonly versions: CompareResults["versions"];
}

interface Finished {
  readonly variant: Variant;
  readonly runs: readonly { readonly seed: number; readonly final: FinalRecord; readonly log: readonly StepRecord[] }[];
}

/** All runs must be finished. */
export function summarize(options: SummaryOptions): CompareResults {
  const { out, title, seeds, data, budget, versions, baseline } = options;
  const finished = options.variants.map((variant): Finished => ({
    variant,
    runs: seeds.map((seed) => {
      const folder = join(out, runFolder(variant.name, seed));
      return { seed, final: readFinal(folder)!, log: readLog(logPath(folder)) };
    }),
  }));
  const base = finished.find(({ variant }) => variant.name === baseline)!;
  const first = base.runs[0]!.final;
  return {
    format: 1, title, versions, adapter: first.adapter, data: { ...data, bytes_per_token: first.bytesPerToken }, budget, seeds,
    validation_sequences: Math.max(...finished.flatMap(({ runs }) => runs.map(({ final }) => final.sequences.length))),
    baseline, variants: finished.map((one) => variantResult(one, base)), method: methodOf(seeds.length, adaptersOf(finished)),
  };
}

function variantResult(one: Finished, base: Finished): VariantResult {
  const { variant, runs } = one;
  const losses = runs.flatMap(({ final }) => (final.diverged === null ? [mean(final.sequences)] : []));
  const loss = losses.length === 0 ? null : mean(losses);
  const isBase = one === base;
  const [seconds, baseSeconds] = [stepSeconds(one), stepSeconds(base)];
  return {
    name: variant.name, spec_hash: variant.specHash, spec: variant.spec,
    spec_diff: isBase ? null : showDiff(diffLines(base.variant.spec, variant.spec)),
    parameters: variant.parameters, macs_per_token: variant.macsPerToken, memory_bytes: runs[0]!.final.memoryBytes,
    step_seconds: seconds === null ? null : { median: seconds, ratio: seconds / (baseSeconds ?? seconds) },
    validation_loss: loss === null ? null : { mean: loss, sd: deviation(losses) },
    perplexity: loss === null ? null : Math.exp(loss),
    bits_per_byte: loss === null ? null : loss / Math.LN2 / runs[0]!.final.bytesPerToken,
    difference: isBase ? null : differenceOf(one, base),
    runs: runs.map(({ seed, final, log }) => runResult(variant, seed, final, log)),
    sample: runs.find(({ final }) => final.sample !== null)?.final.sample ?? null,
  };
}

/** The first steps of a run compile shaders on some drivers. */
const WARM_UP = 3;

function stepSeconds({ runs }: Finished): number | null {
  const seconds = runs.flatMap(({ log }) => log.slice(Math.min(WARM_UP, log.length - 1)).map((record) => record.seconds));
  return seconds.length === 0 ? null : median(seconds);
}

function differenceOf(one: Finished, base: Finished): Difference | null {
  const pairs = one.runs.flatMap(({ seed, final }, i) => {
    const other = base.runs[i]!.final;
    return final.diverged !== null || other.diverged !== null ? [] : [{ seed, sequences: final.sequences.map((loss, j) => loss - other.sequences[j]!) }];
  });
  if (pairs.length === 0) return null;
  const perSeed = pairs.map(({ seed, sequences }) => ({ seed, difference: mean(sequences) }));
  const differences = perSeed.map(({ difference }) => difference);
  return { mean: mean(differences), interval: bootstrapInterval(pairs.map((p) => p.sequences)), seed_interval: studentInterval(differences), per_seed: perSeed };
}

const CURVE_POINTS = 60;

/** Training losses are averaged over the steps between two points; evaluations are all kept. */
function runResult(variant: Variant, seed: number, final: FinalRecord, log: readonly StepRecord[]): RunResult {
  const stride = Math.max(1, Math.ceil(log.length / CURVE_POINTS));
  const curve: RunResult["curve"][number][] = [];
  let bucket: number[] = [];
  for (const [i, record] of log.entries()) {
    bucket.push(record.ce_loss);
    if (record.validation_loss === undefined && (i + 1) % stride !== 0 && i + 1 < log.length) continue;
    curve.push({ step: record.step, train_loss: mean(bucket), validation_loss: record.validation_loss ?? null });
    bucket = [];
  }
  return { seed, folder: runFolder(variant.name, seed), diverged: final.diverged, validation_loss: final.diverged === null ? mean(final.sequences) : null, curve };
}

const adaptersOf = (finished: readonly Finished[]): readonly string[] => [...new Set(finished.flatMap(({ runs }) => runs.map(({ final }) => final.adapter.name)))];

function methodOf(seeds: number, adapters: readonly string[]): readonly string[] {
  return [
    "Every variant is trained for the same number of steps on the same sequences in the same order: the seed decides the order of the data and the initial weights, and runs of one seed form a pair.",
    "The final loss is the mean cross-entropy over the same held-out sequences for all runs, measured once after the last step; balance losses are not part of it.",
    seeds > 1
      ? `Differences are paired by seed and by sequence. Their 95 % intervals come from 10,000 bootstrap resamples that draw seeds and sequences independently, with replacement. With ${seeds} seeds the spread over seeds is only roughly known, and such intervals tend to be too narrow; the differences of the single seeds and an interval by Student's t over seeds stand beside them.`
      : "Differences are paired by sequence. Their 95 % intervals come from 10,000 bootstrap resamples of the held-out sequences. There is one seed: the intervals do not know how much another seed would change, so small differences mean nothing.",
    "Neighbouring held-out sequences may come from one document; the bootstrap treats them as independent.",
    "Step times are medians on this machine, with whatever else it was doing; only their ratios within this comparison say something. Memory is the sum of all buffers on the device, planned before training.",
    "MACs are multiply-accumulates of one forward pass per token with everything counted (causal attention, routers, head); training needs about three times as many.",
    ...(adapters.length > 1 ? [`The comparison was continued on another adapter (${adapters.join("; ")}): step times are not comparable.`] : []),
  ];
}
