/** A comparison from checked models to the report: what `compare` and `demo` share. */
import { cpus, release, type } from "node:os";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { AdapterHandle, AdapterInfo } from "../runtime/adapter/index.ts";
import { checkComparison, openComparison, type CompareInfo, type WantedRun } from "../runtime/compare/folder.ts";
import { compareVariants } from "../runtime/compare/index.ts";
import type { CompareResults, StepSeconds } from "../runtime/compare/results.ts";
import { runJobs, type CompareHooks, type CompareOptions } from "../runtime/compare/run.ts";
import { trialJobs } from "../runtime/compare/tune.ts";
import type { Tuning, Variant } from "../runtime/compare/variant.ts";
import type { About } from "../runtime/compare/summary.ts";
import { exitStatusOf, messageOf, UserError } from "../runtime/errors.ts";
import { whenFree } from "../runtime/files/folder.ts";
import { VERSION } from "../runtime/package-root.ts";
import { conclusion } from "../runtime/report/conclusion.ts";
import { scoreText } from "../runtime/report/tables.ts";
import { finalTasks } from "../runtime/report/task-words.ts";
import { differenceText, loss, ratioText, stepsText } from "../runtime/report/words.ts";
import { createProgress, type DataInfo, type Progress } from "../runtime/train/index.ts";
import { bytes, grouped, short, time } from "../runtime/units.ts";
import { budgetWords, requireBytes, withBudget, type Budget } from "./budget.ts";
import { compareTasks, type ScoredBy, type TaskOptions } from "./compare-tasks.ts";
import { readTrainingData, type TrainingData } from "./data.ts";
import { watchInterrupt } from "./interrupt.ts";
import { tuningOf, tuningWords, type TuneOptions } from "./compare-tune.ts";
import { words } from "./shell.ts";
import { say, table } from "./terminal.ts";
import { keepStepSeconds, stepSecondsOf } from "./step-seconds.ts";
import { dataInfoOf, requireComparable, requireEqualSteps, shortcomings, variantOf } from "./variants.ts";

