/**
 * The language: every field of every block with its type, default, unit, range and meaning. The checker, "did you mean",
 * the printer and docs/language.md all read this table and nothing else; a new field is a row here, and it stands in an example
 * of its kind. What comes from a paper names it: `[@glu]` is a row of sources.ts.
 */
import { ACTIVATIONS, NORM_READERS, ROUTER_SCORES } from "../ir/model-spec.ts";
import type { AttentionSpec, BalanceSpec, FeedForwardSpec, HaltingSpec, NormSpec } from "../ir/model-spec.ts";
import type { Kind } from "./field.ts";
import { block, choice, flag, groups, int, ints, kind, modelName, names, nothing, number, numbers, plainBlock, pointwise, positives, set } from "./field.ts";

const WIDE = 1_048_576;

/** A row for each kind that a spec may have: one that is missing is a type error. */
type Kinds<K extends string> = Readonly<Record<K, Kind>>;

// ---- parts of a layer

const NORM_FIELDS = {
  eps: number({ default: 1e-5, min: 0, max: 1, open: true, doc: "added to the variance" }),
  affine: flag({ default: true, doc: "learned weight, and bias for layernorm" }),
};

/** Fields and words of a norm in a block of this name. */
const normKinds = <F>(name: string, fields: F) => ({
  layernorm: kind("Over channels: mean 0, variance 1 [@layernorm].", [`${name} layernorm { eps 1e-6  affine false }`], fields),
  rmsnorm: kind("Over channels: mean square 1 [@rmsnorm].", [`${name} rmsnorm { eps 1e-6  affine true }`], fields),
} satisfies Kinds<NormSpec["kind"]>);

export const STRETCH = kind("Rotary positions for texts longer than those of the first training [@llama3; @interpolation].", ["stretch { factor 8  length 8192  low 1  high 4 }"], {
  factor: number({ default: 1, min: 1, max: 1e6, doc: "slow channels turn so many times more slowly; 1: nothing is stretched" }),
  length: int({ default: 0, min: 0, max: WIDE, unit: "tokens", doc: "of the first training: slow channels turn less than `low` times in so many positions; 0: all are slow" }),
  low: number({ default: 1, min: 0, max: 1e6, open: true, doc: "turns in `length` up to which a channel is slow" }),
  high: number({ default: 4, min: 0, max: 1e6, open: true, doc: "turns from which a channel keeps its angle; between low and high it keeps part of it" }),
});

export const ROPE = kind("Rotary positions on the first channels of each head, paired by halves [@rope].", ["rope rotary { fraction 0.5  base 10_000  stretch { factor 4 } }"], {
  fraction: number({ default: 0.5, min: 0, max: 1, open: true, doc: "part of the head width that is rotated, rounded down to an even number of channels [@neox]" }),
  base: number({ default: 10_000, min: 1, max: 1e9, open: true, doc: "channel pair j of r channels turns by base^(−2j/r) per position" }),
}, { stretch: plainBlock(STRETCH) });

const ROPE_BLOCK = block("Rotary positions.", "rotary", { rotary: ROPE, none: nothing("No rotation; without learned positions none at all [@nope].") });

export const ROUTER = kind("How tokens choose experts: each score is one row of weights times the router's input.", ["router { input norm  score softmax  weight renormalized  bias true  hidden 64  eps 1e-6  z_loss 0.001 }", "router { expert_dropout 0.05  input_dropout 0.1  sampled 1 }"], {
  input: choice(["norm", "residual"], { default: "norm", doc: "what the router reads: the layer's norm of the residual stream, or what the experts read (in attention: what values read) [@moeut]" }),
  score: pointwise(ROUTER_SCORES, { default: "sigmoid", doc: "squashes the router's outputs: each by itself [@sigma_moe], or over all experts [@sparse_moe]" }),
  weight: choice(["score", "renormalized"], { default: "score", doc: "what multiplies an expert's output: its score, or its score over the sum of the chosen ones [@gshard]" }),
  bias: flag({ default: false, doc: "a learned number per expert is added to the router's outputs (`moe.sel_bias` of the released training code) [@moeut]" }),
  hidden: int({ default: 0, min: 0, max: WIDE, unit: "channels", doc: "width of a tanh layer with biases in front of the scores [@sut]; 0: none, the scores are linear" }),
  eps: number({ default: 0, min: 0, max: 1, doc: "added to the sum that `weight renormalized` divides by" }),
  z_loss: number({ default: 0, min: 0, max: 1e6, doc: "factor of the mean square of log Σ exp of the router's outputs, added to the loss [@st_moe]; 0: none" }),
  expert_dropout: number({ default: 0, min: 0, max: 1, below: true, doc: "in training, the probability with which each token (and head) leaves an expert out of its choice [@sigma_moe]" }),
  input_dropout: number({ default: 0, min: 0, max: 1, below: true, doc: "in training, the probability with which a channel of the router's input is 0; the others are divided by 1 − input_dropout [@dropout]" }),
  sampled: int({ default: 0, min: 0, max: WIDE, unit: "experts", doc: "in training, so many of the top_k are drawn at random in proportion to their scores, the others being the greatest [@sut]" }),
});

