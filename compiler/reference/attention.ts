/** Attention, its gradient, and rotary positions, one head and one query at a time. */
import type { AttentionMask, TensorType } from "../ir/graph.ts";
import type { RopeSpec } from "../ir/model-spec.ts";
import { zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

interface Attention {
  readonly mask: AttentionMask;
  readonly relative?: number;
}

interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly dHead: number;
}

const sizesOf = (q: Tensor, k: Tensor): Sizes => {
  const [batch, queries, heads, dHead] = q.shape as readonly [number, number, number, number];
  return { batch, queries, keys: k.shape[1]!, heads, keyHeads: k.shape[2]!, dHead };
};

/** Start of the channels of one batch entry, position and head. */
const at = (s: Sizes, length: number, b: number, t: number, h: number): number => ((b * length + t) * s.heads + h) * s.dHead;
const keyAt = (s: Sizes, b: number, j: number, h: number): number =>
  ((b * s.keys + j) * s.keyHeads + Math.floor((h * s.keyHeads) / s.heads)) * s.dHead;

const sees = ({ causal, window }: AttentionMask, query: number, key: number): boolean =>
  (!causal || key <= query) && (window === null || Math.abs(query - key) < window);

function dot(x: Float64Array, xStart: number, y: Float64Array, yStart: number, n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += x[xStart + i]! * y[yStart + i]!;
  return total;
}

/** Scores that depend on the query and the clamped distance to the key. */
interface Relative {
  readonly reach: number;
  readonly bias: Tensor; // [B, T, H, 2 · reach + 1]
}

const relativeOf = (reach: number | undefined, bias: Tensor | undefined): Relative | null =>
  (reach === undefined ? null : { reach, bias: bias! });

/** Place in `bias` of a query (its start among rows of heads) and a key. */
const biasAt = ({ reach }: Relative, row: number, query: number, key: number): number =>
  row * (2 * reach + 1) + Math.min(Math.max(key - query, 1 - reach), reach - 1) + reach;

/** Calls `visit` for each query with its softmax over all keys: 0 for those it does not see. */
function eachQuery(
  mask: AttentionMask, relative: Relative | null, s: Sizes, q: Tensor, k: Tensor, position: number,
  visit: (b: number, t: number, h: number, p: Float64Array, lse: number) => void,
): void {
  for (let b = 0; b < s.batch; b++) {
    for (let t = 0; t < s.queries; t++) {
      for (let h = 0; h < s.heads; h++) {
        const row = at(s, s.queries, b, t, h);
        const extra = (j: number): number =>
          (relative === null ? 0 : relative.bias.data[biasAt(relative, row / s.dHead, position + t, j)]!);
        const score = (j: number): number =>
          (sees(mask, position + t, j) ? dot(q.data, row, k.data, keyAt(s, b, j, h), s.dHead) + extra(j) : -Infinity);
        const scores = new Float64Array(s.keys);
        for (let j = 0; j < s.keys; j++) scores[j] = score(j);
        const greatest = Math.max(...scores);
        const lse = greatest + Math.log(scores.reduce((total, x) => total + Math.exp(x - greatest), 0));
        visit(b, t, h, scores.map((x) => Math.exp(x - lse)), lse);
      }
    }
  }
}

/** @returns [z, lse] */
export function attention(
  { mask, relative }: Attention, [q, k, v, position, bias]: readonly Tensor[], types: readonly TensorType[],
): readonly Tensor[] {
  const s = sizesOf(q!, k!);
  const [z, lse] = types.map(zeros) as [Tensor, Tensor];
  eachQuery(mask, relativeOf(relative, bias), s, q!, k!, position!.data[0]!, (b, t, h, p, logTotal) => {
    const row = at(s, s.queries, b, t, h);
    lse.data[row / s.dHead] = logTotal;
    p.forEach((weight, j) => {
      const key = keyAt(s, b, j, h);
      for (let i = 0; i < s.dHead; i++) z.data[row + i]! += weight * v!.data[key + i]!;
    });
  });
  return [z, lse];
}