export interface ComparisonOptions {
  readonly title: string;
  readonly models: readonly ModelSpec[];
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

/** Evaluations along a run where the recipe asks for none. */
const EVALUATIONS = 10;

const HELD_OUT: Readonly<Record<TrainingData["heldOutBy"], string>> = {
  pairs: "pairs that training does not see, none of them test items",
  documents: "documents of the corpus, chosen by a hash of their text",
  blocks: "blocks at even distances in the text, whose rest is trained on; other text may order the variants otherwise",
};

/** What is compared, before anything runs. */
interface Plan {
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
}

/** UserError for what cannot be compared, and for a folder that holds other things. */
async function planOf(device: () => Promise<AdapterHandle>, options: ComparisonOptions): Promise<Plan> {
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
  const models = withBudget(budget, given, stepSeconds);
  const variants = models.map((model) => variantOf(model, data, device));
  const named = (model: ModelSpec, stem: string): Variant => variantOf(model, data, device, stem);
  const tuning = options.tune === null ? null : tuningOf(models, options.tune, named);
  const runs = wantedRuns({ variants, seeds, tuning }, tokenizer.file);
  checkComparison(out, runs);
  const asked = variants.map(({ name, specHash, recipe }) => ({ name, specHash, recipe }));
  const info: CompareInfo = { format: 1, variants: asked, seeds, data, evalTokens: 4 * batch * seqLen, finalTokens };
  return { models, stepSeconds, read, data, tokensPerStep: batch * dataset.targetsPerBlock, variants, tuning, runs, info };
}

/** Makes the folder of a comparison whose runs are trained elsewhere. */
export async function openSweep(options: ComparisonOptions): Promise<Pick<Plan, "variants"> & Pick<CompareOptions, "evalEvery">> {
  const { models, variants, runs, info } = await planOf(() => Promise.reject(new Error("nothing is run here")), options);
  openComparison(options.out, info, runs);
  return { variants, evalEvery: evalEveryOf(models) };
}

/** @returns null if interrupted: everything done so far is saved, and the same call goes on from there */
export async function compareModels(device: () => Promise<AdapterHandle>, given: ComparisonOptions): Promise<CompareResults | null> {
  const { models, stepSeconds, read, data, tokensPerStep, variants, tuning, runs, info: asked } = await planOf(device, given);
  const options: ComparisonOptions = { ...given, models };
  const { seeds, source, out } = options;
  const scored = compareTasks(options.tasks, source, Math.max(...models.map(({ train }) => train.steps)), device);
  const { info } = await device();
  shortcomings(models, data, info).forEach(say);
  await whenFree(out, () => {
    openComparison(out, asked, runs);
    if (Object.keys(stepSeconds).length > 0) keepStepSeconds(out, models, stepSeconds);
  }, undefined, say);
  const each = `${stepsText(variants)} of ${grouped(tokensPerStep)} tokens`;
  say(`${models.length} variants × ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}, ${each}, on ${info.name}`);
  const inner = { ...compareOptions(options, variants, read, asked.evalTokens), ...scored, tuning };
  if (tuning !== null) say(tuningWords(tuning));
  return withProgress(out, tokensPerStep, async (hooks) => {
    await options.processes?.(info, hooks.shouldStop!);
    return compareVariants(inner, about(options, read, data, tokensPerStep), hooks);
  });
}

/** All that may be in the folder: also what a search may choose. */
function wantedRuns(
  { variants, seeds, tuning }: Pick<CompareOptions, "variants" | "seeds" | "tuning">, tokenizer: string | undefined,
): readonly WantedRun[] {
  const candidates = tuning === null ? [] : Object.values(tuning.candidates).flat();
  const jobs = tuning === null ? runJobs({ variants, seeds })
    : [...trialJobs(tuning), ...runJobs({ variants: candidates.map(({ run }) => run), seeds })];
  return jobs.map(({ variant, seed, folder }) =>
    ({ folder, info: variant.info(seed, { kind: "", name: "" }), spec: variant.spec, tokenizer }));
}

function compareOptions(
  options: ComparisonOptions, variants: readonly Variant[], { tokenizer, dataset }: TrainingData, evalTokens: number,
): Omit<CompareOptions, keyof ScoredBy | "tuning"> {
  const { out, seeds, finalTokens, depths, prompt, sampleTokens, models, gather, onlyRuns } = options;
  const { seqLen } = models[0]!;
  const data: CompareOptions["data"] = async (seed, batch) => dataset({ seqLen, batch, seed });
  const [measured, samples] = [{ evalEvery: evalEveryOf(models), evalTokens, finalTokens, depths }, { prompt, sampleTokens }];
  return { out, variants, seeds, tokenizer, data, ...measured, ...samples, gather, onlyRuns, since: Date.now() };
}

function evalEveryOf(models: readonly ModelSpec[]): number {
  const { steps, evalEvery } = models[0]!.train;
  return evalEvery > 0 ? evalEvery : Math.max(1, Math.round(steps / EVALUATIONS));
}

function about(
  { title, baseline, margin, tasks, models, budget }: ComparisonOptions, { heldOutBy }: TrainingData, data: DataInfo, tokensPerStep: number,
): About {
  const { seqLen, train: { steps, batch } } = models[0]!;
  return {
    title, baseline, margin, taskMargin: tasks.margin, data, heldOut: HELD_OUT[heldOutBy],
    versions: { moeut: VERSION, node: process.versions.node }, environment: environment(),
    budget: { steps, batch, seq_len: seqLen, tokens: Math.round(steps * tokensPerStep), given: budgetWords(budget) },
  };
}

function environment(): CompareResults["environment"] {
  const processors = cpus();
  return {
    command: words(["moeut", ...process.argv.slice(2)]), system: `${type()} ${release()} on ${process.arch}`,
    processors: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
  };
}

async function withProgress<T>(out: string, tokensPerStep: number, work: (hooks: CompareHooks) => Promise<T>): Promise<T> {
  const left = (): string => `finished runs and checkpoints stay in ${out}, and the same command continues`;
  const interrupt = watchInterrupt("stopping after this step; press Ctrl-C again to quit at once", left);
  let progress: Progress | null = null;
  const label = (variant: Variant, seed: number): string => `${variant.stem} seed ${seed}`;
  let current = "";
  const pause = (): void => progress?.finish();
  return work({
    onRun: (variant, seed, index, total) => {
      current = label(variant, seed);
      progress = createProgress({ output: process.stderr, label: current, steps: variant.recipe.steps, tokensPerStep });
      say(`run ${index} of ${total}: ${current}; compiling …`);
    },
    onStart: ({ parameters }, { memoryBytes }, done) => {
      const resuming = done > 0 ? `, resuming after step ${done}` : "";
      say(`${current}: ${short(parameters.unique)} parameters, ${bytes(memoryBytes)} of buffers${resuming}`);
    },
    onStep: (_, __, record) => progress?.update(record),
    onPhase: (text) => (pause(), say(text)),
    onDone: (_, __, final) => final.diverged !== null && say(`${current}: ${final.diverged}`),
    onFail: (_, __, error) => (pause(), sayFailure(current, error)),
    onTaskFail: (_, __, task, error) => (pause(), sayFailure(`${current} by ${task}`, error)),
    shouldStop: interrupt.requested,
  }).finally(() => {
    pause();
    interrupt.dispose();
  });
}

/** The others go on; but a bug is shown whole, and the exit status tells of it. */
function sayFailure(run: string, error: unknown): void {
  const isBug = exitStatusOf(error) === 3;
  if (isBug) process.exitCode = 3;
  say(`${run} failed: ${isBug && error instanceof Error ? error.stack : messageOf(error)}`);
}

export function baselineOf(models: readonly ModelSpec[], name: string | undefined): string {
  const found = name === undefined ? models[0] : models.find((model) => model.name === name);
  if (found !== undefined) return found.name;
  throw new UserError(`there is no variant "${name}" to compare with; choose one of ${models.map((model) => model.name).join(", ")}`);
}

/** "98.7 ms × 1.63 (1.51 to 1.70)" */
function stepText({ median, ratio, ratio_spread: around }: StepSeconds, isBaseline: boolean): string {
  return ratio === null || around === null || isBaseline ? time(median) : `${time(median)} × ${ratioText(ratio, around)}`;
}

/** The table, and what it says in sentences. */
export const asText = (results: CompareResults): string => `\n${resultTable(results)}\n${conclusion(results).join("\n")}\n`;

/** A row for each variant; below it, where tasks measured them, another of what they found. */
function resultTable(results: CompareResults): string {
  const { variants, baseline } = results;
  const rows = variants.map((v) => [
    v.name, short(v.parameters.unique), short(v.parameters.active), short(v.macs_per_token.full),
    v.validation_loss === null ? "none" : loss(v.validation_loss.mean),
    v.bits_per_byte === null ? "" : loss(v.bits_per_byte),
    v.name === baseline ? "baseline" : v.difference === null ? "" : differenceText(v.difference),
    v.step_seconds === null ? "" : stepText(v.step_seconds, v.name === baseline),
    v.memory_bytes === null ? "" : bytes(v.memory_bytes),
  ]);
  const head = ["variant", "params", "active", "MACs/token", "loss", "bits/byte", `against ${baseline}`, "step", "memory"];
  const tasks = finalTasks(results);
  const scores = [
    ["variant", ...tasks.map(({ task, metric }) => `${task} ${metric}`)],
    ...variants.map((v, i) => [v.name, ...tasks.map((task) => scoreText(task.variants[i]!))]),
  ];
  return table([head, ...rows], ["left", "right", "right", "right", "right", "right", "left", "left", "right"])
    + (tasks.length === 0 ? "" : `\n${table(scores, scores[0]!.map(() => "left"))}`);
}
