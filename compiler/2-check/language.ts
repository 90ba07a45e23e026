/**
 * The language: every field of every block with its type, default, unit, range and meaning. The checker, "did you mean",
 * the printer and docs/language.md all read this table and nothing else; a new field is a row here.
 */
import { ACTIVATIONS, NORM_READERS } from "../ir/model-spec.ts";
import { block, choice, flag, groups, int, kind, modelName, number, numbers, plainBlock, set } from "./field.ts";

const WIDE = 1_048_576;

// ---- parts of a layer

const NORM_FIELDS = {
  eps: number({ default: 1e-5, min: 0, max: 1, open: true, doc: "added to the variance" }),
  affine: flag({ default: true, doc: "learned weight, and bias for layernorm" }),
};

export const ROPE = kind("Rotary positions on the first channels of each head, paired by halves.", {
  fraction: number({ default: 0.5, min: 0, max: 1, open: true, doc: "part of the head width that is rotated, rounded down to an even number of channels" }),
  base: number({ default: 10_000, min: 1, max: 1e9, open: true, doc: "channel pair j of r channels turns by base^(−2j/r) per position" }),
});

const ROPE_BLOCK = block("Rotary positions (`rope none`: no positions at all).", "rotary", { rotary: ROPE, none: kind("No position information.", {}) });

export const ROUTER = kind("How tokens choose experts: each score is one row of weights times the router's input.", {
  input: choice(["norm", "residual"], { default: "norm", doc: "what the router reads: the layer's norm of the residual stream, or what the experts read (in attention: what values read)" }),
  score: choice(["sigmoid", "softmax"], { default: "sigmoid", doc: "squashes the router's outputs; softmax is over all experts" }),
  weight: choice(["score", "renormalized"], { default: "score", doc: "what multiplies an expert's output: its score, or its score over the sum of the chosen ones" }),
  bias: flag({ default: false, doc: "a learned number per expert is added to the router's outputs" }),
  hidden: int({ default: 0, min: 0, max: WIDE, unit: "channels", doc: "width of a tanh layer with biases in front of the scores (Tan et al. 2023); 0: none, the scores are linear" }),
  eps: number({ default: 0, min: 0, max: 1, doc: "added to the sum that `weight renormalized` divides by" }),
  z_loss: number({ default: 0, min: 0, max: 1e6, doc: "factor of the mean square of log Σ exp of the router's outputs, added to the loss (Zoph et al. 2022); 0: none" }),
});

const BIAS_RATE = {
  bias_rate: number({ default: 0, min: 0, max: 1e3, doc: "above 0: also balance by biases, as `balance bias` does, which move by so much (DeepSeek-V3 does both); 0: no biases" }),
};

export const ENTROPY = kind("Minus the entropy of the mean routing distribution, added to the loss: spreads the load (Csordás et al. 2024).", {
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the term" }),
  scope: groups([["sequence", "batch", "token"], ["passes", "site"]], {
    default: ["sequence", "passes"],
    doc: "what is averaged before the entropy is taken: positions of one sequence, of the batch, or nothing (each token's own entropy); all passes over the layer together, or each site alone",
  }),
  ...BIAS_RATE,
});

export const LOAD = kind("E · Σ f · P over the experts, f the part of all choices that fell on one and P its mean probability, added to the loss (Fedus et al. 2022, Switch).", {
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the term; 1 · weight where the load is even" }),
  scope: groups([["batch", "sequence"], ["site", "passes"]], {
    default: ["batch", "site"],
    doc: "over what f and P are taken: the batch or each sequence; each site alone, or all passes over the layer together",
  }),
  ...BIAS_RATE,
});

export const BIAS = kind("Balance without a loss: a number per expert is added to its score for the choice alone, and moves by `rate` towards an even load after each step (Wang et al. 2024).", {
  rate: number({ default: 0.001, min: 0, max: 1e3, doc: "step of the numbers, up or down; part of checkpoints, not of the gradient" }),
});

export const MUTUAL_INFORMATION = kind("Routers are to be sure of each token and even over all of them: the term of the Sparse Universal Transformer, as released (Tan et al. 2023).", {
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the term, which is taken over the batch and all passes" }),
  ...BIAS_RATE,
});

