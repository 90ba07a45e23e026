/** GPT-NeoX and the Pythia models: LayerNorm, biases everywhere, rotary positions on a part of each head, blocks side by side. */
import { COUNT, DEPTH, INERT, number, SIZE } from "../options.ts";
import type { Options, Relation } from "../options.ts";
import { ACTIVATIONS, activation, COMMON, eps, evenRotary, no, rope, rotary, yes } from "./config.ts";
import type { Family } from "./family.ts";
import { same, thirdOfHeads } from "./tensors.ts";

const LAYER = "gpt_neox.layers.{layer}.";
const QKV = `${LAYER}attention.query_key_value`;

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
    "norm_attention.weight": same(`${LAYER}input_layernorm.weight`), "norm_attention.bias": same(`${LAYER}input_layernorm.bias`),
    "norm_feed_forward.weight": same(`${LAYER}post_attention_layernorm.weight`),
    "norm_feed_forward.bias": same(`${LAYER}post_attention_layernorm.bias`),
    "attention.q": thirdOfHeads(`${QKV}.weight`, 0), "attention.q.bias": thirdOfHeads(`${QKV}.bias`, 0),
    "attention.k": thirdOfHeads(`${QKV}.weight`, 1), "attention.k.bias": thirdOfHeads(`${QKV}.bias`, 1),
    "attention.v": thirdOfHeads(`${QKV}.weight`, 2), "attention.v.bias": thirdOfHeads(`${QKV}.bias`, 2),
    "attention.o": same(`${LAYER}attention.dense.weight`), "attention.o.bias": same(`${LAYER}attention.dense.bias`),
    "feed_forward.up": same(`${LAYER}mlp.dense_h_to_4h.weight`), "feed_forward.up.bias": same(`${LAYER}mlp.dense_h_to_4h.bias`),
    "feed_forward.down": same(`${LAYER}mlp.dense_4h_to_h.weight`), "feed_forward.down.bias": same(`${LAYER}mlp.dense_4h_to_h.bias`),
  },
  spare: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$|^embed_out\.weight$/,
};
