/**
 * Sums over a long axis that is not the last: bias and norm gradients, loads per expert, mean losses. The axis is cut into
 * chunks, summed in order within a chunk and then over the chunks, so the result does not depend on scheduling.
 */
import type { ValueId } from "../ir/graph.ts";
import type { Line } from "../ir/launch.ts";
import { elements } from "../ir/tensor-type.ts";
import type { PlanContext } from "./context.ts";
import { colsOf, type Facts } from "./facts.ts";
import { flat, type Unlabelled } from "./launch.ts";
import { createProgram } from "./program.ts";
import { isVec4, summand, type Cursor } from "./registers.ts";
import { chunksOf, type ColumnsStep } from "./step.ts";

/** What all sums of a step go over: [outer, mid, inner], inner being rows of columns, mid summed in chunks. */
interface Extents {
  readonly outer: number;
  readonly mid: number;
  readonly chunks: number;
  readonly innerRows: number;
  readonly cols: number;
}

function extentsOf(facts: Facts, step: ColumnsStep, input: ValueId): Extents {
  const { physical } = facts.type(input);
  return {
    outer: elements(physical.slice(0, step.axis)), mid: step.shape[step.axis]!, chunks: chunksOf(step),
    innerRows: elements(physical.slice(step.axis + 1, -1)), cols: colsOf(facts.type(input)) / (isVec4(facts, input) ? 4 : 1),
  };
}

/** Partial sums of all reductions in one launch, then the total of each. */
export function columnLaunches(c: PlanContext, step: ColumnsStep): readonly Unlabelled[] {
  const inputs = step.reduces.map((v) => c.facts.producer(v).inputs[0]!);
  const { outer, mid, chunks, innerRows, cols } = extentsOf(c.facts, step, inputs[0]!);
  const lanes = isVec4(c.facts, inputs[0]!) ? "vec4f" : "f32";
  const p = createProgram(c.facts, c.isStored, { outer, mid, chunks, inner_rows: innerRows, cols, columns: step.shape.at(-1)! },
    (v) => (step.reduces.includes(v) ? "[outer, chunks, inner] partial sums" : "[outer, mid, inner]"));
  const inside: Line[] = [];
  const cursor: Cursor = { row: "row", columns: "cols", lanes, rowLines: inside, columnLines: inside };
  inputs.forEach((input, i) => inside.push({ do: "accumulate", how: "sum", into: `total${i}`, value: summand(p, input, "sum", cursor) }));
  const sums = step.reduces.map((v, i) => ({ accumulator: `total${i}`, operand: p.operand(v, lanes, true) }));
  const { names, values, sizes } = p.bound();
  const partial = new Map(step.reduces.map((v, i) => [v, c.scratch(step)[i]!]));
  const width = innerRows * cols;
  return [
    {
      work: { kind: "columnSums", program: { ...names, lanes, inside, sums } }, refs: values.map((v) => partial.get(v) ?? c.ref(v)), sizes,
      grid: flat(outer * chunks * width),
    },
    ...step.reduces.map((v): Unlabelled => ({
      work: { kind: "columnTotals", lanes, add: c.accumulates(v) }, refs: [partial.get(v)!, c.ref(v)], sizes: [outer, chunks, width],
      grid: flat(outer * width),
    })),
  ];
}
