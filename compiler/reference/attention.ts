/** Causal attention, its gradient, and rotary positions, one head and one query at a time. */
import type { TensorType } from "../ir/graph.ts";
import { zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly dHead: number;
}

const sizesOf = (q: Tensor, k: Tensor): Sizes => {
  const [batch, queries, heads, dHead] = q.shape as readonly [number, number, number, number];
  return { batch, queries, keys: k.shape[1]!, heads, dHead };
};

/** Start of the channels of one batch entry, position and head. */
const at = (s: Sizes, length: number, b: number, t: number, h: number): number => ((b * length + t) * s.heads + h) * s.dHead;

function dot(x: Float64Array, xStart: number, y: Float64Array, yStart: number, n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += x[xStart + i]! * y[yStart + i]!;
  return total;
}

/** Calls `visit` for each query with its softmax over the keys it sees. */
function eachQuery(s: Sizes, q: Tensor, k: Tensor, position: number, visit: (b: number, t: number, h: number, p: readonly number[], lse: number) => void): void {
  for (let b = 0; b < s.batch; b++) {
    for (let t = 0; t < s.queries; t++) {
      for (let h = 0; h < s.heads; h++) {
        const seen = Math.min(s.keys, position + t + 1);
        const scores = Array.from({ length: seen }, (_, j) => dot(q.data, at(s, s.queries, b, t, h), k.data, at(s, s.keys, b, j, h), s.dHead));
        const greatest = Math.max(...scores);
        const lse = greatest + Math.log(scores.reduce((total, score) => total + Math.exp(score - greatest), 0));
        visit(b, t, h, scores.map((score) => Math.exp(score - lse)), lse);
      }
    }
  }
}

/** @returns [z, lse] */
export function attention([q, k, v, position]: readonly Tensor[], types: readonly TensorType[]): readonly Tensor[] {
  const s = sizesOf(q!, k!);
  const [z, lse] = types.map(zeros) as [Tensor, Tensor];
  eachQuery(s, q!, k!, position!.data[0]!, (b, t, h, p, logTotal) => {
    const row = at(s, s.queries, b, t, h);
    lse.data[row / s.dHead] = logTotal;
    p.forEach((weight, j) => {
      const key = at(s, s.keys, b, j, h);
      for (let i = 0; i < s.dHead; i++) z.data[row + i]! += weight * v!.data[key + i]!;
    });
  });
  return [z, lse];
}

/** @returns [grad_q, grad_k, grad_v]; from ∂score_j = p_j (v_j · grad_z − delta) */
export function attentionGrad([q, k, v, position, , delta, gradZ]: readonly Tensor[], types: readonly TensorType[]): readonly Tensor[] {
  const s = sizesOf(q!, k!);
  const [gradQ, gradK, gradV] = types.map(zeros) as [Tensor, Tensor, Tensor];
  eachQuery(s, q!, k!, position!.data[0]!, (b, t, h, p) => {
    const row = at(s, s.queries, b, t, h);
    p.forEach((weight, j) => {
      const key = at(s, s.keys, b, j, h);
      const gradScore = weight * (dot(v!.data, key, gradZ!.data, row, s.dHead) - delta!.data[row / s.dHead]!);
      for (let i = 0; i < s.dHead; i++) {
        gradQ.data[row + i]! += gradScore * k!.data[key + i]!;
        gradK.data[key + i]! += gradScore * q!.data[row + i]!;
        gradV.data[key + i]! += weight * gradZ!.data[row + i]!;
      }
    });
  });
  return [gradQ, gradK, gradV];
}

/** Rotates channel j with j + nRotate/2. */
export function rope(nRotate: number, inverse: boolean, [x, cos, sin, position]: readonly Tensor[], type: TensorType): Tensor {
  const [batch, length, heads, dHead] = x!.shape as readonly [number, number, number, number];
  const s: Sizes = { batch, queries: length, keys: length, heads, dHead };
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

/** cos or sin of position · base^(−2j/nRotate). */
export function ropeTable(fn: "cos" | "sin", nRotate: number, base: number, type: TensorType): Tensor {
  const out = zeros(type);
  const [positions, half] = type.shape as readonly [number, number];
  for (let p = 0; p < positions; p++) {
    for (let j = 0; j < half; j++) out.data[p * half + j] = Math[fn](p * base ** ((-2 * j) / nRotate));
  }
  return out;
}