const BALANCE_BLOCK = block("Load balancing term.", "none", { none: kind("No term.", {}), entropy: ENTROPY, load: LOAD, bias: BIAS, mutual_information: MUTUAL_INFORMATION });

const ROUTED = { router: plainBlock(ROUTER), balance: BALANCE_BLOCK };

export const RELATIVE = kind("A learned score for each head, channel of the query, and distance, added to the product of query and key (Shaw et al. 2018).", {
  max: int({ default: 64, min: 2, max: 65_536, unit: "tokens", doc: "distances of max − 1 and more share a score" }),
});

const SCORES = {
  window: int({ default: 0, min: 0, max: WIDE, unit: "tokens", doc: "a query sees so many positions, its own included, and none further away (Beltagy et al. 2020); 0: all" }),
  causal: flag({ default: true, doc: "false: every position sees all others (encoder attention); such a model cannot generate" }),
};

const HEADS = {
  n_heads: int({ default: 4, max: 65_536, unit: "heads", doc: "attention heads" }),
  d_head: int({ default: null, shown: "d_model / n_heads", max: WIDE, unit: "channels", doc: "width of one head's queries, keys and values" }),
  ...SCORES,
};

const QK_NORM_BLOCK = block("Norm of each head's queries and keys over its channels, before rotation (Henry et al. 2020, Dehghani et al. 2023).", "none", {
  none: kind("No norm.", {}), layernorm: kind("Over channels: mean 0, variance 1.", NORM_FIELDS), rmsnorm: kind("Over channels: mean square 1.", NORM_FIELDS),
});
const POSITIONS_BLOCK = block("Learned positions, beside or in place of rotary ones.", "none", { none: kind("No learned positions.", {}), relative: RELATIVE });
const POSITIONS = { rope: ROPE_BLOCK, positions: POSITIONS_BLOCK, qk_norm: QK_NORM_BLOCK };

export const MHA = kind("Ordinary multi-head attention, no biases.", {
  ...HEADS,
  n_kv_heads: int({ default: null, shown: "n_heads", max: 65_536, unit: "heads", doc: "heads of keys and values, each shared by n_heads / n_kv_heads query heads; 1: multi-query (Shazeer 2019, Ainslie et al. 2023)" }),
  gate: choice(["none", "sigmoid"], { default: "none", doc: "sigmoid: each head's output is multiplied by a sigmoid of one row of weights times the norm" }),
}, POSITIONS);

export const SWITCHHEAD = kind("Attention with experts on some of its projections, chosen per head (Csordás et al. 2023), no biases.", {
  ...HEADS,
  n_experts: int({ default: 4, max: 65_536, unit: "experts", doc: "experts of each head, on each projection named behind `on`" }),
  on: set(["q", "k", "v", "o"], { default: ["v", "o"], clauseOf: "n_experts", doc: "the projections that have experts: queries, keys, values, output" }),
  top_k: int({ default: null, shown: "2, at most n_experts", max: 65_536, unit: "experts", doc: "experts each head uses per token" }),
}, { ...POSITIONS, ...ROUTED });

export const MOA = kind("Mixture of attention heads: each token chooses experts, which are heads of queries with an output projection; keys and values are shared (Zhang et al. 2022, Tan et al. 2023), no biases.", {
  n_experts: int({ default: 8, max: 65_536, unit: "experts", doc: "experts in the layer" }),
  expert_size: int({ default: 128, max: WIDE, unit: "channels", doc: "width of one expert's queries, and of the shared keys and values: a whole number of heads" }),
  d_head: int({ default: null, shown: "64, at most expert_size", max: WIDE, unit: "channels", doc: "width of one head: a multiple of 4" }),
  top_k: int({ default: null, shown: "2, at most n_experts", max: 65_536, unit: "experts", doc: "experts each token uses" }),
  ...SCORES,
}, { ...POSITIONS, ...ROUTED });

const ATTENTION_BLOCK = block("Attention.", "mha", { mha: MHA, switchhead: SWITCHHEAD, moa: MOA });

