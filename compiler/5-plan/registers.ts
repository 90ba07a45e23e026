/**
 * What it takes to have one value in a register at one place, pulling in by rule everything that is not stored: pointwise maps, sums over
 * the few slots of a token, numbers per row. This is all of fusion's program making; rows.ts, columns.ts and epilogue.ts only provide the
 * loops around it.
 */
import type { ValueId } from "../ir/graph.ts";
import type { Address, Lanes, Line, Reduction, Row, Term } from "../ir/launch.ts";
import { bug } from "../ir/tensor-type.ts";
import { rowAccess, type RowAccess } from "./access.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";
import { padsWithZero } from "./padding.ts";
import { nested, type Program } from "./program.ts";

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

/** @returns the value: of type `lanes`, or one number if the value is one per row */
export function inRegister(p: Program, asked: ValueId, cursor: Cursor): Term {
  const value = p.facts.through(asked);
  const isScalar = isRowScalar(p.facts.type(value));
  const known = isScalar ? p.known.numbers : p.known.columns;
  const key = `${value}@${cursor.row}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const lanes = isScalar ? "f32" : cursor.lanes;
  const term = p.isLoaded(value) ? load(p, value, lanes, cursor) : compute(p, value, lanes, cursor);
  const register = { op: "register", name: p.fresh(isScalar ? "s" : "v") } as const;
  (isScalar ? cursor.rowLines : cursor.columnLines).push({ do: "let", name: register.name, value: term });
  known.set(key, register);
  return register;
}

function load(p: Program, value: ValueId, lanes: Lanes, { row, columns }: Cursor): Term {
  const type = p.facts.type(value);
  const element = type.dtype === "u32" ? "u32" : lanes;
  const stride = colsOf(type); // a number for each row, too, is stored padded where it came out of a contraction
  const at: Address = isRowScalar(type) ? { kind: "row", row, stride } : { kind: "element", row, columns };
  return { op: "load", operand: p.operand(p.facts.base(value), element, false), element, at };
}

function compute(p: Program, value: ValueId, lanes: Lanes, cursor: Cursor): Term {
  const { op, inputs } = p.facts.producer(value);
  switch (op.kind) {
    case "map": return {
      op: "map", expr: op.expr, inputs: inputs.map((input) => operandOf(p, value, input, lanes, cursor)), lanes,
      column: !isRowScalar(p.facts.type(value)),
    };
    case "reduce": return sumOfSlots(p, inputs[0]!, lanes, isRowScalar(p.facts.type(value)) ? cursor.rowLines : cursor.columnLines, cursor);
    default: return bug(`${op.kind} ${value} is needed in registers but is neither stored nor fusable`);
  }
}

/** An input of a map, which may broadcast. */
function operandOf(p: Program, value: ValueId, input: ValueId, lanes: Lanes, cursor: Cursor): Term {
  const [to, from] = [p.facts.type(value), p.facts.type(input)];
  const row = operandRow(p, rowAccess(to.shape.slice(0, -1), from.shape.slice(0, -1)), cursor);
  const term = inRegister(p, input, { ...cursor, row });
  return isRowScalar(from) && lanes === "vec4f" ? { op: "spread", of: term } : term;
}

function operandRow({ known, fresh, size }: Program, access: RowAccess, cursor: Cursor): Row {
  if (access.kind === "same") return cursor.row;
  if (access.kind === "zero") return null;
  const key = `${JSON.stringify(access)}@${cursor.row}`;
  const found = known.rows.get(key);
  if (found !== undefined) return found;
  const name = fresh("r");
  cursor.rowLines.push({ do: "row", name, of: cursor.row, step: { kind: access.kind, sizes: numbersOf(access).map(size) } });
  known.rows.set(key, name);
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

/** Sum over the axis before the last. @param into lines that compute it */
function sumOfSlots(p: Program, input: ValueId, lanes: Lanes, into: Line[], cursor: Cursor): Term {
  const slots = p.size(p.facts.type(input).shape.at(-2)!);
  const [sum, slot, row] = [p.fresh("sum"), p.fresh("j"), p.fresh("r")];
  const lines: Line[] = [];
  const term = inRegister(nested(p), input, { ...cursor, row, rowLines: lines, columnLines: lines });
  into.push({ do: "sumSlots", sum, slot, row, of: cursor.row, slots, lanes, lines, term });
  return { op: "register", name: sum };
}

/** `term` where the column is inside the shape, `outside` in the padding. @param columns size that holds the unpadded column count */
export const masked = (term: Term, outside: number, { lanes }: Cursor, columns: string): Term =>
  ({ op: "masked", of: term, outside, lanes, columns });

/** Less than any score; adapters may assume that infinities do not occur. */
const LOWEST = -3e38;

/** A value as a sum or a maximum over its columns takes it: four lanes, the padding without effect. */
export function summand(p: Program, value: ValueId, how: Reduction, cursor: Cursor): Term {
  const type = p.facts.type(value);
  const isNarrow = isRowScalar(type); // a row of one column, perhaps stored as four
  const raw = inRegister(p, value, cursor);
  const term: Term = isNarrow && cursor.lanes === "vec4f" ? { op: "spread", of: raw } : raw;
  if (type.shape.at(-1) === colsOf(type)) return term;
  const isHarmless = how === "sum" && !isNarrow && padsWithZero(p.facts, p.isLoaded, value);
  return isHarmless ? term : masked(term, how === "max" ? LOWEST : 0, cursor, "columns");
}

/** Whether columns of this value can move as vec4s. */
export const isVec4 = (facts: Facts, value: ValueId): boolean => colsOf(facts.type(value)) % 4 === 0;
