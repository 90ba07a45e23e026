/** Matrix products and expert-grouped products: plain loops from the formulas in ir/graph.ts. */
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
    for (let j = 0; j < n; j++) {
      let total = 0;
      for (let x = 0; x < k; x++) total += a.data[i * aRow + x * aCol]! * b.data[x * bRow + j * bCol]!;
      out.data[i * n + j] = total;
    }
  }
  return out;
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
    for (let j = 0; j < outer; j++) {
      let total = 0;
      for (let i = 0; i < inner; i++) total += a.data[row + i]! * w.data[base + i * innerStep + j * outerStep]!;
      out.data[slot * outer + j] = total;
    }
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