const BIAS_RATE = {
  bias_rate: number({ default: 0, min: 0, max: 1e3, doc: "above 0: also balance by biases, as `balance bias` does, which move by so much [@deepseek_v3]; 0: no biases" }),
};

export const ENTROPY = kind("Minus the entropy of the mean routing distribution, added to the loss: spreads the load [@moeut].", ["balance entropy { weight 0.01  scope sequence, passes  bias_rate 0 }"], {
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the term" }),
  scope: groups([["sequence", "batch", "token"], ["passes", "site"]], {
    default: ["sequence", "passes"],
    doc: "what is averaged before the entropy is taken: positions of one sequence, of the batch, or nothing (each token's own entropy); all passes over the layer together, or each site alone",
  }),
  ...BIAS_RATE,
});

export const LOAD = kind("E · Σ f · P over the experts, f the part of all choices that fell on one and P its mean probability, added to the loss [@switch].", ["balance load { weight 0.0001  scope sequence, site  bias_rate 0.001 }"], {
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the term; 1 · weight where the load is even" }),
  scope: groups([["batch", "sequence"], ["site", "passes"]], {
    default: ["batch", "site"],
    doc: "over what f and P are taken: the batch or each sequence [@deepseek_v2]; each site alone, or all passes over the layer together",
  }),
  ...BIAS_RATE,
});

export const BIAS = kind("Balance without a loss: a number per expert is added to its score for the choice alone, and moves by `rate` towards an even load after each step [@loss_free].", ["balance bias { rate 0.001 }"], {
  rate: number({ default: 0.001, min: 0, max: 1e3, doc: "step of the numbers, up or down; part of checkpoints, not of the gradient" }),
});

export const MUTUAL_INFORMATION = kind("Routers are to be sure of each token and even over all of them: the term of the Sparse Universal Transformer, as released [@sut].", ["balance mutual_information { weight 0.001  bias_rate 0 }"], {
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the term, which is taken over the batch and all passes" }),
  ...BIAS_RATE,
});

const BALANCE_BLOCK = block("Load balancing term.", "none", { none: nothing("No term."), entropy: ENTROPY, load: LOAD, bias: BIAS, mutual_information: MUTUAL_INFORMATION } satisfies Kinds<BalanceSpec["kind"] | "bias" | "none">);

const ROUTED = { router: plainBlock(ROUTER), balance: BALANCE_BLOCK };

export const RELATIVE = kind("A learned score for each head, channel of the query, and distance, added to the product of query and key [@relative].", ["positions relative { max 64 }"], {
  max: int({ default: 64, min: 2, max: 65_536, unit: "tokens", doc: "distances of max − 1 and more share a score" }),
});

const SCORES = {
  window: int({ default: 0, min: 0, max: WIDE, unit: "tokens", doc: "a query sees so many positions, its own included, and none further away [@longformer]; 0: all" }),
  causal: flag({ default: true, doc: "false: every position sees all others (encoder attention); such a model cannot generate" }),
};

const HEADS = {
  n_heads: int({ default: 4, max: 65_536, unit: "heads", doc: "attention heads" }),
  d_head: int({ default: null, shown: "d_model / n_heads", max: WIDE, unit: "channels", doc: "width of one head's queries, keys and values" }),
  ...SCORES,
};

