/** Launches of matrix products, and of those in which every row meets the matrix of its expert. */
import type { Node, Op, ValueId } from "../ir/graph.ts";
import { bug, elements, exactElements } from "../ir/tensor-type.ts";
import { tileColumns } from "../kernels/tiles.ts";
import type { PlanContext } from "./context.ts";
import { epilogueOf } from "./epilogue.ts";
import { sizeOf } from "./facts.ts";
import type { Unlabelled } from "./launch.ts";

/** Tiles that keep a GPU busy. */
const ENOUGH_TILES = 1024;

/** Teams for each tile of a grid: where there are few, several share its sum. */
const teamsFor = ({ profile }: PlanContext, grid: readonly number[]): number =>
  (grid.reduce((product, extent) => product * extent, 1) < ENOUGH_TILES ? (profile.teams ?? 1) : 1);

/** Slots of a selection [..., K] that each row of x [..., k] has. */
const slotsPerRow = ({ facts }: PlanContext, selection: ValueId, x: ValueId): number =>
  Number(exactElements(facts.type(selection).shape) / exactElements(facts.type(x).shape.slice(0, -1)));

const columnTiles = ({ profile }: PlanContext, n: number): number => Math.ceil(n / 4 / tileColumns(profile));

type OpOf<K extends Op["kind"]> = Extract<Op, { kind: K }>;

export function matmulLaunch(
  c: PlanContext, node: Node, { layout, aSplit, bSplit }: OpOf<"matmul">, stores: readonly ValueId[],
): Unlabelled {
  const [a, b] = node.inputs.map((v) => c.facts.type(v).physical) as [readonly number[], readonly number[]];
  const [aRows, aCols] = [elements(a.slice(0, aSplit)), elements(a.slice(aSplit))];
  const n = elements(layout === "nt" ? b.slice(0, bSplit) : b.slice(bSplit));
  const [m, k] = layout === "tn" ? [aCols, aRows] : [aRows, aCols];
  const { epilogue, refs, sizes } = epilogueOf(c, node, stores);
  const grid = [columnTiles(c, n), Math.ceil(m / c.profile.tileRows)];
  return {
    work: { kind: "matmul", layout, teams: teamsFor(c, grid), epilogue }, refs: [...node.inputs.map(c.ref), ...refs],
    sizes: [m, n / 4, k, Math.floor(k / 4), ...sizes], grid, flops: 2 * m * n * k,
  };
}

export function expertMatmulLaunches(
  c: PlanContext, node: Node, { heads, transposed }: OpOf<"expertMatmul">, stores: readonly ValueId[],
): readonly Unlabelled[] {
  const [a, w, selection] = node.inputs as [ValueId, ValueId, ValueId];
  const { facts, profile } = c;
  const [groups, inner, outer] = facts.type(w).physical as [number, number, number];
  const slots = sizeOf(facts.type(selection));
  const { launches, order, tiles, nTiles } = c.tables.sorted(selection, heads, groups, profile.tileRows);
  const [k, n] = transposed ? [outer, inner] : [inner, outer];
  const { epilogue, refs, sizes } = epilogueOf(c, node, stores);
  const grid = [columnTiles(c, n), nTiles];
  return [...launches, {
    work: { kind: "expertMatmul", layout: transposed ? "nt" : "nn", teams: teamsFor(c, grid), epilogue },
    refs: [c.ref(a), c.ref(w), order, tiles, ...refs],
    sizes: [n / 4, k / 4, slotsPerRow(c, selection, a), ...sizes], grid, flops: 2 * slots * n * k,
  }];
}

export function expertOuterLaunches(c: PlanContext, node: Node, { heads }: OpOf<"expertOuter">): readonly Unlabelled[] {
  const [x, y, selection] = node.inputs as [ValueId, ValueId, ValueId];
  const out = node.outputs[0]!;
  const { facts, profile } = c;
  const [groups, m, n] = facts.type(out).physical as [number, number, number];
  const slots = sizeOf(facts.type(selection));
  const { launches, order, ranges } = c.tables.sorted(selection, heads, groups, profile.tileRows);
  if (!c.accumulates(out)) bug("an expert's weight gradient is always added to its parameter's");
  const grid = [columnTiles(c, n), Math.ceil(m / profile.tileRows), groups];
  return [...launches, {
    work: { kind: "expertOuter", teams: teamsFor(c, grid) }, refs: [c.ref(x), c.ref(y), order, ranges, c.ref(out)],
    sizes: [m, n / 4, slotsPerRow(c, selection, x), slotsPerRow(c, selection, y)], grid, flops: 2 * slots * m * n,
  }];
}