const GLU = flag({ default: false, doc: "activation(gate · x) times (up · x), three maps instead of two (Shazeer 2020): silu is SwiGLU, gelu GEGLU, relu ReGLU" });
const ACTIVATION = choice(ACTIVATIONS, { default: "relu", doc: "nonlinearity between the two projections; relu2 is the square of relu" });

export const DENSE = kind("Two linear maps with a nonlinearity between them.", {
  d_ff: int({ default: null, shown: "4 · d_model", max: 16 * WIDE, unit: "channels", doc: "inner width" }),
  activation: ACTIVATION,
  glu: GLU,
  bias: flag({ default: true, doc: "all maps have biases" }),
});

export const MOE = kind("σ-MoE: each token visits its top_k experts, small feed-forward blocks (Csordás et al. 2023).", {
  n_experts: int({ default: 16, max: WIDE, unit: "experts", doc: "experts in the layer" }),
  expert_size: int({ default: 128, max: WIDE, unit: "channels", doc: "inner width of one expert" }),
  top_k: int({ default: null, shown: "4, at most n_experts", max: WIDE, unit: "experts", doc: "experts each token visits" }),
  activation: ACTIVATION,
  glu: GLU,
  bias: flag({
    default: false, words: ["shared_output"],
    doc: "true: every expert has biases in all maps; shared_output: in front of its activation, and one bias is added to the sum of all outputs (`moe.bias` of the released training code)",
  }),
  n_shared: int({ default: 0, min: 0, max: WIDE, unit: "experts", doc: "experts that every token visits, beside the routed ones: one dense block of n_shared · expert_size channels (Dai et al. 2024, DeepSeekMoE)" }),
}, ROUTED);

const FEED_FORWARD_BLOCK = block("Feed-forward part.", "dense", { dense: DENSE, moe: MOE });

// ---- norms

const LAYER_NORM_FIELDS = {
  at: choice(["peri", "pre", "post", "sandwich"], {
    default: null, shown: "peri with feed_forward moe, pre with dense", clauseOf: "norm", rival: "on",
    doc: "peri: x + f(x), only queries, keys and routers read the norm; pre: x + f(norm(x)); post: norm(x + f(x)); sandwich: x + norm(f(norm(x)))",
  }),
  on: set(NORM_READERS, {
    default: null, shown: "as `at` says", clauseOf: "norm", rival: "at",
    doc: "in place of `at`: x + f(x), and what of the layer reads the norm, one by one: queries, keys, values, experts or dense block; `on q, k` is peri, all four are pre",
  }),
  ...NORM_FIELDS,
};

export const LAYER_NORM = kind("Over channels: mean 0, variance 1.", LAYER_NORM_FIELDS);
export const NORM = kind("Over channels: mean 0, variance 1.", NORM_FIELDS);

const LAYER_NORM_BLOCK = block("The layer's two norms (attention and feed-forward) and where they stand.", "layernorm", {
  layernorm: LAYER_NORM,
  rmsnorm: kind("Over channels: mean square 1.", LAYER_NORM_FIELDS),
});

const norm = (doc: string, defaultKind: string | null, shown?: string) =>
  block(doc, defaultKind, { none: kind("No norm.", {}), layernorm: NORM, rmsnorm: kind("Over channels: mean square 1.", NORM_FIELDS) }, shown);

// ---- layer, model

export const LAYER = kind("A pool of weights. Where in depth it is used is said by `stack`.", {
  residual_scale: number({ default: 1, min: 0, max: 1e6, open: true, doc: "multiplies what the attention and the feed-forward part add to the residual stream" }),
}, {
  norm: LAYER_NORM_BLOCK,
  attention: ATTENTION_BLOCK,
  feed_forward: FEED_FORWARD_BLOCK,
});

export const EMBEDDING = kind("From tokens to channels.", {
  scale: number({
    default: null, words: ["sqrt_d_model"], min: 0, max: 1e6, open: true, shown: "1; `sqrt_d_model` if every layer's norm is at post",
    doc: "multiplies the looked-up rows; `sqrt_d_model` is the square root of d_model",
  }),
}, { norm: norm("Norm after the scale.", "none") });

