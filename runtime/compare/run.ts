/** One run of a comparison: a variant is trained with a seed, and measured at its end, by held-out data and by tasks. */
import { join } from "node:path";
import type { Dataset, Tokenizer } from "../data/index.ts";
import { countedPositions, evaluate } from "../evaluate/index.ts";
import type { AdapterName, Session } from "../session.ts";
import { Diverged, startRun, train, type StepRecord, type TrainOptions } from "../train/index.ts";
import { isSound } from "./difference.ts";
import { readFailure, readFinal, runFolder, writeFinal, type FinalRecord } from "./folder.ts";
import { trainedElsewhere } from "./gathered.ts";
import { isScored, score, type CompareTask } from "./scores.ts";
import type { Sessions } from "./sessions.ts";
import type { Tuning, Variant } from "./variant.ts";

export interface CompareOptions {
  readonly out: string;
  readonly variants: readonly Variant[];
  readonly seeds: readonly number[];
  readonly tokenizer: Tokenizer;
  /** In batches of that many sequences; their order depends on the seed alone. */
  readonly data: (seed: number, batch: number) => Promise<Dataset>;
  readonly evalEvery: number;
  readonly evalTokens: number;
  readonly finalTokens: number;
  /** Passes at which recurrent variants are measured besides those that they were trained with; null: the usual ones, where cheap. */
  readonly depths: readonly number[] | null;
  readonly tasks: readonly CompareTask[];
  /** Steps of training at which tasks are measured, besides the end; in order. */
  readonly scoreAt: readonly number[];
  /** Which learning rates are tried for each variant; null: that of the spec is taken. */
  readonly tuning: Tuning | null;
  /** When this comparison began, in milliseconds since 1970: what failed before is tried again. */
  readonly since: number;
  /** null: the beginning of the first held-out sequence. */
  readonly prompt: string | null;
  readonly sampleTokens: number;
  /** Another process makes the report. */
  readonly onlyRuns: boolean;
  /** Runs are trained elsewhere: here they are finished, or fail. */
  readonly gather: boolean;
}

export interface CompareHooks {
  readonly onRun?: (job: Job, index: number, total: number) => void;
  readonly onStart?: (variant: Variant, session: Session, done: number) => void;
  readonly onStep?: (variant: Variant, seed: number, record: StepRecord) => void;
  /** What happens beside training: "measuring", "sampling". */
  readonly onPhase?: (text: string) => void;
  readonly onDone?: (variant: Variant, seed: number, final: FinalRecord) => void;
  /** A run that ended without a result: its model is too large for the device, say. */
  readonly onFail?: (variant: Variant, seed: number, error: unknown) => void;
  /** What went wrong beside training, of which nothing else depends: "measuring a seed 0 by blimp". */
  readonly onMiss?: (what: string, error: unknown) => void;
  readonly shouldStop?: () => boolean;
}

/** Data in the micro-batches of a variant. */
export const dataOf = ({ data }: CompareOptions, { recipe: { batch, accumulate } }: Variant, seed: number): Promise<Dataset> =>
  data(seed, batch / accumulate);

/** What one process does at a time: a variant is trained with a seed, and measured. */
export interface Job {
  readonly variant: Variant;
  readonly seed: number;
  /** The run folder, in that of the comparison. */
  readonly folder: string;
  /** Of a search, which looks at losses alone: tasks do not measure it. */
  readonly isTrial: boolean;
}

/** What a sweep calls it: a run by its variant, whatever the search chose for it. */
export const jobName = ({ variant, seed, isTrial }: Job): string => `${isTrial ? variant.stem : variant.name}-seed${seed}`;

/** Seeds are the outer loop, so that an unfinished comparison has something to say about all variants. */
export const runJobs = ({ seeds, variants }: Pick<CompareOptions, "seeds" | "variants">): readonly Job[] =>
  seeds.flatMap((seed) => variants.map((variant) => ({ variant, seed, folder: runFolder(variant, seed), isTrial: false })));

export interface SoundRun {
  readonly seed: number;
  readonly folder: string;
  readonly final: FinalRecord;
}

/** The runs of a variant that reached their end, in the order of the seeds. */
export function soundRuns(options: CompareOptions, variant: Variant): readonly SoundRun[] {
  const folders = options.seeds.map((seed) => ({ seed, folder: join(options.out, runFolder(variant, seed)) }));
  const runs = folders.map((run) => ({ ...run, final: readFinal(run.folder) }));
  return runs.filter((run): run is SoundRun => isSound(run.final));
}

export const firstSoundRun = (options: CompareOptions, variant: Variant): SoundRun | null => soundRuns(options, variant)[0] ?? null;

/** What is behind each final loss: sequences, and the tokens of them that count. */
export async function countHeldOut(options: CompareOptions): Promise<{ readonly sequences: number; readonly tokens: number }> {
  const data = await dataOf(options, options.variants[0]!, options.seeds[0]!);
  const counted = [...data.validationBatches(options.finalTokens)].flatMap((batch) => countedPositions(batch, data.seqLen));
  return { sequences: counted.length, tokens: counted.reduce((sum, positions) => sum + positions.length, 0) };
}

/** A finished run that was measured on more or less text than is asked for now is measured again. */
const isMeasured = (final: FinalRecord | null, nHeldOut: number): boolean =>
  final !== null && (final.diverged !== null || final.sequences.length === nHeldOut);

/**
 * Nothing is left to do: diverged, or measured by held-out data and all tasks; or it failed since this comparison began.
 * @param nHeldOut sequences, see countHeldOut
 */
export function isDone(options: CompareOptions, job: Job, nHeldOut: number): boolean {
  const folder = join(options.out, job.folder);
  const final = readFinal(folder);
  if (!isMeasured(final, nHeldOut)) return (readFailure(folder)?.at ?? -1) > options.since;
  return !isSound(final) || tasksOf(options, job).every((task) => isScored(folder, task, job.variant.recipe.steps, options.since));
}

