/** One application of a layer: where its norms stand around attention and feed-forward block. */
import { map } from "../graph/dsl.ts";
import { add, constant, input, mul } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { LayerSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { attention } from "./attention.ts";
import { feedForward } from "./feed-forward.ts";
import type { BlockInputs } from "./feed-forward.ts";
import { normalize } from "./norm.ts";
import { feedForwardReadsNorm } from "./parameters.ts";
import type { Skip } from "./router.ts";
import { within } from "./state.ts";
import type { BuildState } from "./state.ts";

/** Whom halting skips in an application, and the stream that keys and values come from: null if they come from its own. */
export interface Halted extends Skip {
  readonly source: ValueId | null; // [B, T, D]
}

/** @param site position in depth @returns the residual stream after the layer, [B, T, D] */
export function applyLayer(s: BuildState, layer: LayerSpec, site: number, x: ValueId, halted: Halted | null = null): ValueId {
  const middle = residual(s, layer, "norm_attention", x, halted, (inputs) => within(s, `${layer.name}.attention`, layer.attention.span, () =>
    attention(s, `${layer.name}.attention`, layer.attention, inputs, site)));
  return residual(s, layer, "norm_feed_forward", middle, halted, (inputs) => within(s, `${layer.name}.feed_forward`, layer.feedForward.span, () =>
    feedForward(s, `${layer.name}.feed_forward`, layer.feedForward, inputs, site)));
}

function residual(s: BuildState, layer: LayerSpec, norm: "norm_attention" | "norm_feed_forward", x: ValueId, halted: Halted | null, block: (inputs: BlockInputs) => ValueId): ValueId {
  const name = `${layer.name}.${norm}`;
  const normed = (y: ValueId, which = name): ValueId => within(s, `${layer.name}.norm`, layer.span, () => normalize(s, which, layer.norm, y));
  const scaled = layer.residualScale === 1 ? input(1) : mul(constant(layer.residualScale), input(1));
  const plus = (y: ValueId): ValueId => within(s, layer.name, layer.span, () =>
    halted === null ? map(s.b, `${layer.name}.residual`, add(input(0), scaled), [x, y])
      : map(s.b, `${layer.name}.residual`, add(input(0), mul(input(2), scaled)), [x, y, halted.running]));
  const blockOf = (n: { readonly x: ValueId; readonly normed: ValueId }, ofSource: (y: ValueId) => typeof n): ValueId =>
    block({ ...n, skip: halted === null ? null : { ...halted, source: norm === "norm_attention" && halted.source !== null ? ofSource(halted.source) : n } });
  const both = (y: ValueId): { readonly x: ValueId; readonly normed: ValueId } => ({ x: y, normed: y });
  switch (layer.placement) {
    case "pre": return plus(blockOf(both(normed(x)), (y) => both(normed(y))));
    case "peri": return plus(blockOf({ x, normed: norm === "norm_attention" || feedForwardReadsNorm(layer) ? normed(x) : x }, (y) => ({ x: y, normed: normed(y) })));
    case "sandwich": return plus(normed(blockOf(both(normed(x)), (y) => both(normed(y))), `${name}_out`));
    case "post": return normed(plus(blockOf(both(x), both)));
    default: return unreachable(layer.placement);
  }
}
