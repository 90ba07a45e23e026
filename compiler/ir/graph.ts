/**
 * OpGraph: a model as a list of few, strong operations in topological order, in static single assignment form.
 * Plain readonly data: printable, comparable, JSON.
 *
 * Letters in shapes: B batch, T positions, D d_model, H heads, Dh d_head, E experts, K top_k, F width of a feed-forward
 * block or of one expert, V vocabulary, S slots (one slot per token, head and chosen expert).
 */
import type { InitRule } from "../../runtime/standalone/init-rule.ts";
import type { Expr } from "./expr.ts";
import type { RopeSpec } from "./model-spec.ts";
import type { Origin } from "./source.ts";

export type { InitRule };

export type DType = "f32" | "u32";

/**
 * `shape` is what the mathematics sees. `physical` is how it is stored: row-major, each extent at least that of `shape`.
 * Channel axes are stored rounded up to a multiple of 4, so that every kernel can move vec4s. Storage outside
 * `shape` is zero, always: each operation keeps that true, so contractions may run over the padding.
 */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly physical: readonly number[];
}

export type ValueId = number;

export interface Value {
  readonly id: ValueId;
  readonly type: TensorType;
  /** For people: "a.ffn.up". Not unique (every pass over a layer has its own values of the same name). */
  readonly name: string;
}

export interface Node {
  readonly op: Op;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly origin: Origin;
}

export type Op =
  // ---- sources: one output, no inputs but what the host writes
  /** Written by the host before each run. */
  | { readonly kind: "input"; readonly name: InputName }
  /** index into OpGraph.params */
  | { readonly kind: "param"; readonly param: number }
  /** Rotary tables [seqLen, nRotate/2]: cos or sin of position · base^(−2j/nRotate), perhaps stretched, made on the host in float64. */
  | ({ readonly kind: "ropeTable"; readonly fn: "cos" | "sin" } & RopeSpec)
  /** [N, D]: row i holds sin((first + i) · base^(−2j/D)) in column 2j and its cosine in column 2j + 1, made like rotary tables. */
  | { readonly kind: "sinusoid"; readonly first: number; readonly base: number }
  /**
   * Inputs noise u32 [4], position u32 [1]; output f32 [B, T, …]. Philox4x32-10 with the key noise[0..1]: element c of row r of a token
   * (rows being the axes between T and the last, together) is word c mod 4 of the counter (r · ⌈columns / 4⌉ + ⌊c / 4⌋, position + t,
   * sequence, stream), sequence being noise[2] + b where noise[3] is 1, and 0 where it is 0. So a number depends neither on how a batch is
   * cut nor on padding, and without noise[3] on its position alone.
   * uniform  the upper 24 bits of the word · 2⁻²⁴, in [0, 1)
   * normal   mean 0, standard deviation 1: √(−2 ln(1 − u)) · cos and sin of 2π(v − ½), of the uniform numbers of words 0 and 1, and 2 and 3
   */
  | { readonly kind: "random"; readonly distribution: Distribution; readonly stream: number }
  // ---- pointwise and row-wise: fused by rule
  /** Inputs have the rank of the output; axes of extent 1 broadcast (NumPy). u32 inputs read as numbers. */
  | { readonly kind: "map"; readonly expr: Expr }
  /** One input; the reduced axis stays, with extent 1. */
  | { readonly kind: "reduce"; readonly how: "sum" | "max"; readonly axis: number }
  /** Same elements in the same storage, another shape. */
  | { readonly kind: "view" }
  // ---- contractions
  /**
   * Matrix product. Operands are seen as matrices: the first `aSplit` (`bSplit`) axes are rows, the rest columns.
   * nn  C[m, n] = Σ_k A[m, k] · B[k, n]        nt  C[m, n] = Σ_k A[m, k] · B[n, k]        tn  C[m, n] = Σ_k A[k, m] · B[k, n]
   */
  | { readonly kind: "matmul"; readonly layout: "nn" | "nt" | "tn"; readonly aSplit: number; readonly bSplit: number }
  /**
   * Inputs a, w [G, K, N], selection u32 [..., topK]. Slot s = row · topK + j uses matrix
   * g(s) = (row mod heads) · (G / heads) + selection[row, j] and row ⌊s · rows(a) / S⌋ of a:
   *   C[s] = a[row of s] · w[g(s)]   (or w[g(s)]ᵀ if transposed)
   * a's last axis is contracted; C has the shape of selection plus the other matrix axis.
   */
  | { readonly kind: "expertMatmul"; readonly heads: number; readonly transposed: boolean }
  /** Inputs x, y, selection: W[g] = Σ_{s: g(s) = g} x[row of s]ᵀ · y[row of s], [G, K, N]. Rows as in expertMatmul, for x and y each. */
  | { readonly kind: "expertOuter"; readonly heads: number }
  // ---- attention
  /**
   * Inputs q [B, T, H, Dh], k, v [B, S, Hk, Dh], position u32 [1]. Softmax attention without further scaling: query t stands at
   * position + t and sees the keys that `mask` lets it. Hk divides H; query head h reads key head ⌊h · Hk / H⌋. Outputs z [B, T, H, Dh]
   * and lse [B, T, H, 1], the logarithm of each softmax denominator.
   * With `relative` = P there is one more input, bias [B, T, H, 2P + 1]: the score of query position i and key position j is
   * q · k + bias[clamp(j − i, −(P−1), P−1) + P].
   */
  | { readonly kind: "attention"; readonly mask: AttentionMask; readonly relative?: number }
  /**
   * Inputs q, k, v, position (0), lse, delta [B, T, H, 1] = Σ z · grad_z, grad_z, and bias if `relative`. Outputs grad_q, grad_k,
   * grad_v, and grad_bias if `relative`.
   */
  | { readonly kind: "attentionGrad"; readonly mask: AttentionMask; readonly relative?: number }
  /**
   * Inputs x [B, T, H, Dh], cos, sin [seqLen, nRotate/2], position u32 [1]. Rotates channel j with j + nRotate/2 by the angle of
   * position + t; `inverse` rotates backwards (the gradient).
   */
  | { readonly kind: "rope"; readonly nRotate: number; readonly inverse: boolean }
  /**
   * Inputs x [B, T, H, Dh], position u32 [1]. Writes x at rows position … of a persistent cache; output: the cache [B, capacity, H, Dh].
   */
  | { readonly kind: "cache"; readonly name: string }
  // ---- routing
  /** Input x [..., E]: the k greatest of each row, best first, ties to the lower index. Output u32 [..., k]. */
  | { readonly kind: "topK"; readonly k: number }
  /** Inputs x [..., E], selection [..., K]. Output [..., K]: x[..., selection[..., j]]. */
  | { readonly kind: "gatherLast" }
  /** Inputs y [..., K], selection [..., K]. Output [..., E]: y at the selected places, 0 elsewhere. Entries of one row are distinct. */
  | { readonly kind: "scatterLast" }
  // ---- tables
  /** Inputs table [V, D], rows u32 [...]. Output [..., D]. */
  | { readonly kind: "gatherRows" }
  /** Inputs y [..., D], rows u32 [...]. Output [V, D]: sums of the y of equal row. */
  | { readonly kind: "scatterRows" };

