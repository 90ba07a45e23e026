/** Programs of fused row reductions and pointwise work: one row per invocation or per team, or one element per invocation. */
import type { ValueId } from "../ir/graph.ts";
import type { Lanes, Line, Reduction, RowLoop, Work } from "../ir/launch.ts";
import { rowsPerGroup } from "../kernels/tiles.ts";
import type { PlanContext } from "./context.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";
import { flat, type Unlabelled } from "./launch.ts";
import { padsWithZero } from "./padding.ts";
import { createProgram, hold, inColumns, type Program } from "./program.ts";
import { inRegister, isVec4, masked, summand, type Cursor } from "./registers.ts";
import type { RowsStep } from "./step.ts";

export function rowsLaunch(c: PlanContext, step: RowsStep): Unlabelled {
  const { facts, profile } = c;
  const inputs = step.reduces.map((v) => facts.producer(v).inputs[0]!);
  const wide = [...inputs, ...step.stores].find((v) => colsOf(facts.type(v)) === step.cols)!;
  const [lanes, cols]: [Lanes, number] = isVec4(facts, wide) ? ["vec4f", step.cols / 4] : ["f32", step.cols];
  const writes = step.values.filter(c.isRead);
  const own = new Set(step.values); // in registers until a loop has written them
  const fixedSizes = { rows: step.rows, cols, columns: facts.type(wide).shape.at(-1) ?? 1 };
  const p = createProgram(facts, (v) => c.isStored(v) && !own.has(v), fixedSizes, (v) => `[${columnsNote(facts, v)}]`);
  const isPointwise = step.reduces.length === 0 && writes.every((v) => !isRowScalar(facts.type(v)) || step.cols === 1);
  const work = isPointwise ? elementwise(p, writes, lanes) : byRow(p, step, writes, lanes, own);
  const { values, sizes } = p.bound();
  const rowTiles = profile.rowOwner === "team" ? step.rows : Math.ceil(step.rows / rowsPerGroup(profile));
  return { work, refs: values.map(c.ref), sizes, grid: isPointwise ? flat(step.rows * cols) : [rowTiles] };
}

const columnsNote = (facts: Facts, v: ValueId): string =>
  (facts.type(v).shape.length <= 1 ? "columns" : isRowScalar(facts.type(v)) ? "…, 1" : "…, columns");

const cursorIn = (lanes: Lanes, rowLines: Line[], columnLines: Line[]): Cursor =>
  ({ row: "row", columns: "cols", lanes, rowLines, columnLines });

function elementwise(p: Program, writes: readonly ValueId[], lanes: Lanes): Work {
  const lines: Line[] = [];
  const cursor = cursorIn(lanes, lines, lines);
  for (const value of writes) lines.push(store(p, value, cursor));
  return { kind: "pointwise", program: { ...p.bound().names, lines } };
}

function store(p: Program, value: ValueId, cursor: Cursor): Line {
  const { row, columns, lanes } = cursor;
  const term = inRegister(p, value, cursor);
  const type = p.facts.type(value);
  if (isRowScalar(type)) {
    const alone = colsOf(type) !== 1;
    const operand = p.operand(value, alone ? "vec4f" : "f32", true);
    return { do: "store", operand, at: { kind: "row", row, stride: 1 }, value: term, add: false, alone };
  }
  const endsInZeros = type.shape.at(-1) === colsOf(type) || padsWithZero(p.facts, p.isLoaded, value);
  const padded = endsInZeros ? term : masked(term, 0, cursor, "columns");
  const operand = p.operand(value, lanes, true);
  return { do: "store", operand, at: { kind: "element", row, columns }, value: padded, add: false, alone: false };
}

/** Loops over the columns of a row, as many as reductions depend on each other. */
function byRow(p: Program, step: RowsStep, writes: readonly ValueId[], lanes: Lanes, own: Set<ValueId>): Work {
  const levels = new Map<ValueId, number>();
  const last = Math.max(...step.values.map((value) => levelOf(p, step, value, levels)));
  const ofRow = writes.filter((v) => step.reduces.includes(v) || (step.cols !== 1 && isRowScalar(p.facts.type(v))));
  const loops: RowLoop[] = [];
  for (let level = 0; level <= last; level++) {
    const reduces = step.reduces.filter((v) => levels.get(v) === level + 1);
    const stores = writes.filter((v) => !ofRow.includes(v) && levels.get(v) === level);
    if (reduces.length + stores.length > 0) loops.push(loop(p, reduces, stores, lanes));
    stores.forEach((v) => own.delete(v)); // later loops read them back
  }
  const after: Line[] = [];
  const stores = ofRow.map((v) => store(p, v, cursorIn(lanes, after, after)));
  return { kind: "rows", program: { ...p.bound().names, lanes, loops, after, stores } };
}

/** The first loop in which a value can be computed: the one behind that in which the last reduction is summed that it needs. */
function levelOf(p: Program, step: RowsStep, value: ValueId, known: Map<ValueId, number>): number {
  const found = known.get(value);
  if (found !== undefined) return found;
  const inputs = p.isLoaded(value) ? [] : p.facts.producer(value).inputs;
  const ready = Math.max(0, ...inputs.map((input) => levelOf(p, step, p.facts.through(input), known)));
  const level = step.reduces.includes(value) ? ready + 1 : ready;
  known.set(value, level);
  return level;
}

function loop(p: Program, reduces: readonly ValueId[], stores: readonly ValueId[], lanes: Lanes): RowLoop {
  const [before, inside]: [Line[], Line[]] = [[], []];
  const cursor = cursorIn(lanes, before, inside);
  const here = inColumns(p);
  const sums = reduces.map((value) => ({ value, ...accumulate(here, value, cursor) }));
  inside.push(...stores.map((value) => store(here, value, cursor)));
  const reductions = sums.map(({ value, how, accumulator }) => {
    const result = p.fresh("row_");
    hold(p, value, "row", result);
    return { how, accumulator, result };
  });
  return { before, reductions, inside };
}

function accumulate(p: Program, value: ValueId, cursor: Cursor): { readonly how: Reduction; readonly accumulator: string } {
  const { op, inputs: [input] } = p.facts.producer(value);
  const how = op.kind === "reduce" ? op.how : "sum";
  const accumulator = p.fresh(how === "sum" ? "sum" : "top");
  const term = summand(p, input!, how, cursor);
  cursor.columnLines.push({ do: "accumulate", how, into: accumulator, value: term });
  return { how, accumulator };
}
