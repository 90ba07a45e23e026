/** Feed-forward blocks. */
import { expertMatmul, linear, map, sum, view } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { add, input, mul } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { FeedForwardSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { ACTIVATIONS } from "./activations.ts";
import { route } from "./router.ts";
import { param, vector } from "./state.ts";
import type { BuildState } from "./state.ts";

type Dense = Extract<FeedForwardSpec, { kind: "dense" }>;
type Moe = Extract<FeedForwardSpec, { kind: "moe" }>;

/** What one application of a block reads, [B, T, D] each. */
export interface BlockInputs {
  /** What experts and values read. */
  readonly x: ValueId;
  /** What queries and keys read, and routers that read the norm. */
  readonly normed: ValueId;
}

/** @returns what is added to the residual stream, [B, T, D] */
export function feedForward(s: BuildState, name: string, ff: FeedForwardSpec, inputs: BlockInputs, site: number): ValueId {
  switch (ff.kind) {
    case "dense": return denseBlock(s, name, ff, inputs.x);
    case "moe": return moeBlock(s, name, ff, inputs, site);
    default: return unreachable(ff);
  }
}

/** down · activation(up · x + bias) + bias */
function denseBlock(s: BuildState, name: string, ff: Dense, x: ValueId): ValueId {
  const activate = ACTIVATIONS[ff.activation];
  const up = linear(s.b, `${name}.up`, x, param(s, `${name}.up`)); // [B, T, F]
  const hidden = ff.bias
    ? map(s.b, `${name}.hidden`, activate(add(input(0), input(1))), [up, vector(s, `${name}.up.bias`, 3)])
    : map(s.b, `${name}.hidden`, activate(input(0)), [up]);
  const down = linear(s.b, `${name}.down`, hidden, param(s, `${name}.down`));
  return ff.bias ? map(s.b, `${name}.out`, add(input(0), input(1)), [down, vector(s, `${name}.down.bias`, 3)]) : down;
}

/** Σ over chosen experts of gate · activation(x · up[e]) · down[e]; the gate multiplies the hidden row, which is the narrow side. */
function moeBlock(s: BuildState, name: string, ff: Moe, { x, normed }: BlockInputs, site: number): ValueId {
  const routed = ff.router.input === "norm" ? normed : x;
  const logits = linear(s.b, `${name}.router.logits`, routed, param(s, `${name}.router`)); // [B, T, E]
  const { selection, gates } = route(s, `${name}.router`, logits, ff.topK, ff.router, ff.balance);
  s.outputs[`sel.ffn.${site}`] = selection;
  const up = expertMatmul(s.b, `${name}.up`, x, param(s, `${name}.up`), selection, 1); // [B, T, K, F]
  const gateColumn = view(s.b, `${name}.router.gates`, gates, [...shapeOf(s.b, gates), 1]); // [B, T, K, 1]
  const hidden = map(s.b, `${name}.hidden`, mul(input(1), ACTIVATIONS[ff.activation](input(0))), [up, gateColumn]);
  const slots = expertMatmul(s.b, `${name}.down`, hidden, param(s, `${name}.down`), selection, 1); // [B, T, K, D]
  return view(s.b, `${name}.out`, sum(s.b, `${name}.out`, slots, 2), shapeOf(s.b, x));
}
