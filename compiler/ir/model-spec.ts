/**
 * ModelSpec: what the checker proves. Every default filled in, every size a positive integer, every name resolved,
 * every sharing decision explicit. Later phases never look at the AST again.
 */
import type { Expr } from "./expr.ts";
import type { Span } from "./source.ts";

export interface ModelSpec {
  readonly name: string;
  readonly span: Span;
  readonly vocabSize: number; // V
  readonly seqLen: number; // T, the longest context
  readonly dModel: number; // D
  readonly embedding: EmbeddingSpec;
  readonly head: HeadSpec;
  /** Pools of parameters, each listed once however often it is applied. */
  readonly layers: readonly LayerSpec[];
  /** Where in depth the pools are used: one entry per application, first applied first. */
  readonly schedule: readonly Site[];
  /** The stack in canonical syntax, for instance "(a, b) * 8" or "own(a) * 16". */
  readonly stack: string;
  /** The part of the stack that is applied again and again; null where nothing is marked as one. */
  readonly core: CoreSpec | null;
  /** Tokens may stop before the last pass; null where all go through the whole stack. */
  readonly halting: HaltingSpec | null;
  readonly init: InitSpec;
  readonly train: TrainSpec;
}

/**
 * A recurrent core, `core(a, b) * 8` in a stack: sites first … first + length · passes − 1. With e what enters it and s the state, which is
 * what the pass before left, the layers of a pass read inject(s, e) + the embedding of the pass.
 */
export interface CoreSpec {
  readonly span: Span;
  readonly first: number;
  /** Applications in one pass. */
  readonly length: number;
  readonly passes: number; // R
  /** none: s. add: s + e. concat: S·s + I·e. gate: g ⊙ s + (1 − g) ⊙ e, g = sigmoid(S·s + I·e + b). */
  readonly inject: "none" | "add" | "concat" | "gate";
  /** The state before the first pass. */
  readonly state: CoreState;
  readonly passEmbedding: PassEmbeddingSpec | null;
}

export type CoreState =
  /** e itself. */
  | { readonly kind: "input" }
  | { readonly kind: "zero" }
  /** Normal numbers of mean 0; outside training those of a position are always the same. */
  | { readonly kind: "normal"; readonly std: number };

export type PassEmbeddingSpec =
  /** A vector for each pass. */
  | { readonly kind: "learned" }
  /** sin and cos of pass · base^(−2j/D), and with `positions` of position · base^(−2j/D) added. */
  | { readonly kind: "sinusoidal"; readonly base: number; readonly positions: boolean };

/**
 * Adaptive computation time: tokens stop after a number of passes over the core (applications of layers, where there is no core) that
 * each chooses for itself.
 * act     as in the Sparse Universal Transformer (Tan et al. 2023): in front of every pass but the first a token halts with a
 *         probability.
 * graves  as in the Universal Transformer (Graves 2016, Dehghani et al. 2019): a token halts once its probabilities add up to the
 *         threshold.
 */
export type HaltingSpec =
  | (HaltingCommon & { readonly kind: "act" })
  /** bias: of the halting probability's logit before training. */
  | (HaltingCommon & { readonly kind: "graves"; readonly bias: number });

interface HaltingCommon {
  readonly span: Span;
  /** A token is skipped once it has halted with more than this probability. */
  readonly threshold: number;
  /** Factor of the mean depth in the loss. */
  readonly weight: number;
}

export interface Site {
  /** Index into `ModelSpec.layers`. */
  readonly layer: number;
  /** How many times this layer was applied before: 0 for its first use. */
  readonly pass: number;
}

export interface EmbeddingSpec {
  /** Multiplies the looked-up rows; 1 or, for instance, sqrt(D). */
  readonly scale: number;
  /** A vector for each position up to seqLen is added to the scaled rows. */
  readonly learnedPositions: boolean;
  /** Norm after that, or null. */
  readonly norm: NormSpec | null;
}

export interface HeadSpec {
  /** Norm in front of the output projection, or null. */
  readonly norm: NormSpec | null;
  readonly bias: boolean;
  /** The output projection is the embedding table. */
  readonly tied: boolean;
}

export interface NormSpec {
  readonly kind: "layernorm" | "rmsnorm";
  /** Learned weight (and, for layernorm, bias). */
  readonly affine: boolean;
  readonly eps: number;
}

/**
 * pre:  x + f(norm(x)), everything inside reads the norm.
 * post: norm(x + f(x)).
 * peri: x + f(x), only queries, keys and routers read norm(x) (Csordás et al. 2024, section 2.4).
 * sandwich: x + norm_out(f(norm(x))), two norms per block (Ding et al. 2021, arXiv:2105.13290).
 */
export type NormPreset = "peri" | "pre" | "post" | "sandwich";

