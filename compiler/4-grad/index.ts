/**
 * OpGraph → the same graph plus its backward pass: reverse-mode differentiation, node by node, last node first.
 * Nothing flows through u32 values, choices (topK) or row maxima.
 */
import { createBuilder, shapeOf, typeOf } from "../graph/builder.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { map } from "../graph/dsl.ts";
import { pruneGraph } from "../graph/prune.ts";
import { add, constant, input } from "../ir/expr.ts";
import type { Node, OpGraph, ValueId } from "../ir/graph.ts";
import { bug, elements, plain } from "../ir/tensor-type.ts";
import { widen } from "./broadcast.ts";
import { gradName, inputGradients } from "./rules.ts";

export { pruneGraph } from "../graph/prune.ts";

/**
 * Adds the gradient of output `loss` ([1]) with respect to every parameter. The gradient of a parameter is a list of contributions, one
 * per use, that add up; each has the parameter's type. Nodes that nothing reads are dropped.
 */
export function addGradients(graph: OpGraph, loss: "loss"): OpGraph {
  const root = graph.outputs[loss] ?? bug(`no output "${loss}"`);
  const b = createBuilder(graph.values, graph.nodes);
  if (elements(shapeOf(b, root)) !== 1) bug("only a single number can be differentiated");
  const contributions: ValueId[][] = graph.values.map(() => []);
  const depends = dependsOnParams(graph);
  seed(b, root, contributions);
  for (const node of graph.nodes.toReversed()) {
    if (node.op.kind !== "param" && node.outputs.some((id) => contributions[id]!.length > 0)) backward(b, node, depends, contributions);
  }
  const given = new Map(graph.gradients.map((g) => [g.param, g.contributions]));
  const gradients = graph.params.map(({ value, signRate }, param) => ({
    param,
    contributions: signRate !== undefined ? given.get(param) ?? []
      : contributions[value]!.map((id) => widen(b, gradName(b, value), id, typeOf(b, value))),
  }));
  return pruneGraph({ ...graph, values: b.values, nodes: b.nodes, gradients }, Object.keys(graph.outputs));
}

/** ∂loss/∂loss = 1. */
function seed(b: GraphBuilder, root: ValueId, contributions: ValueId[][]): void {
  b.origin = { path: "loss", span: null };
  contributions[root]!.push(map(b, gradName(b, root), constant(1), [], plain(shapeOf(b, root))));
}

/** Which values a change of some parameter can move smoothly. */
function dependsOnParams(graph: OpGraph): readonly boolean[] {
  const depends = graph.values.map(() => false);
  for (const node of graph.nodes) {
    const passes = !(node.op.kind === "reduce" && node.op.how === "max");
    const moved = node.op.kind === "param" || (passes && node.inputs.some((id) => depends[id]));
    for (const id of node.outputs) depends[id] = moved && graph.values[id]!.type.dtype === "f32";
  }
  return depends;
}

function backward(b: GraphBuilder, node: Node, depends: readonly boolean[], contributions: ValueId[][]): void {
  const wanted = node.inputs.map((id) => depends[id]!);
  if (!wanted.includes(true)) return;
  b.origin = { ...node.origin, path: `grad/${node.origin.path}` };
  const grads = node.outputs.map((id) => total(b, gradName(b, id), contributions[id]!));
  inputGradients(b, node, grads, wanted).forEach((grad, index) => {
    if (grad !== null && wanted[index]) contributions[node.inputs[index]!]!.push(grad);
  });
}

/** Contributions to one activation, added two at a time: any number may come together, and a kernel has few bindings. */
function total(b: GraphBuilder, name: string, grads: readonly ValueId[]): ValueId | null {
  if (grads.length === 0) return null;
  return grads.reduce((sum, grad) => map(b, name, add(input(0), input(1)), [sum, grad]));
}
