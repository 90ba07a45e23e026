/** Maps, reductions, routing and table operations. */
import type { Expr } from "../ir/expr.ts";
import type { TensorType } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { compileRow, readsColumn } from "./pointwise.ts";
import { rows, strides, width, zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

export function map(expr: Expr, inputs: readonly Tensor[], type: TensorType): Tensor {
  const out = zeros(type);
  const fill = compileRow(expr, inputs.length);
  const data = inputs.map((t) => t.data);
  if (!readsColumn(expr) && inputs.every((t) => t.data.length === out.data.length)) { // equal shapes: one row
    fill(out.data, 0, out.data.length, data, data.map(() => 0), data.map(() => 1));
    return out;
  }
  const steps = inputs.map((t) => strides(t, out.shape));
  const [columns, columnSteps] = [width(out), steps.map((step) => step.at(-1)!)];
  for (let row = 0; row < rows(out); row++) {
    fill(out.data, row * columns, columns, data, steps.map((step) => offsetOfRow(row, step, out.shape)), columnSteps);
  }
  return out;
}

/** Place of the first element of a row, the rows of `shape` counted in order. */
function offsetOfRow(row: number, steps: readonly number[], shape: readonly number[]): number {
  let [rest, offset] = [row, 0];
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    offset += (rest % shape[axis]!) * steps[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return offset;
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
