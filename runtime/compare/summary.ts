/** From the records of finished runs to results. */
import { join } from "node:path";
import { logPath, readLog, type DataInfo, type StepRecord } from "../train/index.ts";
import { diffLines, showDiff } from "./diff.ts";
import { depthsOf } from "./depth-summary.ts";
import { readDepths, type DepthLoss } from "./depths.ts";
import { byLoss, differenceOf, isSound, lossOf } from "./difference.ts";
import { readFailure, readFinal, readStepTimes, runFolder, type FinalRecord, type StepTimes } from "./folder.ts";
import { methodOf } from "./method.ts";
import type { CompareResults, Difference, Estimate, RunResult, StepSeconds, TuningResult, VariantResult } from "./results.ts";
import { recurrenceOf } from "./recurrence.ts";
import type { CompareTask } from "./scores.ts";
import { compareTasks } from "./task-summary.ts";
import type { Variant } from "./variant.ts";
import { routingOf } from "./routing.ts";
import { judge } from "./verdict.ts";
import { mean, median, overRuns, quantile, type Interval, type OverRuns } from "../statistics/describe.ts";

/** What results say about the comparison as a whole. */
export interface About {
  readonly title: string;
  /** Of variants that are points of a grid, by name: see VariantResult. */
  readonly settings: Readonly<Record<string, NonNullable<VariantResult["settings"]>>>;
  /** Name of a variant. */
  readonly baseline: string;
  /** Nats per token that make no difference to the reader. */
  readonly margin: number;
  /** The same for what tasks measure: a share of items. */
  readonly taskMargin: number;
  readonly data: DataInfo;
  /** How the held-out text was chosen. */
  readonly heldOut: string;
  readonly budget: CompareResults["budget"];
  readonly versions: CompareResults["versions"];
  readonly environment: CompareResults["environment"];
}

export interface Summary extends About {
  readonly out: string;
  readonly variants: readonly Variant[];
  readonly seeds: readonly number[];
  /** Held-out tokens behind each final loss. */
  readonly validationTokens: number;
  /** How learning rates were chosen, or null. */
  readonly searched: TuningResult | null;
  readonly tasks: readonly CompareTask[];
  /** Steps of training at which tasks are measured, besides the end. */
  readonly scoreAt: readonly number[];
}

interface Finished {
  readonly variant: Variant;
  readonly runs: readonly Run[];
}

interface Run {
  readonly seed: number;
  readonly final: FinalRecord | null;
  readonly depths: readonly DepthLoss[];
  readonly failed: string | null;
  readonly log: readonly StepRecord[];
}

/** At least one run must be finished. */
export function summarize(options: Summary): CompareResults {
  const { title, seeds, data, heldOut, budget, versions, environment, baseline, margin, tasks, taskMargin, searched } = options;
  const finished = options.variants.map((variant): Finished => ({ variant, runs: seeds.map((seed) => runOf(options, variant, seed)) }));
  const finals = finished.flatMap(({ runs }) => runs.flatMap(({ final }) => final ?? []));
  const base = finished.find(({ variant }) => variant.name === baseline)!;
  const times = readStepTimes(options.out);
  const first = finals[0]!;
  const differences = judge(finished.map((one) => (one === base ? null : differenceBetween(one, base))), margin);
  return {
    format: 2, title, versions, environment, adapter: first.adapter, budget, seeds,
    data: { ...data, bytes_per_token: first.bytesPerToken, held_out: heldOut },
    validation_sequences: Math.max(...finals.map(({ sequences }) => sequences.length)),
    validation_tokens: options.validationTokens, margin, baseline,
    variants: finished.map((one, i) => ({
      ...variantResult(one, base, differences[i]!, times), ...settingsOf(options.settings[one.variant.name]),
    })),
    pairs: pairsOf(finished, margin), tuning: searched, tasks: compareTasks(options, finished, taskMargin),
    recurrence: recurrenceOf(finished.map(({ variant, runs }) => ({ variant, losses: lossesOf(runs) }))),
    method: methodOf(
      {
        seeds: seeds.length, variants: finished.length, margin, budget: budget.given, isTimed: budget.seconds !== undefined,
        searched: searched !== null, tasks: tasks.length, taskMargin,
      },
      finals, times,
    ),
  };
}

const settingsOf = (settings: VariantResult["settings"]): Pick<VariantResult, "settings"> => (settings === undefined ? {} : { settings });

function runOf({ out }: Summary, variant: Variant, seed: number): Run {
  const folder = join(out, runFolder(variant, seed));
  const final = readFinal(folder);
  if (final !== null) return { seed, final, failed: null, depths: readDepths(folder), log: readLog(logPath(folder)) };
  return { seed, final, failed: readFailure(folder)?.failed ?? "it was not finished", depths: [], log: [] };
}