const tasksOf = ({ tasks }: CompareOptions, { isTrial }: Job): readonly CompareTask[] => (isTrial ? [] : tasks);

/**
 * Does what is not done of it, in a folder that nobody else has.
 * @param nHeldOut sequences, see countHeldOut
 * @returns null if stopped before the end
 */
export async function runJob(
  options: CompareOptions, job: Job, nHeldOut: number, sessions: Sessions, hooks: CompareHooks,
): Promise<FinalRecord | null> {
  const before = readFinal(join(options.out, job.folder));
  const final = isMeasured(before, nHeldOut) ? before : await trainAndMeasure(options, job, sessions, hooks);
  if (!isSound(final)) return final;
  return (await scoreAll(options, job, job.variant.recipe.steps, hooks)) ? final : null;
}

/** @returns null if stopped before the end */
async function trainAndMeasure(options: CompareOptions, job: Job, sessions: Sessions, hooks: CompareHooks): Promise<FinalRecord | null> {
  const { variant, seed } = job;
  const folder = join(options.out, job.folder);
  const elsewhere = options.gather ? gathered(options, job) : null;
  const data = await dataOf(options, variant, seed);
  const { session } = await sessions.get(variant);
  const { finished, diverged } = elsewhere ?? await trainToEnd(options, job, session, data, hooks);
  if (!finished) return null;
  if (diverged !== null) sessions.discard(variant); // its gradients are not finite
  const outcome = diverged === null ? await measure(options, variant, session, data, hooks) : { diverged, sequences: [] };
  const { memoryBytes, adapter } = session;
  const final: FinalRecord = {
    format: 1, ...outcome, bytesPerToken: data.bytesPerToken, memoryBytes, adapter, sample: readFinal(folder)?.sample ?? null,
  };
  writeFinal(folder, final);
  return final;
}

/** By the tasks that did not measure these weights yet. @returns false if stopped early */
async function scoreAll(options: CompareOptions, job: Job, step: number, hooks: CompareHooks): Promise<boolean> {
  const { variant, seed } = job;
  const folder = join(options.out, job.folder);
  for (const task of tasksOf(options, job).filter((one) => !isScored(folder, one, step, options.since))) {
    if (hooks.shouldStop?.() === true) return false;
    const what = `measuring ${variant.name} seed ${seed} by ${task.name}`;
    hooks.onPhase?.(`${what} …`);
    const error = await score(folder, task, step);
    if (error !== null) hooks.onMiss?.(what, error);
  }
  return true;
}

interface TrainEnd {
  /** false if stopped early */
  readonly finished: boolean;
  /** What went wrong, or null. */
  readonly diverged: string | null;
}

/** See trainedElsewhere. */
function gathered({ out, tokenizer }: CompareOptions, job: Job): ReturnType<typeof trainedElsewhere> {
  const { variant: { spec, info }, seed } = job;
  const run = { folder: join(out, job.folder), spec, tokenizer: tokenizer.file, info: (adapter: AdapterName) => info(seed, adapter) };
  return trainedElsewhere(run, join(out, "jobs", jobName(job), "trained"));
}

async function trainToEnd(options: CompareOptions, job: Job, session: Session, data: Dataset, hooks: CompareHooks): Promise<TrainEnd> {
  const { variant, seed } = job;
  const folder = join(options.out, job.folder);
  const { executor, params, routers, adapter } = session;
  const info = variant.info(seed, adapter);
  const texts = { spec: variant.spec, tokenizer: options.tokenizer.file };
  const start = { folder, ...texts, info, executor, params, routers, resume: true };
  const done = startRun({ ...start, ...(hooks.onPhase && { note: hooks.onPhase }) });
  hooks.onStart?.(variant, session, done);
  const { evalEvery, evalTokens } = options;
  const { checkpointEvery } = variant;
  const trainOptions = { folder, info, executor, params, routers, data, done, evalEvery, evalTokens, checkpointEvery };
  try {
    return { finished: await trainInStretches(options, job, trainOptions, hooks), diverged: null };
  } catch (error) {
    if (error instanceof Diverged) return { finished: true, diverged: error.message };
    throw error;
  }
}

/** Up to each step at which tasks are measured, whose weights are saved before, and then to the end. @returns false if stopped early */
async function trainInStretches(
  options: CompareOptions, job: Job, { done, ...rest }: TrainOptions, hooks: CompareHooks,
): Promise<boolean> {
  const { variant, seed, isTrial } = job;
  const { steps } = variant.recipe;
  const stops = isTrial ? [] : options.scoreAt.filter((at) => at >= done && at < steps);
  let step = done;
  const onStep = (record: StepRecord): void => {
    step = record.step;
    hooks.onStep?.(variant, seed, record);
  };
  for (const end of [...stops, steps]) {
    await train({ ...rest, done: step }, { onStep, shouldStop: () => step >= end || hooks.shouldStop?.() === true });
    if (step < end || (end < steps && !(await scoreAll(options, job, end, hooks)))) return false;
  }
  return true;
}

type Outcome = Pick<FinalRecord, "diverged" | "sequences">;

async function measure(
  { finalTokens }: CompareOptions, variant: Variant, { executor }: Session, data: Dataset, hooks: CompareHooks,
): Promise<Outcome> {
  hooks.onPhase?.(`measuring ${variant.name} on held-out data …`);
  const { sequences } = await evaluate(executor, data.validationBatches(finalTokens));
  if (sequences.every(Number.isFinite)) return { diverged: null, sequences };
  return { diverged: "the loss on held-out data is not finite after the last step", sequences: [] };
}
