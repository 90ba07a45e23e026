/** Feed-forward blocks. */
import { expertMatmul, gatherRows, linear, map, sum, view } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { simplify, substitute } from "../expr/simplify.ts";
import { ACTIVATIONS } from "../ir/activations.ts";
import { add, input, mul, sigmoid } from "../ir/expr.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Activation, FeedForwardSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { route } from "./router.ts";
import type { Routing } from "./router.ts";
import { param, vector } from "./state.ts";
import type { BuildState } from "./state.ts";
import { readBy, readByRouter } from "./streams.ts";
import type { BlockInputs } from "./streams.ts";

type Dense = Extract<FeedForwardSpec, { kind: "dense" }>;
type Moe = Extract<FeedForwardSpec, { kind: "moe" }>;

/** @returns what is added to the residual stream, [B, T, D] */
export function feedForward(s: BuildState, name: string, ff: FeedForwardSpec, inputs: BlockInputs, site: number): ValueId {
  switch (ff.kind) {
    case "dense": return denseBlock(s, name, ff, readBy(inputs, "feed_forward"));
    case "moe": return moeBlock(s, name, ff, inputs, site);
    default: return unreachable(ff);
  }
}

/**
 * down · hidden + bias, hidden being activation(up · x + bias), or activation(gate · x + bias) ⊙ (up · x + bias). A shared bias of the
 * output is added elsewhere.
 */
function denseBlock(
  s: BuildState, name: string, { activation, glu, bias }: Pick<Dense | Moe, "activation" | "glu" | "bias">, x: ValueId,
): ValueId {
  const parts = (glu ? ["up", "gate"] : ["up"]).map((part): Part => ({
    value: linear(s.b, `${name}.${part}`, x, param(s, `${name}.${part}`)), // [B, T, F]
    bias: bias === false ? null : vector(s, `${name}.${part}.bias`, 3),
  }));
  const down = linear(s.b, `${name}.down`, hiddenUnits(s, name, activation, parts, null), param(s, `${name}.down`));
  return bias === true ? map(s.b, `${name}.out`, add(input(0), input(1)), [down, vector(s, `${name}.down.bias`, 3)]) : down;
}

interface Part {
  readonly value: ValueId;
  readonly bias: ValueId | null;
}

/** factor · activation(last part) · the other part, one map whatever there is of it. */
function hiddenUnits(s: BuildState, name: string, activation: Activation, parts: readonly Part[], factor: ValueId | null): ValueId {
  const inputs: ValueId[] = [];
  const read = (id: ValueId): Expr => input(inputs.push(id) - 1);
  const sums = parts.map(({ value, bias }) => (bias === null ? read(value) : add(read(value), read(bias))));
  const activated = activate(activation, sums.at(-1)!);
  const product = sums.length === 1 ? activated : mul(activated, sums[0]!);
  return map(s.b, `${name}.hidden`, factor === null ? product : mul(read(factor), product), inputs);
}

const activate = (activation: Activation, x: Expr): Expr =>
  (typeof activation === "string" ? ACTIVATIONS[activation](x) : simplify(substitute(activation.expr, () => x)));

/** The chosen experts, plus the shared block, plus the bias that all of them share. */
function moeBlock(s: BuildState, name: string, ff: Moe, inputs: BlockInputs, site: number): ValueId {
  const x = readBy(inputs, "feed_forward");
  const at = { name: `${name}.router`, output: "ffn", site, skip: inputs.skip } as const;
  const routing = route(s, at, readByRouter(inputs, inputs.own, ff.router, "feed_forward"), ff);
  const experts = chosenExperts(s, name, ff, x, routing);
  const out = ff.nShared === 0 ? experts : withShared(s, name, ff, x, experts);
  return ff.bias === "shared_output" ? map(s.b, `${name}.out`, add(input(0), input(1)), [out, vector(s, `${name}.down.bias`, 3)]) : out;
}

/** Plus what every token visits, gated where it has a gate. */
function withShared(s: BuildState, name: string, ff: Moe, x: ValueId, experts: ValueId): ValueId {
  const shared = denseBlock(s, `${name}.shared`, ff, x);
  if (ff.sharedGate === "none") return map(s.b, `${name}.out`, add(input(0), input(1)), [experts, shared]);
  const logit = linear(s.b, `${name}.shared_gate.logits`, x, param(s, `${name}.shared_gate`)); // [B, T, 1]
  return map(s.b, `${name}.out`, add(input(0), mul(input(1), sigmoid(input(2)))), [experts, shared, logit]);
}

/** Σ over chosen experts of gate · expert(x), the routing gate multiplying the hidden row, which is the narrow side. */
function chosenExperts(s: BuildState, name: string, ff: Moe, x: ValueId, { selection, gates }: Routing): ValueId {
  const bias = (part: string): ValueId => gatherRows(s.b, `${name}.${part}.bias`, param(s, `${name}.${part}.bias`), selection);
  const parts = (ff.glu ? ["up", "gate"] : ["up"]).map((part): Part => ({
    value: expertMatmul(s.b, `${name}.${part}`, x, param(s, `${name}.${part}`), selection, 1), // [B, T, K, F]
    bias: ff.bias === false ? null : bias(part),
  }));
  const gateColumn = view(s.b, `${name}.router.gates`, gates, [...shapeOf(s.b, gates), 1]); // [B, T, K, 1]
  const hidden = hiddenUnits(s, name, ff.activation, parts, gateColumn);
  const down = expertMatmul(s.b, `${name}.down`, hidden, param(s, `${name}.down`), selection, 1); // [B, T, K, D]
  const slots = ff.bias === true ? map(s.b, `${name}.down`, add(input(0), mul(input(1), input(2))), [down, gateColumn, bias("down")])
    : down;
  return view(s.b, `${name}.out`, sum(s.b, `${name}.out`, slots, 2), shapeOf(s.b, x));
}