/** @returns [grad_q, grad_k, grad_v] and, with relative positions, grad_bias; from ∂score_j = p_j (v_j · grad_z − delta) */
export function attentionGrad(
  op: Attention, [q, k, v, position, , delta, gradZ, bias]: readonly Tensor[], types: readonly TensorType[],
): readonly Tensor[] {
  const s = sizesOf(q!, k!);
  const [gradQ, gradK, gradV, ...gradBias] = types.map(zeros) as [Tensor, Tensor, Tensor, ...Tensor[]];
  const relative = relativeOf(op.relative, bias);
  eachQuery(op.mask, relative, s, q!, k!, position!.data[0]!, (b, t, h, p) => {
    const row = at(s, s.queries, b, t, h);
    p.forEach((weight, j) => {
      const key = keyAt(s, b, j, h);
      const gradScore = weight * (dot(v!.data, key, gradZ!.data, row, s.dHead) - delta!.data[row / s.dHead]!);
      if (relative !== null && weight > 0) gradBias[0]!.data[biasAt(relative, row / s.dHead, position!.data[0]! + t, j)]! += gradScore;
      for (let i = 0; i < s.dHead; i++) {
        gradQ.data[row + i]! += gradScore * k!.data[key + i]!;
        gradK.data[key + i]! += gradScore * q!.data[row + i]!;
        gradV.data[key + i]! += weight * gradZ!.data[row + i]!;
      }
    });
  });
  return [gradQ, gradK, gradV, ...gradBias];
}

/** Rotates channel j with j + nRotate/2. */
export function rope(nRotate: number, inverse: boolean, [x, cos, sin, position]: readonly Tensor[], type: TensorType): Tensor {
  const [batch, length, heads, dHead] = x!.shape as readonly [number, number, number, number];
  const s: Sizes = { batch, queries: length, keys: length, heads, keyHeads: heads, dHead };
  const out = zeros(type);
  out.data.set(x!.data);
  const half = nRotate / 2;
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < length; t++) {
      for (let h = 0; h < heads; h++) {
        const row = at(s, length, b, t, h);
        for (let j = 0; j < half; j++) {
          const angle = (position!.data[0]! + t) * half + j;
          const c = cos!.data[angle]!;
          const n = inverse ? -sin!.data[angle]! : sin!.data[angle]!;
          const [first, second] = [x!.data[row + j]!, x!.data[row + j + half]!];
          out.data[row + j] = first * c - second * n;
          out.data[row + j + half] = second * c + first * n;
        }
      }
    }
  }
  return out;
}

/** cos or sin of position · base^(−2j/nRotate); where a wave is longer than length/low it is `factor` times longer. */
export function ropeTable(fn: "cos" | "sin", { nRotate, base, stretch }: RopeSpec, type: TensorType): Tensor {
  const out = zeros(type);
  const [positions, half] = type.shape as readonly [number, number];
  for (let p = 0; p < positions; p++) {
    for (let j = 0; j < half; j++) {
      const wave = stretchedWave(2 * Math.PI * base ** ((2 * j) / nRotate), stretch);
      out.data[p * half + j] = Math[fn]((2 * Math.PI * p) / wave);
    }
  }
  return out;
}

/** A wave length in positions, by the three cases of Llama 3.1. */
function stretchedWave(wave: number, stretch: RopeSpec["stretch"]): number {
  if (stretch === undefined) return wave;
  const { factor, length, low, high } = stretch;
  if (wave > length / low) return wave * factor;
  if (wave < length / high) return wave;
  const smooth = (length / wave - low) / (high - low);
  return wave / ((1 - smooth) / factor + smooth);
}

/** sin((first + i) · base^(−2j/D)) in columns 2j, its cosine in columns 2j + 1. */
export function sinusoid(first: number, base: number, type: TensorType): Tensor {
  const out = zeros(type);
  const [rows, width] = type.shape as [number, number];
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < width; c++) {
      const angle = (first + i) * base ** (-(c - (c % 2)) / width);
      out.data[i * width + c] = c % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return out;
}
