/**
 * Multiply-accumulates of one forward pass over a sequence, by named conventions.
 *
 * moeut  as the authors of MoEUT count them: no head, no embedding, attention over the full T × T square, and the routers of
 *        several heads counted once.
 * full   everything that is multiplied: causal attention over T·(T+1)/2 pairs, the routers of every head, gates, the head.
 */
import type { AttentionSpec, FeedForwardSpec, LayerSpec, ModelSpec } from "../ir/model-spec.ts";
import { routerNames } from "./params.ts";

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
  const pairs = convention === "moeut" ? T * T : (T * (T + 1)) / 2;
  const products = 2 * width * pairs;
  if (attention.kind === "mha") {
    const gate = convention === "full" && attention.gate === "sigmoid" ? H * D * T : 0;
    return products + 4 * D * width * T + gate;
  }
  const { nExperts: E, topK: K, on } = attention;
  const n = on.length;
  const routers = routerNames(on).length * E * D * T * (convention === "full" ? H : 1);
  return products + (n * K + 4 - n) * D * width * T + n * width * K * T + routers;
}

/** Per token. */
function feedForwardMacs(ff: FeedForwardSpec, D: number): number {
  return ff.kind === "dense" ? 2 * D * ff.dFf : 2 * D * ff.expertSize * ff.topK + D * ff.nExperts;
}
