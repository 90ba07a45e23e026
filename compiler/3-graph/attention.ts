/** Attention: dense heads with an optional output gate, and SwitchHead (Csordás et al. 2024b, arXiv:2312.07987). */
import { shapeOf } from "../graph/builder.ts";
import { attention as attend, expertMatmul, linear, map, sum, view } from "../graph/dsl.ts";
import { add, input, mul, sigmoid } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { AttentionSpec, Projection } from "../ir/model-spec.ts";
import { hasExperts, hasMapBias, hasRouter } from "../parameters/parameters.ts";
import { cached, prepared } from "./heads.ts";
import type { AttentionSite } from "./heads.ts";
import { mixtureOfHeads } from "./moa.ts";
import { relativeBias } from "./relative.ts";
import { route } from "./router.ts";
import type { Routing } from "./router.ts";
import { param, source, vector } from "./state.ts";
import type { BuildState } from "./state.ts";
import { readBy, readByRouter } from "./streams.ts";
import type { BlockInputs } from "./streams.ts";

interface RoutedSite extends AttentionSite {
  /** Routers of the source side (k, v) and of the destination side (q, o). */
  readonly routes: Partial<Readonly<Record<"v" | "o", Routing>>>;
}

/** @returns what is added to the residual stream, [B, T, D] */
export function attention(s: BuildState, name: string, spec: AttentionSpec, inputs: BlockInputs, site: number): ValueId {
  switch (spec.kind) {
    case "mha":
    case "switchhead": return ordinaryHeads(s, name, spec, inputs, site);
    case "moa": return mixtureOfHeads(s, name, spec, inputs, site);
  }
}

type Ordinary = Extract<AttentionSpec, { kind: "mha" | "switchhead" }>;

function ordinaryHeads(s: BuildState, name: string, spec: Ordinary, inputs: BlockInputs, site: number): ValueId {
  const at: RoutedSite = { s, name, spec, inputs, site, routes: routeBoth(s, name, spec, inputs, site) };
  const q = prepared(at, "q", project(at, "q"));
  const k = cached(at, "k", prepared(at, "k", project(at, "k")));
  const v = cached(at, "v", project(at, "v"));
  const mask = { causal: spec.causal, window: spec.window };
  const [z] = attend(s.b, `${name}.z`, q, k, v, source(s, "position"), mask, relativeBias(s, name, spec, q)); // [B, T, H, Dh]
  return output(at, z!);
}

function routeBoth(s: BuildState, name: string, spec: Ordinary, inputs: BlockInputs, site: number): RoutedSite["routes"] {
  if (spec.kind !== "switchhead") return {};
  const routes: Partial<Record<"v" | "o", Routing>> = {};
  for (const side of ["v", "o"] as const) {
    if (!hasRouter(spec, side)) continue;
    const routed = readByRouter(inputs, side === "v" ? inputs.source : inputs.own, spec.router, "v");
    const router = { name: `${name}.router_${side}`, output: `att_${side}`, site, skip: inputs.skip } as const;
    routes[side] = route(s, router, routed, spec); // [B, T, H, K]
  }
  return routes;
}

/** Queries, keys or values, [B, T, H, Dh]. */
function project({ s, name, spec, inputs, routes }: RoutedSite, p: Exclude<Projection, "o">): ValueId {
  const x = readBy(inputs, p);
  const weight = param(s, `${name}.${p}`);
  if (!hasExperts(spec, p)) return biased(s, spec, `${name}.${p}`, p, linear(s.b, `${name}.${p}`, x, weight));
  const { selection, gates } = routes[p === "q" ? "o" : "v"]!;
  const slots = expertMatmul(s.b, `${name}.${p}.slots`, x, weight, selection, spec.nHeads); // [B, T, H, K, Dh]
  const gateColumn = view(s.b, `${name}.${p}.gates`, gates, [...shapeOf(s.b, gates), 1]);
  const gated = map(s.b, `${name}.${p}.gated`, mul(input(0), input(1)), [slots, gateColumn]);
  return view(s.b, `${name}.${p}`, sum(s.b, `${name}.${p}`, gated, 3), [s.batch, s.positions, spec.nHeads, spec.dHead]);
}

/** A map's output [B, T, …], plus the map's bias where there is one. */
function biased(s: BuildState, spec: AttentionSpec, name: string, p: Projection, y: ValueId): ValueId {
  if (!hasMapBias(spec, p)) return y;
  return map(s.b, `${name}.biased`, add(input(0), input(1)), [y, vector(s, `${name}.bias`, shapeOf(s.b, y).length)]);
}

/** z [B, T, H, Dh] → [B, T, D] */
function output(at: RoutedSite, z: ValueId): ValueId {
  const { s, name, spec } = at;
  if (hasExperts(spec, "o")) return expertOutput(at, z);
  return biased(s, spec, `${name}.o`, "o", linear(s.b, `${name}.o`, gatedHeads(at, z), param(s, `${name}.o`), 2));
}

/** Each head times sigmoid of its gate's logit. */
function gatedHeads({ s, name, spec, inputs }: RoutedSite, z: ValueId): ValueId {
  if (spec.kind !== "mha" || spec.gate === "none") return z;
  const logits = linear(s.b, `${name}.gate.logits`, inputs.own.normed, param(s, `${name}.gate`)); // [B, T, H, 1]
  return map(s.b, `${name}.gated`, mul(input(0), sigmoid(input(1))), [z, logits]);
}

/** Σ over heads and chosen experts of (gate · z_h) · o[h, e] */
function expertOutput({ s, name, spec, routes }: RoutedSite, z: ValueId): ValueId {
  const { selection, gates } = routes.o!;
  const [batch, positions, nHeads, topK] = shapeOf(s.b, gates) as [number, number, number, number];
  const gateColumn = view(s.b, `${name}.o.gates`, gates, [batch, positions, nHeads, topK, 1]);
  const heads = view(s.b, `${name}.z`, z, [batch, positions, nHeads, 1, spec.dHead]);
  const gated = map(s.b, `${name}.o.gated`, mul(input(0), input(1)), [heads, gateColumn]); // [B, T, H, K, Dh]
  const slots = expertMatmul(s.b, `${name}.o.slots`, gated, param(s, `${name}.o`), selection, nHeads); // [B, T, H, K, D]
  const flat = view(s.b, `${name}.o.slots`, slots, [batch, positions, nHeads * topK, s.model.dModel]);
  return view(s.b, `${name}.o`, sum(s.b, `${name}.o`, flat, 2), [batch, positions, s.model.dModel]);
}
