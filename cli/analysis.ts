/** What `analyze` measures on a device. */
import { routerSites } from "../compiler/stack/routers.ts";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import { recordRemoval, removalsOf, type Removal } from "../runtime/analyze/removal.ts";
import { keptOutputs, recordRouting, type Routing } from "../runtime/analyze/routing.ts";
import { chosenWindows, windowBatches, type ValidationBatch } from "../runtime/data/index.ts";
import type { Protocol } from "../runtime/evaluate/protocol.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { countdown } from "./countdown.ts";
import { endingAtOnce } from "./interrupt.ts";
import type { TrainedRun } from "./trained-run.ts";
import { withTrained } from "./with-trained.ts";

/** @param kept tokens whose residual streams are kept, at most */
export function routingOn(
  handle: AdapterHandle, trained: TrainedRun, protocol: Protocol, maxTokens: number, kept: number,
): Promise<Routing> {
  const { schedule: { length: depth } } = trained.model;
  const sites = routerSites(trained.model);
  return withLens(handle, trained, protocol, { maxTokens, keep: keptOutputs(sites, depth) }, (executor, batches) =>
    recordRouting(executor, sites, depth, batches, countdown(chosenWindows(protocol.windows, maxTokens).length), kept));
}

export function removalOn(handle: AdapterHandle, trained: TrainedRun, protocol: Protocol, maxTokens: number): Promise<Removal> {
  const { schedule: { length: depth } } = trained.model;
  const sites = routerSites(trained.model);
  return withLens(handle, trained, protocol, { maxTokens, keep: [] }, (executor, batches) => {
    const all = [...batches];
    return recordRemoval(executor, sites, depth, all, countdown(removalsOf(sites) * all.length, "evaluations"));
  });
}

interface Reading {
  readonly maxTokens: number;
  /** Outputs of the graph. */
  readonly keep: readonly string[];
}

/** The trained model as "evaluate" with a lens, and the text in its batches. */
function withLens<T>(
  handle: AdapterHandle, trained: TrainedRun, { context, windows }: Protocol, { maxTokens, keep }: Reading,
  work: (executor: Executor, batches: Iterable<ValidationBatch>) => Promise<T>,
): Promise<T> {
  const { model } = trained;
  const batch = Math.min(model.train.batch / model.train.accumulate, chosenWindows(windows, maxTokens).length);
  const options = { batch, seqLen: context, entries: ["evaluate"], lens: true, keep: { evaluate: keep }, during: endingAtOnce } as const;
  return withTrained(handle, model, trained, options, (executor) => work(executor, windowBatches(windows, context, batch, maxTokens)));
}
