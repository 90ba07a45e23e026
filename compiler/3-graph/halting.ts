/**
 * Adaptive computation time over passes in the form of the Sparse Universal Transformer (Tan et al. 2023, arXiv:2310.07096), after
 * Graves 2016 (arXiv:1603.08983). State of each token: N, the probability of not having halted; A, the output weighted by where it
 * halted; D, the depth so weighted; h, the stream that the layers go on from. In front of pass ℓ ≥ 1
 *
 *   p = N · g_stop(h)    N ← N · g_go(h)    A ← A + p·h    D ← D + (ℓ−1)·p    M = N where N ≥ θ, else 0
 *   h ← layers(h), keys and values of the first layer from the last mixed output, tokens with M = 0 skipped
 *   output: A + M·h, but where M = 0 it stays as it was
 */
import { map, linear, sum, view } from "../graph/dsl.ts";
import { ACTIVATIONS } from "../ir/activations.ts";
import { add, constant, input, mul, neg, select, sigmoid, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { HaltingSpec } from "../ir/model-spec.ts";
import { firstLayer } from "../stack/passes.ts";
import { masked, overPositions } from "./mask.ts";
import { param, perToken, vector, within } from "./state.ts";
import type { BuildState } from "./state.ts";
import type { Passes } from "./passes.ts";

interface Tokens {
  readonly never: ValueId; // N [B, T, 1]
  readonly mixed: ValueId; // A [B, T, D]
  readonly depth: ValueId; // D [B, T, 1]
}

/** All passes: the last mixed output, [B, T, D]. */
export function haltingPasses(s: BuildState, spec: HaltingSpec, { sites, start, enter, layers }: Passes): ValueId {
  let h = layers(0, enter(0, start));
  let out = h;
  let tokens: Tokens = {
    never: perToken(s, "act.never_halt", 1), depth: perToken(s, "act.expected_depth", 0),
    mixed: map(s.b, "act.mixed", mul(constant(0), input(0)), [h]),
  };
  keep(s, sites[0]!, h, out, tokens);
  let [penalty, taken] = [null as ValueId | null, perToken(s, "passes", 1)];
  for (let pass = 1; pass < sites.length; pass++) {
    const [from, last, before, decider] = [h, out, tokens, firstLayer(s.model, sites[pass]!).name];
    tokens = within(s, `${decider}.halting`, spec.span, () => halt(s, decider, pass, from, before));
    const weight = map(s.b, "act.weight", select("lt", input(0), constant(1 - spec.threshold), constant(0), input(0)), [tokens.never]);
    const running = map(s.b, "act.running", select("eq", input(0), constant(0), constant(0), constant(1)), [weight]);
    h = layers(pass, enter(pass, from), { source: enter(pass, last), weight, running });
    const mixed = add(input(1), mul(input(3), input(2)));
    out = map(s.b, "act.out", select("eq", input(3), constant(0), input(0), mixed), [last, tokens.mixed, h, weight]);
    keep(s, sites[pass]!, h, out, tokens);
    taken = map(s.b, "passes", add(input(0), input(1)), [taken, running]);
    if (s.entry.kind === "train") penalty = addPonder(s, pass, tokens.depth, weight, penalty);
  }
  s.outputs["passes"] = taken;
  if (penalty !== null) s.penalties.push(overPositions(s, "act.loss", penalty, spec.weight));
  return out;
}

/** What a pass leaves, under the number of its last application. */
function keep(s: BuildState, sites: readonly number[], h: ValueId, out: ValueId, { never, depth }: Tokens): void {
  if (s.entry.kind === "step") return;
  const site = sites.at(-1)!;
  Object.assign(s.outputs, {
    [`layers.${site}`]: out, [`act.block_out.${site}`]: h, [`act.never_halt.${site}`]: never, [`act.expected_depth.${site}`]: depth,
  });
}

/** One decision of every token: softmax over "go on" and "stop" of a small network of h. */
function halt(s: BuildState, layer: string, pass: number, h: ValueId, { never, mixed, depth }: Tokens): Tokens {
  const name = `${layer}.halting`;
  const up = linear(s.b, `${name}.hidden`, h, param(s, `${name}.hidden`));
  const hidden = map(s.b, `${name}.hidden`, ACTIVATIONS.gelu(add(input(0), input(1))), [up, vector(s, `${name}.hidden.bias`, 3)]);
  const row = (part: "go" | "stop"): ValueId => view(s.b, `${name}.${part}`, param(s, `${name}.${part}`), [1, 1, s.model.dModel]);
  const product = map(s.b, `${name}.product`, mul(input(0), sub(input(2), input(1))), [hidden, row("go"), row("stop")]);
  const logit = sum(s.b, `${name}.logit`, product, -1); // [B, T, 1], of "stop" against "go on"
  const halted = map(s.b, "act.halted", mul(input(0), sigmoid(input(1))), [never, logit]);
  return {
    never: map(s.b, "act.never_halt", mul(input(0), sigmoid(neg(input(1)))), [never, logit]),
    mixed: map(s.b, "act.mixed", add(input(0), mul(input(1), input(2))), [mixed, halted, h]),
    depth: map(s.b, "act.expected_depth", add(input(0), mul(constant(pass - 1), input(1))), [depth, halted]),
  };
}

/** Σ over tokens of (D + M·ℓ), added to those of earlier passes, [1]. */
function addPonder(s: BuildState, pass: number, depth: ValueId, weight: ValueId, before: ValueId | null): ValueId {
  const perToken = map(s.b, "act.ponder", add(input(0), mul(constant(pass), input(1))), [depth, weight]);
  const total = sum(s.b, "act.ponder", view(s.b, "act.ponder", masked(s, "act.ponder", perToken), [s.batch * s.positions]), 0);
  return before === null ? total : map(s.b, "act.ponder", add(input(0), input(1)), [before, total]);
}
