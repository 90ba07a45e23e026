/**
 * Sums over a long axis that is not the last: bias and norm gradients, loads per expert, mean losses. The axis is cut into
 * chunks, summed in order within a chunk and then over the chunks, so the result does not depend on scheduling.
 */
import type { ValueId } from "../ir/graph.ts";
import type { Line, Work } from "../ir/launch.ts";
import { elements } from "../ir/tensor-type.ts";
import { CHUNK, WIDTH } from "../kernels/tiles.ts";
import { createBindings, type Bound } from "./bindings.ts";
import type { PlanContext } from "./context.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";
import { padsWithZero } from "./padding.ts";
import { createRegisters, inRegister, isVec4, masked, type Cursor } from "./registers.ts";

interface ColumnShape {
  readonly outer: number;
  readonly mid: number;
  /** Rows (of the last axis) per entry of the reduced axis. */
  readonly innerRows: number;
  readonly cols: number;
  readonly chunks: number;
}

export function columnShapeOf(facts: Facts, reduce: ValueId): ColumnShape {
  const { op, inputs } = facts.producer(reduce);
  const axis = op.kind === "reduce" ? op.axis : 0;
  const { physical, shape } = facts.type(inputs[0]!);
  const mid = shape[axis]!;
  return {
    outer: elements(physical.slice(0, axis)), mid, innerRows: elements(physical.slice(axis + 1, -1)), cols: colsOf(facts.type(inputs[0]!)),
    chunks: Math.ceil(mid / CHUNK),
  };
}

export interface ColumnLaunch {
  readonly work: Work;
  readonly bound: Bound;
  readonly tiles: number;
}

/** First stage: partial sums [outer, chunks, inner] of every reduction of the step, one binding each. */
export function partialSumsLaunch({ facts, isStored }: PlanContext, reduces: readonly ValueId[]): ColumnLaunch {
  const shape = columnShapeOf(facts, reduces[0]!);
  const inputs = reduces.map((v) => facts.producer(v).inputs[0]!);
  const vec4 = isVec4(facts, inputs[0]!);
  const lanes = vec4 ? "vec4f" : "f32";
  const cols = vec4 ? shape.cols / 4 : shape.cols;
  const columns = facts.type(inputs[0]!).shape.at(-1)!;
  const b = createBindings({ outer: shape.outer, mid: shape.mid, chunks: shape.chunks, inner_rows: shape.innerRows, cols, columns },
    (v) => (reduces.includes(v) ? "[outer, chunks, inner] partial sums" : "[outer, mid, inner]"));
  const r = createRegisters(facts, b, isStored);
  const inside: Line[] = [];
  const cursor: Cursor = { row: "row", columns: "cols", lanes, rowLines: inside, columnLines: inside };
  inputs.forEach((input, i) => {
    const raw = inRegister(r, input, cursor);
    const narrow = isRowScalar(facts.type(input)); // one column, perhaps stored as four
    const wide = narrow && vec4 ? { op: "spread", of: raw } as const : raw;
    const needsMask = columns !== shape.cols && (narrow || !padsWithZero(facts, isStored, input));
    inside.push({ do: "accumulate", how: "sum", into: `total${i}`, value: needsMask ? masked(wide, 0, cursor, "columns") : wide });
  });
  const sums = reduces.map((v, i) => ({ accumulator: `total${i}`, operand: b.operand(v, lanes, true) }));
  const bound = b.result();
  const { operands, sizes } = bound;
  return {
    work: { kind: "columnSums", program: { operands, sizes, lanes, inside, sums } }, bound,
    tiles: Math.ceil((shape.outer * shape.chunks * shape.innerRows * cols) / WIDTH),
  };
}
