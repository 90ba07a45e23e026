/** GPT-2; GPT-NeoX and the Pythia models: LayerNorm, dense blocks, biases everywhere. */
import { COUNT, DEPTH, INERT, number, only, SIZE } from "../options.ts";
import type { Options, Relation } from "../options.ts";
import { ACTIVATIONS, activation, COMMON, eps, evenRotary, no, rope, rotary, size, yes } from "./config.ts";
import type { Family } from "./family.ts";
import { same, third, thirdOfHeads, transposed } from "./tensors.ts";

const NEOX = "gpt_neox.layers.{layer}.";
const NEOX_QKV = `${NEOX}attention.query_key_value`;

const even = (width: string, heads: string): Relation => ({
  of: [width, heads], holds: (o) => number(o, width) % number(o, heads) === 0,
  otherwise: (o) => `${width} is ${o[width]}, which ${o[heads]} heads cannot share evenly`,
});

const headWidth = (o: Options): number => number(o, "hidden_size") / number(o, "num_attention_heads");
const isBiased = (o: Options): boolean => o["attention_bias"] === true;

export const GPT_NEOX: Family = {
  rules: {
    ...COMMON, vocab_size: { ...SIZE, max: 16_777_216 }, hidden_size: SIZE, num_hidden_layers: DEPTH, num_attention_heads: COUNT,
    intermediate_size: { ...SIZE, max: 16_777_216 }, max_position_embeddings: SIZE, hidden_act: activation("gelu"),
    layer_norm_eps: eps(1e-5), tie_word_embeddings: no, use_parallel_residual: yes, attention_bias: yes, ...rotary(10_000, 0.25),
    hidden_dropout: INERT, classifier_dropout: INERT, is_decoder: INERT,
  },
  relations: [even("hidden_size", "num_attention_heads"), evenRotary(["hidden_size", "num_attention_heads"], headWidth)],
  model: (o) => ({
    front: {
      vocab_size: number(o, "vocab_size"), seq_len: number(o, "max_position_embeddings"), d_model: number(o, "hidden_size"),
      head: { bias: false, tied: o["tie_word_embeddings"] === true },
    },
    layer: {
      parallel: o["use_parallel_residual"] === true ? true : undefined,
      "norm layernorm at pre": { eps: number(o, "layer_norm_eps") },
      "attention mha": {
        n_heads: number(o, "num_attention_heads"), d_head: headWidth(o),
        bias: isBiased(o) ? true : undefined, rope: rope(o),
      },
      "feed_forward dense": { d_ff: number(o, "intermediate_size"), activation: ACTIVATIONS[String(o["hidden_act"])]! },
    },
    depth: number(o, "num_hidden_layers"),
  }),
  prefix: "gpt_neox.",
  tensors: {
    "embedding": same("gpt_neox.embed_in.weight"), "head": same("embed_out.weight"),
    "head.norm.weight": same("gpt_neox.final_layer_norm.weight"), "head.norm.bias": same("gpt_neox.final_layer_norm.bias"),
    "norm_attention.weight": same(`${NEOX}input_layernorm.weight`), "norm_attention.bias": same(`${NEOX}input_layernorm.bias`),
    "norm_feed_forward.weight": same(`${NEOX}post_attention_layernorm.weight`),
    "norm_feed_forward.bias": same(`${NEOX}post_attention_layernorm.bias`),
    "attention.q": thirdOfHeads(`${NEOX_QKV}.weight`, 0), "attention.q.bias": thirdOfHeads(`${NEOX_QKV}.bias`, 0),
    "attention.k": thirdOfHeads(`${NEOX_QKV}.weight`, 1), "attention.k.bias": thirdOfHeads(`${NEOX_QKV}.bias`, 1),
    "attention.v": thirdOfHeads(`${NEOX_QKV}.weight`, 2), "attention.v.bias": thirdOfHeads(`${NEOX_QKV}.bias`, 2),
    "attention.o": same(`${NEOX}attention.dense.weight`), "attention.o.bias": same(`${NEOX}attention.dense.bias`),
    "feed_forward.up": same(`${NEOX}mlp.dense_h_to_4h.weight`), "feed_forward.up.bias": same(`${NEOX}mlp.dense_h_to_4h.bias`),
    "feed_forward.down": same(`${NEOX}mlp.dense_4h_to_h.weight`), "feed_forward.down.bias": same(`${NEOX}mlp.dense_4h_to_h.bias`),
  },
  spare: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$|^embed_out\.weight$/,
};

