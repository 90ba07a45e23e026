/**
 * Which positions count in training, where that is not all: those whose target is a token. Behind a target that is none (IGNORED) a
 * position is read by others and adds nothing to any term of the loss; means are over the positions that count. A group of a balance term
 * weighs as much as it has of them, so that where a batch is cut into micro-batches changes no term that looks at sequences or tokens.
 */
import { shapeOf } from "../graph/builder.ts";
import { map, sum, view } from "../graph/dsl.ts";
import { constant, div, input, max, mul, select } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { source } from "./state.ts";
import type { BuildState } from "./state.ts";

/** 1 for positions that count, else 0, [B, T, 1]; null where all do. */
export function maskOf(s: BuildState): ValueId | null {
  if (s.entry.kind !== "train" || s.entry.masked !== true) return null;
  return (s.sources["mask"] ??= map(s.b, "mask", select("lt", input(0), constant(s.model.vocabSize), constant(1), constant(0)), [
    view(s.b, "mask.targets", source(s, "targets"), [s.batch, s.positions, 1]),
  ]));
}

/** x [B, T, …] with 0 at positions that do not count. */
export function masked(s: BuildState, name: string, x: ValueId): ValueId {
  const mask = maskOf(s);
  return mask === null ? x : map(s.b, `${name}.counted`, mul(input(0), input(1)), [x, alike(s, mask, x)]);
}

/** [B, T, 1] as [B, T, 1, …] of the rank of x. */
const alike = (s: BuildState, mask: ValueId, x: ValueId): ValueId =>
  view(s.b, "mask", mask, [s.batch, s.positions, ...shapeOf(s.b, x).slice(2).map(() => 1)]);

/** Positions that count in each of the groups that are [groups, positions of one] together: [groups, 1, …]; null where all do. */
export function countedIn(s: BuildState, groups: readonly [number, number], rank: number): ValueId | null {
  const mask = maskOf(s);
  return mask === null ? null : sum(s.b, "mask.groups", view(s.b, "mask", mask, [...groups, ...Array<number>(rank - 2).fill(1)]), 1);
}

/** Positions that count, at least 1: [1]; null where all do. */
export function countedPositions(s: BuildState): ValueId | null {
  const mask = maskOf(s);
  if (mask === null) return null;
  return (s.sources["mask.count"] ??= map(s.b, "mask.count", max(input(0), constant(1)), [
    sum(s.b, "mask.count", view(s.b, "mask", mask, [s.batch * s.positions]), 0),
  ]));
}

/** weight · total / (positions that count · rows of each), [1]. @param total of masked values, [1] */
export function overPositions(s: BuildState, name: string, total: ValueId, weight: number, rows = 1): ValueId {
  const count = countedPositions(s);
  if (count === null) return map(s.b, name, mul(input(0), constant(weight / (s.batch * s.positions * rows))), [total]);
  return map(s.b, name, div(mul(input(0), constant(weight / rows)), input(1)), [total, count]);
}
