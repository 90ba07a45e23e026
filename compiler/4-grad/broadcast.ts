/**
 * A gradient may have extent 1 where its value has more: then every element along that axis has that gradient. Sums and means
 * hand their gradient back this way, and most consumers can read it without a wide copy being made.
 */
import { shapeOf, typeOf } from "../graph/builder.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { map, sum, view } from "../graph/dsl.ts";
import { constant, input, mul } from "../ir/expr.ts";
import type { TensorType, ValueId } from "../ir/graph.ts";
import { alignAxes, sameType, viewType } from "../ir/tensor-type.ts";

/** The gradient with all extents of `type` stored. */
export function widen(b: GraphBuilder, name: string, grad: ValueId, type: TensorType): ValueId {
  return sameType(typeOf(b, grad), type) ? grad : map(b, name, input(0), [grad], type);
}

/**
 * The gradient of an operand that was broadcast.
 * @param out shape over which the gradient is to be summed; `grad` has extent 1 where it is the same along an axis
 * @param operand shape of the operand
 */
export function sumDown(b: GraphBuilder, name: string, grad: ValueId, out: readonly number[], operand: readonly number[]): ValueId {
  const summed = out.map((extent, axis) => operand[axis] === 1 && extent > 1);
  const repeats = out.reduce((n, extent, axis) => (summed[axis] && shapeOf(b, grad)[axis] === 1 ? n * extent : n), 1);
  let result = repeats === 1 ? grad : map(b, name, mul(constant(repeats), input(0)), [grad]);
  for (let axis = out.length - 1; axis >= 0; axis--) {
    if (!summed[axis] || shapeOf(b, result)[axis] === 1) continue;
    let first = axis;
    while (first > 0 && summed[first - 1] && isDense(typeOf(b, result), first)) first--;
    result = sumAxes(b, name, result, first, axis);
    axis = first;
  }
  return result;
}

const isDense = (t: TensorType, axis: number): boolean => t.shape[axis] === t.physical[axis];

/** Sums axes first … last as one. */
function sumAxes(b: GraphBuilder, name: string, x: ValueId, first: number, last: number): ValueId {
  if (first === last) return sum(b, name, x, last);
  const shape = shapeOf(b, x);
  const merged = shape.map((extent, axis) =>
    axis < first || axis > last ? extent : axis < last ? 1 : shape.slice(first, last + 1).reduce((n, e) => n * e, 1));
  return sum(b, name, view(b, name, x, merged), last);
}

/**
 * The gradient of a view's input.
 * @param grad gradient of a value of shape `from`, perhaps broadcast
 * @param type of the input
 */
export function reshapeGradient(b: GraphBuilder, name: string, grad: ValueId, from: TensorType, type: TensorType): ValueId {
  const target = broadcastShape(shapeOf(b, grad), from.shape, type.shape);
  const narrow = target !== null && viewType(typeOf(b, grad), target) !== null;
  return narrow ? view(b, name, grad, target) : view(b, name, widen(b, name, grad, from), type.shape);
}

/** `grad`, which broadcasts to `from`, in the axes of `to`; null if an axis group is only partly broadcast. */
function broadcastShape(grad: readonly number[], from: readonly number[], to: readonly number[]): readonly number[] | null {
  const shape = to.map(() => 1);
  for (const group of alignAxes(from, to)) {
    const isBroadcast = group.from.map((axis) => grad[axis] === 1 && from[axis]! > 1);
    if (isBroadcast.every((x) => !x)) for (const axis of group.to) shape[axis] = to[axis]!;
    else if (!isBroadcast.every((x, i) => x || from[group.from[i]!] === 1)) return null;
  }
  return shape;
}
