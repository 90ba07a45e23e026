/** One graph → its launches, with every tensor declared. */
import type { Node, OpGraph, ValueId } from "../ir/graph.ts";
import type { Profile } from "../ir/plan.ts";
import { bug } from "../ir/tensor-type.ts";
import { rowAccess } from "./access.ts";
import { colsOf, gatherFacts, sizeOf, type Facts } from "./facts.ts";
import { fuse, type Fusion } from "./fuse.ts";
import type { PlanContext } from "./context.ts";
import { bytesOf, declare, flat, type Launch, type Ref, type RefTable } from "./launch.ts";
import { lowerStep } from "./lower.ts";
import { valuesOf } from "./step.ts";
import { leaves } from "./stored.ts";
import { createTables } from "./tables.ts";

export interface EntryLaunches {
  readonly launches: readonly Launch[];
  /** Outputs that the host may read: name → value and its storage. */
  readonly outputs: readonly { readonly name: string; readonly value: ValueId; readonly ref: Ref }[];
}

/** @param wanted names of graph outputs that the host will read after a run */
export function planEntry(full: OpGraph, wanted: readonly string[], refs: RefTable, profile: Profile, unfused: boolean): EntryLaunches {
  const losses = full.gradients.length > 0 && full.outputs["reg_loss"] !== undefined ? ["ce_loss", "reg_loss"] : [];
  const kept = [...new Set([...wanted, ...losses])].map((name) => ({ name, value: outputOf(full, name) }));
  const graph = prune(elideBroadcasts(full), kept.map((k) => k.value));
  const facts = gatherFacts(graph);
  const fusion = fuse(facts, kept.map((k) => k.value), unfused);
  const context = contextOf(facts, fusion, graph, kept, refs, profile);
  const launches = fusion.steps.flatMap((step) => lowerStep(context, step));
  return {
    launches: [...launches, ...addLoose(context, graph), ...(losses.length > 0 ? [addLosses(context, graph)] : [])],
    outputs: kept.filter((k) => wanted.includes(k.name)).map((k) => ({ ...k, ref: context.ref(k.value) })),
  };
}

function outputOf(graph: OpGraph, name: string): ValueId {
  const value = graph.outputs[name];
  if (value === undefined) bug(`${graph.name} has no output "${name}"`);
  return value;
}

/** An expert product reads its row once per slot anyway: a copy of the row for each slot need not exist. */
function elideBroadcasts(graph: OpGraph): OpGraph {
  const facts = gatherFacts(graph);
  const source = (value: ValueId): ValueId => {
    const node = facts.producer(facts.through(value));
    if (node.op.kind !== "map" || node.op.expr.op !== "in") return value;
    const operand = node.inputs[node.op.expr.index]!;
    const [to, from] = [facts.type(node.outputs[0]!), facts.type(operand)];
    if (colsOf(to) !== colsOf(from)) return value;
    const access = rowAccess(to.shape.slice(0, -1), from.shape.slice(0, -1));
    return access.kind === "div" || access.kind === "same" ? source(operand) : value;
  };
  const rewrite = (node: Node): Node => {
    const rowInputs = node.op.kind === "expertMatmul" ? 1 : node.op.kind === "expertOuter" ? 2 : 0;
    return rowInputs === 0 ? node : { ...node, inputs: node.inputs.map((v, i) => (i < rowInputs ? source(v) : v)) };
  };
  return { ...graph, nodes: graph.nodes.map(rewrite) };
}

/** Only what the host or a parameter's gradient needs. */
function prune(graph: OpGraph, keep: readonly ValueId[]): OpGraph {
  const needed = new Set<ValueId>([...keep, ...graph.gradients.flatMap((g) => g.contributions)]);
  const nodes = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some((v) => needed.has(v))) return false;
    node.inputs.forEach((v) => needed.add(v));
    return true;
  });
  return { ...graph, nodes: nodes.reverse() };
}

function contextOf(
  facts: Facts, fusion: Fusion, graph: OpGraph, kept: readonly { name: string; value: ValueId }[], refs: RefTable, profile: Profile,
): PlanContext {
  const sums = accumulatedInPlace(facts, graph);
  const hostNames = new Map(kept.map((k) => [facts.base(k.value), `out/${graph.name}/${k.name}`]));
  const ref = (value: ValueId): Ref => storage(facts, graph, refs, sums, hostNames, facts.base(value));
  let scratches = 0;
  const scratch = (bytes: number): Ref => declare(refs, `scratch/${graph.name}/${scratches++}`, Math.max(16, bytes), "activations", false);
  const read = readValues(facts, fusion, kept.map((k) => k.value));
  return {
    facts, profile, ref, scratch,
    isStored: (v) => fusion.stored.has(facts.base(v)),
    whyStored: (v) => fusion.stored.get(v) ?? bug(`value ${v} is not stored`),
    isRead: (v) => read.has(facts.base(v)) || sums.has(facts.base(v)),
    accumulates: (v) => sums.has(facts.base(v)),
    tables: createTables(facts, ref, scratch),
  };
}

