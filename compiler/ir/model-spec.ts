/**
 * ModelSpec: what the checker proves. Every default filled in, every size a positive integer, every name resolved,
 * every sharing decision explicit. Later phases never look at the AST again.
 */
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
  readonly init: InitSpec;
  readonly train: TrainSpec;
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
  /** Norm after the scale, or null. */
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
 */
export type NormPlacement = "pre" | "post" | "peri";

export interface LayerSpec {
  readonly name: string; // "a"; copies made by own(): "a.0", "a.1", …
  readonly span: Span;
  readonly norm: NormSpec;
  readonly placement: NormPlacement;
  readonly attention: AttentionSpec;
  readonly feedForward: FeedForwardSpec;
}

export type Projection = "q" | "k" | "v" | "o";

export interface RopeSpec {
  /** Channels of each head that are rotated: even, at most dHead. */
  readonly nRotate: number;
  readonly base: number;
}

interface AttentionCommon {
  readonly span: Span;
  readonly nHeads: number; // H
  readonly dHead: number; // Dh
  readonly rope: RopeSpec | null;
}

export type AttentionSpec =
  | (AttentionCommon & {
      readonly kind: "mha";
      /** "sigmoid": each head's output is multiplied by sigmoid(gate · normed x) before the output projection. */
      readonly gate: "none" | "sigmoid";
    })
  | (AttentionCommon & {
      readonly kind: "switchhead";
      readonly nExperts: number; // E, per head
      readonly topK: number; // K
      /** Projections that have experts; the others are ordinary linear maps. Never empty. */
      readonly on: readonly Projection[];
      readonly router: RouterSpec;
      readonly balance: BalanceSpec | null;
    });

/** Names of the activations a spec may use; what each computes is in compiler/3-graph/activations.ts. */
export const ACTIVATIONS = ["relu", "relu2", "gelu", "gelu_tanh", "silu"] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export type FeedForwardSpec =
  | {
      readonly kind: "dense";
      readonly span: Span;
      readonly dFf: number; // F
      readonly activation: Activation;
      readonly bias: boolean;
    }
  | {
      readonly kind: "moe";
      readonly span: Span;
      readonly nExperts: number; // E
      readonly expertSize: number; // F
      readonly topK: number; // K
      readonly activation: Activation;
      readonly router: RouterSpec;
      readonly balance: BalanceSpec | null;
    };

export interface RouterSpec {
  readonly span: Span;
  /** What the router reads: the layer's norm of the residual stream, or what the experts read. */
  readonly input: "norm" | "residual";
  readonly score: "sigmoid" | "softmax"; // softmax is over all experts
  /** What multiplies an expert's output: its score, or its score divided by the sum over the chosen ones. */
  readonly weight: "score" | "renormalized";
}

/** −weight · mean over groups of H(mean routing distribution of the group). */
export interface BalanceSpec {
  readonly kind: "entropy";
  readonly span: Span;
  readonly weight: number;
  /** Positions averaged together: those of one sequence, or of the whole batch. */
  readonly over: "sequence" | "batch";
  /** true: all applications of the layer are averaged together ("passes"); false: each application by itself ("site"). */
  readonly passes: boolean;
}

/** "official": as the released code of the paper initializes each tensor (see compiler/3-graph/init.ts). */
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