/**
 * tokens, targets u32 [B, T]; position u32 [1]; positions u32 [1, T], those of a chunk; last u32 [B, 1], the rows b · T + t of chunks
 * whose logits are wanted; rows u32 [1, N], the positions b · T + t that are scored, whose targets are [1, N]; loss_scale f32 [1], the
 * micro-batch's share of the targets of a batch; noise u32 [4], see `random`; removed u32 [1], the expert that is taken out: 0 for none,
 * else 1 + expert · (depth + 1) + the one application where it is, or depth for all (experts of all routers counted on, heads of one
 * together).
 */
export type InputName = "tokens" | "targets" | "position" | "positions" | "last" | "rows" | "loss_scale" | "noise" | "removed";

export type Distribution = "uniform" | "normal";

/** causal: no key after the query. window: only keys less than so many positions away, or null. A query always sees itself. */
export interface AttentionMask {
  readonly causal: boolean;
  readonly window: number | null;
}

export const CAUSAL: AttentionMask = { causal: true, window: null };

export interface Param {
  /** Name in specs and messages: "a.attention.q", "embedding". */
  readonly name: string;
  readonly value: ValueId;
  /** Where the numbers live in a checkpoint: a contiguous, row-major part of an official tensor. */
  readonly official: { readonly tensor: string; readonly shape: readonly number[]; readonly start: number };
  readonly init: InitRule;
  /**
   * Not learned by descent: after each step w −= signRate · sign(gradient), outside the gradient norm. Its gradient is what the graph says.
   */
  readonly signRate?: number;
}

export interface OpGraph {
  readonly name: string;
  readonly values: readonly Value[];
  readonly nodes: readonly Node[];
  readonly params: readonly Param[];
  /** Values that somebody may want to read, by name: "loss", "ce_loss", "reg_loss", "logits", "token_loss" [B, T, 1],
   *  "embed_out", "layers.0" …, "sel.ffn.0", "sel.att_v.0", "sel.att_o.0" … (numbered by application). */
  readonly outputs: Readonly<Record<string, ValueId>>;
  /**
   * Filled by 4-grad, save that of parameters with a signRate: the gradient of a parameter is the sum of its contributions (one per use).
   */
  readonly gradients: readonly { readonly param: number; readonly contributions: readonly ValueId[] }[];
}