const QK_NORM = "Norm of each head's queries and keys over its channels, before rotation [@qk_norm; @vit_22b].";
const QK_NORM_BLOCK = block(QK_NORM, "none", { none: nothing("No norm."), ...normKinds("qk_norm", NORM_FIELDS) });
const POSITIONS_BLOCK = block("Learned positions, beside or in place of rotary ones.", "none", { none: nothing("No learned positions."), relative: RELATIVE });
const POSITIONS = { rope: ROPE_BLOCK, positions: POSITIONS_BLOCK, qk_norm: QK_NORM_BLOCK };

const QK_NORM_FIELDS = {
  ...NORM_FIELDS,
  over: choice(["head", "heads"], { default: "head", doc: "channels of each head by itself, with one set of weights for all; or those of all heads together, each channel with a weight of its own [@olmoe]" }),
};
const QK_NORMS = {
  layernorm: kind("Over channels: mean 0, variance 1 [@layernorm].", ["qk_norm layernorm { eps 1e-6  affine false  over head }"], QK_NORM_FIELDS),
  rmsnorm: kind("Over channels: mean square 1 [@rmsnorm].", ["qk_norm rmsnorm { eps 1e-6  affine true  over heads }"], QK_NORM_FIELDS),
} satisfies Kinds<NormSpec["kind"]>;
export const MHA_QK_NORM = QK_NORMS.rmsnorm;

export const MHA = kind("Ordinary multi-head attention [@transformer].", ["attention mha { n_heads 8  d_head 64  n_kv_heads 2  gate none  bias qkv  window 256  causal true }"], {
  ...HEADS,
  n_kv_heads: int({ default: null, shown: "n_heads", max: 65_536, unit: "heads", doc: "heads of keys and values, each shared by n_heads / n_kv_heads query heads [@gqa]; 1: multi-query [@mqa]" }),
  gate: choice(["none", "sigmoid"], { default: "none", doc: "sigmoid: each head's output is multiplied by a sigmoid of one row of weights times the norm, as in the released code of MoEUT for attention without experts [@moeut]" }),
  bias: flag({ default: false, words: ["qkv"], doc: "true: all four maps have biases; qkv: those of queries, keys and values [@qwen]" }),
}, { ...POSITIONS, qk_norm: block(QK_NORM, "none", { none: nothing("No norm."), ...QK_NORMS }) });

export const SWITCHHEAD = kind("Attention with experts on some of its projections, chosen per head, no biases [@switchhead].", ["attention switchhead { n_heads 4  d_head 82  n_experts 8 on v, o  top_k 2  window 0  causal true }"], {
  ...HEADS,
  n_experts: int({ default: 4, max: 65_536, unit: "experts", doc: "experts of each head, on each projection named behind `on`" }),
  on: set(["q", "k", "v", "o"], { default: ["v", "o"], clauseOf: "n_experts", doc: "the projections that have experts: queries, keys, values, output" }),
  top_k: int({ default: null, shown: "2, at most n_experts", max: 65_536, unit: "experts", doc: "experts each head uses per token" }),
}, { ...POSITIONS, ...ROUTED });

export const MOA = kind("Mixture of attention heads: each token chooses experts, which are heads of queries with an output projection; keys and values are shared, no biases [@moa; @sut].", ["attention moa { n_experts 8  expert_size 128  d_head 32  top_k 2  window 0  causal true }"], {
  n_experts: int({ default: 8, max: 65_536, unit: "experts", doc: "experts in the layer" }),
  expert_size: int({ default: 128, max: WIDE, unit: "channels", doc: "width of one expert's queries, and of the shared keys and values: a whole number of heads" }),
  d_head: int({ default: null, shown: "64, at most expert_size", max: WIDE, unit: "channels", doc: "width of one head: a multiple of 4" }),
  top_k: int({ default: null, shown: "2, at most n_experts", max: 65_536, unit: "experts", doc: "experts each token uses" }),
  ...SCORES,
}, { ...POSITIONS, ...ROUTED });

