/** Held-out losses of recurrent variants at other depths than they were trained at, and what they get right at each. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Dataset } from "../data/index.ts";
import { accuracyOf, evaluate, type Evaluation } from "../evaluate/index.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import { loadWeights, openCheckpoint, readRun } from "../train/index.ts";
import { readJson } from "../train/run-folder.ts";
import { dataOf, soundRuns, type CompareHooks, type CompareOptions, type SoundRun } from "./run.ts";
import type { Depth, Variant } from "./variant.ts";

/** depths.json of a run folder. */
interface DepthsRecord {
  readonly format: 1;
  readonly losses: readonly DepthLoss[];
}

export interface DepthLoss {
  readonly passes: number;
  /** Held-out sequences behind the loss. */
  readonly sequences: number;
  /** Mean, nats per token; null where it is not finite. */
  readonly loss: number | null;
  /** See accuracyOf. null where the loss is; earlier versions did not measure it. */
  readonly accuracy?: number | null;
}

const path = (folder: string): string => join(folder, "depths.json");

/** Empty if there is none that this version can read: it can be measured again. */
export function readDepths(folder: string): readonly DepthLoss[] {
  if (!existsSync(path(folder))) return [];
  const { format, losses } = readJson<DepthsRecord>(path(folder));
  return format === 1 && Array.isArray(losses) ? losses : [];
}

const keep = (folder: string, found: DepthLoss): void => writeAtomic(path(folder), `${JSON.stringify({
  format: 1, losses: [...readDepths(folder).filter(({ passes }) => passes !== found.passes), found].sort((a, b) => a.passes - b.passes),
} satisfies DepthsRecord)}\n`);

/** Depths are measured unasked if that is at most so much of the work of training. */
const SHARE = 0.1;

/** A forward and a backward pass, in forward passes. */
const STEP_WORK = 3;

/** From one pass to twice as many as were trained. */
const usual = (trained: number): readonly number[] =>
  [...new Set([1, trained / 2, trained, 1.5 * trained, 2 * trained].map(Math.ceil))].sort((a, b) => a - b);

interface At {
  readonly passes: number;
  readonly depth: Depth;
}

/** Measures every sound run at the depths that are asked for, unless it was. @returns false if stopped early */
export async function measureDepths(options: CompareOptions, hooks: CompareHooks = {}): Promise<boolean> {
  for (const variant of options.variants) {
    const runs = soundRuns(options, variant);
    if (variant.applied.repeated === 0 || runs.length === 0) continue;
    for (const at of wantedDepths(options, variant, runs[0]!, hooks)) {
      if (!(await measureAt(options, variant, at, runs, hooks))) return false;
    }
  }
  return true;
}

/** Those that are asked for and possible, besides the trained one; unasked, the usual ones if they are cheap. */
function wantedDepths(
  { depths }: CompareOptions, variant: Variant, { final }: SoundRun, { onPhase = () => {} }: CompareHooks,
): readonly At[] {
  const { name, applied: { passes: trained }, macsPerToken, recipe, atPasses } = variant;
  const others = (depths ?? usual(trained)).filter((passes) => passes !== trained);
  const found = [...others, trained].map((passes) => ({ passes, depth: atPasses(passes) }));
  for (const { depth } of found) if (depths !== null && "problem" in depth) onPhase(`not measured: ${depth.problem}`);
  const possible = found.filter((at): at is At => !("problem" in at.depth));
  if (possible.every(({ passes }) => passes === trained)) return [];
  const work = final.sequences.length * possible.reduce((sum, { depth }) => sum + depth.macsPerToken, 0);
  const share = work / (STEP_WORK * macsPerToken.full * recipe.batch * recipe.steps);
  if (depths !== null || share <= SHARE) return possible;
  onPhase(`${name} is not measured at other depths, which would be ${Math.round(100 * share)} % of the work of its training; `
    + `--depths ${possible.filter(({ passes }) => passes !== trained).map(({ passes }) => passes).join(",")} does it`);
  return [];
}

/** All runs by one session: only their weights differ. A depth that fails is said, and leaves the others. @returns false if stopped */
async function measureAt(
  options: CompareOptions, variant: Variant, { passes, depth }: At, runs: readonly SoundRun[], hooks: CompareHooks,
): Promise<boolean> {
  const isKnown = ({ folder, final }: SoundRun): boolean => readDepths(folder).some((one) =>
    one.passes === passes && one.sequences === final.sequences.length && one.accuracy !== undefined);
  const unknown = runs.filter((run) => !isKnown(run));
  if (unknown.length === 0) return true;
  hooks.onPhase?.(`measuring ${variant.name} at ${passes} ${passes === 1 ? "pass" : "passes"} …`);
  try {
    const session = await depth.open();
    try {
      for (const { seed, folder } of unknown) {
        if (hooks.shouldStop?.() === true) return false;
        loadWeights(openCheckpoint(folder, readRun(folder))!.weights, session.executor, session.params);
        const data: Dataset = await dataOf(options, variant, seed);
        keep(folder, measureOf(passes, await evaluate(session.executor, data.validationBatches(options.finalTokens)), data));
      }
    } finally {
      session.close();
    }
  } catch (error) {
    hooks.onMiss?.(`measuring ${variant.name} at ${passes} passes`, error);
  }
  return true;
}

function measureOf(passes: number, found: Evaluation, { masked }: Dataset): DepthLoss {
  const isFinite = Number.isFinite(found.loss);
  return {
    passes, sequences: found.sequences.length, loss: isFinite ? found.loss : null,
    accuracy: isFinite ? accuracyOf(found, masked ? "answers" : "tokens") : null,
  };
}
