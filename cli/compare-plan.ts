/** What is compared, decided before anything runs: models with their steps, data, and the runs that may be in the folder. */
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { AdapterHandle, AdapterInfo } from "../runtime/adapter/index.ts";
import { checkComparison, openComparison, type CompareInfo, type WantedRun } from "../runtime/compare/folder.ts";
import { runJobs, type CompareOptions } from "../runtime/compare/run.ts";
import type { About } from "../runtime/compare/summary.ts";
import { trialJobs } from "../runtime/compare/tune.ts";
import type { Tuning, Variant } from "../runtime/compare/variant.ts";
import { UserError } from "../runtime/errors.ts";
import type { DataInfo } from "../runtime/train/index.ts";
import { requireBytes, withBudget, type Budget } from "./budget.ts";
import type { TaskOptions } from "./compare-tasks.ts";
import { tuningOf, type TuneOptions } from "./compare-tune.ts";
import { readTrainingData, type TrainingData } from "./data.ts";
import { stepSecondsOf } from "./step-seconds.ts";
import { dataInfoOf, requireComparable, requireEqualSteps, variantOf } from "./variants.ts";

export interface ComparisonOptions {
  readonly title: string;
  readonly models: readonly ModelSpec[];
  /** Of models that are points of a grid, by name: what was varied, and its value. */
  readonly settings: About["settings"];
  /** Name of a model. */
  readonly baseline: string;
  readonly source: readonly string[];
  /** A tokenizer.json; undefined for bytes, or for the one of a prepared corpus. */
  readonly tokenizer?: string;
  readonly seeds: readonly number[];
  readonly out: string;
  /** Held-out tokens behind the final losses. */
  readonly finalTokens: number;
  /** Nats per token: differences within it are equivalent. */
  readonly margin: number;
  /** Passes at which recurrent variants are measured besides the trained ones; null: the usual ones, where cheap. */
  readonly depths: readonly number[] | null;
  readonly tasks: TaskOptions;
  readonly tune: TuneOptions | null;
  readonly budget: Budget;
  readonly prompt: string | null;
  readonly sampleTokens: number;
  /** Runs are finished or fail: none is trained. */
  readonly gather: boolean;
  /** Another process makes the report. */
  readonly onlyRuns: boolean;
  /** Others that train first; what they leave is done here. */
  readonly processes: ((info: AdapterInfo, shouldStop: () => boolean) => Promise<void>) | null;
}

/** The margin where none is asked for. */
export const MARGIN = 0.01;

export function baselineOf(models: readonly ModelSpec[], name: string | undefined): string {
  const found = name === undefined ? models[0] : models.find((model) => model.name === name);
  if (found !== undefined) return found.name;
  throw new UserError(`there is no variant "${name}" to compare with; choose one of ${models.map((model) => model.name).join(", ")}`);
}

export interface Plan {
  /** Each with its number of steps. */
  readonly models: readonly ModelSpec[];
  /** By name, where they were needed. */
  readonly stepSeconds: Readonly<Record<string, number>>;
  readonly read: TrainingData;
  readonly data: DataInfo;
  /** That count: of pairs, what is answered. */
  readonly tokensPerStep: number;
  readonly variants: readonly Variant[];
  readonly tuning: Tuning | null;
  readonly runs: readonly WantedRun[];
  readonly info: CompareInfo;
  /** In steps. */
  readonly evalEvery: number;
}

/** UserError for what cannot be compared, and for a folder that holds other things. */
export async function planOf(device: () => Promise<AdapterHandle>, options: ComparisonOptions): Promise<Plan> {
  const { models: given, budget, seeds, source, out, finalTokens } = options;
  requireComparable(given);
  if (budget.spent === null) requireEqualSteps(given);
  requireBytes(budget, given);
  const { seqLen, train: { batch } } = given[0]!;
  const read = await readTrainingData(source, given, options);
  const { tokenizer } = read;
  const dataset = read.dataset({ seqLen, batch, seed: seeds[0]! });
  const data = dataInfoOf(source, dataset, tokenizer.id);
  const stepSeconds = budget.spent?.unit !== "seconds" ? {} : await stepSecondsOf(
    out, given, (model) => variantOf(model, data, device), (size) => read.dataset({ seqLen, batch: size, seed: 0 }));
  const models = withBudget(budget, given, dataset, stepSeconds);
  const variants = models.map((model) => variantOf(model, data, device));
  const named = (model: ModelSpec, stem: string): Variant => variantOf(model, data, device, stem);
  const tuning = options.tune === null ? null : tuningOf(models, options.tune, named);
  const runs = wantedRuns({ variants, seeds, tuning }, tokenizer.file);
  checkComparison(out, runs);
  const asked = variants.map(({ name, specHash, recipe }) => ({ name, specHash, recipe }));
  const info: CompareInfo = { format: 1, variants: asked, seeds, data, evalTokens: 4 * batch * seqLen, finalTokens };
  const tokensPerStep = batch * dataset.targetsPerBlock;
  return { models, stepSeconds, read, data, tokensPerStep, variants, tuning, runs, info, evalEvery: evalEveryOf(models) };
}

/** Makes the folder of a comparison whose runs are trained elsewhere. */
export async function openSweep(options: ComparisonOptions): Promise<Plan> {
  const plan = await planOf(() => Promise.reject(new Error("nothing is run here")), options);
  openComparison(options.out, plan.info, plan.runs);
  return plan;
}

/** All runs that may be in the folder: also what a search may choose. */
function wantedRuns(
  { variants, seeds, tuning }: Pick<CompareOptions, "variants" | "seeds" | "tuning">, tokenizer: string | undefined,
): readonly WantedRun[] {
  const candidates = tuning === null ? [] : Object.values(tuning.candidates).flat();
  const jobs = tuning === null ? runJobs({ variants, seeds })
    : [...trialJobs(tuning), ...runJobs({ variants: candidates.map(({ run }) => run), seeds })];
  return jobs.map(({ variant, seed, folder }) =>
    ({ folder, info: variant.info(seed, { kind: "", name: "" }), spec: variant.spec, tokenizer }));
}

/** Evaluations along a run where the recipe asks for none. */
const EVALUATIONS = 10;

function evalEveryOf(models: readonly ModelSpec[]): number {
  const { steps, evalEvery } = models[0]!.train;
  return evalEvery > 0 ? evalEvery : Math.max(1, Math.round(steps / EVALUATIONS));
}

