/** Launches of matrix products, and of those in which every row meets the matrix of its expert. */
import type { Op, ValueId } from "../ir/graph.ts";
import { bug, elements, exactElements } from "../ir/tensor-type.ts";
import { tileColumns } from "../kernels/tiles.ts";
import type { PlanContext } from "./context.ts";
import { epilogueOf } from "./epilogue.ts";
import type { Unlabelled } from "./launch.ts";
import type { AnchorStep } from "./step.ts";

/** Tiles that keep a GPU busy. */
const ENOUGH_TILES = 1024;

interface Tiling {
  readonly grid: readonly number[];
  /** For each tile: where there are few tiles, several teams share the sum of one. */
  readonly teams: number;
}

/** Tiles of n columns, and so many along the other axes. */
function tiling({ profile }: PlanContext, n: number, ...others: readonly number[]): Tiling {
  const grid = [Math.ceil(n / 4 / tileColumns(profile)), ...others];
  return { grid, teams: elements(grid) < ENOUGH_TILES ? (profile.teams ?? 1) : 1 };
}

/** Slots of a selection [..., K] that each row of x [..., k] has. */
const slotsPerRow = ({ facts }: PlanContext, selection: ValueId, x: ValueId): number =>
  Number(exactElements(facts.type(selection).shape) / exactElements(facts.type(x).shape.slice(0, -1)));

type OpOf<K extends Op["kind"]> = Extract<Op, { kind: K }>;

export function matmulLaunch(c: PlanContext, step: AnchorStep, { layout, aSplit, bSplit }: OpOf<"matmul">): Unlabelled {
  const { inputs } = step.node;
  const [a, b] = inputs.map((v) => c.facts.type(v).physical) as [readonly number[], readonly number[]];
  const [aRows, aCols] = [elements(a.slice(0, aSplit)), elements(a.slice(aSplit))];
  const n = elements(layout === "nt" ? b.slice(0, bSplit) : b.slice(bSplit));
  const [m, k] = layout === "tn" ? [aCols, aRows] : [aRows, aCols];
  const { epilogue, refs, sizes } = epilogueOf(c, step);
  const { grid, teams } = tiling(c, n, Math.ceil(m / c.profile.tileRows));
  return {
    work: { kind: "matmul", layout, teams, epilogue }, refs: [...inputs.map(c.ref), ...refs],
    sizes: [m, n / 4, k, Math.floor(k / 4), ...sizes], grid, flops: 2 * m * n * k,
  };
}

export function expertMatmulLaunch(c: PlanContext, step: AnchorStep, { transposed }: OpOf<"expertMatmul">): Unlabelled {
  const [a, w, selection] = step.node.inputs as [ValueId, ValueId, ValueId];
  const [, inner, outer] = c.facts.type(w).physical as [number, number, number];
  const { order, tiles, nTiles, slots } = c.tables(step.node);
  const [k, n] = transposed ? [outer, inner] : [inner, outer];
  const { epilogue, refs, sizes } = epilogueOf(c, step);
  const { grid, teams } = tiling(c, n, nTiles);
  return {
    work: { kind: "expertMatmul", layout: transposed ? "nt" : "nn", teams, epilogue }, refs: [c.ref(a), c.ref(w), order, tiles, ...refs],
    sizes: [n / 4, k / 4, slotsPerRow(c, selection, a), ...sizes], grid, flops: 2 * slots * n * k,
  };
}

export function expertOuterLaunch(c: PlanContext, { node }: AnchorStep): Unlabelled {
  const [x, y, selection] = node.inputs as [ValueId, ValueId, ValueId];
  const out = node.outputs[0]!;
  const [groups, m, n] = c.facts.type(out).physical as [number, number, number];
  const { order, ranges, slots } = c.tables(node);
  if (!c.accumulates(out)) bug("an expert's weight gradient is always added to its parameter's");
  const { grid, teams } = tiling(c, n, Math.ceil(m / c.profile.tileRows), groups);
  return {
    work: { kind: "expertOuter", teams }, refs: [c.ref(x), c.ref(y), order, ranges, c.ref(out)],
    sizes: [m, n / 4, slotsPerRow(c, selection, x), slotsPerRow(c, selection, y)], grid, flops: 2 * slots * m * n,
  };
}
