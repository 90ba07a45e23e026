/**
 * Every parameter of a model: what it is called, how it is stored, what it is for. The forward pass asks for parameters by
 * name; official names and initialization are found from the role.
 */
import type { TensorType } from "../ir/graph.ts";
import type {
  AttentionSpec, CoreSpec, FeedForwardSpec, HaltingSpec, LayerSpec, ModelSpec, NormSpec, Projection, RouterSpec,
} from "../ir/model-spec.ts";
import { paddedAxes } from "../ir/tensor-type.ts";
import { haltingLayers } from "../stack/passes.ts";

/** What a parameter does in its layer (or in the model, for embedding and head). */
export type Role =
  | "embedding" | "embedding.positions" | "embedding.norm.weight" | "embedding.norm.bias"
  | "head" | "head.bias" | "head.norm.weight" | "head.norm.bias"
  | `${BlockNorm}.${"weight" | "bias"}`
  | `attention.${Projection}${"" | ".bias"}` | "attention.gate" | `attention.${"q" | "k"}_norm.${"weight" | "bias"}`
  | "attention.relative" | `attention.${"router_v" | "router_o" | "router"}${RouterPart}`
  | `feed_forward.${"" | "shared."}${"up" | "gate" | "down"}${"" | ".bias"}` | "feed_forward.shared_gate"
  | `feed_forward.router${RouterPart}`
  | "core.inject.state" | "core.inject.input" | "core.inject.bias" | `core.pass_embedding.${number}`
  | "halting.hidden" | "halting.hidden.bias" | "halting.go" | "halting.stop" | "halting.stop.bias";

/** The router's scores, and the layer in front of them if it has one. */
type RouterPart = "" | ".bias" | ".hidden" | ".hidden.bias" | ".load_bias";

/** Around a block: in front of it (behind it and the sum at post); and behind it, at sandwich. */
type BlockNorm = `norm_${"attention" | "feed_forward"}${"" | "_out"}`;

export interface ParameterSpec {
  /** "a.attention.q": layer and role, or the role alone. */
  readonly name: string;
  readonly role: Role;
  /** Index into ModelSpec.layers, or null. */
  readonly layer: number | null;
  readonly type: TensorType;
  /** Whether its layer has the network by which tokens halt. */
  readonly halts: boolean;
  /** For parameters that are not learned by descent: see Param. */
  readonly signRate: number | null;
}

type Tensor = readonly [role: Role, shape: readonly number[], padded: readonly number[]];

/** All parameters, each once, in the order of use. */
export function parametersOf(model: ModelSpec): readonly ParameterSpec[] {
  const front = [...embeddingTensors(model), ...coreTensors(model)];
  const own = [...front, ...headTensors(model)].map(([role, shape, padded]): ParameterSpec =>
    ({ name: role, role, layer: null, halts: false, type: paddedAxes(shape, padded), signRate: null }));
  const halting = haltingLayers(model);
  const layers = model.layers.flatMap((layer, index) => {
    const halts = halting.has(index);
    const deciding = halts ? haltingTensors(model.halting!.kind, model.dModel) : [];
    return [...layerTensors(layer, model.dModel), ...deciding].map(([role, shape, padded]): ParameterSpec =>
      ({ name: `${layer.name}.${role}`, role, layer: index, halts, type: paddedAxes(shape, padded), signRate: signRate(layer, role) }));
  });
  return [...own.slice(0, front.length), ...layers, ...own.slice(front.length)];
}

function signRate({ attention, feedForward }: LayerSpec, role: Role): number | null {
  if (!role.endsWith(".load_bias")) return null;
  const part = role.startsWith("attention.") ? attention : feedForward;
  return "router" in part ? part.router.loadBiasRate : null;
}

function embeddingTensors(model: ModelSpec): readonly Tensor[] {
  const { vocabSize, seqLen, dModel, embedding } = model;
  const positions: readonly Tensor[] = embedding.learnedPositions ? [["embedding.positions", [seqLen, dModel], [0, 1]]] : [];
  return [["embedding", [vocabSize, dModel], [0, 1]], ...positions, ...normTensors("embedding.norm", embedding.norm, dModel)];
}

