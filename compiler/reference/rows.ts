/** Maps, reductions, routing and table operations. */
import type { Expr } from "../ir/expr.ts";
import type { TensorType } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { compileExpr } from "./pointwise.ts";
import { rows, strides, width, zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

export function map(expr: Expr, inputs: readonly Tensor[], type: TensorType): Tensor {
  const out = zeros(type);
  const f = compileExpr(expr);
  const steps = inputs.map((t) => strides(t, out.shape));
  const index = out.shape.map(() => 0);
  const offsets = inputs.map(() => 0); // of the element at `index` in each input
  const values = inputs.map(() => 0);
  for (let i = 0; i < out.data.length; i++) {
    for (let n = 0; n < inputs.length; n++) values[n] = inputs[n]!.data[offsets[n]!]!;
    out.data[i] = f(values, index.at(-1)!);
    for (let axis = index.length - 1; axis >= 0; axis--) {
      const isLast = ++index[axis]! === out.shape[axis];
      for (let n = 0; n < inputs.length; n++) offsets[n]! += steps[n]![axis]! * (isLast ? 1 - out.shape[axis]! : 1);
      if (!isLast) break;
      index[axis] = 0;
    }
  }
  return out;
}

export function reduce(how: "sum" | "max", axis: number, x: Tensor, type: TensorType): Tensor {
  const out = zeros(type);
  const extent = x.shape[axis]!;
  const inner = elements(x.shape.slice(axis + 1));
  for (let i = 0; i < out.data.length; i++) {
    const start = Math.floor(i / inner) * extent * inner + (i % inner);
    let total = how === "sum" ? 0 : -Infinity;
    for (let j = 0; j < extent; j++) {
      const value = x.data[start + j * inner]!;
      total = how === "sum" ? total + value : Math.max(total, value);
    }
    out.data[i] = total;
  }
  return out;
}

export function topK(k: number, x: Tensor, type: TensorType): Tensor {
  const out = zeros(type);
  const n = width(x);
  for (let row = 0; row < rows(x); row++) {
    const values = x.data.subarray(row * n, (row + 1) * n);
    const order = Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
    out.data.set(order.slice(0, k), row * k);
  }
  return out;
}

export function gatherLast(x: Tensor, selection: Tensor, type: TensorType): Tensor {
  const out = zeros(type);
  const k = width(selection);
  for (let i = 0; i < out.data.length; i++) out.data[i] = x.data[Math.floor(i / k) * width(x) + selection.data[i]!]!;
  return out;
}

export function scatterLast(y: Tensor, selection: Tensor, type: TensorType): Tensor {
  const out = zeros(type);
  const k = width(selection);
  for (let i = 0; i < y.data.length; i++) out.data[Math.floor(i / k) * width(out) + selection.data[i]!] = y.data[i]!;
  return out;
}

export function gatherRows(table: Tensor, rowNumbers: Tensor, type: TensorType): Tensor {
  const out = zeros(type);
  const d = width(table);
  rowNumbers.data.forEach((row, i) => out.data.set(table.data.subarray(row * d, (row + 1) * d), i * d));
  return out;
}

export function scatterRows(y: Tensor, rowNumbers: Tensor, type: TensorType): Tensor {
  const out = zeros(type);
  const d = width(y);
  rowNumbers.data.forEach((row, i) => {
    for (let j = 0; j < d; j++) out.data[row * d + j]! += y.data[i * d + j]!;
  });
  return out;
}