/** What may read the norm in front of its block: queries, keys, values; experts or the dense block. */
export const NORM_READERS = ["q", "k", "v", "feed_forward"] as const;
export type NormReader = (typeof NORM_READERS)[number];

/** Where a layer's norms stand and who reads them; ir/norm-placement.ts has the presets. */
export interface NormPlacement {
  /** In front of each block; around it, in front and behind; or after the sum of block and residual. */
  readonly stands: "before" | "around" | "after";
  /**
   * In the order of NORM_READERS; what is not among them reads the residual stream. All if norms stand around blocks, none if after them.
   */
  readonly readers: readonly NormReader[];
}

export interface LayerSpec {
  readonly name: string; // "a"; copies made by own(): "a.0", "a.1", …
  readonly span: Span;
  readonly norm: NormSpec;
  readonly placement: NormPlacement;
  /** Multiplies what a block adds to the residual stream. */
  readonly residualScale: number;
  /** The feed-forward block reads what the attention reads, and both are added: x + f(x) + g(x). */
  readonly parallel: boolean;
  readonly attention: AttentionSpec;
  readonly feedForward: FeedForwardSpec;
}

export type Projection = "q" | "k" | "v" | "o";

export interface RopeSpec {
  /** Channels of each head that are rotated: even, at most dHead. */
  readonly nRotate: number;
  readonly base: number;
  /** For texts longer than those the frequencies were made for; absent where they are as they were. */
  readonly stretch?: RopeStretch;
}

/**
 * Channels that turn less than `low` times in `length` positions turn `factor` times more slowly, those that turn more than `high` times as
 * before, and those between in between (Llama 3.1). With length 0, all turn more slowly: positions are interpolated.
 */
export interface RopeStretch {
  readonly factor: number;
  readonly length: number;
  readonly low: number;
  readonly high: number;
}

/** Tells rotary positions apart. */
export const ropeKey = ({ nRotate, base, stretch }: RopeSpec): string =>
  [nRotate, base, ...(stretch === undefined ? [] : [stretch.factor, stretch.length, stretch.low, stretch.high])].join("/");

/** Learned scores by distance (Shaw et al. 2018): query · table[clamp(j − i)]. */
export interface RelativeSpec {
  /** P: distances are clamped to −(P−1) … P−1. */
  readonly reach: number;
}

interface AttentionCommon {
  readonly span: Span;
  readonly nHeads: number; // H
  readonly dHead: number; // Dh
  readonly rope: RopeSpec | null;
  readonly relative: RelativeSpec | null;
  /** Norm of each head's queries and keys, over its channels, one set of weights for all heads; or null. */
  readonly qkNorm: NormSpec | null;
  /** Keys further away than this are not seen, or null; a window of 1 sees itself. */
  readonly window: number | null;
  /** false: every position sees all (encoder attention). Such a model cannot generate. */
  readonly causal: boolean;
}

export type AttentionSpec =
  | (AttentionCommon & {
      readonly kind: "mha";
      /** "sigmoid": each head's output is multiplied by sigmoid(gate · normed x) before the output projection. */
      readonly gate: "none" | "sigmoid";
      /** All four maps have biases, or those of queries, keys and values. */
      readonly mapBias: boolean | "qkv";
      /** What qkNorm normalizes over: the channels of a head, or those of all heads together, each with a weight of its own. */
      readonly qkNormOver: "head" | "heads";
      /** Query heads that share one head of keys and values; divides nHeads. */
      readonly headsPerKey: number;
    })
  | (AttentionCommon & {
      readonly kind: "switchhead";
      readonly nExperts: number; // E, per head
      readonly topK: number; // K
      /** Projections that have experts; the others are ordinary linear maps. Never empty. */
      readonly on: readonly Projection[];
      readonly router: RouterSpec;
      readonly balance: BalanceSpec | null;
    })
  | (AttentionCommon & {
      /**
       * Mixture of attention heads (Zhang et al. 2022): each expert has nHeads heads of queries and an output; keys and values are shared.
       */
      readonly kind: "moa";
      readonly nExperts: number; // E
      readonly topK: number; // K
      readonly router: RouterSpec;
      readonly balance: BalanceSpec | null;
    });

/** A function that a spec defines, with everything it calls put in its place. */
export interface FnSpec {
  /** For people: not part of a model's identity. */
  readonly name: string;
  /** Over input 0. */
  readonly expr: Expr;
}

/** Names of the activations that need no definition; what each computes is in activations.ts. */
export const ACTIVATIONS = ["relu", "relu2", "gelu", "gelu_tanh", "silu", "softplus"] as const;
export type BuiltInActivation = (typeof ACTIVATIONS)[number];
export type Activation = BuiltInActivation | FnSpec;

