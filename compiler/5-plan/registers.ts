/**
 * What it takes to have one value in a register at one place, pulling in by rule everything that is not stored: pointwise maps, sums over the few
 * slots of a token, numbers per row. This is all of fusion's program making; rows.ts, columns.ts and epilogue.ts only provide the loops around it.
 */
import type { Node, ValueId } from "../ir/graph.ts";
import type { Address, Lanes, Line, Row, Term } from "../ir/launch.ts";
import { bug } from "../ir/tensor-type.ts";
import { rowAccess, type RowAccess } from "./access.ts";
import type { Bindings } from "./bindings.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";

/** Where a value is computed: a row of its own matrix (rows × last axis), and in the columns that `lanes` says. */
export interface Cursor {
  readonly row: Row;
  /** Size that holds the columns per row, in units of `lanes`. */
  readonly columns: string;
  readonly lanes: Lanes;
  /** Lines that depend on the row only go to rowLines, the others to columnLines. */
  readonly rowLines: Line[];
  readonly columnLines: Line[];
}

/** The registers of one program. */
export interface Registers {
  readonly facts: Facts;
  readonly bindings: Bindings;
  readonly isStored: (value: ValueId) => boolean;
  /** Registers that hold something already: accumulators, finished reductions, values of this loop. */
  readonly known: Map<string, string>;
  readonly fresh: (prefix: string) => string;
}

export function createRegisters(facts: Facts, bindings: Bindings, isStored: (value: ValueId) => boolean): Registers {
  let count = 0;
  return { facts, bindings, isStored, known: new Map(), fresh: (prefix) => `${prefix}${count++}` };
}

/** The same registers inside a nested loop: what is learnt there is forgotten outside. */
const nested = (r: Registers): Registers => ({ ...r, known: new Map(r.known) });

const COLUMN = "@column";
const rowKey = (value: ValueId, row: Row): string => `${value}@${row ?? 0}`;
const elementKey = (value: ValueId, row: Row): string => `${rowKey(value, row)}${COLUMN}`;

/** Says that a value is in a register: a number of the row, or the columns being computed. */
export const holdRow = (r: Registers, value: ValueId, row: Row, name: string): void => void r.known.set(rowKey(value, row), name);
export const holdElement = (r: Registers, value: ValueId, row: Row, name: string): void => void r.known.set(elementKey(value, row), name);

/** A loop over columns: numbers of the row stay known in it and behind it, columns do not. */
export function inLoop<T>(r: Registers, body: (scope: Registers) => T): T {
  const ofRows = (known: ReadonlyMap<string, string>) => [...known].filter(([key]) => !key.endsWith(COLUMN));
  const scope = { ...r, known: new Map(ofRows(r.known)) };
  const result = body(scope);
  for (const [key, name] of ofRows(scope.known)) r.known.set(key, name);
  return result;
}

const register = (name: string): Term => ({ op: "register", name });

/** @returns the value: of type `lanes`, or one number if the value is one per row */
export function inRegister(r: Registers, asked: ValueId, cursor: Cursor): Term {
  const value = r.facts.through(asked);
  const scalar = isRowScalar(r.facts.type(value));
  const key = scalar ? rowKey(value, cursor.row) : elementKey(value, cursor.row);
  const known = r.known.get(key);
  if (known !== undefined) return register(known);
  const term = r.isStored(value) ? load(r, value, scalar, cursor) : compute(r, value, scalar, cursor);
  const name = r.fresh(scalar ? "s" : "v");
  (scalar ? cursor.rowLines : cursor.columnLines).push({ do: "let", name, value: term });
  r.known.set(key, name);
  return register(name);
}

export const elementAt = ({ row, columns }: Cursor): Address => ({ kind: "element", row, columns });

function load(r: Registers, value: ValueId, scalar: boolean, cursor: Cursor): Term {
  const type = r.facts.type(value);
  const element = type.dtype === "u32" ? "u32" : scalar ? "f32" : cursor.lanes;
  const at: Address = scalar ? { kind: "row", row: cursor.row, stride: colsOf(type) }
    : elementAt(cursor); // what came out of a contraction is stored padded
  return { op: "load", operand: r.bindings.operand(r.facts.base(value), element, false), element, at };
}

function compute(r: Registers, value: ValueId, scalar: boolean, cursor: Cursor): Term {
  const node = r.facts.producer(value);
  switch (node.op.kind) {
    case "map": return {
      op: "map", expr: node.op.expr, inputs: operands(r, node, value, scalar, cursor), lanes: scalar ? "f32" : cursor.lanes,
      column: !scalar,
    };
    case "reduce": return sumOfSlots(r, node, scalar, cursor);
    default: return bug(`${node.op.kind} ${value} is needed in registers but is neither stored nor fusable`);
  }
}

function operands(r: Registers, node: Node, value: ValueId, scalar: boolean, cursor: Cursor): readonly Term[] {
  const lead = r.facts.type(value).shape.slice(0, -1);
  return node.inputs.map((input) => {
    const type = r.facts.type(input);
    const row = operandRow(r, rowAccess(lead, type.shape.slice(0, -1)), cursor);
    const term = inRegister(r, input, { ...cursor, row });
    return isRowScalar(type) && !scalar && cursor.lanes === "vec4f" ? { op: "spread", of: term } : term;
  });
}

function operandRow(r: Registers, access: RowAccess, cursor: Cursor): Row {
  if (access.kind === "same") return cursor.row;
  if (access.kind === "zero") return null;
  const key = `row ${cursor.row} ${JSON.stringify(access)}`;
  const known = r.known.get(key);
  if (known !== undefined) return known;
  const name = r.fresh("r");
  cursor.rowLines.push({ do: "row", name, of: cursor.row, step: { kind: access.kind, sizes: numbersOf(access).map(r.bindings.size) } });
  r.known.set(key, name);
  return name;
}

/** The numbers of a map, in the order in which its formula has them. */
function numbersOf(access: Exclude<RowAccess, { kind: "same" | "zero" }>): readonly number[] {
  switch (access.kind) {
    case "div": case "mod": return [access.by];
    case "divMod": return [access.div, access.mod];
    case "skip": return [access.inner * access.middle, access.inner, access.inner];
  }
}

/** Sum over the axis before the last. */
function sumOfSlots(r: Registers, node: Node, scalar: boolean, cursor: Cursor): Term {
  const input = node.inputs[0]!;
  const slots = r.bindings.size(r.facts.type(input).shape.at(-2)!);
  const [sum, slot, row] = [r.fresh("sum"), r.fresh("j"), r.fresh("r")];
  const lines: Line[] = [];
  const term = inRegister(nested(r), input, { ...cursor, row, rowLines: lines, columnLines: lines });
  (scalar ? cursor.rowLines : cursor.columnLines).push({
    do: "sumSlots", sum, slot, row, of: cursor.row, slots, lanes: scalar ? "f32" : cursor.lanes, lines, term,
  });
  return register(sum);
}

/** `term` where the column is inside the shape, `outside` in the padding. @param columns size that holds the unpadded column count */
export const masked = (term: Term, outside: number, { lanes }: Cursor, columns: string): Term =>
  ({ op: "masked", of: term, outside, lanes, columns });

/** Whether columns of this value can move as vec4s. */
export const isVec4 = (facts: Facts, value: ValueId): boolean => colsOf(facts.type(value)) % 4 === 0;
