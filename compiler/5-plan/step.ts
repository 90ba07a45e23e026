/** What one launch does, or a fixed few: which values it computes and leaves in storage. */
import type { Node, ValueId } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { colsOf, rowsOf, sizeOf, type Facts } from "./facts.ts";

export type Step =
  /** A launch of its own; `stores` are values finished in its epilogue, besides its own outputs if those are read. */
  | { readonly kind: "anchor"; readonly node: Node; readonly stores: ValueId[] }
  /** Row reductions and pointwise stores over one matrix. */
  | { readonly kind: "rows"; readonly rows: number; readonly cols: number; readonly reduces: ValueId[]; readonly stores: ValueId[] }
  /** Sums over a long axis that is not the last. */
  | { readonly kind: "columns"; readonly shape: string; readonly reduces: ValueId[] };

export type AnchorStep = Extract<Step, { kind: "anchor" }>;
export type RowsStep = Extract<Step, { kind: "rows" }>;

/** The values of a step: what its launch makes, whether somebody reads it or not. */
export const valuesOf = (step: Step): readonly ValueId[] =>
  step.kind === "anchor" ? [...step.node.outputs, ...step.stores] : step.kind === "rows" ? [...step.reduces, ...step.stores] : step.reduces;

export function newStep(facts: Facts, value: ValueId): Step {
  if (facts.role(value) === "columnSum") return { kind: "columns", shape: columnShape(facts, value), reduces: [value] };
  const reduces = facts.role(value) === "rowReduce" ? [value] : [];
  const { rows, cols } = extentOf(facts, value);
  return { kind: "rows", rows, cols, reduces, stores: reduces.length > 0 ? [] : [value] };
}

/** The matrix that a row reduction or a pointwise value goes over. */
export function extentOf(facts: Facts, value: ValueId): { readonly rows: number; readonly cols: number } {
  const type = facts.type(facts.role(value) === "rowReduce" ? facts.producer(value).inputs[0]! : value);
  return { rows: rowsOf(type), cols: colsOf(type) };
}

/** Sums over the same axis of the same shape. */
export function columnShape(facts: Facts, value: ValueId): string {
  const { op, inputs } = facts.producer(value);
  return `${facts.type(inputs[0]!).shape.join("x")}/${op.kind === "reduce" ? op.axis : ""}`;
}

/** Columns (in words) of an anchor's result as its kernel sees it. */
export function epilogueColumns(facts: Facts, { op, inputs, outputs }: Node): number {
  const output = facts.type(outputs[0]!);
  if (op.kind !== "matmul") return colsOf(output);
  const { physical } = facts.type(inputs[0]!);
  return sizeOf(output) / elements(op.layout === "tn" ? physical.slice(op.aSplit) : physical.slice(0, op.aSplit));
}
