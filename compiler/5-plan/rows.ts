/** Programs of fused row reductions and pointwise work: one row per invocation or per team, or one element per invocation. */
import type { ValueId } from "../ir/graph.ts";
import type { Lanes, Line, Reduction, RowLoop, Work } from "../ir/launch.ts";
import { rowsPerGroup, WIDTH } from "../kernels/tiles.ts";
import { createBindings, type Bound } from "./bindings.ts";
import type { PlanContext } from "./context.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";
import { padsWithZero } from "./padding.ts";
import { createRegisters, elementAt, holdRow, inLoop, inRegister, isVec4, masked, type Cursor, type Registers } from "./registers.ts";
import { valuesOf, type RowsStep } from "./step.ts";

export interface RowsLaunch {
  readonly work: Work;
  readonly bound: Bound;
  readonly tiles: number;
}

export function rowsLaunch({ facts, isStored, isRead, profile }: PlanContext, step: RowsStep): RowsLaunch {
  const matrix = matrixOf(facts, step);
  const cols = step.cols / (matrix.lanes === "vec4f" ? 4 : 1);
  const writes = valuesOf(step).filter(isRead);
  const b = createBindings({ rows: step.rows, cols, columns: matrix.columns }, (v) => `[${columnsNote(facts, v)}]`);
  const own = new Set(valuesOf(step)); // in registers until a loop has written them
  const r = createRegisters(facts, b, (v) => isStored(v) && !own.has(v));
  if (step.reduces.length === 0 && writes.every((v) => !isRowScalar(facts.type(v)) || step.cols === 1)) {
    const lines = elementwise(r, writes, matrix);
    const bound = b.result();
    return { work: { kind: "pointwise", program: { ...operandsOf(bound), lines } }, bound, tiles: Math.ceil((step.rows * cols) / WIDTH) };
  }
  const program = byRow(r, step, writes, matrix, own);
  const bound = b.result();
  const tiles = profile.rowOwner === "team" ? step.rows : Math.ceil(step.rows / rowsPerGroup(profile));
  return { work: { kind: "rows", program: { ...operandsOf(bound), lanes: matrix.lanes, ...program } }, bound, tiles };
}

const operandsOf = ({ operands, sizes }: Bound): Pick<Bound, "operands" | "sizes"> => ({ operands, sizes });
const columnsNote = (facts: Facts, v: ValueId): string =>
  (facts.type(v).shape.length <= 1 ? "columns" : isRowScalar(facts.type(v)) ? "…, 1" : "…, columns");

interface Matrix {
  readonly lanes: Lanes;
  /** Unpadded columns, and whether padding exists. */
  readonly columns: number;
  readonly padded: boolean;
}

function matrixOf(facts: Facts, step: RowsStep): Matrix {
  const wide = step.reduces.map((v) => facts.producer(v).inputs[0]!).concat(step.stores).find((v) => colsOf(facts.type(v)) === step.cols)!;
  const columns = facts.type(wide).shape.at(-1) ?? 1;
  return { lanes: isVec4(facts, wide) ? "vec4f" : "f32", columns, padded: columns !== step.cols };
}

const cursorIn = ({ lanes }: Matrix, rowLines: Line[], columnLines: Line[]): Cursor =>
  ({ row: "row", columns: "cols", lanes, rowLines, columnLines });

function elementwise(r: Registers, writes: readonly ValueId[], matrix: Matrix): readonly Line[] {
  const lines: Line[] = [];
  const cursor = cursorIn(matrix, lines, lines);
  for (const value of writes) lines.push(storeElement(r, value, cursor, matrix));
  return lines;
}

function storeElement(r: Registers, value: ValueId, cursor: Cursor, matrix: Matrix): Line {
  const raw = inRegister(r, value, cursor);
  const scalar = isRowScalar(r.facts.type(value));
  const term = !scalar && matrix.padded && !padsWithZero(r.facts, r.isStored, value) ? masked(raw, 0, cursor, "columns") : raw;
  const operand = r.bindings.operand(value, scalar ? "f32" : cursor.lanes, true);
  return {
    do: "store", operand, at: scalar ? { kind: "row", row: cursor.row, stride: 1 } : elementAt(cursor), value: term, add: false,
    alone: false,
  };
}

function storeOfRow(r: Registers, value: ValueId, cursor: Cursor): Line {
  const term = inRegister(r, value, cursor);
  const alone = colsOf(r.facts.type(value)) !== 1;
  const operand = r.bindings.operand(value, alone ? "vec4f" : "f32", true);
  return { do: "store", operand, at: { kind: "row", row: "row", stride: 1 }, value: term, add: false, alone };
}