/** Whether a core maps the state and what is injected. */
export const injectsByMaps = ({ inject }: CoreSpec): boolean => inject === "concat" || inject === "gate";

function coreTensors({ core, dModel }: ModelSpec): readonly Tensor[] {
  if (core === null) return [];
  const map = (role: Role): Tensor => [role, [dModel, dModel], [0, 1]];
  const row = (role: Role): Tensor => [role, [dModel], [0]];
  const maps = injectsByMaps(core) ? [map("core.inject.state"), map("core.inject.input")] : [];
  const nLearned = core.passEmbedding?.kind === "learned" ? core.passes : 0;
  const embeddings = Array.from({ length: nLearned }, (_, pass) => row(`core.pass_embedding.${pass}`));
  return [...maps, ...(core.inject === "gate" ? [row("core.inject.bias")] : []), ...embeddings];
}

function headTensors(model: ModelSpec): readonly Tensor[] {
  const { vocabSize, dModel, head } = model;
  return [
    ...normTensors("head.norm", head.norm, dModel),
    ...(head.tied ? [] : [["head", [vocabSize, dModel], [0, 1]] as Tensor]),
    ...(head.bias ? [["head.bias", [vocabSize], [0]] as Tensor] : []),
  ];
}

/** What a norm with `affine` learns, one number a channel each. */
export const NORM_PARTS: Readonly<Record<NormSpec["kind"], readonly ("weight" | "bias")[]>> = {
  layernorm: ["weight", "bias"], rmsnorm: ["weight"],
};

export const NORM_KINDS = Object.keys(NORM_PARTS) as readonly NormSpec["kind"][];

function normTensors(
  name: "embedding.norm" | "head.norm" | "attention.q_norm" | "attention.k_norm" | BlockNorm, norm: NormSpec | null, dModel: number,
): readonly Tensor[] {
  if (norm === null || !norm.affine) return [];
  return NORM_PARTS[norm.kind].map((part): Tensor => [`${name}.${part}`, [dModel], [0]]);
}

/** A norm in front of a block that nothing reads does not exist. Routers may read it, and the gates of heads do. */
export function hasNorm(
  { placement: { stands, readers }, attention, feedForward }: LayerSpec, part: "attention" | "feed_forward",
): boolean {
  const block = part === "attention" ? attention : feedForward;
  const isRouted = "router" in block && block.router.input === "norm";
  const isGated = block.kind === "mha" && block.gate === "sigmoid";
  return stands === "after" || isRouted || isGated || readers.some((reader) => (reader === "feed_forward") === (part === "feed_forward"));
}

const outNorm = (layer: LayerSpec): NormSpec | null => (layer.placement.stands === "around" ? layer.norm : null);

const layerTensors = (layer: LayerSpec, dModel: number): readonly Tensor[] => [
  ...normTensors("norm_attention", hasNorm(layer, "attention") ? layer.norm : null, dModel),
  ...attentionTensors(layer.attention, dModel),
  ...normTensors("norm_attention_out", outNorm(layer), dModel),
  ...normTensors("norm_feed_forward", hasNorm(layer, "feed_forward") ? layer.norm : null, dModel),
  ...feedForwardTensors(layer.feedForward, dModel),
  ...normTensors("norm_feed_forward_out", outNorm(layer), dModel),
];

/** Whether a projection is a bank of experts. */
export function hasExperts(attention: AttentionSpec, projection: Projection): boolean {
  switch (attention.kind) {
    case "mha": return false;
    case "switchhead": return attention.on.includes(projection);
    case "moa": return projection === "q" || projection === "o";
  }
}