const GPT2_LAYER = "transformer.h.{layer}.";

const SCALED = "scores are those of queries and keys over the root of their width";

export const GPT2: Family = {
  rules: {
    ...COMMON, vocab_size: { ...SIZE, max: 16_777_216, default: 50_257 }, n_positions: size(1024), n_embd: size(768),
    n_layer: { ...DEPTH, default: 12 }, n_head: { ...COUNT, default: 12 }, n_inner: size(null),
    activation_function: activation("gelu_new"), layer_norm_epsilon: eps(1e-5),
    tie_word_embeddings: yes, scale_attn_weights: only(true, SCALED), scale_attn_by_inverse_layer_idx: only(false, SCALED),
    add_cross_attention: only(false, "there is no encoder to attend to"),
    ...Object.fromEntries([
      "n_ctx", "resid_pdrop", "embd_pdrop", "attn_pdrop", "reorder_and_upcast_attn", "task_specific_params",
      "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout",
    ].map((name) => [name, INERT])),
  },
  relations: [even("n_embd", "n_head")],
  model: (o) => ({
    front: {
      vocab_size: number(o, "vocab_size"), seq_len: number(o, "n_positions"), d_model: number(o, "n_embd"),
      embedding: { positions: "learned" }, head: { bias: false, tied: o["tie_word_embeddings"] === true },
    },
    layer: {
      "norm layernorm at pre": { eps: number(o, "layer_norm_epsilon") },
      "attention mha": { n_heads: number(o, "n_head"), d_head: number(o, "n_embd") / number(o, "n_head"), bias: true, rope: "none" },
      "feed_forward dense": {
        d_ff: (o["n_inner"] as number | null) ?? 4 * number(o, "n_embd"), activation: ACTIVATIONS[String(o["activation_function"])]!,
      },
    },
    depth: number(o, "n_layer"),
  }),
  prefix: "transformer.",
  tensors: {
    "embedding": same("transformer.wte.weight"), "embedding.positions": same("transformer.wpe.weight"), "head": same("lm_head.weight"),
    "head.norm.weight": same("transformer.ln_f.weight"), "head.norm.bias": same("transformer.ln_f.bias"),
    "norm_attention.weight": same(`${GPT2_LAYER}ln_1.weight`), "norm_attention.bias": same(`${GPT2_LAYER}ln_1.bias`),
    "norm_feed_forward.weight": same(`${GPT2_LAYER}ln_2.weight`), "norm_feed_forward.bias": same(`${GPT2_LAYER}ln_2.bias`),
    "attention.q": third(`${GPT2_LAYER}attn.c_attn.weight`, 0), "attention.q.bias": third(`${GPT2_LAYER}attn.c_attn.bias`, 0),
    "attention.k": third(`${GPT2_LAYER}attn.c_attn.weight`, 1), "attention.k.bias": third(`${GPT2_LAYER}attn.c_attn.bias`, 1),
    "attention.v": third(`${GPT2_LAYER}attn.c_attn.weight`, 2), "attention.v.bias": third(`${GPT2_LAYER}attn.c_attn.bias`, 2),
    "attention.o": transposed(`${GPT2_LAYER}attn.c_proj.weight`), "attention.o.bias": same(`${GPT2_LAYER}attn.c_proj.bias`),
    "feed_forward.up": transposed(`${GPT2_LAYER}mlp.c_fc.weight`), "feed_forward.up.bias": same(`${GPT2_LAYER}mlp.c_fc.bias`),
    "feed_forward.down": transposed(`${GPT2_LAYER}mlp.c_proj.weight`), "feed_forward.down.bias": same(`${GPT2_LAYER}mlp.c_proj.bias`),
  },
  spare: /\.attn\.(bias|masked_bias)$|^lm_head\.weight$/,
};
