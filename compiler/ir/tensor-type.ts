/** How tensors are stored: which axes are padded, and which reshapes keep the storage valid. */
import type { DType, TensorType } from "./graph.ts";

/** Stops compilation: the compiler itself is wrong, never the user. */
export function bug(message: string): never {
  throw new Error(`compiler bug: ${message}`);
}

/** For the default branch of a switch over a union: adding a member breaks the build there. */
export function unreachable(value: never): never {
  return bug(`unhandled case ${JSON.stringify(value)}`);
}

const roundUp4 = (extent: number): number => Math.ceil(extent / 4) * 4;

export const elements = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

/** The same for comparing and dividing: a tensor that no device holds may have more than 2⁵³. */
export const exactElements = (shape: readonly number[]): bigint => shape.reduce((product, extent) => product * BigInt(extent), 1n);

/** f32 with the last axis stored rounded up to a multiple of 4: activations. */
export const channels = (shape: readonly number[]): TensorType => paddedAxes(shape, [shape.length - 1]);

/** Stored as it is: row scalars [..., 1], gates and selections [..., K], token numbers. */
export const plain = (shape: readonly number[], dtype: DType = "f32"): TensorType => ({ dtype, shape, physical: shape });

/** f32 with the listed axes stored rounded up to multiples of 4: parameters. */
export const paddedAxes = (shape: readonly number[], axes: readonly number[]): TensorType => ({
  dtype: "f32",
  shape,
  physical: shape.map((extent, axis) => (axes.includes(axis) ? roundUp4(extent) : extent)),
});

export const sameList = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

export const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype && sameList(a.shape, b.shape) && sameList(a.physical, b.physical);

export const showType = (t: TensorType): string =>
  `${t.dtype} [${t.shape.map((extent, axis) => (t.physical[axis] === extent ? `${extent}` : `${extent}→${t.physical[axis]}`)).join(", ")}]`;

/** Axes of the old and of the new shape that hold the same elements. One side is empty where an axis of extent 1 comes or goes. */
export interface AxisGroup {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** Splits a reshape into the smallest independent groups of axes, first axis first. Both shapes have the same number of elements. */
export function alignAxes(from: readonly number[], to: readonly number[]): readonly AxisGroup[] {
  if (elements(from) !== elements(to)) bug(`reshape of [${from}] to [${to}]`);
  const groups: AxisGroup[] = [];
  let i = from.length - 1;
  let j = to.length - 1;
  while (i >= 0 || j >= 0) {
    if (i >= 0 && j >= 0 && from[i] === to[j]) groups.unshift({ from: [i--], to: [j--] });
    else if (i >= 0 && from[i] === 1) groups.unshift({ from: [i--], to: [] });
    else if (j >= 0 && to[j] === 1) groups.unshift({ from: [], to: [j--] });
    else {
      const group = takeGroup(from, to, i, j);
      groups.unshift(group);
      i -= group.from.length;
      j -= group.to.length;
    }
  }
  return groups;
}

/** The shortest runs of axes ending at i and j with equal products. */
function takeGroup(from: readonly number[], to: readonly number[], i: number, j: number): AxisGroup {
  const group = { from: [i], to: [j] };
  let products = [from[i]!, to[j]!] as [number, number];
  while (products[0] !== products[1]) {
    if (products[0] < products[1]) {
      group.from.unshift(--i);
      products = [products[0] * from[i]!, products[1]];
    } else {
      group.to.unshift(--j);
      products = [products[0], products[1] * to[j]!];
    }
  }
  return group;
}

/**
 * The type of `from` seen under another shape, in the same storage. Padded axes can only be kept, not split or merged.
 * @returns null where the storage would not be valid
 */
export function viewType(from: TensorType, shape: readonly number[]): TensorType | null {
  const physical = shape.map(() => 1);
  for (const group of alignAxes(from.shape, shape)) {
    if (group.from.length === 1 && group.to.length === 1) {
      physical[group.to[0]!] = from.physical[group.from[0]!]!;
      continue;
    }
    if (group.from.some((axis) => from.physical[axis] !== from.shape[axis])) return null;
    for (const axis of group.to) physical[axis] = shape[axis]!;
  }
  return { dtype: from.dtype, shape, physical };
}
