/** Matrix products and expert-grouped products, from the formulas in ir/graph.ts. */
import type { Op, TensorType } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { rows, width, zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

type OpOf<K extends Op["kind"]> = Extract<Op, { kind: K }>;

export function matmul(op: OpOf<"matmul">, a: Tensor, b: Tensor, type: TensorType): Tensor {
  const extents = (t: Tensor, split: number) => ({ rows: elements(t.shape.slice(0, split)), columns: elements(t.shape.slice(split)) });
  const [left, right] = [extents(a, op.aSplit), extents(b, op.bSplit)];
  const [m, k] = op.layout === "tn" ? [left.columns, left.rows] : [left.rows, left.columns];
  const n = op.layout === "nt" ? right.rows : right.columns;
  const [aRow, aCol] = op.layout === "tn" ? [1, left.columns] : [left.columns, 1]; // steps of m and k in a
  const [row, column] = op.layout === "nt" ? [1, right.columns] : [right.columns, 1]; // steps of k and n in b
  const matrix = { data: b.data, at: 0, row, column };
  const out = zeros(type);
  for (let i = 0; i < m; i++) addProduct(out.data, i * n, n, { data: a.data, at: i * aRow, step: aCol, k }, matrix);
  return out;
}

/** Numbers in an array, `step` apart. */
interface Run {
  readonly data: Float64Array;
  readonly at: number;
  readonly step: number;
  readonly k: number;
}

/** A matrix in an array: steps from one row to the next, and from one column to the next. */
interface Matrix {
  readonly data: Float64Array;
  readonly at: number;
  readonly row: number;
  readonly column: number;
}

/**
 * Adds Σ_i factors_i · row_i of a matrix to n elements of `out`, in the order of i; four rows at a time, because a single sum waits for
 * each of its additions.
 */
function addProduct(out: Float64Array, at: number, n: number, factors: Run, matrix: Matrix): void {
  const { data, at: first, step, k } = factors;
  const { data: b, at: start, row, column } = matrix;
  let i = 0;
  for (; i + 4 <= k; i += 4) {
    const from = first + i * step;
    const [a0, a1, a2, a3] = [data[from]!, data[from + step]!, data[from + 2 * step]!, data[from + 3 * step]!];
    const [b0, b1, b2, b3] = [start + i * row, start + (i + 1) * row, start + (i + 2) * row, start + (i + 3) * row];
    for (let j = 0; j < n; j++) {
      const c = j * column;
      out[at + j] = out[at + j]! + a0 * b[b0 + c]! + a1 * b[b1 + c]! + a2 * b[b2 + c]! + a3 * b[b3 + c]!;
    }
  }
  for (; i < k; i++) {
    const factor = data[first + i * step]!;
    for (let j = 0; j < n; j++) out[at + j]! += factor * b[start + i * row + j * column]!;
  }
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
  const [row, column] = op.transposed ? [1, n] : [n, 1];
  const s = slots(selection, op.heads, g);
  const out = zeros(type);
  for (let slot = 0; slot < s.count; slot++) {
    const factors = { data: a.data, at: s.rowOf(a, slot) * inner, step: 1, k: inner };
    addProduct(out.data, slot * outer, outer, factors, { data: w.data, at: s.matrix(slot) * k * n, row, column });
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
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < n; j++) out.data[base + i * n + j]! += x.data[xRow + i]! * y.data[yRow + j]!;
    }
  }
  return out;
}
