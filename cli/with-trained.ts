/** A trained model on a device. */
import { loadModel, type PlanOptions } from "../api/session.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { loadWeights } from "../runtime/train/index.ts";
import type { TrainedRun } from "./trained-run.ts";

/** Loads the model with the weights of the run for as long as `work` takes. @param model that of the run, at its own depth or another */
export async function withTrained<T>(
  handle: AdapterHandle, model: ModelSpec, { weights }: TrainedRun, options: PlanOptions, work: (executor: Executor) => Promise<T>,
): Promise<T> {
  const session = await loadModel(handle, model, options);
  try {
    loadWeights(weights, session.executor, session.params);
    return await work(session.executor);
  } finally {
    session.close();
  }
}
