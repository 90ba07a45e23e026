/** OpGraphs → LaunchPlan: what is stored, what is fused, which buffers and in which order. Decides everything and writes no kernel. */
import type { OpGraph } from "../ir/graph.ts";
import type { LaunchPlan, PlannedLaunch } from "../ir/launch.ts";
import type { ParamPlan, Profile, TensorPlan } from "../ir/plan.ts";
import { METRICS_WORDS } from "../kernels/tiles.ts";
import { planEntry, type EntryLaunches } from "./entry.ts";
import { bytesOf, declare, type Launch, type Ref, type RefTable } from "./launch.ts";
import { assignBuffers, memoryByKind } from "./memory.ts";
import { planUpdate } from "./update.ts";

export { CPU, PORTABLE, profileFor } from "./profile.ts";

export interface EntryRequest {
  readonly graph: OpGraph;
  /** Graph outputs that the host wants to read. */
  readonly outputs: readonly string[];
}

export interface PlanOptions {
  /** Also plan the optimizer. */
  readonly update: boolean;
  readonly profile: Profile;
  /** No fusion: for tests. */
  readonly unfused?: boolean;
}

/** Plans entries of one model together: they share parameters and, since only one runs at a time, activation memory. */
export function planLaunches(model: string, entries: readonly EntryRequest[], options: PlanOptions): LaunchPlan {
  const refs: RefTable = new Map();
  const first = entries[0]!.graph;
  const trains = entries.some((e) => e.graph.gradients.length > 0);
  declareParams(refs, first, trains, options.update);
  const planned = entries.map((e) => ({ graph: e.graph, ...planEntry(e.graph, e.outputs, refs, options.profile, options.unfused ?? false) }));
  const update = options.update ? planUpdate(first, refs) : [];
  const { buffers, bufferOf } = assignBuffers(refs, [...planned.map((p) => p.launches), update]);
  const bytes = (touched: readonly Ref[]): number => [...new Set(touched)].reduce((sum, ref) => sum + refs.get(ref)!.bytes, 0);
  const bound = ({ refs: touched, ...launch }: Launch): PlannedLaunch =>
    ({ ...launch, buffers: touched.map((ref) => bufferOf.get(ref)!), bytes: bytes(touched) });
  const all = [...planned.map((p) => [p.graph.name, p.launches] as const), ...(options.update ? [["update", update] as const] : [])];
  return {
    model, profile: options.profile, buffers, entries: Object.fromEntries(all.map(([name, launches]) => [name, launches.map(bound)])),
    params: first.params.map((p): ParamPlan => ({ name: p.name, shape: first.values[p.value]!.type.shape, official: p.official, init: p.init })),
    tensors: hostTensors(planned, refs, bufferOf, options.update),
    memory: memoryByKind(buffers),
  };
}

function declareParams(refs: RefTable, graph: OpGraph, trains: boolean, update: boolean): void {
  for (const p of graph.params) {
    const bytes = bytesOf(graph.values[p.value]!.type);
    declare(refs, `param/${p.name}`, bytes, "parameters", true);
    if (trains) declare(refs, `grad/${p.name}`, bytes, "gradients", true);
    if (update) for (const moment of ["adam_m", "adam_v"]) declare(refs, `${moment}/${p.name}`, bytes, "optimizer", true);
  }
  if (trains) declare(refs, "metrics", 4 * METRICS_WORDS, "outputs", true);
}

type Planned = EntryLaunches & { readonly graph: OpGraph };

function hostTensors(
  planned: readonly Planned[], refs: RefTable, bufferOf: ReadonlyMap<string, number>, update: boolean,
): Record<string, TensorPlan> {
  const tensors: Record<string, TensorPlan> = {};
  const words = (name: string, n: number): void =>
    void (tensors[name] = { buffer: bufferOf.get(name)!, dtype: "f32", shape: [n], physical: [n] });
  const { graph: first } = planned[0]!;
  for (const p of first.params) {
    for (const kind of ["param", "grad", "adam_m", "adam_v"]) {
      const buffer = bufferOf.get(`${kind}/${p.name}`);
      if (buffer !== undefined) tensors[`${kind}/${p.name}`] = { buffer, ...first.values[p.value]!.type };
    }
  }
  if (refs.has("metrics")) words("metrics", METRICS_WORDS);
  if (update) words("update", 8);
  for (const { graph, outputs } of planned) {
    for (const node of graph.nodes) {
      if (node.op.kind !== "input") continue;
      const { type } = graph.values[node.outputs[0]!]!;
      const buffer = bufferOf.get(`input/${node.op.name}/${type.shape.join("x")}`);
      if (buffer !== undefined) tensors[`${graph.name}/${node.op.name}`] = { buffer, ...type };
    }
    for (const output of outputs) tensors[`${graph.name}/${output.name}`] = { buffer: bufferOf.get(output.ref)!, ...graph.values[output.value]!.type };
  }
  return tensors;
}
