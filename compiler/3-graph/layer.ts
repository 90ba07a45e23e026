/** One application of a layer: where its norms stand around attention and feed-forward block. */
import { map } from "../graph/dsl.ts";
import { add, constant, input, mul } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { LayerSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { hasNorm } from "../parameters/parameters.ts";
import { attention } from "./attention.ts";
import { feedForward } from "./feed-forward.ts";
import { normalize } from "./norm.ts";
import type { Skip } from "./router-site.ts";
import { within } from "./state.ts";
import type { BuildState } from "./state.ts";
import type { BlockInputs, Streams } from "./streams.ts";

/** Whom halting skips in an application, and the stream that keys and values come from: null if they come from its own. */
export interface Halted extends Skip {
  readonly source: ValueId | null; // [B, T, D]
}

/** @param site position in depth @returns the residual stream after the layer, [B, T, D] */
export function applyLayer(s: BuildState, layer: LayerSpec, site: number, x: ValueId, halted: Halted | null = null): ValueId {
  const [first, second] = [`${layer.name}.attention`, `${layer.name}.feed_forward`];
  const middle = residual(s, layer, "attention", x, x, halted, (inputs) =>
    within(s, first, layer.attention.span, () => attention(s, first, layer.attention, inputs, site)));
  return residual(s, layer, "feed_forward", middle, layer.parallel ? x : middle, halted, (inputs) =>
    within(s, second, layer.feedForward.span, () => feedForward(s, second, layer.feedForward, inputs, site)));
}

/** x + block, with the norms where the layer has them. @param read the stream that the block reads */
function residual(
  s: BuildState, layer: LayerSpec, part: "attention" | "feed_forward", x: ValueId, read: ValueId, halted: Halted | null,
  block: (inputs: BlockInputs) => ValueId,
): ValueId {
  const { stands, readers } = layer.placement;
  const name = `${layer.name}.norm_${part}`;
  const normed = (y: ValueId, which = name): ValueId =>
    within(s, `${layer.name}.norm`, layer.span, () => normalize(s, which, layer.norm, y));
  const isRead = stands !== "after" && hasNorm(layer, part);
  const streams = (y: ValueId): Streams => ({ bare: y, normed: isRead ? normed(y) : y });
  const own = streams(read);
  const other = part === "attention" ? halted?.source ?? null : null;
  const source = other === null ? own : streams(other);
  const out = block({ own, source, readers, skip: halted });
  switch (stands) {
    case "before": return plus(s, layer, x, out, halted);
    case "around": return plus(s, layer, x, normed(out, `${name}_out`), halted);
    case "after": return normed(plus(s, layer, x, out, halted));
    default: return unreachable(stands);
  }
}

/** x + scale · y; nothing is added to tokens that are skipped. */
const plus = (s: BuildState, { name, span, residualScale }: LayerSpec, x: ValueId, y: ValueId, skip: Skip | null): ValueId =>
  within(s, name, span, () => {
  const scaled = residualScale === 1 ? input(1) : mul(constant(residualScale), input(1));
  return skip === null ? map(s.b, `${name}.residual`, add(input(0), scaled), [x, y])
    : map(s.b, `${name}.residual`, add(input(0), mul(input(2), scaled)), [x, y, skip.running]);
});