export const ROUTER_SCORES = ["sigmoid", "softmax"] as const; // softmax is over all experts
export type RouterScore = (typeof ROUTER_SCORES)[number] | FnSpec;

/** What a spec calls an activation or a score. */
export const nameOf = (choice: Activation | RouterScore): string => (typeof choice === "string" ? choice : choice.name);

export type FeedForwardSpec =
  | {
      readonly kind: "dense";
      readonly span: Span;
      readonly dFf: number; // F
      readonly activation: Activation;
      readonly bias: boolean;
      /** activation(gate · x) ⊙ (up · x) in place of activation(up · x). */
      readonly glu: boolean;
    }
  | {
      readonly kind: "moe";
      readonly span: Span;
      readonly nExperts: number; // E
      readonly expertSize: number; // F
      readonly topK: number; // K
      readonly activation: Activation;
      /** As in a dense block, for each expert. */
      readonly glu: boolean;
      /**
       * Each expert (and the shared block) has biases in all maps; or in front of its activation, and the sum of all outputs has one bias,
       * which no gate multiplies.
       */
      readonly bias: boolean | "shared_output";
      /** Width of a dense block beside the experts, in experts; 0 for none. */
      readonly nShared: number;
      /** "sigmoid": that block's output is multiplied by the sigmoid of one row of weights times what it reads. */
      readonly sharedGate: "none" | "sigmoid";
      readonly router: RouterSpec;
      readonly balance: BalanceSpec | null;
    };

export interface RouterSpec {
  readonly span: Span;
  /** What the router reads: the layer's norm of the residual stream, or what the experts read (in attention: what values read). */
  readonly input: "norm" | "residual";
  readonly score: RouterScore;
  /** What multiplies an expert's output: its score, or its score divided by the sum over the chosen ones. */
  readonly weight: "score" | "renormalized";
  /** Added to the sum that `renormalized` divides by. */
  readonly sumEps: number;
  /** Width of a tanh layer (with biases) in front of the scores, or null: the scores are linear. */
  readonly hidden: number | null;
  /** The logits have a bias per expert. */
  readonly hasBias: boolean;
  /** Weight of the mean square of log Σ exp of the logits (router z-loss); 0 for none. */
  readonly zLoss: number;
  /** In training, the probability with which each token (and head) leaves an expert out of its choice. */
  readonly expertDropout: number;
  /** In training, the probability with which a channel of what the router reads is 0. */
  readonly inputDropout: number;
  /** In training, so many of the topK are not the next greatest but drawn in proportion to their scores. */
  readonly sampled: number;
  /**
   * Balance by bias (Wang et al. 2024, arXiv:2408.15664): each expert has a number that is added to its score for the choice alone; after
   * each step it moves by this rate towards an even load, counted over the batch and all passes. Null: no such numbers.
   */
  readonly loadBiasRate: number | null;
}

/**
 * A term of the loss: a mean over groups of positions, P being the mean routing distribution of a group:
 * entropy  −weight · H(P)
 * load     weight · E · Σ f · P, f being the part of the group's choices that fell on each expert; a constant to the gradient.
 * mutual_information  −weight · (Σ ω Σ_e p log p + Σ_e P log P), P = Σ ω p, over all tokens and applications (over: batch, passes).
 *          ω is 1 over rows times experts, or under halting a token's remaining weight over the sum of all. Both sums have one sign, as
 *          in the released code of the Sparse Universal Transformer. Where each head has a choice of its own, the mean over heads.
 */
export interface BalanceSpec {
  readonly kind: "entropy" | "load" | "mutual_information";
  readonly span: Span;
  readonly weight: number;
  /** Positions averaged together: those of one sequence, of the whole batch, or each alone. */
  readonly over: "sequence" | "batch" | "token";
  /** true: all applications of the layer are averaged together ("passes"); false: each application by itself ("site"). */
  readonly passes: boolean;
}

/** "official": as the released code of the paper initializes each tensor (see compiler/parameters/init.ts). */
export interface InitSpec {
  readonly scheme: "official";
}

export interface TrainSpec {
  readonly optimizer: {
    readonly kind: "adamw";
    readonly lr: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weightDecay: number;
  };
  readonly schedule: {
    readonly kind: "constant" | "linear" | "cosine";
    /** Steps of linear warm-up from 0. */
    readonly warmup: number;
    /** Final learning rate as a fraction of `lr` (cosine and linear). */
    readonly floor: number;
  };
  /** Global 2-norm above which gradients are scaled down, or null. */
  readonly gradClip: number | null;
  readonly batch: number; // sequences per step
  /** The batch is processed in this many equal micro-batches whose gradients add up. Divides `batch`. */
  readonly accumulate: number;
  readonly steps: number;
  readonly evalEvery: number; // steps between evaluations on held-out data; 0 never
  readonly checkpointEvery: number; // steps between checkpoints
}