const ATTENTION_BLOCK = block("Attention.", "mha", { mha: MHA, switchhead: SWITCHHEAD, moa: MOA } satisfies Kinds<AttentionSpec["kind"]>);

const GLU = flag({ default: false, doc: "activation(gate · x) times (up · x), three maps instead of two [@glu]: silu is SwiGLU, gelu GEGLU, relu ReGLU" });
const ACTIVATION = pointwise(ACTIVATIONS, { default: "relu", doc: "nonlinearity between the two projections; relu2 is the square of relu [@primer], gelu_tanh gelu by tanh [@gelu], silu x · sigmoid(x) [@silu]" });

export const DENSE = kind("Two linear maps with a nonlinearity between them [@transformer].", ["feed_forward dense { d_ff 512  activation silu  glu true  bias false }"], {
  d_ff: int({ default: null, shown: "4 · d_model", max: 16 * WIDE, unit: "channels", doc: "inner width" }),
  activation: ACTIVATION,
  glu: GLU,
  bias: flag({ default: true, doc: "all maps have biases" }),
});

export const MOE = kind("σ-MoE: each token visits its top_k experts, small feed-forward blocks [@sigma_moe].", ["feed_forward moe { n_experts 155  expert_size 128  top_k 12  activation relu  glu false  bias false  n_shared 1  shared_gate sigmoid }"], {
  n_experts: int({ default: 16, max: WIDE, unit: "experts", doc: "experts in the layer" }),
  expert_size: int({ default: 128, max: WIDE, unit: "channels", doc: "inner width of one expert" }),
  top_k: int({ default: null, shown: "4, at most n_experts", max: WIDE, unit: "experts", doc: "experts each token visits" }),
  activation: ACTIVATION,
  glu: GLU,
  bias: flag({
    default: false, words: ["shared_output"],
    doc: "true: every expert has biases in all maps; shared_output: in front of its activation, and one bias is added to the sum of all outputs (`moe.bias` of the released training code) [@moeut]",
  }),
  n_shared: int({ default: 0, min: 0, max: WIDE, unit: "experts", doc: "experts that every token visits, beside the routed ones: one dense block of n_shared · expert_size channels [@deepseek_moe]" }),
  shared_gate: choice(["none", "sigmoid"], { default: "none", doc: "sigmoid: the output of those experts is multiplied by a sigmoid of one row of weights times what they read [@qwen_moe]" }),
}, ROUTED);

const FEED_FORWARD_BLOCK = block("Feed-forward part.", "dense", { dense: DENSE, moe: MOE } satisfies Kinds<FeedForwardSpec["kind"]>);

// ---- norms

const LAYER_NORM_FIELDS = {
  at: choice(["peri", "pre", "post", "sandwich"], {
    default: null, shown: "peri with feed_forward moe, pre with dense", clauseOf: "norm", rival: "on",
    doc: "peri: x + f(x), only queries, keys and routers read the norm [@moeut]; pre: x + f(norm(x)) [@pre_norm]; post: norm(x + f(x)) [@transformer]; sandwich: x + norm(f(norm(x))) [@sandwich]",
  }),
  on: set(NORM_READERS, {
    default: null, shown: "as `at` says", clauseOf: "norm", rival: "at",
    doc: "in place of `at`: x + f(x), and what of the layer reads the norm, one by one: queries, keys, values, experts or dense block; `on q, k` is peri, all four are pre",
  }),
  ...NORM_FIELDS,
};

const LAYER_NORMS = {
  layernorm: kind("Over channels: mean 0, variance 1 [@layernorm].", ["norm layernorm at peri { eps 1e-6  affine false }", "norm layernorm on v, feed_forward"], LAYER_NORM_FIELDS),
  rmsnorm: kind("Over channels: mean square 1 [@rmsnorm].", ["norm rmsnorm at pre { eps 1e-6  affine true }", "norm rmsnorm on q, k"], LAYER_NORM_FIELDS),
} satisfies Kinds<NormSpec["kind"]>;
const LAYER_NORM_BLOCK = block("The layer's two norms (attention and feed-forward) and where they stand.", "layernorm", LAYER_NORMS);
export const LAYER_NORM = LAYER_NORMS.layernorm;

