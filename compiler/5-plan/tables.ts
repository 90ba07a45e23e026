/** Routing tables: slots sorted by expert, in a step before the first that needs them, shared by everything that one selection routes. */
import type { Node, ValueId } from "../ir/graph.ts";
import { bug } from "../ir/tensor-type.ts";
import type { PlanContext } from "./context.ts";
import { sizeOf, type Facts } from "./facts.ts";
import { flat, type Ref, type Unlabelled } from "./launch.ts";
import type { AnchorStep, Step, TablesOf, TablesStep } from "./step.ts";

interface Routed {
  readonly steps: readonly Step[];
  readonly tablesOf: TablesOf;
}

/**
 * @param tileRows slots that a tile of an expert product takes
 * @param counterOf of selections, where the choices of each expert are added up: by the first of their tables
 */
export function addTables(facts: Facts, steps: readonly Step[], tileRows: number, counterOf: ReadonlyMap<ValueId, Ref>): Routed {
  const counted = new Set<ValueId>();
  const anchors = new Map<ValueId, AnchorStep>();
  const made = new Map<string, TablesStep>();
  const tablesOf = new Map<Node, TablesStep>();
  const all = steps.flatMap((step): readonly Step[] => {
    if (step.kind !== "anchor") return [step];
    anchors.set(step.node.outputs[0]!, step);
    const routing = routingOf(facts, step.node, tileRows);
    if (routing === null) return [step];
    const { selection } = routing;
    const key = JSON.stringify(routing);
    const known = made.get(key);
    const choice = facts.producer(selection).op.kind === "topK" ? anchors.get(selection)! : null;
    const counter = counted.has(selection) ? null : counterOf.get(selection) ?? null;
    const tables = known ?? { kind: "tables", values: [], user: step, choice, counter, ...routing, ...sizesOf(facts, routing) };
    counted.add(selection);
    made.set(key, tables);
    tablesOf.set(step.node, tables);
    return known === undefined ? [tables, step] : [step];
  });
  return { steps: all, tablesOf };
}

type Routing = Pick<TablesStep, "selection" | "groups" | "tileRows">;

/** By which selection an operation is routed, to how many matrices or rows of a table. */
function routingOf({ base, type }: Facts, { op, inputs, outputs }: Node, tileRows: number): Routing | null {
  switch (op.kind) {
    case "expertMatmul": return { selection: base(inputs[2]!), groups: type(inputs[1]!).physical[0]!, tileRows };
    case "expertOuter": return { selection: base(inputs[2]!), groups: type(outputs[0]!).physical[0]!, tileRows };
    case "scatterRows": return { selection: base(inputs[1]!), groups: type(outputs[0]!).shape[0]!, tileRows: 1 };
    default: return null;
  }
}

function sizesOf({ type }: Facts, { selection, groups, tileRows }: Routing): Pick<TablesStep, "slots" | "nTiles" | "block" | "blocks"> {
  const slots = sizeOf(type(selection));
  const block = blockSize(slots);
  return { slots, nTiles: Math.floor(slots / tileRows) + Math.min(groups, slots), block, blocks: Math.ceil(slots / block) };
}

/** Blocks of about √slots entries keep both the count table and the walk within a block short. */
function blockSize(slots: number): number {
  let block = 64;
  while (block * block < slots) block *= 2;
  return block;
}

/** Heads of the expert products that a selection routes: its experts are numbered over all of them. */
export function headsOf(facts: Facts, selection: ValueId): number {
  const heads = facts.consumers(selection).flatMap(({ op }) => (op.kind === "expertMatmul" || op.kind === "expertOuter" ? [op.heads] : []));
  if (heads.some((each) => each !== heads[0])) bug("one selection is used with different numbers of heads");
  return heads[0] ?? 1;
}

export function tableLaunches(c: PlanContext, step: TablesStep): readonly Unlabelled[] {
  const { slots, groups, tileRows, block, blocks, nTiles, counter } = step;
  const experts = step.choice === null ? c.ref(step.selection) : c.scratch(step.choice)[0]!;
  const [counts, totals, order, ranges, tiles] = c.scratch(step) as [Ref, Ref, Ref, Ref, Ref];
  return [
    { work: { kind: "routeCount" }, refs: [experts, counts], sizes: [slots, groups, block, blocks], grid: flat(blocks * groups) },
    {
      work: { kind: "routePrefix", counted: counter !== null }, refs: [counts, totals, ...(counter === null ? [] : [counter])],
      sizes: [groups, blocks], grid: flat(groups),
    },
    { work: { kind: "routeOffsets" }, refs: [totals, ranges, tiles], sizes: [groups, tileRows, nTiles], grid: [1] },
    { work: { kind: "routePlace" }, refs: [experts, counts, ranges, order], sizes: [slots, groups, block], grid: flat(slots) },
  ];
}
