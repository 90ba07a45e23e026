/** One application of a layer: where its norms stand around attention and feed-forward block. */
import { map } from "../graph/dsl.ts";
import { add, input } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { LayerSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { attention } from "./attention.ts";
import { feedForward } from "./feed-forward.ts";
import type { BlockInputs } from "./feed-forward.ts";
import { normalize } from "./norm.ts";
import { feedForwardReadsNorm } from "./parameters.ts";
import { within } from "./state.ts";
import type { BuildState } from "./state.ts";

/** @param site position in depth @returns the residual stream after the layer, [B, T, D] */
export function applyLayer(s: BuildState, layer: LayerSpec, site: number, x: ValueId): ValueId {
  const middle = residual(s, layer, "norm_attention", x, (inputs) => within(s, `${layer.name}.attention`, layer.attention.span, () =>
    attention(s, `${layer.name}.attention`, layer.attention, inputs, site)));
  return residual(s, layer, "norm_feed_forward", middle, (inputs) => within(s, `${layer.name}.feed_forward`, layer.feedForward.span, () =>
    feedForward(s, `${layer.name}.feed_forward`, layer.feedForward, inputs, site)));
}

function residual(s: BuildState, layer: LayerSpec, norm: "norm_attention" | "norm_feed_forward", x: ValueId, block: (inputs: BlockInputs) => ValueId): ValueId {
  const name = `${layer.name}.${norm}`;
  const normed = (y: ValueId): ValueId => within(s, `${layer.name}.norm`, layer.span, () => normalize(s, name, layer.norm, y));
  const plus = (y: ValueId): ValueId => within(s, layer.name, layer.span, () =>
    map(s.b, `${layer.name}.residual`, add(input(0), input(1)), [x, y]));
  switch (layer.placement) {
    case "pre": {
      const n = normed(x);
      return plus(block({ x: n, normed: n }));
    }
    case "peri": return plus(block({ x, normed: norm === "norm_attention" || feedForwardReadsNorm(layer) ? normed(x) : x }));
    case "post": return normed(plus(block({ x, normed: x })));
    default: return unreachable(layer.placement);
  }
}