export const HEAD = kind("From channels to logits.", {
  bias: flag({ default: true, doc: "one bias per token of the vocabulary" }),
  tied: flag({ default: false, doc: "the output projection is the embedding table" }),
}, { norm: norm("Norm in front of the output projection.", null, "as the first layer's, `none` if every layer's norm is at post") });

// ---- training

export const ADAMW = kind("AdamW with decay on every parameter (Loshchilov & Hutter 2019).", {
  lr: number({ default: 2.5e-4, min: 0, max: 1e3, doc: "learning rate at the top of the schedule" }),
  betas: numbers({ default: [0.9, 0.999], min: 0, max: 1, doc: "decay of the two running means" }),
  eps: number({ default: 1e-8, min: 0, max: 1, open: true, doc: "added to the root of the second mean" }),
  weight_decay: number({ default: 0.01, min: 0, max: 1e3, doc: "each step multiplies weights by 1 − lr · weight_decay" }),
});

const WARMUP = { warmup: int({ default: 0, min: 0, max: 1e9, unit: "steps", doc: "linear rise of the learning rate from 0" }) };
const DECAYING = {
  ...WARMUP,
  floor: number({ default: 0.1, min: 0, max: 1, doc: "learning rate at the last step, as a part of lr" }),
};
export const SCHEDULE = kind("Half a cosine from lr to floor · lr.", DECAYING);
export const CONSTANT = kind("lr at every step.", WARMUP);

const SCHEDULE_BLOCK = block("The learning rate over the steps.", "cosine", {
  cosine: SCHEDULE,
  linear: kind("A straight line from lr to floor · lr.", DECAYING),
  constant: CONSTANT,
});

export const TRAIN = kind("The training recipe. It is not part of a model's identity. At the top of a file: for all its models.", {
  grad_clip: number({ default: 0.25, words: ["none"], min: 0, max: 1e9, open: true, doc: "gradients with a greater global 2-norm are scaled down to it" }),
  batch: int({ default: 8, max: WIDE, unit: "sequences", doc: "sequences per step" }),
  accumulate: int({ default: 1, max: WIDE, doc: "equal parts the batch is computed in, one after the other, to save memory" }),
  steps: int({ default: 1_000, max: 1e9, unit: "steps", doc: "length of training" }),
  eval_every: int({ default: 100, min: 0, max: 1e9, unit: "steps", doc: "between evaluations on held-out data; 0: never" }),
  checkpoint_every: int({ default: 100, min: 0, max: 1e9, unit: "steps", doc: "between checkpoints; 0: only at the end" }),
}, {
  optimizer: block("The optimizer.", "adamw", { adamw: ADAMW }),
  schedule: SCHEDULE_BLOCK,
});

export const TRAIN_BLOCK = plainBlock(TRAIN);

// ---- depth

export const SINUSOIDAL = kind("sin(pass · base^(−2j/d_model)) and its cosine in turn (Dehghani et al. 2019, equations 4 and 5).", {
  base: number({ default: 10_000, min: 1, max: 1e9, open: true, doc: "channels 2j and 2j + 1 turn by base^(−2j/d_model) per pass" }),
  positions: flag({ default: false, doc: "the same of the token's position is added, in every pass (Dehghani et al. 2019)" }),
});

export const NORMAL = kind("Normal random numbers of mean 0, new ones in each step of training and the same for each position outside it (Geiping et al. 2025).", {
  std: number({ default: 0.63, min: 0, max: 1_000, open: true, doc: "standard deviation" }),
});

export const CORE = kind("How the recurrent core of a stack, `core(…)`, is entered. e is what reaches it, s is the state: what the pass before left.", {
  inject: choice(["none", "add", "concat", "gate"], {
    default: "none",
    doc: "what the layers of a pass read. none: s; add: s + e (Yang et al. 2023, looped transformers); concat: a learned map of s and e side by side (Geiping et al. 2025); gate: g · s + (1 − g) · e, g a sigmoid of such a map (as highways, Srivastava et al. 2015)",
  }),
}, {
  state: block("The state before the first pass.", "input", { input: kind("e itself.", {}), zero: kind("Zeros.", {}), normal: NORMAL }),
  pass_embedding: block("A vector that tells the passes apart, added to what the layers of a pass read.", "none", {
    none: kind("All passes look alike.", {}), learned: kind("A learned vector for each pass.", {}), sinusoidal: SINUSOIDAL,
  }),
});

