/** A graph under construction. Both 3-graph and 4-grad append to one; what they hand on is plain readonly data. */
import type { Node, Op, TensorType, Value, ValueId } from "../ir/graph.ts";
import type { Origin } from "../ir/source.ts";
import { bug } from "../ir/tensor-type.ts";
import { checkOp, resultTypes } from "./op-types.ts";

export interface GraphBuilder {
  readonly values: Value[];
  readonly nodes: Node[];
  /** The node that makes each value. */
  readonly producers: Node[];
  /** Origin of the nodes that follow. */
  origin: Origin;
}

export function createBuilder(values: readonly Value[] = [], nodes: readonly Node[] = []): GraphBuilder {
  const producers: Node[] = [];
  for (const node of nodes) for (const id of node.outputs) producers[id] = node;
  return { values: [...values], nodes: [...nodes], producers, origin: { path: "model", span: null } };
}

export const typeOf = (b: GraphBuilder, id: ValueId): TensorType => (b.values[id] ?? bug(`no value ${id}`)).type;
export const shapeOf = (b: GraphBuilder, id: ValueId): readonly number[] => typeOf(b, id).shape;

/**
 * Appends one node and returns its outputs.
 * @param given output types, for operations whose inputs do not determine them
 */
export function emit(b: GraphBuilder, name: string, op: Op, inputs: readonly ValueId[], given?: readonly TensorType[]): readonly ValueId[] {
  const inputTypes = inputs.map((id) => typeOf(b, id));
  const types = given ?? resultTypes(op, inputTypes) ?? bug(`${op.kind} "${name}" needs an explicit type`);
  const problem = checkOp(op, inputTypes, types);
  if (problem !== null) bug(`${name}: ${problem}`);
  const outputs = types.map((type) => b.values.push({ id: b.values.length, type, name }) - 1);
  const node: Node = { op, inputs, outputs, origin: b.origin };
  b.nodes.push(node);
  for (const id of outputs) b.producers[id] = node;
  return outputs;
}

/** Appends a node with one output. */
export const emitOne = (b: GraphBuilder, name: string, op: Op, inputs: readonly ValueId[], given?: TensorType): ValueId =>
  emit(b, name, op, inputs, given === undefined ? undefined : [given])[0]!;
