/**
 * What is finished while the result of a contraction is in a register: the result itself if somebody reads it, and the values fused behind
 * it.
 */
import type { ValueId } from "../ir/graph.ts";
import type { EpilogueProgram, Line, Term } from "../ir/launch.ts";
import { bug } from "../ir/tensor-type.ts";
import type { PlanContext } from "./context.ts";
import { colsOf, isRowScalar } from "./facts.ts";
import type { Ref } from "./launch.ts";
import { padsWithZero } from "./padding.ts";
import { createProgram, hold, type Program } from "./program.ts";
import { inRegister, masked, type Cursor } from "./registers.ts";
import type { AnchorStep } from "./step.ts";

interface BoundEpilogue {
  readonly epilogue: EpilogueProgram;
  readonly refs: readonly Ref[];
  readonly sizes: readonly number[];
}

export function epilogueOf(c: PlanContext, step: AnchorStep): BoundEpilogue {
  const { facts } = c;
  const own = step.node.outputs[0]!;
  const p = createProgram(facts, (v) => c.isStored(v) && !step.values.includes(v), {}, (v) => (
    isRowScalar(facts.type(v)) ? "[rows, 1]" : v === own ? "c [rows, columns]" : "[rows, columns] or broadcast"));
  const lines: Line[] = [];
  const cursor: Cursor = { row: "row", columns: "n4", lanes: "vec4f", rowLines: lines, columnLines: lines };
  hold(p, own, cursor.row, "value");
  for (const v of [own, ...step.stores].filter(c.isRead)) {
    const value = padded(p, step, v, cursor);
    lines.push({ do: "store", operand: p.operand(facts.base(v), "vec4f", true), at: "own", value, add: c.accumulates(v), alone: false });
  }
  const { names, values, sizes } = p.bound();
  return { epilogue: { ...names, lines, fused: step.stores.length }, refs: values.map(c.ref), sizes };
}

function padded(p: Program, { node, columns }: AnchorStep, value: ValueId, cursor: Cursor): Term {
  const term = inRegister(p, value, cursor);
  const type = p.facts.type(value);
  const logical = type.shape.at(-1)!;
  if (logical === colsOf(type) || padsWithZero(p.facts, (v) => p.isLoaded(v) || v === node.outputs[0], value)) return term;
  if (colsOf(type) !== columns) bug("an epilogue over several padded axes must keep zeros");
  return masked(term, 0, cursor, p.size(logical));
}
