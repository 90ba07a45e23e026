/** Routing tables: slots sorted by expert, made once per selection and shared by everything that is routed by it. */
import type { Node, ValueId } from "../ir/graph.ts";
import { bug } from "../ir/tensor-type.ts";
import { sizeOf, type Facts } from "./facts.ts";
import { flat, type Ref, type Unlabelled } from "./launch.ts";

export interface Sorted {
  readonly order: Ref;
  readonly ranges: Ref;
  readonly tiles: Ref;
  readonly nTiles: number;
  /** The launches that make the tables: not empty only for the first who asks. */
  readonly launches: readonly Unlabelled[];
}

export interface Tables {
  /** Heads of a selection, and the tensor of its experts numbered over all heads. */
  readonly numbering: (selection: ValueId) => { readonly heads: number; readonly expert: Ref };
  readonly sorted: (selection: ValueId, heads: number, groups: number, tileRows: number) => Sorted;
}

export function createTables(facts: Facts, ref: (value: ValueId) => Ref, scratch: (bytes: number) => Ref): Tables {
  const expertOf = new Map<ValueId, Ref>();
  const made = new Map<string, Sorted>();
  const numbering = (selection: ValueId): { heads: number; expert: Ref } => {
    const known = expertOf.get(selection) ?? scratch(4 * sizeOf(facts.type(selection)));
    expertOf.set(selection, known);
    return { heads: headsOf(facts, selection), expert: known };
  };
  const sorted = (selection: ValueId, heads: number, groups: number, tileRows: number): Sorted => {
    const base = facts.base(selection);
    const key = `${base}/${groups}/${tileRows}`;
    const known = made.get(key);
    if (known !== undefined) return { ...known, launches: [] };
    const routed = facts.producer(base).op.kind === "topK";
    if (routed && headsOf(facts, base) !== heads) bug("one selection is used with different numbers of heads");
    const tables = sortLaunches(routed ? numbering(base).expert : ref(base), sizeOf(facts.type(base)), groups, tileRows, scratch);
    made.set(key, tables);
    return tables;
  };
  return { numbering, sorted };
}

function headsOf(facts: Facts, selection: ValueId): number {
  const users: readonly Node[] = facts.consumers(selection);
  for (const { op } of users) if (op.kind === "expertMatmul" || op.kind === "expertOuter") return op.heads;
  return 1;
}

/** Blocks of about √slots entries keep both the count table and the walk within a block short. */
function blockSize(slots: number): number {
  let block = 64;
  while (block * block < slots) block *= 2;
  return block;
}

function sortLaunches(expert: Ref, slots: number, groups: number, tileRows: number, scratch: (bytes: number) => Ref): Sorted {
  const block = blockSize(slots);
  const blocks = Math.ceil(slots / block);
  const nTiles = Math.floor(slots / tileRows) + Math.min(groups, slots);
  const [counts, totals, order] = [scratch(4 * blocks * groups), scratch(4 * groups), scratch(4 * slots)];
  const [ranges, tiles] = [scratch(8 * groups), scratch(16 * nTiles)];
  return {
    order, ranges, tiles, nTiles,
    launches: [
      { work: { kind: "routeCount" }, refs: [expert, counts], sizes: [slots, groups, block, blocks], grid: flat(blocks * groups) },
      { work: { kind: "routePrefix" }, refs: [counts, totals], sizes: [groups, blocks], grid: flat(groups) },
      { work: { kind: "routeOffsets" }, refs: [totals, ranges, tiles], sizes: [groups, tileRows, nTiles], grid: [1] },
      { work: { kind: "routePlace" }, refs: [expert, counts, ranges, order], sizes: [slots, groups, block], grid: flat(slots) },
    ],
  };
}
