/** Graphs of a few operations, and finite differences on any graph. */
import { createBuilder, emitOne, shapeOf } from "../../compiler/graph/builder.ts";
import type { GraphBuilder } from "../../compiler/graph/builder.ts";
import { map, sum, view } from "../../compiler/graph/dsl.ts";
import { pruneGraph } from "../../compiler/graph/prune.ts";
import { addGradients } from "../../compiler/4-grad/index.ts";
import { input, mul, type Expr } from "../../compiler/ir/expr.ts";
import type { OpGraph, Param, TensorType, ValueId } from "../../compiler/ir/graph.ts";
import { elements, plain } from "../../compiler/ir/tensor-type.ts";
import { evaluateGraph, gradientsOf, reevaluateGraph } from "../../compiler/reference/index.ts";
import type { ReferenceInputs } from "../../compiler/reference/index.ts";
import { map as mapByReference } from "../../compiler/reference/rows.ts";
import { createRandom } from "../../runtime/standalone/random.ts";

/**
 * A graph whose loss is the sum of all elements of `build`'s result, each times a parameter "weights" of its own.
 * @param types of the parameters p0, p1, … that `build` is given
 */
export function tinyGraph(types: readonly TensorType[], build: (b: GraphBuilder, params: readonly ValueId[]) => ValueId): OpGraph {
  const b = createBuilder();
  const params: Param[] = [];
  const declare = (name: string, type: TensorType): ValueId => {
    const value = emitOne(b, name, { kind: "param", param: params.length }, [], type);
    params.push({ name, value, official: { tensor: name, shape: type.shape, start: 0 }, init: { kind: "zeros" } });
    return value;
  };
  const result = build(b, types.map((type, i) => declare(`p${i}`, type)));
  const weighted = map(b, "weighted", mul(input(0), input(1)), [result, declare("weights", b.values[result]!.type)]);
  const summed = shapeOf(b, weighted).reduce((x, _, axis) => sum(b, "sum", x, axis), weighted);
  const loss = view(b, "loss", summed, [1]);
  return { name: "tiny", values: b.values, nodes: b.nodes, params, outputs: { loss, result }, gradients: [] };
}

/** What the reference makes of an expression of numbers, in a column. */
export const valueAt = (e: Expr, inputs: readonly number[], column = 0): number =>
  mapByReference(e, inputs.map((x) => ({ shape: [1], data: Float64Array.of(x) })), plain([column + 1])).data[column]!;

/** Random parameters, normal with standard deviation `std`. */
export const randomParams = (graph: OpGraph, seed: number, std = 1): Record<string, Float64Array> =>
  Object.fromEntries(graph.params.map(({ name, value }) => {
    const random = createRandom(seed, name);
    return [name, Float64Array.from({ length: elements(graph.values[value]!.type.shape) }, (_, i) => std * random.normal(i))];
  }));

/**
 * For each parameter, the slope of the loss along a random direction: from the gradient and from central differences.
 * @returns the greatest disagreement, relative to the size of gradient and direction, and the parameter it is at
 */
export function worstSlope(
  forward: OpGraph, params: Readonly<Record<string, Float64Array>>, inputs: ReferenceInputs["inputs"] = {}, step = 1e-5,
): { readonly error: number; readonly param: string } {
  const graph = addGradients(forward, "loss");
  const gradients = gradientsOf(graph, evaluateGraph(graph, { params, inputs }));
  const lossOnly = pruneGraph(forward, ["loss"]);
  const before = evaluateGraph(lossOnly, { params, inputs });
  const lossAt = (name: string, direction: Float64Array, t: number): number => {
    const moved = { ...params, [name]: params[name]!.map((x, i) => x + t * direction[i]!) };
    return reevaluateGraph(lossOnly, { params: moved, inputs }, before, name)[lossOnly.outputs["loss"]!]![0]!;
  };
  const learned = graph.params.filter((p) => p.signRate === undefined);
  const errors = learned.map(({ name }) => {
    const random = createRandom(99, name);
    const direction = params[name]!.map((_, i) => random.normal(i));
    const measured = (lossAt(name, direction, step) - lossAt(name, direction, -step)) / (2 * step);
    const derived = direction.reduce((total, x, i) => total + x * gradients[name]![i]!, 0);
    const size = norm(direction) * norm(gradients[name]!);
    return { error: Math.abs(measured - derived) / Math.max(size, 1e-6), param: name };
  });
  return errors.reduce((a, b) => (b.error > a.error ? b : a));
}

const norm = (x: Float64Array): number => Math.sqrt(x.reduce((total, value) => total + value * value, 0));
