/**
 * Writes the WGSL that computes one value at one place, pulling in by rule everything that is not stored: pointwise
 * maps, sums over the few slots of a token, row scalars. This is all of fusion's code generation; the kernels around it only
 * provide loops.
 */
import type { Node, ValueId } from "../ir/graph.ts";
import { bug } from "../ir/tensor-type.ts";
import { rowAccess, rowAccessWgsl } from "./access.ts";
import type { Bindings } from "./bindings.ts";
import { exprWgsl, keepsZero, type Lanes } from "./expr-wgsl.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";

/** Where a value is computed: a row of its own matrix (rows × last axis) and a column, counted in vec4s when lanes is vec4f. */
export interface Place {
  readonly row: string;
  readonly column: string;
  /** Columns per row in the same unit. */
  readonly columns: string;
  readonly lanes: Lanes;
  /** Statements that depend on the row only go to rowLines, the others to columnLines. */
  readonly rowLines: string[];
  readonly columnLines: string[];
}

export interface Emitter {
  readonly facts: Facts;
  readonly bindings: Bindings;
  readonly isStored: (value: ValueId) => boolean;
  /** Values that are in registers already: accumulators, finished reductions, values of this loop. */
  readonly known: Map<string, string>;
  readonly fresh: (prefix: string) => string;
}

export function createEmitter(facts: Facts, bindings: Bindings, isStored: (value: ValueId) => boolean): Emitter {
  let count = 0;
  return { facts, bindings, isStored, known: new Map(), fresh: (prefix) => `${prefix}${count++}` };
}

/** The same emitter inside a nested loop: what it learns there is forgotten outside. */
const nested = (e: Emitter): Emitter => ({ ...e, known: new Map(e.known) });

export const rowKey = (value: ValueId, row: string): string => `${value}@${row}`;
export const elementKey = (value: ValueId, row: string, column: string): string => `${value}@${row}@${column}`;

/** @returns WGSL of the value: of type `lanes`, or f32 if the value is one number per row */
export function emitValue(e: Emitter, asked: ValueId, place: Place): string {
  const value = e.facts.through(asked);
  const scalar = isRowScalar(e.facts.type(value));
  const key = scalar ? rowKey(value, place.row) : elementKey(value, place.row, place.column);
  const known = e.known.get(key);
  if (known !== undefined) return known;
  const text = e.isStored(value) ? load(e, value, scalar, place) : compute(e, value, scalar, place);
  const name = e.fresh(scalar ? "s" : "v");
  (scalar ? place.rowLines : place.columnLines).push(`let ${name} = ${text};`);
  e.known.set(key, name);
  return name;
}

function load(e: Emitter, value: ValueId, scalar: boolean, place: Place): string {
  const type = e.facts.type(value);
  const base = e.facts.base(value);
  const stride = colsOf(type); // a row scalar that came out of a contraction is stored padded
  const element = place.row === "0u" ? place.column : `${place.row} * ${place.columns} + ${place.column}`;
  const at = !scalar ? element : stride === 1 ? place.row : `${place.row} * ${stride}u`;
  if (type.dtype === "u32") return `f32(${e.bindings.array(base, "u32", false)}[${at}])`;
  return `${e.bindings.array(base, scalar ? "f32" : place.lanes, false)}[${at}]`;
}

function compute(e: Emitter, value: ValueId, scalar: boolean, place: Place): string {
  const node = e.facts.producer(value);
  if (node.op.kind === "map") return computeMap(e, node, value, scalar, place);
  if (node.op.kind === "reduce") return slotSum(e, node, scalar, place);
  bug(`${node.op.kind} ${value} is needed in registers but is neither stored nor fusable`);
}

function computeMap(e: Emitter, node: Node, value: ValueId, scalar: boolean, place: Place): string {
  if (node.op.kind !== "map") bug("not a map");
  const lanes = scalar ? "f32" : place.lanes;
  const lead = e.facts.type(value).shape.slice(0, -1);
  const inputs = node.inputs.map((input) => {
    const type = e.facts.type(input);
    const row = operandRow(e, lead, type.shape.slice(0, -1), place);
    const text = emitValue(e, input, { ...place, row });
    return isRowScalar(type) && lanes === "vec4f" ? `vec4f(${text})` : text;
  });
  return exprWgsl(node.op.expr, inputs, scalar ? "0.0" : columnIndex(place), lanes);
}

const columnIndex = (place: Place): string =>
  place.lanes === "f32" ? `f32(${place.column})` : `(f32(4u * ${place.column}) + vec4f(0.0, 1.0, 2.0, 3.0))`;

function operandRow(e: Emitter, domain: readonly number[], operand: readonly number[], place: Place): string {
  const access = rowAccess(domain, operand);
  if (access.kind === "same") return place.row;
  if (access.kind === "zero") return "0u";
  const key = `row ${place.row} ${JSON.stringify(access)}`;
  const known = e.known.get(key);
  if (known !== undefined) return known;
  const name = e.fresh("r");
  place.rowLines.push(`let ${name} = ${rowAccessWgsl(access, place.row, e.bindings.size)};`);
  e.known.set(key, name);
  return name;
}

/** Sum over the axis before the last, written as a loop. */
function slotSum(e: Emitter, node: Node, scalar: boolean, place: Place): string {
  const input = node.inputs[0]!;
  const slots = e.bindings.size(e.facts.type(input).shape.at(-2)!);
  const [sum, j, row] = [e.fresh("sum"), e.fresh("j"), e.fresh("r")];
  const lines: string[] = [`let ${row} = ${place.row} * ${slots} + ${j};`];
  const term = emitValue(nested(e), input, { ...place, row, rowLines: lines, columnLines: lines });
  (scalar ? place.rowLines : place.columnLines).push(
    `var ${sum} = ${scalar ? "f32" : place.lanes}();`, `for (var ${j} = 0u; ${j} < ${slots}; ${j}++) {`, ...lines, `${sum} += ${term};`, "}");
  return sum;
}

/** Whether the stored padding of a value comes out as 0 by itself. */
export function padsWithZero(e: Pick<Emitter, "facts" | "isStored">, asked: ValueId, memo: Map<ValueId, boolean> = new Map()): boolean {
  const value = e.facts.through(asked);
  const known = memo.get(value);
  if (known !== undefined) return known;
  const node = e.facts.producer(value);
  const result = e.isStored(value) ? true
    : node.op.kind === "reduce" ? padsWithZero(e, node.inputs[0]!, memo)
    : node.op.kind === "map" && keepsZero(node.op.expr, node.inputs.map((input) => !isRowScalar(e.facts.type(input)) && padsWithZero(e, input, memo)));
  memo.set(value, result);
  return result;
}

/** `text` where the column is inside the shape, `outside` in the padding. `logical` is WGSL of the unpadded column count. */
export function masked(text: string, outside: string, place: Place, logical: string): string {
  return place.lanes === "f32"
    ? `select(${outside}, ${text}, ${place.column} < ${logical})`
    : `select(vec4f(${outside}), ${text}, (vec4u(4u * ${place.column}) + vec4u(0u, 1u, 2u, 3u)) < vec4u(${logical}))`;
}

/** Whether columns of this value can move as vec4s. */
export const isVec4 = (facts: Facts, value: ValueId): boolean => colsOf(facts.type(value)) % 4 === 0;
