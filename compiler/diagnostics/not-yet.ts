/** What people look for and the language does not have: docs/not-yet.md says more about each. */

interface Absent {
  /** As the page names it. */
  readonly idea: string;
  /** How it is written elsewhere; case, `-` and `_` do not matter. */
  readonly words: readonly string[];
  /** What comes nearest: the rest of "nearest is …". */
  readonly nearest: string;
}

export const NOT_YET: readonly Absent[] = [
  {
    idea: "mixture of recursions", words: ["mor", "mixture_of_recursions", "recursions", "recursion_router"],
    nearest: "`halting graves` or `halting act`, by which each token stops after a number of passes of its own",
  },
  { idea: "mixture of depths", words: ["mod", "mixture_of_depths"], nearest: "`halting act`, by which tokens that have halted are skipped" },
  {
    idea: "sampled depth", words: ["sampled_depth", "random_depth", "mean_recurrence", "n_recurrences", "truncated_backprop", "backprop_depth"],
    nearest: "a number of passes that is fixed, `core(a, b) * 4`; `moeut eval RUN --passes 1,2,4,8` measures others",
  },
  {
    idea: "small weights of each pass", words: ["lora", "lora_rank", "relaxed_recursion"],
    nearest: "`pass_embedding learned` in `core`, a vector for each pass, or `own(…)`, all weights for each application",
  },
  {
    idea: "latent attention", words: ["mla", "latent_attention", "kv_lora_rank", "q_lora_rank", "kv_latent"],
    nearest: "`attention mha { n_kv_heads 1 }`, which also makes the cache small",
  },
  {
    idea: "linear attention and state spaces", words: ["mamba", "ssm", "linear_attention", "retention", "rwkv", "delta_net", "gated_delta_net"],
    nearest: "`window` in `attention`, which bounds the work for a token",
  },
  { idea: "cross-attention", words: ["cross_attention", "encoder", "decoder", "prefix_lm"], nearest: "`causal false` in `attention`, for a model that sees both sides" },
  {
    idea: "other positions", words: ["alibi", "yarn", "ntk", "t5", "positional_encoding"],
    nearest: "`rope rotary` (with `stretch` for longer texts), `positions relative`, `positions learned` in `embedding`, or `pass_embedding sinusoidal { positions true }` in `core`",
  },
  {
    idea: "multi-token prediction", words: ["mtp", "multi_token", "multi_token_prediction", "num_nextn_predict_layers", "n_future_tokens", "n_predict"],
    nearest: "the loss of the next token, the only one there is",
  },
  {
    idea: "grouped routing", words: ["n_group", "n_groups", "topk_group", "n_limited_groups", "group_limited", "node_limited", "device_limited", "grouped_routing"],
    nearest: "`top_k` over all experts with `balance load` or `balance bias`",
  },
  {
    idea: "expert choice", words: ["expert_choice", "experts_choose", "soft_moe"],
    nearest: "`top_k`, by which tokens choose, with `balance bias`, which evens the experts out without a loss",
  },
  {
    idea: "limit to the tokens of an expert", words: ["capacity", "capacity_factor", "expert_capacity", "drop_tokens", "token_dropping"],
    nearest: "what happens anyway: an expert takes every token that chose it, and none is dropped; `balance load` keeps their numbers even",
  },
  { idea: "dropout", words: ["dropout", "attention_dropout", "attn_dropout", "resid_dropout", "residual_dropout", "hidden_dropout", "drop_path", "layer_drop", "stochastic_depth"], nearest: "`expert_dropout` and `input_dropout` in `router`" },
  { idea: "other optimizers", words: ["muon", "lion", "sgd", "adafactor", "shampoo", "soap", "adam_mini"], nearest: "`optimizer adamw`; with `weight_decay 0` it is Adam" },
  { idea: "half precision", words: ["bf16", "fp16", "bfloat16", "float16", "dtype", "precision", "mixed_precision", "amp", "fp8", "quantization"], nearest: "float32, in which everything is computed" },
  { idea: "tokenizers", words: ["tokenizer", "bpe", "sentencepiece", "tiktoken"], nearest: "`--tokenizer FILE` of `moeut train`, with as many tokens as `vocab_size` says" },
];

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, "");

const BY_WORD = new Map(NOT_YET.flatMap((absent) => absent.words.map((word) => [plain(word), absent] as const)));

/** A hint for a word that stands for something the language does not have, or null. */
export function notYet(word: string): string | null {
  const absent = BY_WORD.get(plain(word));
  return absent === undefined ? null : `the language has no ${absent.idea} yet; nearest is ${absent.nearest} (docs/not-yet.md)`;
}
