/**
 * Adaptive computation time as first published (Graves 2016, arXiv:1603.08983) and as in the Universal Transformer (Dehghani et al. 2019,
 * arXiv:1807.03819, appendix C). State of each token: P, the halting probabilities so far; R, what of 1 its last pass got; N, its passes;
 * out, its output. In every pass, with u what its layers read and θ the threshold, for tokens that have not halted
 *
 *   p = sigmoid(w·u + b)     the token halts in this pass if P + p > θ
 *   weight = p, or 1 − P if it halts      P ← P + p    R ← R + (1 − P) if it halts    N ← N + 1
 *   out ← weight · layers(u) + (1 − weight) · out
 *
 * Halted tokens keep their output; their states go on, seen by others. The loss has the mean of N + R.
 */
import { linear, map } from "../graph/dsl.ts";
import { add, constant, input, mul, select, sigmoid, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { HaltingSpec } from "../ir/model-spec.ts";
import { plain } from "../ir/tensor-type.ts";
import { firstLayer } from "../stack/passes.ts";
import { meanOfTokens } from "./loss.ts";
import { param, perToken, vector, within } from "./state.ts";
import type { BuildState } from "./state.ts";
import type { Passes } from "./passes.ts";

type Graves = Extract<HaltingSpec, { kind: "graves" }>;

/** One number per token each, [B, T, 1]. */
interface Tokens {
  /** 1 until a token has halted. */
  readonly running: ValueId;
  readonly total: ValueId; // P
  readonly passes: ValueId; // N
  readonly rest: ValueId; // R
}

/** @returns the outputs, [B, T, D] */
export function gravesPasses(s: BuildState, spec: Graves, { sites, start, enter, layers }: Passes): ValueId {
  let tokens: Tokens = {
    running: perToken(s, "act.running", 1), total: perToken(s, "act.total", 0), passes: perToken(s, "passes", 0),
    rest: perToken(s, "act.rest", 0),
  };
  let [state, out] = [start, null as ValueId | null];
  sites.forEach((pass, index) => {
    const read = enter(index, state);
    const [before, decider] = [tokens, firstLayer(s.model, pass).name];
    const { weight, ...after } = within(s, `${decider}.halting`, spec.span, () => halt(s, spec, decider, read, before));
    tokens = after;
    state = layers(index, read);
    out = mix(s, weight, state, out);
    if (s.entry.kind !== "step") s.outputs[`act.weight.${pass.at(-1)!}`] = weight;
  });
  s.outputs["passes"] = tokens.passes;
  if (s.entry.kind === "train") {
    const cost = map(s.b, "act.cost", add(input(0), input(1)), [tokens.passes, tokens.rest]);
    s.penalties.push(meanOfTokens(s, "act.loss", cost, spec.weight));
  }
  return out!;
}

/** weight · state + (1 − weight) · out; what was before the first pass is 0. */
const mix = (s: BuildState, weight: ValueId, state: ValueId, out: ValueId | null): ValueId => out === null
  ? map(s.b, "act.out", mul(input(0), input(1)), [weight, state])
  : map(s.b, "act.out", add(mul(input(0), input(1)), mul(sub(constant(1), input(0)), input(2))), [weight, state, out]);

/** One decision of every token. */
function halt(
  s: BuildState, { threshold }: Graves, layer: string, x: ValueId, { running, total, passes, rest }: Tokens,
): Tokens & { readonly weight: ValueId } {
  const name = `${layer}.halting`;
  const logit = linear(s.b, `${name}.logit`, x, param(s, `${name}.stop`));
  const p = map(
    s.b, "act.p", sigmoid(add(input(0), input(1))), [logit, vector(s, `${name}.stop.bias`, 3)], plain([s.batch, s.positions, 1]),
  );
  const goesOn = map(
    s.b, "act.running", mul(input(0), select("le", add(input(1), input(2)), constant(threshold), constant(1), constant(0))),
    [running, total, p],
  );
  const left = sub(constant(1), input(1));
  const weight = map(s.b, "act.weight", mul(input(0), select("eq", input(3), constant(0), left, input(2))), [running, total, p, goesOn]);
  return {
    weight, running: goesOn,
    total: map(s.b, "act.total", add(input(0), mul(input(1), input(2))), [total, p, goesOn]),
    passes: map(s.b, "passes", add(input(0), input(1)), [passes, running]),
    rest: map(s.b, "act.rest", add(input(2), mul(sub(input(0), input(3)), left)), [running, total, rest, goesOn]),
  };
}
