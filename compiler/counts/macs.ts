/**
 * Multiply-accumulates of one forward pass over a sequence, by named conventions.
 *
 * moeut  as the authors of MoEUT count them: no head, no embedding, attention over the full T × T square, and the routers of
 *        several heads counted once. Keys and values that experts share are projected once, and the maps of `inject` count;
 *        learned positions and halting are left out.
 * full   everything that is multiplied: attention over the pairs that see each other (T·(T+1)/2 if causal), the routers of every
 *        head, gates, learned positions, halting, the head. Tokens that halt are counted as if they went on.
 */
import type { AttentionSpec, FeedForwardSpec, LayerSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";
import { injectsByMaps, keyWidth, routerNames } from "./params.ts";

export type MacConvention = "moeut" | "full";

export interface MacCounts {
  /** Convention `moeut`, whole sequence. */
  readonly moeut: number;
  /** Convention `full`, whole sequence. */
  readonly full: number;
  readonly seqLen: number;
  readonly perToken: { readonly moeut: number; readonly full: number };
}

export function countMacs(model: ModelSpec, seqLen: number = model.seqLen): MacCounts {
  const layers = (convention: MacConvention): number =>
    model.schedule.reduce((sum, site) => sum + layerMacs(model.layers[site.layer]!, model.dModel, seqLen, convention), 0);
  const injected = injectionMacs(model);
  const moeut = layers("moeut") + seqLen * injected;
  const full = layers("full") + seqLen * (haltingMacs(model) + injected + model.dModel * model.vocabSize);
  return { moeut, full, seqLen, perToken: { moeut: moeut / seqLen, full: full / seqLen } };
}

/** Per token: a decision in front of every pass (application, without a core); under `act` not of the first. */
function haltingMacs({ halting, core, schedule, dModel }: ModelSpec): number {
  const passes = core?.passes ?? schedule.length;
  switch (halting?.kind) {
    case undefined: return 0;
    case "graves": return passes * dModel;
    case "act": return (passes - 1) * dModel * (dModel + 2);
  }
}

/** Per token: what is injected is mapped once, the state in every pass. */
export const injectionMacs = ({ core, dModel }: ModelSpec): number =>
  core !== null && injectsByMaps(core) ? (core.passes + 1) * dModel * dModel : 0;

function layerMacs(layer: LayerSpec, D: number, T: number, convention: MacConvention): number {
  return attentionMacs(layer.attention, D, T, convention) + T * feedForwardMacs(layer.feedForward, D);
}

export function attentionMacs(attention: AttentionSpec, D: number, T: number, convention: MacConvention): number {
  const { nHeads: H, dHead: Dh } = attention;
  const width = H * Dh;
  const pairs = convention === "moeut" ? T * T : visiblePairs(attention, T);
  const relative = convention === "moeut" || attention.relative === null ? 0 : width * (2 * attention.relative.reach + 1) * T;
  const products = 2 * width * pairs + relative;
  switch (attention.kind) {
    case "mha": {
      const gate = convention === "full" && attention.gate === "sigmoid" ? H * D * T : 0;
      return products + 2 * D * (width + keyWidth(attention)) * T + gate;
    }
    case "moa": {
      const { nExperts: E, topK: K, router } = attention;
      return K * products + 2 * (K + 1) * D * width * T + T * routerMacs(E, router, D);
    }
    case "switchhead": {
      const { nExperts: E, topK: K, router, on } = attention;
      const routers = routerNames(on).length * T * routerMacs(E * (convention === "full" ? H : 1), router, D);
      return products + (on.length * K + 4 - on.length) * D * width * T + on.length * width * K * T + routers;
    }
  }
}

/** Queries and keys that see each other: all T² in an encoder, fewer with a window. */
function visiblePairs({ causal, window }: AttentionSpec, T: number): number {
  const reach = Math.min(window ?? T, T); // positions that a query sees on its side, its own included
  const causalPairs = reach * T - (reach * (reach - 1)) / 2;
  return causal ? causalPairs : 2 * causalPairs - T;
}

const routerMacs = (outputs: number, { hidden }: RouterSpec, D: number): number => (hidden === null ? D * outputs : hidden * (D + outputs));

/** Per token. */
export function feedForwardMacs(ff: FeedForwardSpec, D: number): number {
  const maps = ff.glu ? 3 : 2;
  switch (ff.kind) {
    case "dense": return maps * D * ff.dFf;
    case "moe": return maps * D * ff.expertSize * (ff.topK + ff.nShared) + routerMacs(ff.nExperts, ff.router, D);
  }
}
