/** Normalizations over the channels [..., D], composed of row sums and maps. */
import { map, sum } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { add, constant, input, mul, rsqrt, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { NormSpec } from "../ir/model-spec.ts";
import { elements } from "../ir/tensor-type.ts";
import { NORM_PARTS } from "../parameters/parameters.ts";
import { vector } from "./state.ts";
import type { BuildState } from "./state.ts";

/**
 * layernorm  y = (x − mean x) / √(var x + eps) · weight + bias, biased variance
 * rmsnorm    y = x / √(mean x² + eps) · weight
 * @param name prefix of the parameters: "a.norm_attention"
 * @param axes so many last ones are normalized over: 2 for the channels of all heads
 */
export function normalize(s: BuildState, name: string, norm: NormSpec, x: ValueId, axes: 1 | 2 = 1): ValueId {
  const { centered, inverse } = parts(s, name, norm, x, axes);
  const scaled = mul(input(0), input(1));
  if (!norm.affine) return map(s.b, name, scaled, [centered, inverse]);
  const rank = shapeOf(s.b, x).length;
  const weight = vector(s, `${name}.weight`, rank);
  if (!NORM_PARTS[norm.kind].includes("bias")) return map(s.b, name, mul(scaled, input(2)), [centered, inverse, weight]);
  return map(s.b, name, add(mul(scaled, input(2)), input(3)), [centered, inverse, weight, vector(s, `${name}.bias`, rank)]);
}

interface Parts {
  readonly centered: ValueId; // [..., D]
  /** What it is multiplied by, one number per row. */
  readonly inverse: ValueId; // [..., 1]
}

function parts(s: BuildState, name: string, { kind, eps }: NormSpec, x: ValueId, axes: 1 | 2): Parts {
  switch (kind) {
    case "layernorm": {
      const centered = center(s, name, x, axes);
      return { centered, inverse: inverseDeviation(s, name, eps, centered, axes) };
    }
    case "rmsnorm": return { centered: x, inverse: inverseDeviation(s, name, eps, x, axes) };
  }
}

/** The sum over the last axes, [..., 1]: over heads first, whose channels lie side by side. */
const total = (s: BuildState, name: string, x: ValueId, axes: 1 | 2): ValueId =>
  sum(s.b, name, axes === 1 ? x : sum(s.b, name, x, -2), -1);

const widthOf = (s: BuildState, x: ValueId, axes: 1 | 2): number => elements(shapeOf(s.b, x).slice(-axes));

function center(s: BuildState, name: string, x: ValueId, axes: 1 | 2): ValueId {
  const width = widthOf(s, x, axes);
  return map(s.b, `${name}.centered`, sub(input(0), mul(input(1), constant(1 / width))), [x, total(s, `${name}.sum`, x, axes)]);
}

/** 1 / √(mean x² + eps), [..., 1] */
function inverseDeviation(s: BuildState, name: string, eps: number, x: ValueId, axes: 1 | 2): ValueId {
  const width = widthOf(s, x, axes);
  const squares = total(s, `${name}.square_sum`, map(s.b, `${name}.square`, mul(input(0), input(0)), [x]), axes);
  return map(s.b, `${name}.inverse_deviation`, rsqrt(add(mul(input(0), constant(1 / width)), constant(eps))), [squares]);
}
