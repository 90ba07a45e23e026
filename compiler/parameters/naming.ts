/**
 * Where each parameter lives in an official checkpoint.
 *
 * clean     github.com/RobertCsordas/moeut, class MoEUTLM
 * training  github.com/RobertCsordas/moeut_training_code, class TransformerLanguageModel
 *
 * What neither can express gets the training code's names, continued in its manner.
 */
import type { Param } from "../ir/graph.ts";
import type { LayerSpec, ModelSpec, NormReader, RouterSpec } from "../ir/model-spec.ts";
import { presetOf } from "../ir/norm-placement.ts";
import { bug, elements } from "../ir/tensor-type.ts";
import { hasExperts, keyHeads } from "./parameters.ts";
import type { ParameterSpec, Role } from "./parameters.ts";

export type NamingScheme = "clean" | "training";
type OfficialPlace = Param["official"];

/** The clean code's names for what its class can express, the training code's for everything else. */
export function namingScheme(model: ModelSpec): NamingScheme {
  const { embedding, head } = model;
  const frame = embedding.scale === 1 && embedding.norm === null && !embedding.learnedPositions
    && head.bias && !head.tied && head.norm !== null;
  const cyclic = model.schedule.every((site, i) => site.layer === i % model.layers.length);
  return frame && cyclic && model.core === null && model.halting === null && model.layers.every(isCleanLayer) ? "clean" : "training";
}

function isCleanLayer(layer: LayerSpec): boolean {
  const { attention, feedForward } = layer;
  const experts = (["q", "k", "v", "o"] as const).filter((p) => hasExperts(attention, p)).join("");
  return !layer.parallel && presetOf(layer.placement) === "peri" && layer.norm.kind === "layernorm" && layer.norm.affine
    && attention.qkNorm === null && attention.relative === null
    && (attention.kind === "mha" ? attention.gate === "sigmoid" && attention.headsPerKey === 1 && attention.mapBias === false
      : experts === "vo" && isCleanRouter(attention.router))
    && feedForward.kind === "moe" && !feedForward.glu && feedForward.bias === false && feedForward.nShared === 0
    && isCleanRouter(feedForward.router) && feedForward.router.weight === "score";
}

const isCleanRouter = ({ score, hasBias, hidden, loadBiasRate }: RouterSpec): boolean =>
  score === "sigmoid" && !hasBias && hidden === null && loadBiasRate === null;

/** The official place of a parameter. */
export function officialPlace(model: ModelSpec, scheme: NamingScheme, p: ParameterSpec): OfficialPlace {
  const layer = p.layer === null ? null : model.layers[p.layer]!;
  const merged = layer === null ? null : mergedPlace(layer, scheme, p, model.dModel);
  if (merged !== null) return merged;
  const prefix = p.layer === null ? "" : scheme === "clean" ? `transformer.layers.${p.layer}.` : `unique_layers.${p.layer}.`;
  if (p.role === "halting.go" || (p.role === "halting.stop" && model.halting?.kind === "act")) {
    return { tensor: `${prefix}_gate.3.weight`, shape: [2, model.dModel], start: p.role === "halting.go" ? 0 : model.dModel };
  }
  const tensor = scheme === "clean" ? cleanName(p.role) : trainingName(p.role, layer);
  // A layer whose tokens may halt lies inside the module that decides who does.
  const inner = model.halting?.kind === "act" && p.halts && !p.role.startsWith("halting.") ? "mod." : "";
  return { tensor: prefix + inner + tensor, shape: officialShape(layer, p), start: 0 };
}

/** Official tensors have their heads and channels in one axis. */
function officialShape(layer: LayerSpec | null, p: ParameterSpec): readonly number[] {
  const { shape } = p.type;
  if (layer === null || shape.length < 3) return shape;
  if (p.role === "attention.gate" || p.role.startsWith("attention.router")) return [shape[0]! * shape[1]!, shape[2]!];
  if (p.role === "attention.o" && !hasExperts(layer.attention, "o")) return [shape[0]!, shape[1]! * shape[2]!];
  if (p.role === "attention.relative") return shape;
  const dense = (["q", "k", "v"] as const).some((q) => p.role === `attention.${q}` && !hasExperts(layer.attention, q));
  return dense ? [shape[0]! * shape[1]!, shape[2]!] : shape;
}

