/** Launches of matrix products, and of those in which every row meets the matrix of its expert. */
import type { Node, Op, ValueId } from "../ir/graph.ts";
import { bug, elements } from "../ir/tensor-type.ts";
import { tileColumns } from "../kernels/tiles.ts";
import type { PlanContext } from "./context.ts";
import { epilogueOf } from "./epilogue.ts";
import { rowsOf, sizeOf } from "./facts.ts";
import type { Unlabelled } from "./launch.ts";

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
  return {
    work: { kind: "matmul", layout, epilogue }, refs: [...node.inputs.map(c.ref), ...refs], sizes: [m, n / 4, k, Math.floor(k / 4), ...sizes],
    grid: [columnTiles(c, n), Math.ceil(m / c.profile.tileRows)], flops: 2 * m * n * k,
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
  return [...launches, {
    work: { kind: "expertMatmul", layout: transposed ? "nt" : "nn", epilogue }, refs: [c.ref(a), c.ref(w), order, tiles, ...refs],
    sizes: [n / 4, k / 4, slots / rowsOf(facts.type(a)), ...sizes], grid: [columnTiles(c, n), nTiles], flops: 2 * slots * n * k,
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
  return [...launches, {
    work: { kind: "expertOuter" }, refs: [c.ref(x), c.ref(y), order, ranges, c.ref(out)],
    sizes: [m, n / 4, slots / rowsOf(facts.type(x)), slots / rowsOf(facts.type(y))],
    grid: [columnTiles(c, n), Math.ceil(m / profile.tileRows), groups], flops: 2 * slots * m * n,
  }];
}
