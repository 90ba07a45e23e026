/** Between logical, row-major arrays on the host and padded tensors on the device. */
import type { TensorPlan } from "./plan.ts";
import type { HostArray } from "./types.ts";

type Layout = Pick<TensorPlan, "dtype" | "shape" | "physical">;

export const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1);

/** Throws if `data` does not have as many elements as the tensor, or other ones: a device would take their bits for its own. */
export function pack(data: HostArray, tensor: Layout): HostArray {
  const expected = product(tensor.shape);
  if (data.length !== expected) {
    throw new Error(`${data.length} numbers do not fill a tensor of shape [${tensor.shape.join(", ")}] (${expected})`);
  }
  const type = tensor.dtype === "u32" ? "Uint32Array" : "Float32Array";
  const isType = Object.prototype.toString.call(data) === `[object ${type}]`;
  if (!isType) throw new TypeError(`a tensor of ${tensor.dtype} is written from a ${type}`);
  if (isDense(tensor)) return data;
  const packed = tensor.dtype === "u32" ? new Uint32Array(product(tensor.physical)) : new Float32Array(product(tensor.physical));
  eachRow(tensor, (logical, physical, n) => packed.set(data.subarray(logical, logical + n), physical));
  return packed;
}

export function unpack(bytes: ArrayBufferLike, offset: number, tensor: Layout): HostArray {
  const make = tensor.dtype === "u32" ? Uint32Array : Float32Array;
  const packed: HostArray = new make(bytes as ArrayBuffer, offset, product(tensor.physical));
  if (isDense(tensor)) return packed.slice();
  const data = new make(product(tensor.shape));
  eachRow(tensor, (logical, physical, n) => data.set(packed.subarray(physical, physical + n), logical));
  return data;
}

const isDense = (tensor: Layout): boolean => tensor.shape.every((extent, axis) => tensor.physical[axis] === extent);

/** Visits runs along the last axis: where each starts on the host and on the device. */
function eachRow({ shape, physical }: Layout, visit: (logical: number, physical: number, n: number) => void): void {
  const n = shape.at(-1) ?? 1;
  const stride = physical.at(-1) ?? 1;
  const lead = shape.slice(0, -1);
  const rows = product(lead);
  const index = lead.map(() => 0);
  for (let row = 0; row < rows; row++) {
    const place = index.reduce((at, i, axis) => at * physical[axis]! + i, 0);
    visit(row * n, place * stride, n);
    for (let axis = lead.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < lead[axis]!) break;
      index[axis] = 0;
    }
  }
}
