/**
 * Mixture of attention heads (Zhang et al. 2022, arXiv:2210.05144) as in the Sparse Universal Transformer (Tan et al. 2023,
 * arXiv:2310.07096):
 * each token chooses experts, and each expert is a few heads of queries with an output projection. Keys and values belong to no expert.
 */
import { attention as attend, expertMatmul, linear, map, sum, view } from "../graph/dsl.ts";
import { typeOf } from "../graph/builder.ts";
import { input, mul } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { AttentionSpec } from "../ir/model-spec.ts";
import { cached, prepared } from "./heads.ts";
import { relativeBias } from "./relative.ts";
import { route } from "./router.ts";
import { param, source } from "./state.ts";
import type { BuildState } from "./state.ts";
import { readBy, readByRouter } from "./streams.ts";
import type { BlockInputs } from "./streams.ts";

type Moa = Extract<AttentionSpec, { kind: "moa" }>;

/** @returns what is added to the residual stream, [B, T, D] */
export function mixtureOfHeads(s: BuildState, name: string, spec: Moa, inputs: BlockInputs, site: number): ValueId {
  const { nHeads, dHead, topK, router } = spec;
  const { batch, positions } = s;
  const routed = { name: `${name}.router`, output: "att", site, skip: inputs.skip } as const;
  const routing = route(s, routed, readByRouter(inputs, inputs.own, router, "v"), spec);
  const slots = expertMatmul(s.b, `${name}.q`, readBy(inputs, "q"), param(s, `${name}.q`), routing.selection, 1); // [B, T, K, H·Dh]
  const at = { s, name, spec, inputs, site };
  const q = prepared(at, "q", view(s.b, `${name}.q`, slots, [batch, positions, topK * nHeads, dHead]));
  const k = cached(at, "k", prepared(at, "k", linear(s.b, `${name}.k`, readBy(inputs, "k"), param(s, `${name}.k`))));
  const v = cached(at, "v", linear(s.b, `${name}.v`, readBy(inputs, "v"), param(s, `${name}.v`)));
  const each = (x: ValueId): ValueId => forEachSlot(s, x, topK);
  const [z] = attend(
    s.b, `${name}.z`, q, each(k), each(v), source(s, "position"), { causal: spec.causal, window: spec.window },
    relativeBias(s, name, spec, q),
  );
  const heads = view(s.b, `${name}.z`, z!, [batch, positions, topK, nHeads * dHead]);
  const gates = view(s.b, `${name}.gates`, routing.gates, [batch, positions, topK, 1]);
  const gated = map(s.b, `${name}.gated`, mul(input(0), input(1)), [heads, gates]);
  const out = expertMatmul(s.b, `${name}.o`, gated, param(s, `${name}.o`), routing.selection, 1); // [B, T, K, D]
  return view(s.b, `${name}.out`, sum(s.b, `${name}.out`, out, 2), [batch, positions, s.model.dModel]);
}

/** Keys or values [B, S, H, Dh] once for every chosen expert: [B, S, K·H, Dh]. */
function forEachSlot(s: BuildState, x: ValueId, topK: number): ValueId {
  if (topK === 1) return x;
  const { shape, physical } = typeOf(s.b, x);
  const [batch, keys, heads, width] = shape as [number, number, number, number];
  const wide = { dtype: "f32", shape: [batch, keys, topK, heads, width], physical: [batch, keys, topK, heads, physical.at(-1)!] } as const;
  const repeated = map(s.b, "repeated", input(0), [view(s.b, "shared", x, [batch, keys, 1, heads, width])], wide);
  return view(s.b, "repeated", repeated, [batch, keys, topK * heads, width]);
}
