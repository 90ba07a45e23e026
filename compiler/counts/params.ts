/**
 * Parameters of a model, tensor by tensor, written from the definitions and not from the graph: a test holds the two
 * against each other.
 */
import type {
  AttentionSpec, CoreSpec, FeedForwardSpec, HaltingSpec, LayerSpec, ModelSpec, NormSpec, RouterSpec,
} from "../ir/model-spec.ts";

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
  /**
   * Parameters that take part for one token: the chosen experts of every layer, once per layer and not per application; one row of the
   * embedding.
   */
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
  const deciding = decidingLayers(model);
  const tensors = [
    tensor("embedding", [V, D], { used: head.tied ? V : 1 }),
    ...(embedding.learnedPositions ? [tensor("embedding.positions", [model.seqLen, D], { used: 1 })] : []),
    ...normTensors("embedding.norm", embedding.norm, D),
    ...coreTensors(model),
    ...model.layers.flatMap((layer, index) =>
      [...layerTensors(layer, D), ...(deciding.has(index) ? haltingTensors(layer.name, model) : [])]),
    ...normTensors("head.norm", head.norm, D),
    ...(head.tied ? [] : [tensor("head", [V, D])]),
    ...(head.bias ? [tensor("head.bias", [V])] : []),
  ];
  const sum = (of: (t: TensorCount) => number): number => tensors.reduce((total, t) => total + of(t), 0);
  return { total: sum((t) => t.count), active: sum((t) => t.active), tensors };
}

function layerTensors(layer: LayerSpec, D: number): TensorCount[] {
  const { name } = layer;
  const out = layer.placement.stands === "around" ? layer.norm : null;
  return [
    ...normTensors(`${name}.norm_attention`, attentionHasNorm(layer) ? layer.norm : null, D),
    ...attentionTensors(`${name}.attention`, layer.attention, D),
    ...normTensors(`${name}.norm_attention_out`, out, D),
    ...normTensors(`${name}.norm_feed_forward`, feedForwardHasNorm(layer) ? layer.norm : null, D),
    ...feedForwardTensors(`${name}.feed_forward`, layer.feedForward, D),
    ...normTensors(`${name}.norm_feed_forward_out`, out, D),
  ];
}

/** Norms after the sum always exist, those in front of a block where q, k, v, a gate or a router reads them. */
export const attentionHasNorm = ({ placement: { stands, readers }, attention }: LayerSpec): boolean =>
  stands === "after" || readers.some((reader) => reader !== "feed_forward")
  || (attention.kind === "mha" ? attention.gate === "sigmoid" : attention.router.input === "norm");

/** The same for the experts or the dense block, and the router. */
export const feedForwardHasNorm = ({ placement: { stands, readers }, feedForward }: LayerSpec): boolean =>
  stands === "after" || readers.includes("feed_forward") || ("router" in feedForward && feedForward.router.input === "norm");

const LEARNED_BY_NORM: Readonly<Record<NormSpec["kind"], readonly string[]>> = { layernorm: ["weight", "bias"], rmsnorm: ["weight"] };

function normTensors(name: string, norm: NormSpec | null, D: number): TensorCount[] {
  if (norm === null || !norm.affine) return [];
  return LEARNED_BY_NORM[norm.kind].map((part) => tensor(`${name}.${part}`, [D]));
}

export const injectsByMaps = ({ inject }: CoreSpec): boolean => inject === "concat" || inject === "gate";

/** Two maps of the state and of what is injected, and a vector for each pass. */
function coreTensors({ core, dModel: D }: ModelSpec): TensorCount[] {
  if (core === null) return [];
  const maps = injectsByMaps(core) ? [tensor("core.inject.state", [D, D]), tensor("core.inject.input", [D, D])] : [];
  const bias = core.inject === "gate" ? [tensor("core.inject.bias", [D])] : [];
  const nLearned = core.passEmbedding?.kind === "learned" ? core.passes : 0;
  const learned = Array.from({ length: nLearned }, (_, pass) => tensor(`core.pass_embedding.${pass}`, [D]));
  return [...maps, ...bias, ...learned];
}

/** Whether tokens may halt before anything has been done to them. */
const DECIDES_FIRST: Readonly<Record<HaltingSpec["kind"], boolean>> = { act: false, graves: true };

/**
 * Layers that decide in front of a pass over the core, or of an application where there is none: all of them under `graves`, all but the
 * first under `act`.
 */
function decidingLayers({ halting, core, schedule }: ModelSpec): ReadonlySet<number> {
  if (halting === null) return new Set();
  const [first, length, end] = core === null ? [0, 1, schedule.length] : [core.first, core.length, core.first + core.length * core.passes];
  const decides = (site: number): boolean =>
    site >= first && site < end && (site - first) % length === 0 && (site > first || DECIDES_FIRST[halting.kind]);
  return new Set(schedule.filter((_, index) => decides(index)).map((site) => site.layer));
}

function haltingTensors(layer: string, { halting, dModel: D }: ModelSpec): TensorCount[] {
  const name = `${layer}.halting`;
  switch (halting!.kind) {
    case "graves": return [tensor(`${name}.stop`, [1, D]), tensor(`${name}.stop.bias`, [1])];
    case "act": return [
      tensor(`${name}.hidden`, [D, D]), tensor(`${name}.hidden.bias`, [D]), tensor(`${name}.go`, [1, D]), tensor(`${name}.stop`, [1, D]),
    ];
  }
}