function storage(
  facts: Facts, graph: OpGraph, refs: RefTable, sums: ReadonlyMap<ValueId, string>, hostNames: ReadonlyMap<ValueId, string>, base: ValueId,
): Ref {
  const { op } = facts.producer(base);
  const type = facts.type(base);
  const bytes = bytesOf(type);
  switch (op.kind) {
    case "param": return `param/${graph.params[op.param]!.name}`;
    case "input": return declare(refs, `input/${op.name}/${type.shape.join("x")}`, bytes, "inputs", true);
    case "cache": return declare(refs, `cache/${op.name}`, bytes, "caches", true);
    case "ropeTable": return declare(refs, `table/${op.fn}/${op.nRotate}/${op.base}`, bytes, "tables", true, {
      fn: op.fn, nRotate: op.nRotate, base: op.base,
    });
    case "sinusoid": {
      const [rows, width] = [type.shape[0]!, type.shape[1]!];
      return declare(refs, `table/sinusoid/${op.first}/${rows}/${op.base}`, bytes, "tables", true, {
        fn: "sinusoid", first: op.first, base: op.base, width, stride: type.physical[1]!,
      });
    }
    default: break;
  }
  const sum = sums.get(base);
  if (sum !== undefined) return `grad/${sum}`;
  const host = hostNames.get(base);
  return host !== undefined ? declare(refs, host, bytes, "outputs", true)
    : declare(refs, `value/${graph.name}/${base}`, bytes, "activations", false, null, graph.values[base]!.name);
}

/** Gradient contributions whose own kernel can add them to the parameter's gradient. */
function accumulatedInPlace(facts: Facts, graph: OpGraph): ReadonlyMap<ValueId, string> {
  const all = graph.gradients.flatMap((g) => g.contributions.map((c) => ({ base: facts.base(c), name: graph.params[g.param]!.name })));
  const uses = new Map<ValueId, number>();
  for (const { base } of all) uses.set(base, (uses.get(base) ?? 0) + 1);
  const canAdd = (base: ValueId): boolean => {
    const { op } = facts.producer(base);
    const adds = op.kind === "matmul" || op.kind === "expertOuter" || op.kind === "scatterRows" || facts.role(base) === "columnSum";
    return adds && uses.get(base) === 1 && usedOnlyThroughViews(facts, base);
  };
  return new Map(all.filter((c) => canAdd(c.base)).map((c) => [c.base, c.name]));
}

const usedOnlyThroughViews = (facts: Facts, value: ValueId): boolean =>
  facts.consumers(value).every((node) => node.op.kind === "view" && usedOnlyThroughViews(facts, node.outputs[0]!));

/** Stored values that some step reads, or the host, or that is a contribution to add separately. */
function readValues(facts: Facts, fusion: Fusion, kept: readonly ValueId[]): ReadonlySet<ValueId> {
  const read = new Set<ValueId>([...kept, ...facts.graph.gradients.flatMap((g) => g.contributions)].map((v) => facts.base(v)));
  for (const step of fusion.steps) {
    const own = new Set(valuesOf(step));
    for (const value of leaves(facts, fusion.stored, valuesOf(step))) if (!own.has(value)) read.add(value);
  }
  return read;
}

/** Contributions made by kernels that cannot add: one more launch each. */
function addLoose(c: PlanContext, graph: OpGraph): readonly Launch[] {
  return graph.gradients.flatMap(({ param, contributions }) => contributions.filter((v) => !c.accumulates(v)).map((v) => {
    const n4 = Math.ceil(sizeOf(c.facts.type(v)) / 4);
    const name = graph.params[param]!.name;
    return { work: { kind: "addTo" }, refs: [c.ref(v), `grad/${name}`], sizes: [n4], grid: flat(n4),
      label: `add to grad ${name}`, fused: [], stores: [], origin: c.facts.producer(c.facts.base(v)).origin };
  }));
}

function addLosses(c: PlanContext, graph: OpGraph): Launch {
  const [ce, reg] = [outputOf(graph, "ce_loss"), outputOf(graph, "reg_loss")];
  return { work: { kind: "addLosses" }, refs: [c.ref(ce), c.ref(reg), "input/loss_scale/1", "metrics"], sizes: [], grid: [1],
    label: "running losses", fused: [], stores: [], origin: { path: "loss", span: null } };
}

