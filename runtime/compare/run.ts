/** Trains every variant with every seed, one run after the other, and measures each once at its end. */
import { join } from "node:path";
import type { Dataset, Tokenizer } from "../data/index.ts";
import { evaluate } from "../evaluate/index.ts";
import { withOwnFolder } from "../files/folder.ts";
import type { Session } from "../session.ts";
import { Diverged, startRun, train, type StepRecord } from "../train/index.ts";
import { readFinal, runFolder, writeFinal, type FinalRecord } from "./folder.ts";
import type { Sessions } from "./sessions.ts";
import type { Variant } from "./variant.ts";

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
  /** null: the beginning of the first held-out sequence. */
  readonly prompt: string | null;
  readonly sampleTokens: number;
}

export interface CompareHooks {
  readonly onRun?: (variant: Variant, seed: number, index: number, total: number) => void;
  readonly onStart?: (variant: Variant, session: Session, done: number) => void;
  readonly onStep?: (variant: Variant, seed: number, record: StepRecord) => void;
  /** What happens beside training: "measuring", "sampling". */
  readonly onPhase?: (text: string) => void;
  readonly onDone?: (variant: Variant, seed: number, final: FinalRecord) => void;
  /** A run that ended without a result: its model is too large for the device, say. */
  readonly onFail?: (variant: Variant, seed: number, error: unknown) => void;
  readonly shouldStop?: () => boolean;
}

/** A run without a result. */
export interface RunFailure {
  readonly variant: Variant;
  readonly seed: number;
  readonly error: unknown;
}

export interface RunsOutcome {
  /** false if stopped early */
  readonly finished: boolean;
  readonly failures: readonly RunFailure[];
}

/** Data in the micro-batches of a variant. */
export const dataOf = ({ data }: CompareOptions, { recipe: { batch, accumulate } }: Variant, seed: number): Promise<Dataset> =>
  data(seed, batch / accumulate);

/**
 * Trains what is not finished in the folder. Seeds are the outer loop, so that an unfinished comparison has something to say about
 * all variants. A run that fails does not keep the others from being trained, and is tried again the next time.
 */
export async function runComparison(options: CompareOptions, sessions: Sessions, hooks: CompareHooks = {}): Promise<RunsOutcome> {
  const { seeds, variants } = options;
  const failures: RunFailure[] = [];
  const nHeldOut = await countHeldOut(options);
  const runs = seeds.flatMap((seed) => variants.map((variant): OneRun => ({ variant, seed })));
  for (const [index, { variant, seed }] of runs.entries()) {
    if (hooks.shouldStop?.() === true) return { finished: false, failures };
    if (isMeasured(readFinal(folderOf(options, variant, seed)), nHeldOut)) continue;
    hooks.onRun?.(variant, seed, index + 1, runs.length);
    try {
      const final = await withOwnFolder(folderOf(options, variant, seed), () => oneRun(options, { variant, seed }, sessions, hooks));
      if (final === null) return { finished: false, failures };
      hooks.onDone?.(variant, seed, final);
    } catch (error) {
      sessions.discard(variant);
      failures.push({ variant, seed, error });
      hooks.onFail?.(variant, seed, error);
    }
  }
  return { finished: true, failures };
}

const folderOf = ({ out }: CompareOptions, variant: Variant, seed: number): string => join(out, runFolder(variant.name, seed));

export interface SoundRun {
  readonly seed: number;
  readonly folder: string;
  readonly final: FinalRecord;
}

/** The first run of a variant that reached its end, or null. */
export function firstSoundRun(options: CompareOptions, variant: Variant): SoundRun | null {
  const folders = options.seeds.map((seed) => ({ seed, folder: folderOf(options, variant, seed) }));
  const runs = folders.map((run) => ({ ...run, final: readFinal(run.folder) }));
  return runs.find((run): run is SoundRun => run.final?.diverged === null) ?? null;
}

/** Sequences behind each final loss. */
async function countHeldOut(options: CompareOptions): Promise<number> {
  const data = await dataOf(options, options.variants[0]!, options.seeds[0]!);
  return [...data.validationBatches(options.finalTokens)].reduce((sum, { scoredFrom }) => sum + scoredFrom.length, 0);
}

/** A finished run that was measured on more or less text than is asked for now is measured again. */
const isMeasured = (final: FinalRecord | null, nHeldOut: number): boolean =>
  final !== null && (final.diverged !== null || final.sequences.length === nHeldOut);

interface OneRun {
  readonly variant: Variant;
  readonly seed: number;
}

/** @returns null if stopped before the end */
async function oneRun(options: CompareOptions, one: OneRun, sessions: Sessions, hooks: CompareHooks): Promise<FinalRecord | null> {
  const { variant, seed } = one;
  const folder = folderOf(options, variant, seed);
  const data = await dataOf(options, variant, seed);
  const { session } = await sessions.get(variant);
  const { finished, diverged } = await trainToEnd(options, one, session, data, hooks);
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

interface TrainEnd {
  /** false if stopped early */
  readonly finished: boolean;
  /** What went wrong, or null. */
  readonly diverged: string | null;
}

async function trainToEnd(
  options: CompareOptions, { variant, seed }: OneRun, session: Session, data: Dataset, hooks: CompareHooks,
): Promise<TrainEnd> {
  const { executor, params, adapter } = session;
  const folder = folderOf(options, variant, seed);
  const info = variant.info(seed, adapter);
  const texts = { spec: variant.spec, tokenizer: options.tokenizer.file };
  const done = startRun({ folder, ...texts, info, executor, params, resume: true, ...(hooks.onPhase && { note: hooks.onPhase }) });
  hooks.onStart?.(variant, session, done);
  const { evalEvery, evalTokens } = options;
  const trainOptions = { folder, info, executor, params, data, done, evalEvery, evalTokens, checkpointEvery: variant.checkpointEvery };
  try {
    const onStep = (record: StepRecord): void => hooks.onStep?.(variant, seed, record);
    const { finished } = await train(trainOptions, { onStep, shouldStop: () => hooks.shouldStop?.() === true });
    return { finished, diverged: null };
  } catch (error) {
    if (error instanceof Diverged) return { finished: true, diverged: error.message };
    throw error;
  }
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
