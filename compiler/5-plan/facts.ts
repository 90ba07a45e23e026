/** Facts about a graph that fusion and lowering ask for again and again, computed once. */
import type { Node, Op, OpGraph, TensorType, ValueId } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";

/**
 * What a value is to fusion. Maps and sums over few slots are pointwise: whoever needs them can compute them again. Reductions of rows
 * and sums over other axes are computed once, as is what an operation with a kernel of its own makes, the anchor of a launch.
 */
export type FusionRole = "given" | "view" | "map" | "slotSum" | "rowReduce" | "columnSum" | "anchor";

/** A sum over an axis this short is recomputed inside its consumers instead of stored. */
const SHORT_AXIS = 32;

export interface Facts {
  readonly graph: OpGraph;
  readonly type: (value: ValueId) => TensorType;
  readonly name: (value: ValueId) => string;
  /** The node that makes a value. */
  readonly producer: (value: ValueId) => Node;
  readonly role: (value: ValueId) => FusionRole;
  /** Nodes that read a value directly. */
  readonly consumers: (value: ValueId) => readonly Node[];
  /** The value whose storage a chain of views shows. */
  readonly base: (value: ValueId) => ValueId;
  /** Whether a value is, or is seen as, a gradient of a parameter. */
  readonly isContribution: (value: ValueId) => boolean;
  /** Follows views that keep rows and columns as they are (only such views may be looked through while fusing). */
  readonly through: (value: ValueId) => ValueId;
}

/** Rows of a tensor seen as a matrix whose columns are its last axis. */
export const rowsOf = (type: TensorType): number => elements(type.physical.slice(0, -1));
/** Stored columns: the physical extent of the last axis. */
export const colsOf = (type: TensorType): number => type.physical.at(-1) ?? 1;
/** One number per row. */
export const isRowScalar = (type: TensorType): boolean => (type.shape.at(-1) ?? 1) === 1;
export const sizeOf = (type: TensorType): number => elements(type.physical);

export function gatherFacts(graph: OpGraph): Facts {
  const producers: Node[] = [];
  const consumers: Node[][] = graph.values.map(() => []);
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers[output] = node;
    for (const value of new Set(node.inputs)) consumers[value]!.push(node);
  }
  const type = (value: ValueId): TensorType => graph.values[value]!.type;
  const producer = (value: ValueId): Node => producers[value]!;
  const follow = (value: ValueId, transparent: (from: ValueId, to: ValueId) => boolean): ValueId => {
    const node = producer(value);
    if (node.op.kind !== "view" || !transparent(node.inputs[0]!, value)) return value;
    return follow(node.inputs[0]!, transparent);
  };
  const keepsMatrix = (from: ValueId, to: ValueId): boolean =>
    rowsOf(type(from)) === rowsOf(type(to)) && colsOf(type(from)) === colsOf(type(to));
  const base = (value: ValueId): ValueId => follow(value, () => true);
  const contributions = new Set(graph.gradients.flatMap((g) => g.contributions.map(base)));
  const isContribution = (value: ValueId): boolean => contributions.has(value);
  const roles: FusionRole[] = [];
  for (const { op, inputs, outputs } of graph.nodes) {
    for (const output of outputs) roles[output] = roleOf(op, inputs.map(type), isContribution(output));
  }
  return {
    graph,
    type,
    name: (value) => graph.values[value]!.name,
    producer,
    role: (value) => roles[value]!,
    consumers: (value) => consumers[value]!,
    base,
    isContribution,
    through: (value) => follow(value, keepsMatrix),
  };
}

function roleOf(op: Op, [input]: readonly TensorType[], isContribution: boolean): FusionRole {
  switch (op.kind) {
    case "input": case "param": case "ropeTable": case "sinusoid": return "given";
    case "view": case "map": return op.kind;
    case "reduce": {
      const { shape } = input!;
      if (op.axis === shape.length - 1) return "rowReduce";
      const fewSlots = op.how === "sum" && op.axis === shape.length - 2 && shape[op.axis]! <= SHORT_AXIS;
      return fewSlots && !isContribution ? "slotSum" : "columnSum";
    }
    default: return "anchor";
  }
}