/** Keys and values of the training code's dense attention share a tensor: keys first. */
function mergedPlace(layer: LayerSpec, scheme: NamingScheme, p: ParameterSpec, dModel: number): OfficialPlace | null {
  const isMerged = scheme === "training" && layer.attention.kind === "mha" && (p.role === "attention.k" || p.role === "attention.v");
  if (!isMerged) return null;
  const rows = keyHeads(layer.attention) * layer.attention.dHead;
  return {
    tensor: `unique_layers.${p.layer}.self_attn.data_to_kv.weight`,
    shape: [2 * rows, dModel],
    start: p.role === "attention.k" ? 0 : elements(p.type.shape),
  };
}

const CLEAN: Partial<Readonly<Record<Role, string>>> = {
  "embedding": "embedding.weight",
  "head": "lm_head.weight", "head.bias": "lm_head.bias", "head.norm.weight": "out_norm.weight", "head.norm.bias": "out_norm.bias",
  "norm_attention.weight": "ln1.weight", "norm_attention.bias": "ln1.bias",
  "norm_feed_forward.weight": "ln2.weight", "norm_feed_forward.bias": "ln2.bias",
  "attention.q": "attention.q.weight", "attention.k": "attention.k.weight", "attention.v": "attention.v", "attention.o": "attention.o",
  "attention.gate": "attention.sel_o", "attention.router_v": "attention.sel_v", "attention.router_o": "attention.sel_o",
  "feed_forward.up": "ffn.keys", "feed_forward.down": "ffn.values", "feed_forward.router": "ffn.expert_sel",
};

const cleanName = (role: Role): string => CLEAN[role] ?? bug(`the clean code has no ${role}`);

/** Names that do not depend on the layer. */
const TRAINING: Partial<Readonly<Record<Role, string>>> = {
  "embedding": "embedding.weight", "embedding.positions": "pos_embedding.weight",
  "embedding.norm.weight": "embedding.norm.weight", "embedding.norm.bias": "embedding.norm.bias",
  "head": "output.weight", "head.bias": "output.bias", "head.norm.weight": "out_norm.weight", "head.norm.bias": "out_norm.bias",
  "attention.gate": "self_attn.selections.o", "feed_forward.router": "pkm.expert_sel",
  "halting.stop": "halting.weight", "halting.stop.bias": "halting.bias",
  "halting.hidden": "_gate.0.weight", "halting.hidden.bias": "_gate.0.bias", "attention.relative": "self_attn.rel_pos_emb",
  "feed_forward.router.hidden": "pkm.expert_sel_hidden.weight", "feed_forward.router.hidden.bias": "pkm.expert_sel_hidden.bias",
  "attention.router_v.hidden": "self_attn.selections.v_hidden.weight",
  "attention.router_v.hidden.bias": "self_attn.selections.v_hidden.bias",
  "attention.router_o.hidden": "self_attn.selections.o_hidden.weight",
  "attention.router_o.hidden.bias": "self_attn.selections.o_hidden.bias",
  "feed_forward.router.bias": "pkm.sel_bias",
  "attention.router_v.bias": "self_attn.selections.v_bias", "attention.router_o.bias": "self_attn.selections.o_bias",
};

/** The parts of a dense block are linear layers. */
const LINEAR: Readonly<Record<string, string>> = {
  "up": "linear1.weight", "up.bias": "linear1.bias", "gate": "linear_gate.weight", "gate.bias": "linear_gate.bias",
  "down": "linear2.weight", "down.bias": "linear2.bias",
};
const EXPERTS: Readonly<Record<string, string>> = {
  "up": "pkm.keys", "up.bias": "pkm.bias", "gate": "pkm.gates", "gate.bias": "pkm.gate_bias",
  "down": "pkm.values", "down.bias": "pkm.o_bias",
};

