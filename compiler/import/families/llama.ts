/** Models built as Llama is: RMSNorm in front of each block, rotary positions, grouped queries, gated dense blocks or experts. */
import { INERT, number, only } from "../options.ts";
import type { Options, Relation, Rules } from "../options.ts";
import { ACTIVATIONS, count, eps, evenRotary, llamaLike, no, rope, size, yes } from "./config.ts";
import type { Family, FamilyModel, Fields, Tensors } from "./family.ts";
import { experts, same } from "./tensors.ts";

const LAYER = "model.layers.{layer}.";

const COMMON: Tensors = {
  "embedding": same("model.embed_tokens.weight"), "head": same("lm_head.weight"), "head.norm.weight": same("model.norm.weight"),
  "norm_attention.weight": same(`${LAYER}input_layernorm.weight`),
  "norm_feed_forward.weight": same(`${LAYER}post_attention_layernorm.weight`),
  "attention.q": same(`${LAYER}self_attn.q_proj.weight`), "attention.k": same(`${LAYER}self_attn.k_proj.weight`),
  "attention.v": same(`${LAYER}self_attn.v_proj.weight`), "attention.o": same(`${LAYER}self_attn.o_proj.weight`),
  "attention.q.bias": same(`${LAYER}self_attn.q_proj.bias`), "attention.k.bias": same(`${LAYER}self_attn.k_proj.bias`),
  "attention.v.bias": same(`${LAYER}self_attn.v_proj.bias`), "attention.o.bias": same(`${LAYER}self_attn.o_proj.bias`),
  "attention.q_norm.weight": same(`${LAYER}self_attn.q_norm.weight`), "attention.k_norm.weight": same(`${LAYER}self_attn.k_norm.weight`),
};

const DENSE: Tensors = {
  "feed_forward.up": same(`${LAYER}mlp.up_proj.weight`), "feed_forward.up.bias": same(`${LAYER}mlp.up_proj.bias`),
  "feed_forward.gate": same(`${LAYER}mlp.gate_proj.weight`), "feed_forward.gate.bias": same(`${LAYER}mlp.gate_proj.bias`),
  "feed_forward.down": same(`${LAYER}mlp.down_proj.weight`), "feed_forward.down.bias": same(`${LAYER}mlp.down_proj.bias`),
};

/** As Mixtral calls them. */
const NUMBERED: Tensors = {
  "feed_forward.router": same(`${LAYER}block_sparse_moe.gate.weight`),
  "feed_forward.up": experts(`${LAYER}block_sparse_moe.experts.{expert}.w3.weight`),
  "feed_forward.gate": experts(`${LAYER}block_sparse_moe.experts.{expert}.w1.weight`),
  "feed_forward.down": experts(`${LAYER}block_sparse_moe.experts.{expert}.w2.weight`),
};

const NAMED: Tensors = {
  "feed_forward.router": same(`${LAYER}mlp.gate.weight`),
  "feed_forward.up": experts(`${LAYER}mlp.experts.{expert}.up_proj.weight`),
  "feed_forward.gate": experts(`${LAYER}mlp.experts.{expert}.gate_proj.weight`),
  "feed_forward.down": experts(`${LAYER}mlp.experts.{expert}.down_proj.weight`),
  "feed_forward.shared.up": same(`${LAYER}mlp.shared_expert.up_proj.weight`),
  "feed_forward.shared.gate": same(`${LAYER}mlp.shared_expert.gate_proj.weight`),
  "feed_forward.shared.down": same(`${LAYER}mlp.shared_expert.down_proj.weight`),
  "feed_forward.shared_gate": same(`${LAYER}mlp.shared_expert_gate.weight`),
};

// ---- fields of the spec

/** Heads are as wide as the stream allows, unless the configuration says how wide. */
const headWidth = (o: Options): number =>
  (o["head_dim"] === null ? number(o, "hidden_size") / number(o, "num_attention_heads") : number(o, "head_dim"));

/** @param attention of the family alone @param feedForward the block */
const model = (o: Options, attention: Fields, feedForward: Fields): FamilyModel => ({
  front: {
    vocab_size: number(o, "vocab_size"), seq_len: number(o, "max_position_embeddings"), d_model: number(o, "hidden_size"),
    head: { bias: false, tied: o["tie_word_embeddings"] === true },
  },
  layer: {
    "norm rmsnorm at pre": { eps: number(o, "rms_norm_eps") },
    "attention mha": {
      n_heads: number(o, "num_attention_heads"), n_kv_heads: keyHeads(o), d_head: headWidth(o),
      bias: o["attention_bias"] === true ? true : undefined, ...attention, rope: rope(o),
    },
    ...feedForward,
  },
  depth: number(o, "num_hidden_layers"),
});

const keyHeads = ({ num_key_value_heads: own, num_attention_heads: all }: Options): number | undefined =>
  (own === null || own === all ? undefined : own as number);

const activationOf = (o: Options): string => ACTIVATIONS[String(o["hidden_act"])]!;

const dense = (o: Options, bias = false): Fields =>
  ({ "feed_forward dense": { d_ff: number(o, "intermediate_size"), activation: activationOf(o), glu: true, bias } });

/** @param width the field that says how wide an expert is @param isRenormalized the scores of the chosen experts add up to 1 */
const moe = (o: Options, width: string, isRenormalized: boolean, more: Fields = {}): Fields => ({
  "feed_forward moe": {
    n_experts: number(o, "num_experts"), expert_size: number(o, width), top_k: number(o, "num_experts_per_tok"),
    activation: activationOf(o), glu: true, ...more, router: { score: "softmax", weight: isRenormalized ? "renormalized" : undefined },
  },
});

