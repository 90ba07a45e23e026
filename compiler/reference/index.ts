/**
 * Float64 interpreter of graphs: every operation as its formula says, on logical shapes, without regard to speed. What
 * kernels, fusion and gradients are checked against.
 */
import type { InputName, Node, OpGraph } from "../ir/graph.ts";
import { bug, elements, unreachable } from "../ir/tensor-type.ts";
import { attention, attentionGrad, rope, ropeTable, sinusoid } from "./attention.ts";
import { expertMatmul, expertOuter, matmul } from "./contractions.ts";
import { random } from "./random.ts";
import { gatherLast, gatherRows, map, reduce, scatterLast, scatterRows, topK } from "./rows.ts";
import type { Tensor } from "./tensors.ts";

export interface ReferenceInputs {
  /** By parameter name, logical and row-major. */
  readonly params: Readonly<Record<string, ArrayLike<number>>>;
  /** `position`, `noise` and `removed` default to 0, `loss_scale` to 1. */
  readonly inputs: Partial<Readonly<Record<InputName, ArrayLike<number>>>>;
  /** Caches by name, [B, capacity, H, Dh]; changed in place. Missing ones are added as zeros. */
  readonly states?: Record<string, Float64Array>;
}

/** @returns all values of the graph by id, logical and row-major */
export function evaluateGraph(graph: OpGraph, given: ReferenceInputs): readonly Float64Array[] {
  const values: Float64Array[] = [];
  for (const node of graph.nodes) evaluateInto(values, graph, node, given);
  return values;
}

function evaluateInto(values: Float64Array[], graph: OpGraph, node: Node, given: ReferenceInputs): void {
  const inputs = node.inputs.map((id): Tensor => ({ shape: graph.values[id]!.type.shape, data: values[id]! }));
  evaluateNode(graph, node, inputs, given).forEach((data, i) => (values[node.outputs[i]!] = data));
}

/**
 * The values again where one parameter is another, from those of before: only what follows from it is computed. For graphs without caches.
 */
export function reevaluateGraph(
  graph: OpGraph, given: ReferenceInputs, before: readonly Float64Array[], changed: string,
): readonly Float64Array[] {
  const values = [...before];
  const follows = new Set<number>();
  for (const node of graph.nodes) {
    const isChanged = node.op.kind === "param" ? graph.params[node.op.param]!.name === changed : node.inputs.some((id) => follows.has(id));
    if (!isChanged) continue;
    for (const id of node.outputs) follows.add(id);
    evaluateInto(values, graph, node, given);
  }
  return values;
}

/** Gradients by parameter name: contributions added up. */
export function gradientsOf(graph: OpGraph, values: readonly Float64Array[]): Readonly<Record<string, Float64Array>> {
  return Object.fromEntries(graph.gradients.map(({ param, contributions }) => {
    const { name, value } = graph.params[param]!;
    const total = new Float64Array(elements(graph.values[value]!.type.shape));
    for (const id of contributions) values[id]!.forEach((x, i) => (total[i]! += x));
    return [name, total];
  }));
}

const DEFAULTS: Partial<Readonly<Record<InputName, readonly number[]>>> = {
  position: [0], loss_scale: [1], noise: [0, 0, 0, 0], removed: [0],
};

const defaultOf = (name: InputName, count: number): readonly number[] | undefined =>
  (name === "positions" ? Array.from({ length: count }, (_, i) => i) : DEFAULTS[name]);

function sourceData(name: string, data: ArrayLike<number> | undefined, count: number): Float64Array {
  if (data === undefined) bug(`the reference was not given "${name}"`);
  if (data.length !== count) bug(`"${name}" has ${data.length} elements, not ${count}`);
  return new Float64Array(data);
}

function evaluateNode(graph: OpGraph, node: Node, inputs: readonly Tensor[], given: ReferenceInputs): readonly Float64Array[] {
  const types = node.outputs.map((id) => graph.values[id]!.type);
  const type = types[0]!;
  const [x, y, z] = inputs as readonly [Tensor, Tensor, Tensor];
  const { op } = node;
  const count = elements(type.shape);
  switch (op.kind) {
    case "input": return [sourceData(op.name, given.inputs[op.name] ?? defaultOf(op.name, count), count)];
    case "param": return [sourceData(graph.params[op.param]!.name, given.params[graph.params[op.param]!.name], count)];
    case "sinusoid": return [sinusoid(op.first, op.base, type).data];
    case "ropeTable": return [ropeTable(op.fn, op, type).data];
    case "random": return [random(op, x, y, type).data];
    case "map": return [map(op.expr, inputs, type).data];
    case "reduce": return [reduce(op.how, op.axis, x, type).data];
    case "view": return [x.data];
    case "matmul": return [matmul(op, x, y, type).data];
    case "expertMatmul": return [expertMatmul(op, x, y, z, type).data];
    case "expertOuter": return [expertOuter(op, x, y, z, type).data];
    case "attention": return attention(op, inputs, types).map((t) => t.data);
    case "attentionGrad": return attentionGrad(op, inputs, types).map((t) => t.data);
    case "rope": return [rope(op.nRotate, op.inverse, inputs, type).data];
    case "cache": return [writeCache(op.name, x, y.data[0]!, count, given.states ?? {})];
    case "topK": return [topK(op.k, x, type).data];
    case "gatherLast": return [gatherLast(x, y, type).data];
    case "scatterLast": return [scatterLast(x, y, type).data];
    case "gatherRows": return [gatherRows(x, y, type).data];
    case "scatterRows": return [scatterRows(x, y, type).data];
    default: return unreachable(op);
  }
}

function writeCache(name: string, x: Tensor, position: number, count: number, states: Record<string, Float64Array>): Float64Array {
  const cache = (states[name] ??= new Float64Array(count));
  const [batch, positions, heads, width] = x.shape as [number, number, number, number];
  for (let b = 0; b < batch; b++) {
    const size = positions * heads * width;
    cache.set(x.data.subarray(b * size, (b + 1) * size), (b * count) / batch + position * heads * width);
  }
  return cache.slice();
}
