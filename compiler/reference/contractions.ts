/**
 * Matrix products and expert-grouped products, from the formulas in ir/graph.ts. Each element is summed in the order of its inner index, all
 * of a row side by side: a single sum waits for each of its additions.
 */
import type { Op, TensorType } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { rows, width, zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

type OpOf<K extends Op["kind"]> = Extract<Op, { kind: K }>;

export function matmul(op: OpOf<"matmul">, a: Tensor, b: Tensor, type: TensorType): Tensor {
  const matrix = (t: Tensor, split: number) => ({ rows: elements(t.shape.slice(0, split)), columns: elements(t.shape.slice(split)) });
  const [left, right] = [matrix(a, op.aSplit), matrix(b, op.bSplit)];
  const [m, k] = op.layout === "tn" ? [left.columns, left.rows] : [left.rows, left.columns];
  const n = op.layout === "nt" ? right.rows : right.columns;
  const [aRow, aCol] = op.layout === "tn" ? [1, left.columns] : [left.columns, 1]; // steps of m and k in a
  const [bRow, bCol] = op.layout === "nt" ? [1, right.columns] : [right.columns, 1]; // steps of k and n in b
  const out = zeros(type);
  for (let i = 0; i < m; i++) {
    for (let x = 0; x < k; x++) addScaled(out.data, i * n, n, a.data[i * aRow + x * aCol]!, b.data, x * bRow, bCol);
  }
  return out;
}

/** Adds `factor` times a row of `x` to a row of `out`, both of n elements; those of x are `step` apart. */
function addScaled(out: Float64Array, at: number, n: number, factor: number, x: Float64Array, start: number, step: number): void {
  for (let j = 0; j < n; j++) out[at + j]! += factor * x[start + j * step]!;
}

/** Matrix of each slot, and the row of x that it reads. */
function slots(
  selection: Tensor, heads: number, nMatrices: number,
): { readonly count: number; matrix(slot: number): number; rowOf(x: Tensor, slot: number): number } {
  const topK = width(selection);
  const count = selection.data.length;
  return {
    count,
    matrix: (slot) => (Math.floor(slot / topK) % heads) * (nMatrices / heads) + selection.data[slot]!,
    rowOf: (x, slot) => Math.floor((slot * rows(x)) / count),
  };
}

export function expertMatmul(op: OpOf<"expertMatmul">, a: Tensor, w: Tensor, selection: Tensor, type: TensorType): Tensor {
  const [g, k, n] = w.shape as readonly [number, number, number];
  const [inner, outer] = op.transposed ? [n, k] : [k, n];
  const [innerStep, outerStep] = op.transposed ? [1, n] : [n, 1];
  const s = slots(selection, op.heads, g);
  const out = zeros(type);
  for (let slot = 0; slot < s.count; slot++) {
    const base = s.matrix(slot) * k * n;
    const row = s.rowOf(a, slot) * inner;
    const at = slot * outer;
    for (let i = 0; i < inner; i++) addScaled(out.data, at, outer, a.data[row + i]!, w.data, base + i * innerStep, outerStep);
  }
  return out;
}

export function expertOuter(op: OpOf<"expertOuter">, x: Tensor, y: Tensor, selection: Tensor, type: TensorType): Tensor {
  const [g, k, n] = type.shape as readonly [number, number, number];
  const s = slots(selection, op.heads, g);
  const out = zeros(type);
  for (let slot = 0; slot < s.count; slot++) {
    const base = s.matrix(slot) * k * n;
    const [xRow, yRow] = [s.rowOf(x, slot) * k, s.rowOf(y, slot) * n];
    for (let i = 0; i < k; i++) addScaled(out.data, base + i * n, n, x.data[xRow + i]!, y.data, yRow, 1);
  }
  return out;
}
