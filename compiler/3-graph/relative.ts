/** Relative positions (Shaw et al. 2018, arXiv:1803.02155): a learned score per head, channel of the query, and clamped distance. */
import { expertMatmul, map, topK, view } from "../graph/dsl.ts";
import type { RelativeBias } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { constant } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { AttentionSpec } from "../ir/model-spec.ts";
import { plain } from "../ir/tensor-type.ts";
import { param } from "./state.ts";
import type { BuildState } from "./state.ts";

/** @param q [B, T, H', Dh], scaled; its heads are those of the table, once or several times over. Null where the layer has none. */
export function relativeBias(s: BuildState, name: string, spec: AttentionSpec, q: ValueId): RelativeBias | null {
  if (spec.relative === null) return null;
  const [batch, positions, rows] = shapeOf(s.b, q) as [number, number, number, number];
  const { reach } = spec.relative;
  // Head h reads table h: a product per head is one of experts where each head has a single one.
  const scores = expertMatmul(
    s.b, `${name}.relative`, q, param(s, `${name}.relative`), firstOf(s, [batch, positions, rows, 1], spec.nHeads), spec.nHeads,
  );
  return { reach, bias: view(s.b, `${name}.relative`, scores, [batch, positions, rows, 2 * reach + 1]) };
}

/** A selection that always chooses expert 0; one for all layers of equal shape. */
function firstOf(s: BuildState, shape: readonly number[], heads: number): ValueId {
  return (s.sources[`first ${shape} ${heads}`] ??= topK(s.b, "first", map(s.b, "first", constant(0), [], plain(shape)), 1));
}
