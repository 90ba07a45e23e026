/**
 * What is finished while the result of a contraction is in a register: the result itself if somebody reads it, and the values fused behind
 * it.
 */
import type { Node, ValueId } from "../ir/graph.ts";
import type { EpilogueProgram, Line, Term } from "../ir/launch.ts";
import { bug } from "../ir/tensor-type.ts";
import { createBindings } from "./bindings.ts";
import type { PlanContext } from "./context.ts";
import { colsOf, isRowScalar } from "./facts.ts";
import type { Ref } from "./launch.ts";
import { padsWithZero } from "./padding.ts";
import { createRegisters, holdElement, inRegister, masked, type Cursor, type Registers } from "./registers.ts";
import { epilogueColumns } from "./step.ts";

interface BoundEpilogue {
  readonly epilogue: EpilogueProgram;
  readonly refs: readonly Ref[];
  readonly sizes: readonly number[];
}

export function epilogueOf(c: PlanContext, node: Node, stores: readonly ValueId[]): BoundEpilogue {
  const { facts } = c;
  const own = node.outputs[0]!;
  const b = createBindings({}, (v) => (isRowScalar(facts.type(v)) ? "[rows, 1]" : v === own ? "c [rows, columns]" : "[rows, columns] or broadcast"));
  const r = createRegisters(facts, b, (v) => c.isStored(v) && v !== own && !stores.includes(v));
  const lines: Line[] = [];
  const cursor: Cursor = { row: "row", columns: "n4", lanes: "vec4f", rowLines: lines, columnLines: lines };
  holdElement(r, own, "row", "value");
  const store = (v: ValueId, value: Term): void => {
    lines.push({ do: "store", operand: b.operand(facts.base(v), "vec4f", true), at: "own", value, add: c.accumulates(v), alone: false });
  };
  if (c.isRead(own)) store(own, { op: "register", name: "value" });
  for (const value of stores.filter(c.isRead)) store(value, padded(r, node, value, cursor));
  const { operands, sizes, values, sizeValues } = b.result();
  return { epilogue: { operands, sizes, lines, fused: stores.length }, refs: values.map(c.ref), sizes: sizeValues };
}

function padded(r: Registers, node: Node, value: ValueId, cursor: Cursor): Term {
  const term = inRegister(r, value, cursor);
  const type = r.facts.type(value);
  const logical = type.shape.at(-1)!;
  if (logical === colsOf(type) || padsWithZero(r.facts, (v) => r.isStored(v) || v === node.outputs[0], value)) return term;
  if (colsOf(type) !== epilogueColumns(r.facts, node)) bug("an epilogue over several padded axes must keep zeros");
  return masked(term, 0, cursor, r.bindings.size(logical));
}
