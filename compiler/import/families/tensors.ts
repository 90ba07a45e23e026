/** Where the numbers of a parameter stand in a checkpoint of another family. */
import type { ModelSpec } from "../../ir/model-spec.ts";
import { elements, sameList } from "../../ir/tensor-type.ts";
import type { ParameterSpec } from "../../parameters/parameters.ts";
import { torchPlace } from "../../torch/index.ts";

/** Numbers of one tensor: those at start + i · strides[0] + j · strides[1] + …, for all i, j, … below `extents`. */
export interface Part {
  readonly tensor: string;
  /** What the tensor's shape must be. */
  readonly shape: readonly number[];
  readonly start: number;
  readonly extents: readonly number[];
  readonly strides: readonly number[];
}

/** The parts of a parameter, one behind the other. */
export type Source = (at: At) => readonly Part[];

interface At {
  /** The parameter's shape, row-major; of maps [out, in], of experts [experts, in, out]. */
  readonly shape: readonly number[];
  /** A layer's number in depth. */
  readonly layer: number;
  /** Heads of the layer's attention; 0 where there is no layer. */
  readonly nHeads: number;
}

/** In names, {layer} and {expert} stand for numbers. */
const named = (name: string, { layer }: At, expert = 0): string => name.replace("{layer}", `${layer}`).replace("{expert}", `${expert}`);

const rowMajor = (shape: readonly number[]): readonly number[] => shape.map((_, axis) => elements(shape.slice(axis + 1)));

/** The tensor as it is. */
export const same = (name: string): Source => (at) =>
  [{ tensor: named(name, at), shape: at.shape, start: 0, extents: at.shape, strides: rowMajor(at.shape) }];

/** A map whose tensor is [in, out]. */
export const transposed = (name: string): Source => (at) => {
  const [rows, columns] = at.shape as [number, number];
  return [{ tensor: named(name, at), shape: [columns, rows], start: 0, extents: [rows, columns], strides: [1, rows] }];
};

/** Experts with a tensor [out, in] each. */
export const experts = (name: string): Source => (at) => {
  const [count, rows, columns] = at.shape as [number, number, number];
  return Array.from({ length: count }, (_, expert) => (
    { tensor: named(name, at, expert), shape: [columns, rows], start: 0, extents: [rows, columns], strides: [1, rows] }));
};

/** One of three maps (or their biases) that lie side by side in a tensor [in, 3 · out]: all of q, then all of k, then all of v. */
export const third = (name: string, part: 0 | 1 | 2): Source => (at) => {
  const [rows, ...inputs] = at.shape as [number, ...number[]];
  const strides = inputs.length === 0 ? [1] : [1, 3 * rows];
  return [{ tensor: named(name, at), shape: [...inputs, 3 * rows], start: part * rows, extents: [rows, ...inputs], strides }];
};

/** One of three maps (or their biases) whose heads alternate in a tensor [3 · out, in]: q, k and v of the first head, and so on. */
export const thirdOfHeads = (name: string, part: 0 | 1 | 2): Source => (at) => {
  const [rows, ...inputs] = at.shape as [number, ...number[]];
  const [width, columns] = [rows / at.nHeads, elements(inputs)];
  return [{
    tensor: named(name, at), shape: [3 * rows, ...inputs], start: part * width * columns,
    extents: [at.nHeads, width, columns], strides: [3 * width * columns, columns, 1],
  }];
};

/** What a source is asked about a parameter. Layers of these families are applied once each. */
export function placeOf(model: ModelSpec, p: ParameterSpec): At {
  const { shape } = torchPlace(model, p);
  if (p.layer === null) return { shape, layer: 0, nHeads: 0 };
  const depth = model.schedule.findIndex(({ layer }) => layer === p.layer);
  return { shape, layer: depth, nHeads: model.layers[p.layer]!.attention.nHeads };
}

/** @param data of the part's tensor @returns the part's numbers, row-major */
export function numbersOf({ start, extents, strides }: Part, data: Float32Array): Float32Array {
  if (sameList(strides, rowMajor(extents))) return data.subarray(start, start + elements(extents));
  const [rows, columns] = [extents.slice(0, -1), extents.at(-1)!];
  const out = new Float32Array(elements(extents));
  const step = strides.at(-1)!;
  for (let row = 0; row * columns < out.length; row++) {
    const from = start + offsetOf(row, rows, strides);
    for (let column = 0; column < columns; column++) out[row * columns + column] = data[from + column * step]!;
  }
  return out;
}

/** Where number `index` of these extents begins. */
function offsetOf(index: number, extents: readonly number[], strides: readonly number[]): number {
  let [rest, offset] = [index, 0];
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    offset += (rest % extents[axis]!) * strides[axis]!;
    rest = Math.floor(rest / extents[axis]!);
  }
  return offset;
}
