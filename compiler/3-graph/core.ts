/**
 * How the passes over a recurrent core begin. With e what reaches the core and s the state, the layers of a pass read
 *
 *   none    s
 *   add     s + e                                                   Yang et al. 2023 (arXiv:2311.12424)
 *   concat  S·s + I·e: one map of both side by side                 Geiping et al. 2025 (arXiv:2502.05171)
 *   gate    g ⊙ s + (1 − g) ⊙ e, g = sigmoid(S·s + I·e + b)         the coupled gates of Srivastava et al. 2015 (arXiv:1505.00387)
 *
 * plus the embedding of the pass. I·e is the same in every pass and is computed once.
 */
import { shapeOf, typeOf } from "../graph/builder.ts";
import { linear, map, sinusoid, view } from "../graph/dsl.ts";
import { add, constant, input, mul, sigmoid, sub } from "../ir/expr.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { CoreSpec, CoreState, PassEmbeddingSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { injectsByMaps } from "../parameters/parameters.ts";
import { param, positionRows, randomNumbers, vector, within } from "./state.ts";
import type { BuildState } from "./state.ts";

export interface Core {
  /** The state before the first pass, [B, T, D]. */
  readonly start: ValueId;
  /** What the layers of a pass read of a state, [B, T, D]. */
  readonly enter: (pass: number, state: ValueId) => ValueId;
}

/** @param e what reaches the core, [B, T, D]; without a core, passes begin with the state as it is */
export function openCore(s: BuildState, core: CoreSpec | null, e: ValueId): Core {
  if (core === null) return { start: e, enter: (_, state) => state };
  return within(s, "core", core.span, () => {
    const mapped = injectsByMaps(core) ? linear(s.b, "core.inject.input", e, param(s, "core.inject.input")) : e;
    return {
      start: startOf(s, core.state, e),
      enter: (pass, state) => within(s, "core", core.span, () => embedPass(s, core.passEmbedding, pass, inject(s, core, state, e, mapped))),
    };
  });
}

function startOf(s: BuildState, state: CoreState, e: ValueId): ValueId {
  switch (state.kind) {
    case "input": return e;
    case "zero": return map(s.b, "core.state", constant(0), [], typeOf(s.b, e));
    case "normal": return map(
      s.b, "core.state", mul(constant(state.std), input(0)), [randomNumbers(s, "core.state", 0, "normal", shapeOf(s.b, e))],
    );
    default: return unreachable(state);
  }
}

/** @param mapped I·e, or e where nothing is mapped */
function inject(s: BuildState, { inject: how }: CoreSpec, state: ValueId, e: ValueId, mapped: ValueId): ValueId {
  const ofState = (): ValueId => linear(s.b, "core.inject.state", state, param(s, "core.inject.state"));
  switch (how) {
    case "none": return state;
    case "add": return map(s.b, "core.inject", add(input(0), input(1)), [state, e]);
    case "concat": return map(s.b, "core.inject", add(input(0), input(1)), [ofState(), mapped]);
    case "gate": {
      const gate = sigmoid(add(add(input(0), input(1)), input(2)));
      const mixed = add(mul(gate, input(3)), mul(sub(constant(1), gate), input(4)));
      return map(s.b, "core.inject", mixed, [ofState(), mapped, vector(s, "core.inject.bias", 3), state, e]);
    }
    default: return unreachable(how);
  }
}

function embedPass(s: BuildState, spec: PassEmbeddingSpec | null, pass: number, x: ValueId): ValueId {
  if (spec === null) return x;
  const vectors = passVectors(s, spec, pass);
  const total = vectors.reduce<Expr>((sum, _, i) => add(sum, input(i + 1)), input(0));
  return map(s.b, "core.embedded", total, [x, ...vectors]);
}

/** What is added in a pass, each [1, 1 or T, D]. */
function passVectors(s: BuildState, spec: PassEmbeddingSpec, pass: number): readonly ValueId[] {
  const { dModel } = s.model;
  switch (spec.kind) {
    case "learned": return [vector(s, `core.pass_embedding.${pass}`, 3)];
    case "sinusoidal": {
      const ofPass = view(s.b, "core.pass_embedding", sinusoid(s.b, "core.pass_embedding", { first: pass, base: spec.base }, 1, dModel), [
        1, 1, dModel,
      ]);
      return spec.positions ? [ofPass, positionRows(s, spec.base)] : [ofPass];
    }
    default: return unreachable(spec);
  }
}
