/** One graph → its launches and the tensors that they need. */
import type { OpGraph, ValueId } from "../ir/graph.ts";
import type { Profile } from "../ir/plan.ts";
import { bug } from "../ir/tensor-type.ts";
import type { PlanContext } from "./context.ts";
import { gatherFacts, sizeOf, type Facts } from "./facts.ts";
import { fuse } from "./fuse.ts";
import { flat, lasting, type Launch, type Ref, type Tensor } from "./launch.ts";
import { aboutStep, lowerStep } from "./lower.ts";
import { simplify } from "./simplify.ts";
import type { Fusion, TablesOf } from "./step.ts";
import { assignStorage, type Storage } from "./storage.ts";
import { addTables } from "./tables.ts";

export interface EntryLaunches {
  readonly launches: readonly Launch[];
  readonly tensors: readonly Tensor[];
  /** Outputs that the host may read: name → value and its storage. */
  readonly outputs: readonly { readonly name: string; readonly value: ValueId; readonly ref: Ref }[];
  /** Tensors that count how often each expert was chosen, over all runs. */
  readonly counters: readonly { readonly name: Ref; readonly experts: number }[];
}

/** What is planned: a graph, names of its outputs that the host will read after a run, and selections that are counted, by tensor. */
interface Request {
  readonly graph: OpGraph;
  readonly outputs: readonly string[];
  readonly counted?: Readonly<Record<Ref, ValueId>>;
}

/** What is decided about an entry whatever runs it: what the host reads, and what is stored and fused. */
export interface FusedEntry {
  readonly facts: Facts;
  readonly fusion: Fusion;
  readonly outputs: readonly { readonly name: string; readonly value: ValueId }[];
  readonly wanted: readonly string[];
  /** Running sums of these two are kept where training has both. */
  readonly losses: readonly string[];
  readonly counterOf: ReadonlyMap<ValueId, Ref>;
}

export function fuseEntry({ graph, outputs: wanted, counted = {} }: Request, unfused: boolean): FusedEntry {
  const losses = graph.gradients.length > 0 && graph.outputs["reg_loss"] !== undefined ? ["ce_loss", "reg_loss"] : [];
  const outputs = [...new Set([...wanted, ...losses])].map((name) => ({ name, value: outputOf(graph, name) }));
  const keep = outputs.map(({ value }) => value);
  const facts = gatherFacts(simplify(graph, keep));
  const counterOf = new Map(Object.entries(counted).map(([name, selection]) => [facts.base(selection), name]));
  return { facts, fusion: fuse(facts, keep, unfused), outputs, wanted, losses, counterOf };
}

export function planEntry({ facts, fusion, outputs, wanted, losses, counterOf }: FusedEntry, profile: Profile): EntryLaunches {
  const read = readValues(facts, fusion, outputs.map(({ value }) => value));
  const needed = fusion.steps.filter(({ values }) => values.some((v) => read.has(v)));
  const { steps, tablesOf } = addTables(facts, needed, profile.tileRows, counterOf);
  const counters = steps.flatMap((step) =>
    (step.kind === "tables" && step.counter !== null ? [{ name: step.counter, experts: step.groups }] : []));
  const storage = assignStorage(facts, steps, fusion.reads, outputs);
  const c = contextOf(facts, profile, fusion, read, tablesOf, storage);
  const launches = steps.flatMap((step) => lowerStep(c, step).map((launch) => ({ ...launch, ...aboutStep(c, step) })));
  return {
    launches: [...launches, ...addLoose(c), ...(losses.length > 0 ? [addLosses(c)] : [])],
    tensors: [
      ...storage.values.values(), ...[...storage.scratch.values()].flat(),
      ...counters.map(({ name, experts }) => lasting(name, experts, "outputs")),
    ],
    counters,
    outputs: outputs.filter(({ name }) => wanted.includes(name)).map((output) => ({ ...output, ref: c.ref(output.value) })),
  };
}

function outputOf(graph: OpGraph, name: string): ValueId {
  const value = graph.outputs[name];
  if (value === undefined) bug(`${graph.name} has no output "${name}"`);
  return value;
}

/** Stored values that some step reads which does not make them, or the host, or that is a contribution to add separately. */
function readValues({ graph, base }: Facts, { steps, reads }: Fusion, keep: readonly ValueId[]): ReadonlySet<ValueId> {
  const read = new Set([...keep, ...graph.gradients.flatMap((g) => g.contributions)].map(base));
  for (const { values } of steps) {
    for (const value of values) for (const each of reads.get(value)!) if (!values.includes(each)) read.add(each);
  }
  return read;
}

function contextOf(
  facts: Facts, profile: Profile, { stored }: Fusion, read: ReadonlySet<ValueId>, tablesOf: TablesOf, storage: Storage,
): PlanContext {
  return {
    facts, profile,
    isStored: (v) => stored.has(facts.base(v)),
    whyStored: (v) => stored.get(v)!,
    isRead: (v) => read.has(facts.base(v)),
    ref: (v) => storage.values.get(facts.base(v))!.ref,
    scratch: (step) => storage.scratch.get(step)!.map(({ ref }) => ref),
    accumulates: (v) => storage.gradients.has(facts.base(v)),
    tables: (node) => {
      const step = tablesOf.get(node)!;
      const [, , order, ranges, tiles] = storage.scratch.get(step)!;
      return { slots: step.slots, nTiles: step.nTiles, order: order!.ref, ranges: ranges!.ref, tiles: tiles!.ref };
    },
  };
}

/** Contributions made by kernels that cannot add: one more launch each. */
function addLoose(c: PlanContext): readonly Launch[] {
  const { graph, type, producer, base } = c.facts;
  return graph.gradients.flatMap(({ param, contributions }) => contributions.filter((v) => !c.accumulates(v)).map((v) => {
    const n4 = Math.ceil(sizeOf(type(v)) / 4);
    const { name } = graph.params[param]!;
    return {
      work: { kind: "addTo" }, refs: [c.ref(v), `grad/${name}`], sizes: [n4], grid: flat(n4),
      label: `add to grad ${name}`, fused: [], stores: [], origin: producer(base(v)).origin,
    };
  }));
}

function addLosses(c: PlanContext): Launch {
  const losses = ["ce_loss", "reg_loss"].map((name) => c.ref(outputOf(c.facts.graph, name)));
  return {
    work: { kind: "addLosses" }, refs: [...losses, "input/loss_scale/1", "metrics"], sizes: [], grid: [1],
    label: "running losses", fused: [], stores: [], origin: { path: "loss", span: null },
  };
}
