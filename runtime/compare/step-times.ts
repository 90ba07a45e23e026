/** Step times measured in turn, so that whatever slows the machine for a while slows all variants alike. */
import { messageOf } from "../errors.ts";
import type { AdapterName, Session } from "../session.ts";
import { trainStep } from "../standalone/train-step.ts";
import { loadCheckpoint, openCheckpoint, readRun } from "../train/index.ts";
import { readStepTimes, writeStepTimes, type StepTimes } from "./folder.ts";
import { dataOf, firstSoundRun, type CompareHooks, type CompareOptions, type SoundRun, type Variant } from "./run.ts";
import type { Sessions } from "./sessions.ts";
import { median } from "./statistics.ts";

const ROUNDS = 5;
/** A turn takes at least this long, or one step. */
const TURN_SECONDS = 0.25;

interface Timed {
  readonly variant: Variant;
  readonly run: SoundRun;
  /** Seconds of a step: the median of each turn. */
  readonly rounds: number[];
}

/** Writes the step times of all variants that were trained, unless they are known. @returns false if stopped early */
export async function measureStepTimes(options: CompareOptions, sessions: Sessions, hooks: CompareHooks = {}): Promise<boolean> {
  const timed = options.variants.flatMap((variant): readonly Timed[] => {
    const run = firstSoundRun(options, variant);
    return run === null ? [] : [{ variant, run, rounds: [] }];
  });
  if (timed.length < 2 || areKnown(readStepTimes(options.out), timed)) return true;
  hooks.onPhase?.(`measuring step times in turn, ${ROUNDS} rounds …`);
  try {
    let adapter: AdapterName | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      // Back and forth, so that a steady drift falls on all alike.
      for (const { variant, run, rounds } of round % 2 === 0 ? timed : timed.toReversed()) {
        if (hooks.shouldStop?.() === true) return false;
        const { session, isNew } = await sessions.get(variant);
        rounds.push(await turn(options, variant, run, session, isNew));
        adapter = session.adapter;
      }
    }
    const seconds = Object.fromEntries(timed.map(({ variant, rounds }) => [variant.name, { specHash: variant.specHash, rounds }]));
    writeStepTimes(options.out, { format: 1, adapter: adapter!, variants: seconds });
  } catch (error) {
    hooks.onPhase?.(`no step times in turn: ${messageOf(error)}`);
  }
  return true;
}

/** Times of different turns cannot be held against each other, so a variant that joins has all measured again. */
const areKnown = (known: StepTimes | null, timed: readonly Timed[]): boolean =>
  known !== null && timed.every(({ variant }) => known.variants[variant.name]?.specHash === variant.specHash);

/** Trains on from the last checkpoint, and throws that away. @returns seconds of a step */
async function turn(options: CompareOptions, variant: Variant, { seed, folder }: SoundRun, { executor, params }: Session, isNew: boolean): Promise<number> {
  const { recipe } = variant;
  const data = await dataOf(options, variant, seed);
  loadCheckpoint(openCheckpoint(folder, readRun(folder))!, executor, params);
  const stepTime = async (step: number): Promise<number> => {
    const batches = Array.from({ length: recipe.accumulate }, (_, i) => data.batchAt(step * recipe.accumulate + i));
    const started = performance.now();
    await trainStep(executor, recipe, step, batches, seed);
    return (performance.now() - started) / 1000;
  };
  if (isNew) await stepTime(recipe.steps); // some drivers compile shaders at their first use
  const seconds: number[] = [];
  for (let total = 0; total < TURN_SECONDS; total += seconds.at(-1)!) seconds.push(await stepTime(recipe.steps + seconds.length));
  return median(seconds);
}
