/** A model on a device of this machine. */
import { entriesOf } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import type { AdapterName } from "../runtime/session.ts";
import { modelOver, type Model } from "../runtime/standalone/model.ts";
import { BYTES } from "../runtime/standalone/text.ts";
import { recipeOf } from "../runtime/train/index.ts";
import { microBatch, textOf } from "./compile.ts";
import { openSession } from "./session.ts";

export interface RunOptions {
  /** "gpu", "cpu", "lavapipe", "swiftshader" or a part of an adapter's name; the best there is if it is left out. */
  readonly adapter?: string;
  /** Of the adapter "cpu"; one for each core if it is left out. The numbers are the same for any. */
  readonly threads?: number;
}

/** The functions of an emitted folder's model; parameters have the names that `plan.params` lists. */
export interface RunningModel extends Model<string> {
  /** What the adapter runs, and for which class of adapters it was made. */
  readonly plan: KernelPlan;
  readonly adapter: AdapterName;
  /** Gives the device back; nothing may be called afterwards. */
  destroy(): void;
}

/**
 * Compiles a model for an adapter and loads it there: the numbers are those that `moeut train` and `moeut generate` compute. Weights are
 * zero until `initialize`, `write` or `loadWeights` is called. UserError for a model that is too large for the adapter, EnvironmentError
 * where there is none.
 */
export async function run(model: ModelSpec, options: RunOptions = {}): Promise<RunningModel> {
  const { seqLen, vocabSize } = model;
  const session = await openSession(options, model, { batch: microBatch(model), seqLen, entries: entriesOf(model) });
  const facts = { seqLen, vocabSize, recipe: recipeOf(model.train), text: textOf(model) === null ? null : BYTES };
  const functions = modelOver<string>(session.executor, session.params, facts);
  return { ...functions, plan: session.plan, adapter: session.adapter, destroy: () => session.close() };
}