/** The Sparse Universal Transformer's layer: mixtures of heads and of feed-forward experts. */
const SPARSE: Partial<Readonly<Record<Role, string>>> = {
  "norm_attention.weight": "self_attn_layer_norm.weight", "norm_attention.bias": "self_attn_layer_norm.bias",
  "norm_feed_forward.weight": "final_layer_norm.weight", "norm_feed_forward.bias": "final_layer_norm.bias",
  "attention.q": "self_attn.q_proj.experts.w", "attention.o": "self_attn.q_proj.output_experts.w",
  "attention.k": "self_attn.k_proj.weight", "attention.v": "self_attn.v_proj.weight",
  "attention.router.hidden": "self_attn.q_proj.w_gate.0.weight", "attention.router.hidden.bias": "self_attn.q_proj.w_gate.0.bias",
  "attention.router": "self_attn.q_proj.w_gate.3.weight", "attention.router.bias": "self_attn.q_proj.w_gate.3.bias",
};
const SPARSE_EXPERTS: Partial<Readonly<Record<Role, string>>> = {
  "feed_forward.router.hidden": "moe.w_gate.0.weight", "feed_forward.router.hidden.bias": "moe.w_gate.0.bias",
  "feed_forward.router": "moe.w_gate.3.weight", "feed_forward.router.bias": "moe.w_gate.3.bias",
  "feed_forward.up": "moe.experts.w", "feed_forward.up.bias": "moe.experts.b",
  "feed_forward.down": "moe.output_experts.w", "feed_forward.down.bias": "moe.output_experts.b",
};

function sparseName(role: Role, { attention, feedForward }: LayerSpec): string | undefined {
  if (attention.kind !== "moa") return undefined;
  return SPARSE[role] ?? (feedForward.kind === "moe" ? SPARSE_EXPERTS[role] : undefined);
}

/** A norm that values or experts do not read stands inside their block. */
const isInner = ({ placement: { stands, readers } }: LayerSpec, main: NormReader): boolean =>
  stands === "before" && !readers.includes(main);

function trainingName(role: Role, layer: LayerSpec | null): string {
  if (role.endsWith(".load_bias")) return `${trainingName(role.slice(0, -".load_bias".length) as Role, layer)}_load_bias`;
  const fixed = (layer === null ? undefined : sparseName(role, layer)) ?? TRAINING[role];
  if (fixed !== undefined) return fixed;
  if (layer === null) return role.startsWith("core.") ? role : bug(`no official name for ${role}`);
  const block = role.slice(0, role.indexOf("."));
  const part = role.slice(block.length + 1);
  switch (block) {
    case "norm_attention": return `${isInner(layer, "v") ? "self_attn.norm" : "norm1"}.${part}`;
    case "norm_attention_out": return `norm1_out.${part}`;
    case "norm_feed_forward_out": return `norm2_out.${part}`;
    case "norm_feed_forward": return `${isInner(layer, "feed_forward") && layer.feedForward.kind === "moe" ? "pkm.norm" : "norm2"}.${part}`;
    case "attention": return trainingAttention(part, layer);
    case "feed_forward": return part === "shared_gate" ? "pkm.shared_gate.weight" : part.startsWith("shared.")
      ? `pkm.shared.${LINEAR[part.slice("shared.".length)] ?? bug(role)}`
      : (layer.feedForward.kind === "moe" ? EXPERTS : LINEAR)[part] ?? bug(role);
    default: return bug(`no official name for ${role}`);
  }
}

function trainingAttention(part: string, layer: LayerSpec): string {
  const { attention } = layer;
  if (/^[qk]_norm\./.test(part)) return `self_attn.${part}`;
  if (/^[qkv]\.bias$/.test(part)) return `self_attn.data_to_${part}`;
  if (part === "o.bias") return "self_attn.out_proj.bias";
  if (attention.kind === "mha") return { q: "self_attn.data_to_q.weight", o: "self_attn.out_proj.weight" }[part] ?? bug(part);
  // A router is called after o or v, unless only q or only k uses it.
  if (part === "router_o") return `self_attn.selections.${hasExperts(attention, "o") ? "o" : "q"}`;
  if (part === "router_v") return `self_attn.selections.${hasExperts(attention, "v") ? "v" : "k"}`;
  return `self_attn.projections.${part}`;
}