export const ACT = kind("Adaptive computation time in the form of the Sparse Universal Transformer: in front of every pass over the core but the first (of every application of a layer, without a core), a small network of each token says whether it goes on (Tan et al. 2023).", {
  threshold: number({ default: 0.999, min: 0, max: 1, open: true, doc: "a token that has halted with a greater probability is skipped from then on" }),
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the mean expected depth, added to the loss" }),
});

export const GRAVES = kind("Adaptive computation time as first published and as in the Universal Transformer: in every pass over the core (application of a layer, without a core) each token halts if its probabilities so far add up to the threshold (Graves 2016, Dehghani et al. 2019).", {
  threshold: number({ default: 0.99, min: 0, max: 1, open: true, doc: "sum of halting probabilities at which a token halts; what is then left of 1 counts for its last pass" }),
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the mean of passes plus remainder (the ponder cost), added to the loss" }),
  bias: number({ default: 1, min: -100, max: 100, doc: "logit of the halting probability before training" }),
});

export const MODEL = kind("One model.", {
  vocab_size: int({ default: 256, max: 16_777_216, unit: "tokens", doc: "vocabulary; 256 for bytes" }),
  seq_len: int({ default: 256, max: WIDE, unit: "tokens", doc: "length of training sequences, the longest context" }),
  d_model: int({ default: 128, max: WIDE, unit: "channels", doc: "width of the residual stream" }),
  init: choice(["official"], { default: "official", doc: "initial weights: as in the released code of the paper" }),
}, {
  embedding: plainBlock(EMBEDDING),
  head: plainBlock(HEAD),
  core: plainBlock(CORE),
  halting: block("Tokens may leave the core, or the stack, before its end.", "none", { none: kind("Every token goes through the whole stack.", {}), act: ACT, graves: GRAVES }),
  train: TRAIN_BLOCK,
});

export const COMPARE = kind("A grid of variants of one model, trained under one budget.", {
  base: modelName({ default: null, shown: "required", doc: "the model that is varied" }),
  seeds: int({ default: 1, max: 1_000, doc: "runs of each variant with different random numbers" }),
});

export const MODEL_BLOCK = plainBlock(MODEL);
export const LAYER_BLOCK = plainBlock(LAYER);
export const COMPARE_BLOCK = plainBlock(COMPARE);

/** Statements with a syntax of their own, and where they belong. */
export const STATEMENTS = {
  layer: "model", stack: "model", expect: "model", match: "model or compare", vary: "compare",
} as const;

/** Names other systems use for what is a field here. */
export const SYNONYMS: Readonly<Record<string, string>> = {
  hidden_size: "d_model", n_embd: "d_model", dim: "d_model", width: "d_model", embed_dim: "d_model",
  num_heads: "n_heads", n_head: "n_heads", heads: "n_heads", num_attention_heads: "n_heads", head_dim: "d_head", d_k: "d_head",
  n_layers: "stack", num_layers: "stack", n_layer: "stack", depth: "stack", group_size: "stack", n_repeats: "stack",
  num_experts: "n_experts", experts: "n_experts", k: "top_k", n_active: "top_k", num_experts_per_tok: "top_k",
  intermediate_size: "d_ff", ffn_dim: "d_ff", hidden_dim: "d_ff", context: "seq_len", block_size: "seq_len", context_length: "seq_len",
  max_seq_len: "seq_len", n_vocab: "vocab_size", vocabulary: "vocab_size", learning_rate: "lr", batch_size: "batch", wd: "weight_decay",
  clip: "grad_clip", max_grad_norm: "grad_clip", ffn: "feed_forward", mlp: "feed_forward", attn: "attention", warmup_steps: "warmup",
  max_steps: "steps", gradient_accumulation: "accumulate", grad_accum: "accumulate", tie: "tied", tie_embeddings: "tied",
  act: "activation", nonlinearity: "activation", theta: "base", rope_theta: "base", ln: "norm", layer_norm: "norm",
};