function pairsOf(finished: readonly Finished[], margin: number): CompareResults["pairs"] {
  const pairs = finished.flatMap((one, i) => finished.slice(0, i).map((other) => ({ one, other })));
  const differences = judge(pairs.map(({ one, other }) => differenceBetween(one, other)), margin);
  return pairs.map(({ one, other }, i) => ({ variant: one.variant.name, against: other.variant.name, difference: differences[i]! }));
}

const differenceBetween = (one: Finished, other: Finished): Estimate | null =>
  differenceOf(one.runs.map(byLoss), other.runs.map(byLoss));

/** Of the sound ones. */
const lossesOf = (runs: readonly Run[]): readonly number[] => runs.flatMap(({ final }) => lossOf(final) ?? []);

function variantResult(one: Finished, base: Finished, difference: Difference | null, times: StepTimes | null): VariantResult {
  const { variant, runs } = one;
  const finals = runs.flatMap(({ final }) => final ?? []);
  const losses = lossesOf(runs);
  const loss = losses.length === 0 ? null : mean(losses);
  const isBase = one === base;
  return {
    name: variant.name, spec_hash: variant.specHash, spec: variant.spec,
    spec_diff: isBase ? null : showDiff(diffLines(base.variant.spec, variant.spec)), recipe: variant.recipe,
    parameters: variant.parameters, macs_per_token: variant.macsPerToken, memory_bytes: finals[0]?.memoryBytes ?? null,
    step_seconds: timesInTurn(variant, base.variant, times) ?? timesWhileTraining(one), train_seconds: trainSeconds(runs),
    validation_loss: losses.length === 0 ? null : overRuns(losses),
    perplexity: loss === null ? null : Math.exp(loss),
    bits_per_byte: loss === null ? null : loss / Math.LN2 / finals[0]!.bytesPerToken,
    difference, runs: runs.map((run) => runResult(variant, run)), depths: depthsOf(variant.applied.passes, runs), routing: routingOf(runs),
    sample: finals.find(({ sample }) => sample !== null)?.sample ?? null,
  };
}

const middleHalf = (values: readonly number[]): Interval => ({ low: quantile(values, 0.25), high: quantile(values, 0.75) });

function timesInTurn({ name }: Variant, base: Variant, times: StepTimes | null): StepSeconds | null {
  const rounds = times?.variants[name]?.rounds;
  if (rounds === undefined) return null;
  const baseRounds = times?.variants[base.name]?.rounds;
  const ratios = baseRounds === undefined ? null : rounds.map((seconds, i) => seconds / baseRounds[i]!);
  return {
    median: median(rounds), spread: middleHalf(rounds), measured: "in turn",
    ratio: ratios === null ? null : median(ratios), ratio_spread: ratios === null ? null : middleHalf(ratios),
  };
}

/** The first steps of a run compile shaders on some drivers. */
const WARM_UP = 3;

/** Hours may lie between two runs, so no ratio is taken. */
function timesWhileTraining({ runs }: Finished): StepSeconds | null {
  const seconds = runs.flatMap(({ log }) => log.slice(Math.min(WARM_UP, log.length - 1)).map((record) => record.seconds));
  if (seconds.length === 0) return null;
  return { median: median(seconds), spread: middleHalf(seconds), ratio: null, ratio_spread: null, measured: "while training" };
}

function trainSeconds(runs: readonly Run[]): OverRuns | null {
  const sound = runs.filter(({ final }) => isSound(final));
  return sound.length === 0 ? null : overRuns(sound.map(({ log }) => log.reduce((sum, { seconds }) => sum + seconds, 0)));
}

const CURVE_POINTS = 60;

/** Training losses are averaged over the steps between two points; evaluations are all kept. */
function runResult(variant: Variant, { seed, final, failed, log }: Run): RunResult {
  const stride = Math.max(1, Math.ceil(log.length / CURVE_POINTS));
  const curve: RunResult["curve"][number][] = [];
  let bucket: number[] = [];
  for (const [i, record] of log.entries()) {
    bucket.push(record.ce_loss);
    if (record.validation_loss === undefined && (i + 1) % stride !== 0 && i + 1 < log.length) continue;
    curve.push({ step: record.step, train_loss: mean(bucket), validation_loss: record.validation_loss ?? null });
    bucket = [];
  }
  return { seed, folder: runFolder(variant, seed), diverged: final?.diverged ?? null, failed, validation_loss: lossOf(final), curve };
}
