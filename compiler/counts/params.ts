/**
 * Parameters of a model, tensor by tensor, written from the definitions and not from the graph: a test holds the two
 * against each other.
 */
import type { AttentionSpec, FeedForwardSpec, LayerSpec, ModelSpec, NormSpec } from "../ir/model-spec.ts";

export interface TensorCount {
  /** "a.attention.q", "embedding", "head.bias" */
  readonly name: string;
  readonly shape: readonly number[];
  readonly count: number;
  /** Numbers of this tensor that one token reads: top_k of n_experts of a bank of experts, one row of the embedding. */
  readonly active: number;
}

export interface ParamCounts {
  /** Every parameter once, however often its layer is applied. */
  readonly total: number;
  /** Parameters that take part for one token: the chosen experts of every layer, once per layer and not per application; one row of the embedding. */
  readonly active: number;
  readonly tensors: readonly TensorCount[];
}

/** A bank of experts: [experts, …]; `used` of them take part for one token. */
interface Bank {
  readonly used: number;
}

const tensor = (name: string, shape: readonly number[], bank: Bank | null = null): TensorCount => {
  const count = shape.reduce((product, extent) => product * extent, 1);
  return { name, shape, count, active: bank === null ? count : (count / shape[0]!) * bank.used };
};

export function countParams(model: ModelSpec): ParamCounts {
  const { vocabSize: V, dModel: D, embedding, head } = model;
  const tensors = [
    tensor("embedding", [V, D], { used: head.tied ? V : 1 }),
    ...normTensors("embedding.norm", embedding.norm, D),
    ...model.layers.flatMap((layer) => layerTensors(layer, D)),
    ...normTensors("head.norm", head.norm, D),
    ...(head.tied ? [] : [tensor("head", [V, D])]),
    ...(head.bias ? [tensor("head.bias", [V])] : []),
  ];
  const sum = (of: (t: TensorCount) => number): number => tensors.reduce((total, t) => total + of(t), 0);
  return { total: sum((t) => t.count), active: sum((t) => t.active), tensors };
}

function layerTensors(layer: LayerSpec, D: number): TensorCount[] {
  const { name } = layer;
  return [
    ...normTensors(`${name}.norm_attention`, layer.norm, D),
    ...attentionTensors(`${name}.attention`, layer.attention, D),
    ...normTensors(`${name}.norm_feed_forward`, feedForwardReadsNorm(layer) ? layer.norm : null, D),
    ...feedForwardTensors(`${name}.feed_forward`, layer.feedForward, D),
  ];
}

/** At peri only routers read the norm; where there is none, the norm does not exist. */
export const feedForwardReadsNorm = ({ placement, feedForward }: LayerSpec): boolean =>
  placement !== "peri" || (feedForward.kind === "moe" && feedForward.router.input === "norm");

function normTensors(name: string, norm: NormSpec | null, D: number): TensorCount[] {
  if (norm === null || !norm.affine) return [];
  return norm.kind === "layernorm" ? [tensor(`${name}.weight`, [D]), tensor(`${name}.bias`, [D])] : [tensor(`${name}.weight`, [D])];
}

function attentionTensors(name: string, attention: AttentionSpec, D: number): TensorCount[] {
  const { nHeads: H, dHead: Dh } = attention;
  const dense = (["q", "k", "v", "o"] as const).map((p) => tensor(`${name}.${p}`, p === "o" ? [D, H * Dh] : [H * Dh, D]));
  if (attention.kind === "mha") return attention.gate === "none" ? dense : [...dense, tensor(`${name}.gate`, [H, D])];
  const { nExperts: E, topK, on } = attention;
  const routers = routerNames(on).map((p) => tensor(`${name}.router_${p}`, [H * E, D]));
  const projections = (["q", "k", "v", "o"] as const).map((p, i) =>
    on.includes(p) ? tensor(`${name}.${p}`, p === "o" ? [H * E, Dh, D] : [H * E, D, Dh], { used: H * topK }) : dense[i]!);
  return [...projections, ...routers];
}

/** One router per position that is routed: queries and output are chosen at the destination, keys and values at the source. */
export function routerNames(on: readonly string[]): readonly ("v" | "o")[] {
  const source = on.includes("k") || on.includes("v");
  const destination = on.includes("q") || on.includes("o");
  return [...(source ? (["v"] as const) : []), ...(destination ? (["o"] as const) : [])];
}

function feedForwardTensors(name: string, ff: FeedForwardSpec, D: number): TensorCount[] {
  if (ff.kind === "dense") {
    const biases = ff.bias ? [tensor(`${name}.up.bias`, [ff.dFf]), tensor(`${name}.down.bias`, [D])] : [];
    return [tensor(`${name}.up`, [ff.dFf, D]), tensor(`${name}.down`, [D, ff.dFf]), ...biases];
  }
  const { nExperts: E, expertSize: F, topK } = ff;
  return [
    tensor(`${name}.up`, [E, D, F], { used: topK }),
    tensor(`${name}.down`, [E, F, D], { used: topK }),
    tensor(`${name}.router`, [E, D]),
  ];
}
