/** OpGraphs → LaunchPlan: what is stored, what is fused, which buffers and in which order. Decides everything and writes no kernel. */
import type { OpGraph, ValueId } from "../ir/graph.ts";
import type { LaunchPlan, PlannedLaunch } from "../ir/launch.ts";
import type { ParamPlan, Profile, TensorPlan } from "../ir/plan.ts";
import { METRICS_WORDS } from "../kernels/tiles.ts";
import { fuseEntry, planEntry, type EntryLaunches } from "./entry.ts";
import { sizeOf } from "./facts.ts";
import { lasting, type Launch, type Ref, type Tensor } from "./launch.ts";
import { assignBuffers, leastBytes, memoryByKind, tensorTable } from "./memory.ts";
import { planUpdate } from "./update.ts";

export { CPU, PORTABLE, profileFor } from "./profile.ts";

export interface EntryRequest {
  readonly graph: OpGraph;
  /** Graph outputs that the host wants to read. */
  readonly outputs: readonly string[];
  /** Selections whose experts are counted, by the tensors that hold the counts. */
  readonly counted?: Readonly<Record<string, ValueId>>;
}

export interface PlanOptions {
  /** Also plan the optimizer. */
  readonly update: boolean;
  /** No fusion: for tests. */
  readonly unfused?: boolean;
}

/**
 * Plans entries of one model together: they share parameters and, since only one runs at a time, activation memory. What is fused is the
 * same for all profiles, and decided once.
 */
export function createPlanner(model: string, entries: readonly EntryRequest[], options: PlanOptions): (profile: Profile) => LaunchPlan {
  const fused = entries.map((entry) => ({ name: entry.graph.name, graph: entry.graph, entry: fuseEntry(entry, options.unfused ?? false) }));
  const update = options.update ? [{ name: "update", ...planUpdate(entries[0]!.graph) }] : [];
  return (profile) => {
    const planned = fused.map(({ entry, ...about }) => ({ ...about, ...planEntry(entry, profile) }));
    return bindLaunches(model, planned, update, profile);
  };
}

/** Launches with their buffers in place of what they are called. */
function bindLaunches(model: string, planned: readonly Planned[], update: readonly Entry[], profile: Profile): LaunchPlan {
  const all = [...planned, ...update];
  const { graph: first } = planned[0]!;
  const [trains, updates] = [planned.some(({ graph }) => graph.gradients.length > 0), update.length > 0];
  const tensors = tensorTable([...paramTensors(first, trains, updates), ...all.flatMap((entry) => entry.tensors)]);
  const launches = all.map((entry) => entry.launches);
  const { buffers, bufferOf } = assignBuffers(tensors, launches);
  const bytes = (touched: readonly Ref[]): number => [...new Set(touched)].reduce((sum, ref) => sum + tensors.get(ref)!.bytes, 0);
  const bound = ({ refs: touched, ...launch }: Launch): PlannedLaunch =>
    ({ ...launch, buffers: touched.map((ref) => bufferOf.get(ref)!), bytes: bytes(touched) });
  return {
    model, profile, buffers, entries: Object.fromEntries(all.map(({ name, launches }) => [name, launches.map(bound)])),
    params: first.params.map(({ name, value, official, init }): ParamPlan =>
      ({ name, shape: first.values[value]!.type.shape, official, init })),
    tensors: hostTensors(planned, bufferOf, updates),
    memory: memoryByKind(buffers), leastMemory: leastBytes(tensors, launches),
  };
}

function paramTensors(graph: OpGraph, trains: boolean, update: boolean): readonly Tensor[] {
  const ofParams = graph.params.flatMap(({ name, value }) => {
    const words = sizeOf(graph.values[value]!.type);
    return [
      lasting(`param/${name}`, words, "parameters"),
      ...(trains ? [lasting(`grad/${name}`, words, "gradients")] : []),
      ...(update ? ["adam_m", "adam_v"].map((moment) => lasting(`${moment}/${name}`, words, "optimizer")) : []),
    ];
  });
  return [...ofParams, ...(trains ? [lasting("metrics", METRICS_WORDS, "outputs")] : [])];
}

type Entry = Pick<EntryLaunches, "launches" | "tensors"> & { readonly name: string };
type Planned = Entry & EntryLaunches & { readonly graph: OpGraph };

function hostTensors(
  planned: readonly Planned[], bufferOf: ReadonlyMap<string, number>, update: boolean,
): Record<string, TensorPlan> {
  const tensors: Record<string, TensorPlan> = {};
  const words = (name: string, n: number, dtype: "f32" | "u32" = "f32"): void =>
    void (tensors[name] = { buffer: bufferOf.get(name)!, dtype, shape: [n], physical: [n] });
  const { graph: first } = planned[0]!;
  for (const p of first.params) {
    for (const kind of ["param", "grad", "adam_m", "adam_v"]) {
      const buffer = bufferOf.get(`${kind}/${p.name}`);
      if (buffer !== undefined) tensors[`${kind}/${p.name}`] = { buffer, ...first.values[p.value]!.type };
    }
  }
  if (bufferOf.has("metrics")) words("metrics", METRICS_WORDS);
  if (update) words("update", 8);
  for (const { graph, outputs, counters } of planned) {
    for (const { name, experts } of counters) words(name, experts, "u32");
    for (const node of graph.nodes) {
      if (node.op.kind !== "input") continue;
      const { type } = graph.values[node.outputs[0]!]!;
      const buffer = bufferOf.get(`input/${node.op.name}/${type.shape.join("x")}`);
      if (buffer !== undefined) tensors[`${graph.name}/${node.op.name}`] = { buffer, ...type };
    }
    for (const { name, value, ref } of outputs) {
      tensors[`${graph.name}/${name}`] = { buffer: bufferOf.get(ref)!, ...graph.values[value]!.type };
    }
  }
  return tensors;
}