const NORMS = normKinds("norm", NORM_FIELDS);
export const NORM = NORMS.layernorm;

const norm = (doc: string, defaultKind: string | null, shown?: string) => block(doc, defaultKind, { none: nothing("No norm."), ...NORMS }, shown);

// ---- layer, model

export const LAYER = kind("A pool of weights. Where in depth it is used is said by `stack`.", ["layer a, b { residual_scale 0.5  parallel false  norm layernorm at pre  attention mha {}  feed_forward moe {} }"], {
  residual_scale: number({ default: 1, min: 0, max: 1e6, open: true, doc: "multiplies what the attention and the feed-forward part add to the residual stream, for instance by 1 / √depth [@depth_mup]" }),
  parallel: flag({ default: false, doc: "true: the feed-forward part reads the stream that the attention reads, and both are added to it [@neox]: x + attention(norm(x)) + feed_forward(norm′(x)) at pre" }),
}, {
  norm: LAYER_NORM_BLOCK,
  attention: ATTENTION_BLOCK,
  feed_forward: FEED_FORWARD_BLOCK,
});

export const EMBEDDING = kind("From tokens to channels.", ["embedding { scale sqrt_d_model  positions none  norm layernorm }"], {
  scale: number({
    default: null, words: ["sqrt_d_model"], min: 0, max: 1e6, open: true, shown: "1; `sqrt_d_model` if every layer's norm is at post",
    doc: "multiplies the looked-up rows; `sqrt_d_model` is the square root of d_model [@transformer]",
  }),
  positions: choice(["none", "learned"], { default: "none", doc: "learned: a vector for each of the seq_len positions is added [@convolutional], beside or in place of those of attention" }),
}, { norm: norm("Norm after scale and positions.", "none") });

export const HEAD = kind("From channels to logits.", ["head { bias false  tied true  norm rmsnorm }"], {
  bias: flag({ default: true, doc: "one bias per token of the vocabulary" }),
  tied: flag({ default: false, doc: "the output projection is the embedding table [@tying]" }),
}, { norm: norm("Norm in front of the output projection.", null, "as the first layer's, `none` if every layer's norm is at post") });

// ---- training

export const ADAMW = kind("AdamW with decay on every parameter [@adamw].", ["optimizer adamw { lr 2.5e-4  betas 0.9, 0.999  eps 1e-8  weight_decay 0.01 }"], {
  lr: number({ default: 2.5e-4, min: 0, max: 1e3, doc: "learning rate at the top of the schedule" }),
  betas: numbers({ default: [0.9, 0.999], min: 0, max: 1, doc: "decay of the two running means [@adam]" }),
  eps: number({ default: 1e-8, min: 0, max: 1, open: true, doc: "added to the root of the second mean" }),
  weight_decay: number({ default: 0.01, min: 0, max: 1e3, doc: "each step multiplies weights by 1 − lr · weight_decay" }),
});

const WARMUP = { warmup: int({ default: 0, min: 0, max: 1e9, unit: "steps", doc: "linear rise of the learning rate from 0 [@warmup]" }) };
const DECAYING = {
  ...WARMUP,
  floor: number({ default: 0.1, min: 0, max: 1, doc: "learning rate at the last step, as a part of lr" }),
};
export const SCHEDULE = kind("Half a cosine from lr to floor · lr [@cosine].", ["schedule cosine { warmup 100  floor 0.1 }"], DECAYING);
export const CONSTANT = kind("lr at every step.", ["schedule constant { warmup 100 }"], WARMUP);

const SCHEDULE_BLOCK = block("The learning rate over the steps.", "cosine", {
  cosine: SCHEDULE,
  linear: kind("A straight line from lr to floor · lr.", ["schedule linear { warmup 100  floor 0 }"], DECAYING),
  constant: CONSTANT,
});