/** Beside the routed experts, as many as make up their width. */
const sharedExperts = (o: Options): number => number(o, "shared_expert_intermediate_size") / number(o, "moe_intermediate_size");

const qkNorm = (o: Options, over?: string): Fields => ({ "qk_norm rmsnorm": { eps: number(o, "rms_norm_eps"), over } });
const window = (o: Options): Fields => ({ window: o["sliding_window"] === null ? undefined : number(o, "sliding_window") });

// ---- what configurations may say

const NO_WINDOW = "windows in some layers alone cannot be imported; leave them all without";
const NO_MIX = "models that have experts in some layers alone cannot be imported";

const NO_WINDOWS: Rules = {
  use_sliding_window: only(false, NO_WINDOW), sliding_window: INERT, max_window_layers: INERT,
  layer_types: only("full_attention", NO_WINDOW),
};
const QWEN_EXPERTS: Rules = {
  intermediate_size: INERT, moe_intermediate_size: size(768), num_experts: count(128), num_experts_per_tok: count(8), norm_topk_prob: no,
  mlp_only_layers: only(null, NO_MIX), decoder_sparse_step: only(1, NO_MIX),
};

const RELATIONS: readonly Relation[] = [
  evenRotary(["hidden_size", "num_attention_heads", "head_dim"], headWidth),
  {
    of: ["hidden_size", "num_attention_heads", "head_dim"], holds: (o) => Number.isInteger(headWidth(o)),
    otherwise: ({ hidden_size: width, num_attention_heads: heads }) =>
      `hidden_size is ${width}, which ${heads} heads cannot share evenly, and there is no head_dim`,
  },
  {
    of: ["num_key_value_heads", "num_attention_heads"],
    holds: (o) => o["num_key_value_heads"] === null || number(o, "num_attention_heads") % number(o, "num_key_value_heads") === 0,
    otherwise: ({ num_key_value_heads: own, num_attention_heads: all }) =>
      `num_key_value_heads is ${own}, which does not divide the ${all} heads of num_attention_heads`,
  },
  {
    of: ["shared_expert_intermediate_size", "moe_intermediate_size"], holds: (o) => Number.isInteger(sharedExperts(o)),
    otherwise: ({ shared_expert_intermediate_size: shared, moe_intermediate_size: one }) =>
      `shared_expert_intermediate_size is ${shared}, which is no whole number of experts of moe_intermediate_size ${one}`,
  },
  {
    of: ["num_experts_per_tok", "num_experts"], holds: (o) => number(o, "num_experts_per_tok") <= number(o, "num_experts"),
    otherwise: ({ num_experts_per_tok: chosen, num_experts: all }) =>
      `num_experts_per_tok is ${chosen}, more than the ${all} experts of num_experts`,
  },
];

const family = (rules: Rules, build: Family["model"], tensors: Tensors): Family => ({
  rules, relations: RELATIONS.filter(({ of }) => of.every((name) => Object.hasOwn(rules, name))), model: build,
  prefix: "model.", tensors: { ...COMMON, ...tensors }, spare: /\.rotary_emb\.inv_freq$|^lm_head\.weight$/,
});

export const LLAMA = family(
  llamaLike(10_000, { attention_bias: no, mlp_bias: no, pretraining_tp: INERT }),
  (o) => model(o, {}, dense(o, o["mlp_bias"] === true)), DENSE,
);

export const MISTRAL = family(llamaLike(10_000, { sliding_window: size(null) }), (o) => model(o, window(o), dense(o)), DENSE);

export const MIXTRAL = family(
  llamaLike(1_000_000, { rms_norm_eps: eps(1e-5), sliding_window: size(null), num_experts: count(8), num_experts_per_tok: count(2) }),
  (o) => model(o, window(o), moe(o, "intermediate_size", true)), NUMBERED,
);

export const QWEN3 = family(
  llamaLike(10_000, { ...NO_WINDOWS, attention_bias: no, head_dim: size(128) }),
  (o) => model(o, qkNorm(o), dense(o)), DENSE,
);

export const QWEN3_MOE = family(
  llamaLike(10_000, { ...NO_WINDOWS, ...QWEN_EXPERTS, attention_bias: no }),
  (o) => model(o, qkNorm(o), moe(o, "moe_intermediate_size", o["norm_topk_prob"] === true)), NAMED,
);

export const QWEN2 = family(llamaLike(10_000, NO_WINDOWS), (o) => model(o, { bias: "qkv" }, dense(o)), DENSE);

export const QWEN2_MOE = family(
  llamaLike(10_000, {
    ...NO_WINDOWS, ...QWEN_EXPERTS, qkv_bias: yes, shared_expert_intermediate_size: size(5632),
    moe_intermediate_size: size(1408), num_experts: count(60), num_experts_per_tok: count(4),
  }),
  (o) => model(o, { bias: o["qkv_bias"] === true ? "qkv" : undefined }, moe(o, "moe_intermediate_size", o["norm_topk_prob"] === true, {
    n_shared: sharedExperts(o), shared_gate: "sigmoid",
  })), NAMED,
);

export const OLMOE = family(
  llamaLike(10_000, {
    attention_bias: no, rms_norm_eps: eps(1e-5), clip_qkv: only(null, "queries, keys and values cannot be clipped"),
    num_experts: count(64), num_experts_per_tok: count(8), norm_topk_prob: no,
  }),
  (o) => model(o, qkNorm(o, "heads"), moe(o, "intermediate_size", o["norm_topk_prob"] === true)), NAMED,
);