function routerTensors(name: string, outputs: number, { router: { hidden, hasBias, loadBiasRate } }: Routed, D: number): TensorCount[] {
  return [
    ...(hidden === null ? [] : [tensor(`${name}.hidden`, [hidden, D]), tensor(`${name}.hidden.bias`, [hidden])]),
    tensor(name, [outputs, hidden ?? D]), ...(hasBias ? [tensor(`${name}.bias`, [outputs])] : []),
    ...(loadBiasRate !== null ? [tensor(`${name}.load_bias`, [outputs])] : []),
  ];
}

/** Anything with experts. */
type Routed = Extract<AttentionSpec | FeedForwardSpec, { readonly router: RouterSpec }>;

function attentionTensors(name: string, attention: AttentionSpec, D: number): TensorCount[] {
  const { nHeads: H, dHead: Dh } = attention;
  const relative = attention.relative === null ? [] : [tensor(`${name}.relative`, [H, Dh, 2 * attention.relative.reach + 1])];
  const isWide = "qkNormOver" in attention && attention.qkNormOver === "heads";
  const normWidth = { q: isWide ? H * Dh : Dh, k: isWide ? keyWidth(attention) : Dh };
  const qkNorms = (["q", "k"] as const).flatMap((p) => normTensors(`${name}.${p}_norm`, attention.qkNorm, normWidth[p]));
  const norms = [...relative, ...qkNorms];
  const rows = { q: H * Dh, k: keyWidth(attention), v: keyWidth(attention) };
  const dense = (["q", "k", "v", "o"] as const).map((p) => tensor(`${name}.${p}`, p === "o" ? [D, H * Dh] : [rows[p], D]));
  const biased = attention.kind !== "mha" || attention.mapBias === false ? []
    : (["q", "k", "v", ...(attention.mapBias === true ? ["o" as const] : [])] as const);
  const biases = biased.map((p) => tensor(`${name}.${p}.bias`, [p === "o" ? D : rows[p]]));
  const gates = attention.kind === "mha" && attention.gate === "sigmoid" ? [tensor(`${name}.gate`, [H, D])] : [];
  if (attention.kind === "mha") return [...dense, ...biases, ...norms, ...gates];
  const { nExperts: E, topK } = attention;
  if (attention.kind === "moa") {
    const banks = [tensor(`${name}.q`, [E, D, H * Dh], { used: topK }), tensor(`${name}.o`, [E, H * Dh, D], { used: topK })];
    return [...banks, dense[1]!, dense[2]!, ...routerTensors(`${name}.router`, E, attention, D), ...norms];
  }
  const { on } = attention;
  const routers = routerNames(on).flatMap((p) => routerTensors(`${name}.router_${p}`, H * E, attention, D));
  const projections = (["q", "k", "v", "o"] as const).map((p, i) =>
    on.includes(p) ? tensor(`${name}.${p}`, p === "o" ? [H * E, Dh, D] : [H * E, D, Dh], { used: H * topK }) : dense[i]!);
  return [...projections, ...routers, ...norms];
}

/** Channels of all heads of keys, or of values. */
export const keyWidth = (attention: AttentionSpec): number =>
  (attention.nHeads / ("headsPerKey" in attention ? attention.headsPerKey : 1)) * attention.dHead;

/** One router per position that is routed: queries and output are chosen at the destination, keys and values at the source. */
export function routerNames(on: readonly string[]): readonly ("v" | "o")[] {
  const source = on.includes("k") || on.includes("v");
  const destination = on.includes("q") || on.includes("o");
  return [...(source ? (["v"] as const) : []), ...(destination ? (["o"] as const) : [])];
}

function feedForwardTensors(name: string, ff: FeedForwardSpec, D: number): TensorCount[] {
  if (ff.kind === "dense") return denseTensors(name, ff.dFf, ff.glu, ff.bias, D);
  const { nExperts: E, expertSize: F, topK, glu, bias, nShared } = ff;
  const into = glu ? ["up", "gate"] : ["up"];
  const outputBias = bias === "shared_output" ? tensor(`${name}.down.bias`, [D]) : tensor(`${name}.down.bias`, [E, D], { used: topK });
  const biases = bias === false ? [] : [...into.map((p) => tensor(`${name}.${p}.bias`, [E, F], { used: topK })), outputBias];
  return [
    ...into.map((p) => tensor(`${name}.${p}`, [E, D, F], { used: topK })),
    tensor(`${name}.down`, [E, F, D], { used: topK }), ...biases,
    ...routerTensors(`${name}.router`, E, ff, D),
    ...(nShared === 0 ? [] : denseTensors(`${name}.shared`, nShared * F, glu, bias, D)),
    ...(ff.sharedGate === "none" ? [] : [tensor(`${name}.shared_gate`, [1, D])]),
  ];
}

/** With `shared_output` the bias of the output belongs to the block around it. */
function denseTensors(name: string, F: number, glu: boolean, bias: boolean | "shared_output", D: number): TensorCount[] {
  const into = glu ? ["up", "gate"] : ["up"];
  const biases = [
    ...(bias === false ? [] : into.map((p) => tensor(`${name}.${p}.bias`, [F]))),
    ...(bias === true ? [tensor(`${name}.down.bias`, [D])] : []),
  ];
  return [...into.map((p) => tensor(`${name}.${p}`, [F, D])), tensor(`${name}.down`, [D, F]), ...biases];
}