function haltingTensors(kind: HaltingSpec["kind"], dModel: number): readonly Tensor[] {
  switch (kind) {
    case "graves": return [["halting.stop", [1, dModel], [0, 1]], ["halting.stop.bias", [1], [0]]];
    case "act": return [
      ["halting.hidden", [dModel, dModel], [0, 1]], ["halting.hidden.bias", [dModel], [0]],
      ["halting.go", [1, dModel], [1]], ["halting.stop", [1, dModel], [1]],
    ];
  }
}

/** @param heads axes in front of the experts */
function routerTensors(
  role: `attention.${"router_v" | "router_o" | "router"}` | "feed_forward.router", heads: readonly number[],
  { nExperts, router: { hidden, hasBias, loadBiasRate } }: Routed, dModel: number,
): readonly Tensor[] {
  const bias: readonly Tensor[] = hasBias ? [[`${role}.bias`, [...heads, nExperts], [heads.length]]] : [];
  const layer: readonly Tensor[] = hidden === null ? [] : [
    [`${role}.hidden`, [hidden, dModel], [0, 1]], [`${role}.hidden.bias`, [hidden], [0]],
  ];
  const loadBias: readonly Tensor[] = loadBiasRate !== null ? [[`${role}.load_bias`, [...heads, nExperts], [heads.length]]] : [];
  return [...layer, [role, [...heads, nExperts, hidden ?? dModel], [heads.length, heads.length + 1]], ...bias, ...loadBias];
}

/** Anything with experts. */
type Routed = Extract<AttentionSpec | FeedForwardSpec, { readonly router: RouterSpec }>;

/** The router of q and o reads the destination, that of k and v the source; each exists if something uses it. */
export const hasRouter = (attention: AttentionSpec, side: "v" | "o"): boolean =>
  side === "o" ? hasExperts(attention, "o") || hasExperts(attention, "q") : hasExperts(attention, "v") || hasExperts(attention, "k");

/** Heads of keys and values. */
export const keyHeads = (attention: AttentionSpec): number => attention.nHeads / ("headsPerKey" in attention ? attention.headsPerKey : 1);

function attentionTensors(attention: AttentionSpec, dModel: number): readonly Tensor[] {
  const { nHeads, dHead, relative, qkNorm } = attention;
  return [
    ...headTensorsOf(attention, dModel),
    ...(relative === null ? [] : [["attention.relative", [nHeads, dHead, 2 * relative.reach + 1], [1, 2]] as Tensor]),
    ...qkNormTensors(attention, "q", qkNorm), ...qkNormTensors(attention, "k", qkNorm),
  ];
}

/** Whether the norm of queries and keys is one of all heads together. */
export const overHeads = (attention: AttentionSpec): boolean => "qkNormOver" in attention && attention.qkNormOver === "heads";

function qkNormTensors(attention: AttentionSpec, p: "q" | "k", norm: NormSpec | null): readonly Tensor[] {
  const { dHead, nHeads } = attention;
  const tensors = normTensors(`attention.${p}_norm`, norm, dHead);
  if (!overHeads(attention)) return tensors;
  return tensors.map(([role]): Tensor => [role, [p === "q" ? nHeads : keyHeads(attention), dHead], [1]]);
}

/** Whether a map of attention has a bias. */
export const hasMapBias = (attention: AttentionSpec, projection: Projection): boolean =>
  attention.kind === "mha" && (attention.mapBias === true || (attention.mapBias === "qkv" && projection !== "o"));

function headTensorsOf(attention: AttentionSpec, dModel: number): readonly Tensor[] {
  switch (attention.kind) {
    case "mha":
    case "switchhead": return projectionTensors(attention, dModel);
    case "moa": return sharedKeyTensors(attention, dModel);
  }
}

function sharedKeyTensors(attention: Extract<AttentionSpec, { kind: "moa" }>, dModel: number): readonly Tensor[] {
  const { nHeads, dHead, nExperts } = attention;
  const width = nHeads * dHead;
  return [
    ["attention.q", [nExperts, dModel, width], [1, 2]],
    ["attention.k", [nHeads, dHead, dModel], [1, 2]], ["attention.v", [nHeads, dHead, dModel], [1, 2]],
    ["attention.o", [nExperts, width, dModel], [1, 2]], ...routerTensors("attention.router", [], attention, dModel),
  ];
}

