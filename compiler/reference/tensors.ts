/** Logical row-major float64 tensors: what the reference computes with. u32 values are kept as numbers. */
import type { TensorType } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const zeros = (type: TensorType): Tensor => ({ shape: type.shape, data: new Float64Array(elements(type.shape)) });

/** Last extent, and how many rows of it there are. */
export const width = (t: Tensor): number => t.shape.at(-1)!;
export const rows = (t: Tensor): number => t.data.length / width(t);

/** Distance between neighbours along each axis; 0 where an axis of extent 1 is broadcast to `shape`. */
export function strides(t: Tensor, shape: readonly number[]): readonly number[] {
  const result = t.shape.map(() => 0);
  let stride = 1;
  for (let axis = t.shape.length - 1; axis >= 0; axis--) {
    result[axis] = t.shape[axis] === 1 && shape[axis] !== 1 ? 0 : stride;
    stride *= t.shape[axis]!;
  }
  return result;
}