/** Loops over the columns of a row, as many as reductions depend on each other. */
function byRow(
  r: Registers, step: RowsStep, writes: readonly ValueId[], matrix: Matrix, own: Set<ValueId>,
): { loops: readonly RowLoop[]; after: readonly Line[]; stores: readonly Line[] } {
  const levels = levelsOf(r.facts, step, r.isStored);
  const loops: RowLoop[] = [];
  for (let level = 0; level <= levels.last; level++) {
    const reduces = step.reduces.filter((v) => levels.loop(v) === level);
    const stores = writes.filter((v) => isWide(r.facts, step, v) && levels.value(v) === level);
    if (reduces.length + stores.length > 0) loops.push(loop(r, reduces, stores, matrix));
    stores.forEach((v) => own.delete(v)); // later loops read them back
  }
  const after: Line[] = [];
  const stores = writes.filter((v) => !isWide(r.facts, step, v)).map((v) => storeOfRow(r, v, cursorIn(matrix, after, after)));
  return { loops, after, stores };
}

const isWide = (facts: Facts, step: RowsStep, value: ValueId): boolean =>
  !step.reduces.includes(value) && (step.cols === 1 || !isRowScalar(facts.type(value)));

interface Levels {
  /** The loop in which a reduction is summed. */
  readonly loop: (reduce: ValueId) => number;
  /** The first loop in which a value can be computed. */
  readonly value: (value: ValueId) => number;
  readonly last: number;
}

/** A reduction is known one loop after its ingredients: the loops of a row are numbered by how deep reductions nest. */
function levelsOf(facts: Facts, step: RowsStep, isStored: (v: ValueId) => boolean): Levels {
  const memo = new Map<ValueId, number>();
  const inputsLevel = (v: ValueId): number => Math.max(0, ...facts.producer(v).inputs.map((input) => value(facts.through(input))));
  const value = (v: ValueId): number => {
    const known = memo.get(v);
    if (known !== undefined) return known;
    const own = step.reduces.includes(v) || step.stores.includes(v);
    const level = step.reduces.includes(v) ? inputsLevel(v) + 1 : own || !isStored(v) ? inputsLevel(v) : 0;
    memo.set(v, level);
    return level;
  };
  const wide = step.stores.filter((v) => isWide(facts, step, v)).map(value);
  const loops = step.reduces.map((v) => value(v) - 1);
  return { loop: (v) => value(v) - 1, value, last: Math.max(0, ...wide, ...loops) };
}

/** Less than any score; adapters may assume that infinities do not occur. */
const LOWEST = -3e38;

function loop(r: Registers, reduces: readonly ValueId[], stores: readonly ValueId[], matrix: Matrix): RowLoop {
  const [before, inside]: [Line[], Line[]] = [[], []];
  const cursor = cursorIn(matrix, before, inside);
  const sums = inLoop(r, (scope) => {
    const made = reduces.map((value) => ({ value, ...accumulate(scope, value, cursor, matrix) }));
    inside.push(...stores.map((value) => storeElement(scope, value, cursor, matrix)));
    return made;
  });
  const reductions = sums.map(({ value, how, accumulator }) => {
    const result = r.fresh("row_");
    holdRow(r, value, "row", result);
    return { how, accumulator, result };
  });
  return { before, reductions, inside };
}

function accumulate(
  scope: Registers, value: ValueId, cursor: Cursor, matrix: Matrix,
): { readonly how: Reduction; readonly accumulator: string } {
  const { facts } = scope;
  const { op, inputs: [input] } = facts.producer(value);
  const how = op.kind === "reduce" ? op.how : "sum";
  const accumulator = scope.fresh(how === "sum" ? "sum" : "top");
  const narrow = isRowScalar(facts.type(input!)); // a row of one column, perhaps stored as four
  const raw = inRegister(scope, input!, cursor);
  const wide = narrow && matrix.lanes === "vec4f" ? { op: "spread", of: raw } as const : raw;
  const needsMask = matrix.padded && (how === "max" || narrow || !padsWithZero(facts, scope.isStored, input!));
  cursor.columnLines.push({
    do: "accumulate", how, into: accumulator, value: needsMask ? masked(wide, how === "max" ? LOWEST : 0, cursor, "columns") : wide,
  });
  return { how, accumulator };
}