function projectionTensors(attention: Extract<AttentionSpec, { kind: "mha" | "switchhead" }>, dModel: number): readonly Tensor[] {
  const { nHeads, dHead } = attention;
  const nExperts = attention.kind === "switchhead" ? attention.nExperts : 1;
  const tensors: Tensor[] = (["q", "k", "v"] as const).map((p): Tensor => hasExperts(attention, p)
    ? [`attention.${p}`, [nHeads * nExperts, dModel, dHead], [1, 2]]
    : [`attention.${p}`, [p === "q" ? nHeads : keyHeads(attention), dHead, dModel], [1, 2]]);
  tensors.push(hasExperts(attention, "o")
    ? ["attention.o", [nHeads * nExperts, dHead, dModel], [1, 2]]
    : ["attention.o", [dModel, nHeads, dHead], [0, 2]]);
  const bias = (p: Projection): Tensor =>
    [`attention.${p}.bias`, ...(p === "o" ? [[dModel], [0]] as const : [[p === "q" ? nHeads : keyHeads(attention), dHead], [1]] as const)];
  tensors.push(...(["q", "k", "v", "o"] as const).filter((p) => hasMapBias(attention, p)).map(bias));
  const router = (role: Role): Tensor => [role, [nHeads, nExperts, dModel], [1, 2]];
  for (const side of ["v", "o"] as const) {
    if (!hasRouter(attention, side)) continue;
    if (attention.kind === "switchhead") tensors.push(...routerTensors(`attention.router_${side}`, [nHeads], attention, dModel));
  }
  if (attention.kind === "mha" && attention.gate === "sigmoid") tensors.push(router("attention.gate"));
  return tensors;
}

function feedForwardTensors(ff: FeedForwardSpec, dModel: number): readonly Tensor[] {
  if (ff.kind === "dense") return denseTensors("feed_forward.", ff.dFf, ff.glu, ff.bias, dModel);
  const { nExperts, expertSize, glu } = ff;
  const wide = (role: Role): Tensor => [role, [nExperts, dModel, expertSize], [1, 2]];
  const bias = (role: Role, width: number): readonly Tensor[] => (ff.bias === false ? [] : [[role, [nExperts, width], [1]]]);
  const outputBias: readonly Tensor[] = ff.bias === "shared_output" ? [["feed_forward.down.bias", [dModel], [0]]]
    : bias("feed_forward.down.bias", dModel);
  return [
    ...routerTensors("feed_forward.router", [], ff, dModel),
    wide("feed_forward.up"), ...bias("feed_forward.up.bias", expertSize),
    ...(glu ? [wide("feed_forward.gate"), ...bias("feed_forward.gate.bias", expertSize)] : []),
    ["feed_forward.down", [nExperts, expertSize, dModel], [1, 2]], ...outputBias,
    ...(ff.nShared === 0 ? [] : denseTensors("feed_forward.shared.", ff.nShared * expertSize, glu, ff.bias, dModel)),
    ...(ff.sharedGate === "none" ? [] : [["feed_forward.shared_gate", [1, dModel], [0, 1]] as Tensor]),
  ];
}

function denseTensors(
  prefix: "feed_forward." | "feed_forward.shared.", width: number, glu: boolean, bias: boolean | "shared_output", dModel: number,
): readonly Tensor[] {
  const into = (glu ? ["up", "gate"] : ["up"]) as readonly ("up" | "gate")[];
  return [
    ...into.map((part): Tensor => [`${prefix}${part}`, [width, dModel], [0, 1]]),
    [`${prefix}down`, [dModel, width], [0, 1]],
    ...(bias === false ? [] : into.map((part): Tensor => [`${prefix}${part}.bias`, [width], [0]])),
    ...(bias === true ? [[`${prefix}down.bias`, [dModel], [0]] as Tensor] : []),
  ];
}
