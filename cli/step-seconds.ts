/**
 * Seconds of a training step on this machine, by which a budget of seconds becomes steps. They are kept in the folder of the comparison
 * (budget.json), so that whatever continues has the same number of steps.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { specHash } from "../compiler/format/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { timedStep } from "../runtime/compare/step-times.ts";
import type { Variant } from "../runtime/compare/variant.ts";
import type { Dataset } from "../runtime/data/index.ts";
import { writeAtomic } from "../runtime/files/write-atomic.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { median } from "../runtime/statistics/describe.ts";
import { readJson } from "../runtime/train/run-folder.ts";
import { say } from "./terminal.ts";

interface BudgetFile {
  readonly format: 1;
  /** By name of the variant; `of` is what was measured. */
  readonly seconds: Readonly<Record<string, { readonly of: string; readonly step: number }>>;
}

const path = (out: string): string => join(out, "budget.json");
const known = (out: string): BudgetFile["seconds"] => (existsSync(path(out)) ? (readJson<BudgetFile>(path(out)).seconds ?? {}) : {});

/** A step of another batch takes another time. */
const workOf = (model: ModelSpec): string => `${specHash(model)} ${model.train.batch}/${model.train.accumulate}`;

export function keepStepSeconds(out: string, models: readonly ModelSpec[], seconds: Readonly<Record<string, number>>): void {
  const found = models.flatMap((model) => {
    const step = seconds[model.name];
    return step === undefined ? [] : [[model.name, { of: workOf(model), step }] as const];
  });
  const file: BudgetFile = { format: 1, seconds: { ...known(out), ...Object.fromEntries(found) } };
  writeAtomic(path(out), `${JSON.stringify(file, null, 2)}\n`);
}

/** Those that are in the folder, and the others measured now: in turn, there and back, so that what slows the machine falls on all. */
export async function stepSecondsOf(
  out: string, models: readonly ModelSpec[], variantOf: (model: ModelSpec) => Variant, dataset: (batch: number) => Dataset,
): Promise<Readonly<Record<string, number>>> {
  const before = known(out);
  const isKnown = (model: ModelSpec): boolean => before[model.name]?.of === workOf(model);
  const found: Record<string, number[]> = Object.fromEntries(models.map((model) => [model.name, []]));
  const unknown = models.filter((model) => !isKnown(model));
  for (const model of [...unknown, ...unknown.toReversed()]) found[model.name]!.push(...(await measured(variantOf(model), dataset)));
  return Object.fromEntries(models.map((model) => [model.name, isKnown(model) ? before[model.name]!.step : median(found[model.name]!)]));
}

/** The first steps compile shaders on some drivers. */
const WARM_UP = 2;
const MEASURED = { steps: 10, leastSteps: 4, seconds: 1 };

async function measured(variant: Variant, dataset: (batch: number) => Dataset): Promise<readonly number[]> {
  say(`measuring a training step of ${variant.name} …`);
  const { recipe } = variant;
  const [session, data] = [await variant.open("train"), dataset(recipe.batch / recipe.accumulate)];
  try {
    initializeParameters(session.executor, session.params, 0);
    const seconds: number[] = [];
    const total = (): number => seconds.reduce((sum, of) => sum + of, 0);
    const isEnough = (): boolean =>
      seconds.length >= MEASURED.steps || (seconds.length >= MEASURED.leastSteps && total() > MEASURED.seconds);
    for (let step = 0; !isEnough(); step++) {
      const taken = await timedStep(session, recipe, step, data, 0);
      if (step >= WARM_UP) seconds.push(taken);
    }
    return seconds;
  } finally {
    session.close();
  }
}
