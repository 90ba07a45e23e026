/**
 * Multiply-accumulates of one forward pass over a sequence, by named conventions.
 *
 * moeut  as the authors of MoEUT count them: no head, no embedding, attention over the full T × T square, and the routers of
 *        several heads counted once.
 * full   everything that is multiplied: attention over the pairs that see each other (T·(T+1)/2 if causal), the routers of every head, gates, the head.
 */
import type { AttentionSpec, FeedForwardSpec, LayerSpec, ModelSpec } from "../ir/model-spec.ts";
import { keyWidth, routerNames } from "./params.ts";

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
  const moeut = layers("moeut");
  const full = layers("full") + seqLen * model.dModel * model.vocabSize;
  return { moeut, full, seqLen, perToken: { moeut: moeut / seqLen, full: full / seqLen } };
}

function layerMacs(layer: LayerSpec, D: number, T: number, convention: MacConvention): number {
  return attentionMacs(layer.attention, D, T, convention) + T * feedForwardMacs(layer.feedForward, D);
}

function attentionMacs(attention: AttentionSpec, D: number, T: number, convention: MacConvention): number {
  const { nHeads: H, dHead: Dh } = attention;
  const width = H * Dh;
  const pairs = convention === "moeut" ? T * T : visiblePairs(attention, T);
  const products = 2 * width * pairs;
  if (attention.kind === "mha") {
    const gate = convention === "full" && attention.gate === "sigmoid" ? H * D * T : 0;
    return products + 2 * D * (width + keyWidth(attention)) * T + gate;
  }
  const { nExperts: E, topK: K, on } = attention;
  const n = on.length;
  const routers = routerNames(on).length * E * D * T * (convention === "full" ? H : 1);
  return products + (n * K + 4 - n) * D * width * T + n * width * K * T + routers;
}

/** Queries and keys that see each other: all T² in an encoder, fewer with a window. */
function visiblePairs({ causal, window }: AttentionSpec, T: number): number {
  const reach = Math.min(window ?? T, T); // positions that a query sees on its side, its own included
  const causalPairs = reach * T - (reach * (reach - 1)) / 2;
  return causal ? causalPairs : 2 * causalPairs - T;
}

/** Per token. */
function feedForwardMacs(ff: FeedForwardSpec, D: number): number {
  const maps = ff.glu ? 3 : 2;
  return ff.kind === "dense" ? maps * D * ff.dFf : maps * D * ff.expertSize * (ff.topK + ff.nShared) + D * ff.nExperts;
}