export const TRAIN = kind("The training recipe. It is not part of a model's identity. At the top of a file: for all its models.", ["train { batch 64  accumulate 4  steps 1000  grad_clip 0.25  eval_every 100  checkpoint_every 500 }"], {
  grad_clip: number({ default: 0.25, words: ["none"], min: 0, max: 1e9, open: true, doc: "gradients with a greater global 2-norm are scaled down to it [@clipping]" }),
  batch: int({ default: 8, max: WIDE, unit: "sequences", doc: "sequences per step" }),
  accumulate: int({ default: 1, max: WIDE, doc: "equal parts the batch is computed in, one after the other, to save memory" }),
  steps: int({ default: 1_000, max: 1e9, unit: "steps", doc: "length of training" }),
  eval_every: int({ default: 100, min: 0, max: 1e9, unit: "steps", doc: "between evaluations on held-out data; 0: never" }),
  checkpoint_every: int({ default: 100, min: 0, max: 1e9, unit: "steps", doc: "between checkpoints; 0: only at the end" }),
}, {
  optimizer: block("The optimizer.", "adamw", { adamw: ADAMW }),
  schedule: SCHEDULE_BLOCK,
});

const TRAIN_BLOCK = plainBlock(TRAIN);

// ---- depth

export const SINUSOIDAL = kind("sin(pass · base^(−2j/d_model)) and its cosine in turn [@universal].", ["pass_embedding sinusoidal { base 10_000  positions true }"], {
  base: number({ default: 10_000, min: 1, max: 1e9, open: true, doc: "channels 2j and 2j + 1 turn by base^(−2j/d_model) per pass" }),
  positions: flag({ default: false, doc: "the same of the token's position is added, in every pass [@universal]" }),
});

export const NORMAL = kind("Normal random numbers of mean 0, new ones in each step of training and the same for each position outside it [@recurrent_depth].", ["state normal { std 0.63 }"], {
  std: number({ default: 0.63, min: 0, max: 1_000, open: true, doc: "standard deviation" }),
});

export const CORE = kind("How the recurrent core of a stack, `core(…)`, is entered. e is what reaches it, s is the state: what the pass before left.", ["core { inject add  state zero  pass_embedding learned }"], {
  inject: choice(["none", "add", "concat", "gate"], {
    default: "none",
    doc: "what the layers of a pass read. none: s; add: s + e [@looped]; concat: a learned map of s and e side by side [@recurrent_depth]; gate: g · s + (1 − g) · e, g a sigmoid of such a map, as in highways [@highway]",
  }),
}, {
  state: block("The state before the first pass.", "input", { input: nothing("e itself."), zero: nothing("Zeros."), normal: NORMAL }),
  pass_embedding: block("A vector that tells the passes apart, added to what the layers of a pass read.", "none", {
    none: nothing("All passes look alike."), learned: nothing("A learned vector for each pass."), sinusoidal: SINUSOIDAL,
  }),
});

export const ACT = kind("Adaptive computation time in the form of the Sparse Universal Transformer: in front of every pass over the core but the first (of every application of a layer, without a core), a small network of each token says whether it goes on [@sut].", ["halting act { threshold 0.999  weight 0.01 }"], {
  threshold: number({ default: 0.999, min: 0, max: 1, open: true, doc: "a token that has halted with a greater probability is skipped from then on" }),
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the mean expected depth, added to the loss" }),
});

export const GRAVES = kind("Adaptive computation time as first published and as in the Universal Transformer: in every pass over the core (application of a layer, without a core) each token halts if its probabilities so far add up to the threshold [@act; @universal].", ["halting graves { threshold 0.99  weight 0.01  bias 1 }"], {
  threshold: number({ default: 0.99, min: 0, max: 1, open: true, doc: "sum of halting probabilities at which a token halts; what is then left of 1 counts for its last pass" }),
  weight: number({ default: 0.01, min: 0, max: 1e6, doc: "factor of the mean of passes plus remainder (the ponder cost), added to the loss" }),
  bias: number({ default: 1, min: -100, max: 100, doc: "logit of the halting probability before training" }),
});

