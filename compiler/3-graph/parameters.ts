/**
 * Every parameter of a model: what it is called, how it is stored, what it is for. The forward pass asks for parameters by
 * name; official names and initialization are found from the role.
 */
import type { TensorType } from "../ir/graph.ts";
import type { AttentionSpec, FeedForwardSpec, LayerSpec, ModelSpec, NormSpec, Projection } from "../ir/model-spec.ts";
import { paddedAxes } from "../ir/tensor-type.ts";

/** What a parameter does in its layer (or in the model, for embedding and head). */
export type Role =
  | "embedding" | "embedding.norm.weight" | "embedding.norm.bias"
  | "head" | "head.bias" | "head.norm.weight" | "head.norm.bias"
  | "norm_attention.weight" | "norm_attention.bias" | "norm_feed_forward.weight" | "norm_feed_forward.bias"
  | `attention.${Projection}` | "attention.gate" | "attention.router_v" | "attention.router_o"
  | "feed_forward.up" | "feed_forward.down" | "feed_forward.up.bias" | "feed_forward.down.bias" | "feed_forward.router";

export interface ParameterSpec {
  /** "a.attention.q": layer and role, or the role alone. */
  readonly name: string;
  readonly role: Role;
  /** Index into ModelSpec.layers, or null. */
  readonly layer: number | null;
  readonly type: TensorType;
}

type Tensor = readonly [role: Role, shape: readonly number[], padded: readonly number[]];

/** All parameters, each once, in the order of use. */
export function parametersOf(model: ModelSpec): readonly ParameterSpec[] {
  const own = [...embeddingTensors(model), ...headTensors(model)].map(([role, shape, padded]): ParameterSpec =>
    ({ name: role, role, layer: null, type: paddedAxes(shape, padded) }));
  const nEmbedding = embeddingTensors(model).length;
  const layers = model.layers.flatMap((layer, index) => layerTensors(layer, model.dModel).map(([role, shape, padded]): ParameterSpec =>
    ({ name: `${layer.name}.${role}`, role, layer: index, type: paddedAxes(shape, padded) })));
  return [...own.slice(0, nEmbedding), ...layers, ...own.slice(nEmbedding)];
}

function embeddingTensors(model: ModelSpec): readonly Tensor[] {
  return [["embedding", [model.vocabSize, model.dModel], [0, 1]], ...normTensors("embedding.norm", model.embedding.norm, model.dModel)];
}

function headTensors(model: ModelSpec): readonly Tensor[] {
  const { vocabSize, dModel, head } = model;
  return [
    ...normTensors("head.norm", head.norm, dModel),
    ...(head.tied ? [] : [["head", [vocabSize, dModel], [0, 1]] as Tensor]),
    ...(head.bias ? [["head.bias", [vocabSize], [0]] as Tensor] : []),
  ];
}

function normTensors(name: "embedding.norm" | "head.norm" | "norm_attention" | "norm_feed_forward", norm: NormSpec | null, dModel: number): readonly Tensor[] {
  if (norm === null || !norm.affine) return [];
  const weight: Tensor = [`${name}.weight`, [dModel], [0]];
  return norm.kind === "rmsnorm" ? [weight] : [weight, [`${name}.bias`, [dModel], [0]]];
}

/** Under peri only routers read the norm of the feed-forward block; without one it does not exist. */
export const feedForwardReadsNorm = ({ placement, feedForward }: LayerSpec): boolean =>
  placement !== "peri" || (feedForward.kind === "moe" && feedForward.router.input === "norm");

const layerTensors = (layer: LayerSpec, dModel: number): readonly Tensor[] => [
  ...normTensors("norm_attention", layer.norm, dModel),
  ...attentionTensors(layer.attention, dModel),
  ...normTensors("norm_feed_forward", feedForwardReadsNorm(layer) ? layer.norm : null, dModel),
  ...feedForwardTensors(layer.feedForward, dModel),
];

/** Whether a projection is a bank of experts. */
export const hasExperts = (attention: AttentionSpec, projection: Projection): boolean =>
  attention.kind === "switchhead" && attention.on.includes(projection);

/** The router of q and o reads the destination, that of k and v the source; each exists if something uses it. */
export const hasRouter = (attention: AttentionSpec, side: "v" | "o"): boolean =>
  side === "o" ? hasExperts(attention, "o") || hasExperts(attention, "q") : hasExperts(attention, "v") || hasExperts(attention, "k");

function attentionTensors(attention: AttentionSpec, dModel: number): readonly Tensor[] {
  const { nHeads, dHead } = attention;
  const nExperts = attention.kind === "switchhead" ? attention.nExperts : 1;
  const tensors: Tensor[] = (["q", "k", "v"] as const).map((p): Tensor => hasExperts(attention, p)
    ? [`attention.${p}`, [nHeads * nExperts, dModel, dHead], [1, 2]]
    : [`attention.${p}`, [nHeads, dHead, dModel], [1, 2]]);
  tensors.push(hasExperts(attention, "o")
    ? ["attention.o", [nHeads * nExperts, dHead, dModel], [1, 2]]
    : ["attention.o", [dModel, nHeads, dHead], [0, 2]]);
  const router = (role: Role): Tensor => [role, [nHeads, nExperts, dModel], [1, 2]];
  if (hasRouter(attention, "v")) tensors.push(router("attention.router_v"));
  if (hasRouter(attention, "o")) tensors.push(router("attention.router_o"));
  if (attention.kind === "mha" && attention.gate === "sigmoid") tensors.push(router("attention.gate"));
  return tensors;
}

function feedForwardTensors(ff: FeedForwardSpec, dModel: number): readonly Tensor[] {
  if (ff.kind === "dense") {
    const weights: readonly Tensor[] = [["feed_forward.up", [ff.dFf, dModel], [0, 1]], ["feed_forward.down", [dModel, ff.dFf], [0, 1]]];
    return ff.bias ? [...weights, ["feed_forward.up.bias", [ff.dFf], [0]], ["feed_forward.down.bias", [dModel], [0]]] : weights;
  }
  return [
    ["feed_forward.router", [ff.nExperts, dModel], [0, 1]],
    ["feed_forward.up", [ff.nExperts, dModel, ff.expertSize], [1, 2]],
    ["feed_forward.down", [ff.nExperts, ff.expertSize, dModel], [1, 2]],
  ];
}
