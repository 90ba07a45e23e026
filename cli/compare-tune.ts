/** The search for learning rates as it is asked for: by --tune, or by a compare block. */
import type { CompareSpec } from "../compiler/ir/compare-spec.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { Candidate, Tuning, Variant } from "../runtime/compare/variant.ts";
import { UserError } from "../runtime/errors.ts";
import { grouped } from "../runtime/units.ts";
import { positive } from "./options.ts";

export type TuneOptions = NonNullable<CompareSpec["tune"]>;

/** The seeds of a search begin here: no comparison has as many. */
const FIRST_SEED = 1_000_000;

/** A parser for commander: "lr=1e-3,2e-3". */
export function tuneValues(text: string): readonly number[] {
  const [setting, values] = text.split("=");
  if (setting?.trim() !== "lr" || values === undefined) {
    throw new UserError(`--tune ${text}: what can be tuned is lr, as in --tune lr=1e-3,2e-3`);
  }
  const found = values.split(",").map(positive);
  if (new Set(found).size < found.length) throw new UserError(`--tune ${text}: a value is there twice`);
  return found;
}

interface TuneFlags {
  readonly tune?: readonly number[];
  readonly tuneSeeds?: number;
  readonly tuneSteps?: number;
}

/** Flags before what the compare blocks say. UserError if blocks ask for different searches, or if flags have nothing to belong to. */
export function tuneOptions({ tune: lr, tuneSeeds, tuneSteps }: TuneFlags, compares: readonly CompareSpec[]): TuneOptions | null {
  const [first, ...others] = compares.filter(({ tune }) => tune !== null);
  const other = others.find(({ tune }) => JSON.stringify(tune) !== JSON.stringify(first!.tune));
  if (lr === undefined && other !== undefined) {
    const names = `compare ${first!.name} and compare ${other.name}`;
    throw new UserError(`${names} tune differently: take one with --model, or say for all --tune lr=1e-3,2e-3`);
  }
  const asked = lr === undefined ? (first?.tune ?? null) : { seeds: 1, steps: null, ...first?.tune, lr };
  if (asked !== null) return { ...asked, seeds: tuneSeeds ?? asked.seeds, steps: tuneSteps ?? asked.steps };
  const given = tuneSeeds !== undefined ? "--tune-seeds" : tuneSteps !== undefined ? "--tune-steps" : null;
  if (given !== null) throw new UserError(`${given} needs values to try: --tune lr=1e-3,2e-3`);
  return null;
}

/** @param variantOf with what its run folders are called */
export function tuningOf(
  models: readonly ModelSpec[], { lr: values, seeds, steps: asked }: TuneOptions, variantOf: (model: ModelSpec, stem: string) => Variant,
): Tuning {
  const candidate = (model: ModelSpec, lr: number): Candidate => {
    const stem = `${model.name}-lr${lr}`;
    const of = (length: number, name: string): Variant => variantOf(withRecipe(model, lr, length), name);
    const length = asked ?? model.train.steps;
    return { lr, run: of(model.train.steps, stem), trial: of(length, `${stem}-steps${length}`) };
  };
  return {
    seeds: Array.from({ length: seeds }, (_, i) => FIRST_SEED + i), steps: asked,
    candidates: Object.fromEntries(models.map((model) => [model.name, values.map((lr) => candidate(model, lr))])),
  };
}

const withRecipe = (model: ModelSpec, lr: number, steps: number): ModelSpec =>
  ({ ...model, train: { ...model.train, steps, optimizer: { ...model.train.optimizer, lr } } });

export function tuningWords({ seeds, steps, candidates }: Tuning): string {
  const values = Object.values(candidates)[0]!.map(({ lr }) => lr);
  const trials = seeds.length === 1 ? "one trial" : `${seeds.length} trials`;
  const length = steps === null ? "as long as the runs" : `of ${grouped(steps)} steps`;
  return `first a learning rate for each: ${trials} ${length} with each of ${values.join(", ")}`;
}
