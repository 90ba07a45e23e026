/** Step times measured in turn, so that whatever slows the machine for a while slows all variants alike. */
import type { Dataset } from "../data/index.ts";
import { messageOf } from "../errors.ts";
import type { AdapterName, Session } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";
import { trainStep } from "../standalone/train-step.ts";
import { loadCheckpoint, openCheckpoint, readRun } from "../train/index.ts";
import { readStepTimes, writeStepTimes, type StepTimes } from "./folder.ts";
import { dataOf, firstSoundRun, type CompareHooks, type CompareOptions, type SoundRun } from "./run.ts";
import type { Variant } from "./variant.ts";
import type { Sessions } from "./sessions.ts";
import { median } from "../statistics/describe.ts";

/** A round is a turn of each variant; the greater the disturbance, the more rounds help. */
const ROUNDS = { least: 5, most: 15 };
/** Enough rounds were made when a variant has had this long, and each turn takes this long, or one step. */
const SECONDS = { variant: 2, turn: 0.1 };

interface Timed {
  readonly variant: Variant;
  readonly run: SoundRun;
  readonly data: Dataset;
  /** Seconds of a step: the median of each turn. */
  readonly rounds: number[];
}

/** Writes the step times of all variants that were trained, unless they are known. @returns false if stopped early */
export async function measureStepTimes(options: CompareOptions, sessions: Sessions, hooks: CompareHooks = {}): Promise<boolean> {
  const trained = options.variants.filter((variant) => firstSoundRun(options, variant) !== null);
  if (trained.length < 2 || areKnown(readStepTimes(options.out), trained)) return true;
  hooks.onPhase?.("measuring step times in turn …");
  try {
    const timed = await Promise.all(trained.map((variant) => timedOf(options, variant)));
    const adapter = await takeTurns(timed, sessions, hooks);
    if (adapter === null) return false;
    const seconds = Object.fromEntries(timed.map(({ variant, rounds }) => [variant.name, { specHash: variant.specHash, rounds }]));
    writeStepTimes(options.out, { format: 1, adapter, variants: seconds });
  } catch (error) {
    hooks.onPhase?.(`no step times in turn: ${messageOf(error)}`);
  }
  return true;
}

async function timedOf(options: CompareOptions, variant: Variant): Promise<Timed> {
  const run = firstSoundRun(options, variant)!;
  return { variant, run, data: await dataOf(options, variant, run.seed), rounds: [] };
}

/** @returns null if stopped early */
async function takeTurns(timed: readonly Timed[], sessions: Sessions, hooks: CompareHooks): Promise<AdapterName | null> {
  const started = performance.now();
  const isLong = (): boolean => performance.now() - started > 1000 * SECONDS.variant * timed.length;
  let adapter: AdapterName | null = null;
  for (let round = 0; round < ROUNDS.least || (round < ROUNDS.most && !isLong()); round++) {
    // Back and forth, so that a steady drift falls on all alike.
    for (const one of round % 2 === 0 ? timed : timed.toReversed()) {
      if (hooks.shouldStop?.() === true) return null;
      const { session, isNew } = await sessions.get(one.variant);
      one.rounds.push(await turn(one, session, isNew || round === 0));
      adapter = session.adapter;
    }
  }
  return adapter;
}

/** Times of different turns cannot be held against each other, so a variant that joins has all measured again. */
const areKnown = (known: StepTimes | null, trained: readonly Variant[]): boolean =>
  known !== null && trained.every(({ name, specHash }) => known.variants[name]?.specHash === specHash);

/** Trains on from the last checkpoint, and throws that away. @returns seconds of a step */
async function turn({ variant: { recipe }, run: { seed, folder }, data }: Timed, session: Session, isFirst: boolean): Promise<number> {
  if (isFirst) {
    loadCheckpoint(openCheckpoint(folder, readRun(folder))!, session.executor, session.params);
    await timedStep(session, recipe, recipe.steps, data, seed); // some drivers compile shaders at their first use
  }
  const seconds: number[] = [];
  for (let total = 0; total < SECONDS.turn; total += seconds.at(-1)!) {
    seconds.push(await timedStep(session, recipe, recipe.steps + seconds.length, data, seed));
  }
  return median(seconds);
}

/** Trains one step. @param step counted from 0 @returns its seconds, without those of reading its data */
export async function timedStep({ executor }: Session, recipe: Recipe, step: number, data: Dataset, seed: number): Promise<number> {
  const batches = Array.from({ length: recipe.accumulate }, (_, i) => data.batchAt(step * recipe.accumulate + i));
  const started = performance.now();
  await trainStep(executor, recipe, step, batches, seed);
  return (performance.now() - started) / 1000;
}