export const MODEL = kind("One model.", ["model small { vocab_size 256  seq_len 128  d_model 96  init official  layer a {} }"], {
  vocab_size: int({ default: 256, max: 16_777_216, unit: "tokens", doc: "vocabulary; 256 for bytes" }),
  seq_len: int({ default: 256, max: WIDE, unit: "tokens", doc: "length of training sequences, the longest context" }),
  d_model: int({ default: 128, max: WIDE, unit: "channels", doc: "width of the residual stream" }),
  init: choice(["official"], { default: "official", doc: "initial weights: as in the released code of the paper [@moeut]" }),
}, {
  embedding: plainBlock(EMBEDDING),
  head: plainBlock(HEAD),
  core: plainBlock(CORE),
  halting: block("Tokens may leave the core, or the stack, before its end.", "none", {
    none: nothing("Every token goes through the whole stack."), act: ACT, graves: GRAVES,
  } satisfies Kinds<HaltingSpec["kind"] | "none">),
  train: TRAIN_BLOCK,
});

export const TUNE_LR = kind("A learning rate for each variant: that of the values with which it ends at the least held-out loss, on seeds of the search's own.", ["tune lr in 1e-3, 2e-3, 4e-3 { seeds 1  steps 500 }"], {
  in: positives({ default: [], shown: "required", max: 1e3, clauseOf: "tune", doc: "the values that are tried" }),
  seeds: int({ default: 1, max: 100, doc: "trials of each value, with seeds that are not compared" }),
  steps: int({ default: null, shown: "as the runs", max: 1e9, unit: "optimizer steps", doc: "length of a trial, whose schedule ends with it" }),
});

const TUNE_BLOCK = block("What is chosen for each variant before the comparison, and reported with it.", "none", { none: nothing("Nothing: the spec's learning rate."), lr: TUNE_LR });

const SPENT = { min: 0, open: true, max: 1e30, default: null, shown: "not said" } as const;

export const BUDGET = kind("What each variant may spend, in place of `train.steps`: one of the first four; each variant's schedule follows its own number of steps.", ["budget { macs 1e12 }", "budget { steps 1_000 }", "budget { tokens 10M }", "budget { seconds 600  bytes 4M  tolerance 0.02 }"], {
  steps: number({ ...SPENT, unit: "optimizer steps", doc: "the same number for all" }),
  tokens: number({ ...SPENT, unit: "tokens", doc: "batch · seq_len of them are a step; of pairs, what is answered" }),
  macs: number({ ...SPENT, unit: "multiply-accumulates", doc: "of training, everything counted: three times those of the forward pass" }),
  seconds: number({ ...SPENT, unit: "seconds", doc: "of training on this machine: a step of each is measured before, and the number of steps is kept in the folder; the report has the time that training took" }),
  bytes: number({ ...SPENT, unit: "bytes", doc: "of weights in float32, which every variant must have" }),
  tolerance: number({ default: 0.01, min: 0, max: 1, doc: "the part of `bytes` by which a variant may miss it" }),
});

export const COMPARE = kind("A grid of variants of one model, trained under one budget.", ["compare widths { base small  vary feed_forward.d_ff in 64, 128  seeds 3  margin 0.02  eval blimp, \"my.jsonl\" at 1_000, 2_000  tune lr in 1e-3, 2e-3 }"], {
  base: modelName({ default: null, shown: "required", doc: "the model that is varied" }),
  seeds: int({ default: 1, max: 1_000, doc: "runs of each variant with different random numbers" }),
  margin: number({
    default: null, shown: "0.01", min: 0, open: true, max: 100, unit: "nats per token", doc: "differences of the loss within it are called equivalent",
  }),
  eval: names("tasks", { default: [], shown: "none; of pairs, their own", doc: "what each run is measured by besides its loss: tasks as `moeut eval --tasks` takes them" }),
  at: ints({ default: [], shown: "the end alone", max: 1e9, unit: "steps", clauseOf: "eval", doc: "steps of training at which it is measured besides the end" }),
}, {
  tune: TUNE_BLOCK,
  budget: plainBlock(BUDGET),
});

/** Statements with a syntax of their own, and where they belong. */
export const STATEMENTS = {
  fn: "file", layer: "model", stack: "model", expect: "model", match: "model or compare", vary: "compare",
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
  learned_positions: "positions", position_embedding: "positions", pos_embedding: "positions", wpe: "positions", rope_scaling: "stretch",
  qkv_bias: "bias", attention_bias: "bias", parallel_residual: "parallel", use_parallel_residual: "parallel", shared_expert_gate: "shared_gate",
};
