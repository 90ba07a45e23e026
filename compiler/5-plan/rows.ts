/** Kernels for fused row reductions and pointwise work: one row per invocation or per team, or one element per invocation. */
import type { ValueId } from "../ir/graph.ts";
import type { Profile } from "../ir/plan.ts";
import type { KernelParts } from "../kernels/text.ts";
import { team } from "../kernels/team.ts";
import { createBindings, type BoundNames } from "./bindings.ts";
import { createEmitter, emitValue, isVec4, masked, padsWithZero, rowKey, type Emitter, type Place } from "./emit-value.ts";
import { erfWgsl, type Lanes } from "./expr-wgsl.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";
import type { Step } from "./fuse.ts";

export interface Launch {
  readonly kernel: KernelParts;
  readonly bound: BoundNames;
  readonly grid: readonly number[];
}

type RowsStep = Extract<Step, { kind: "rows" }>;
const WIDTH = 64;

/** @param stored values of this step that somebody else reads */
export function rowsLaunch(facts: Facts, step: RowsStep, isStored: (v: ValueId) => boolean, stored: ReadonlySet<ValueId>, profile: Profile): Launch {
  const matrix = shapeOf(facts, step);
  const writes = [...step.reduces, ...step.stores].filter((v) => stored.has(v));
  const b = createBindings({ rows: step.rows, cols: matrix.lanes === "vec4f" ? step.cols / 4 : step.cols, columns: matrix.columns },
    (v) => `[${facts.type(v).shape.length > 1 ? (isRowScalar(facts.type(v)) ? "…, 1" : "…, columns") : "columns"}]`);
  const own = new Set([...step.reduces, ...step.stores]); // in registers until a loop has written them
  const e = createEmitter(facts, b, (v) => isStored(v) && !own.has(v));
  const text = step.reduces.length === 0 && writes.every((v) => !isRowScalar(facts.type(v)) || step.cols === 1)
    ? elementwise(e, step, writes, matrix) : byRow(e, step, writes, matrix, profile, own);
  return { ...finish(text, b.result()), grid: [text.tiles] };
}

interface Matrix {
  readonly lanes: Lanes;
  /** Unpadded columns, and whether padding exists. */
  readonly columns: number;
  readonly padded: boolean;
}

interface Text {
  readonly name: string;
  readonly doc: readonly string[];
  readonly body: string;
  readonly workgroupSize: number;
  readonly tiles: number;
  readonly enable: string;
  readonly module: string;
}

function finish(text: Text, bound: BoundNames): { kernel: KernelParts; bound: BoundNames } {
  const erf = (["f32", "vec4f"] as const).filter((lanes) => text.body.includes(`erf_${lanes}(`)).map(erfWgsl).join("\n");
  const { name, doc, enable, workgroupSize, body, module } = text;
  return { kernel: { name, doc, enable, workgroupSize, body, module: `${module}\n${erf}`, sizes: bound.sizeNames, storage: bound.storage }, bound };
}

function shapeOf(facts: Facts, step: RowsStep): Matrix {
  const wide = step.reduces.map((v) => facts.producer(v).inputs[0]!).concat(step.stores).find((v) => colsOf(facts.type(v)) === step.cols)!;
  const type = facts.type(wide);
  const columns = type.shape.at(-1) ?? 1;
  return { lanes: isVec4(facts, wide) ? "vec4f" : "f32", columns, padded: columns !== step.cols };
}

function elementwise(e: Emitter, step: RowsStep, writes: readonly ValueId[], matrix: Matrix): Text {
  const lines: string[] = [];
  const place: Place = { row: "row", column: "column", columns: "sizes.cols", lanes: matrix.lanes, rowLines: lines, columnLines: lines };
  for (const value of writes) lines.push(storeElement(e, value, place, matrix));
  return {
    name: "pointwise", doc: ["Pointwise values that share their loads, one element per invocation."],
    enable: "", module: "", workgroupSize: WIDTH, tiles: Math.ceil((step.rows * (step.cols / (matrix.lanes === "vec4f" ? 4 : 1))) / WIDTH),
    body: `let i = tile * ${WIDTH}u + lane;
if (i >= sizes.rows * sizes.cols) { return; }
let row = i / sizes.cols;
let column = i % sizes.cols;
${lines.join("\n")}`,
  };
}

function storeElement(e: Emitter, value: ValueId, place: Place, matrix: Matrix): string {
  const raw = emitValue(e, value, place);
  const scalar = isRowScalar(e.facts.type(value));
  const text = !scalar && matrix.padded && !padsWithZero(e, value) ? masked(raw, "0.0", place, "sizes.columns") : raw;
  const array = e.bindings.array(value, scalar ? "f32" : place.lanes, true);
  return `${array}[${scalar ? place.row : `${place.row} * ${place.columns} + ${place.column}`}] = ${text};`;
}

function storeRowScalar(e: Emitter, value: ValueId, place: Place): string {
  const text = emitValue(e, value, place);
  return colsOf(e.facts.type(value)) === 1
    ? `${e.bindings.array(value, "f32", true)}[row] = ${text};`
    : `${e.bindings.array(value, "vec4f", true)}[row] = vec4f(${text}, 0.0, 0.0, 0.0);`;
}

/** Loops over the columns of a row, as many as reductions depend on each other. */
function byRow(e: Emitter, step: RowsStep, writes: readonly ValueId[], matrix: Matrix, profile: Profile, own: Set<ValueId>): Text {
  const byTeam = profile.rowOwner === "team";
  const levels = levelsOf(e.facts, step, e.isStored);
  const body: string[] = [];
  for (let level = 0; level <= levels.last; level++) {
    const stores = writes.filter((v) => isWide(e.facts, step, v) && levels.value(v) === level);
    body.push(...loop(e, step.reduces.filter((v) => levels.loop(v) === level), stores, matrix, byTeam ? profile.lanes : 0));
    stores.forEach((v) => own.delete(v)); // later loops read them back
  }
  const narrow = writes.filter((v) => !isWide(e.facts, step, v));
  const place = rowPlace(matrix, body, body);
  const stores = narrow.map((v) => storeRowScalar(e, v, place));
  body.push(...(byTeam && stores.length > 0 ? ["if (lane == 0u) {", ...stores, "}"] : stores));
  const ops = byTeam ? team(profile, {}) : { enable: "", module: "", lanes: 0 };
  return {
    name: "rows", doc: [`Row reductions and the pointwise values around them, one row per ${byTeam ? "team" : "invocation"}.`],
    enable: ops.enable, module: ops.module, workgroupSize: byTeam ? ops.lanes : Math.max(4, profile.lanes),
    tiles: byTeam ? step.rows : Math.ceil(step.rows / Math.max(4, profile.lanes)),
    body: `let row = ${byTeam ? "tile" : `tile * ${Math.max(4, profile.lanes)}u + lane`};
if (row >= sizes.rows) { return; }
${body.join("\n")}`,
  };
}

const isWide = (facts: Facts, step: RowsStep, value: ValueId): boolean => !step.reduces.includes(value) && (step.cols === 1 || !isRowScalar(facts.type(value)));
const rowPlace = (matrix: Matrix, rowLines: string[], columnLines: string[]): Place =>
  ({ row: "row", column: "column", columns: "sizes.cols", lanes: matrix.lanes, rowLines, columnLines });

interface Levels {
  /** The loop in which a reduction is summed. */
  readonly loop: (reduce: ValueId) => number;
  /** The first loop in which a value can be computed. */
  readonly value: (value: ValueId) => number;
  readonly last: number;
}

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



function loop(e: Emitter, reduces: readonly ValueId[], stores: readonly ValueId[], matrix: Matrix, stride: number): readonly string[] {
  if (reduces.length + stores.length === 0) return [];
  const before: string[] = [];
  const inside: string[] = [];
  const place = rowPlace(matrix, before, inside);
  const scope: Emitter = { ...e, known: new Map([...e.known].filter(([key]) => !key.endsWith("@column"))) };
  const sums = reduces.map((value) => {
    const how = e.facts.producer(value).op.kind === "reduce" ? (e.facts.producer(value).op as { how: "sum" | "max" }).how : "sum";
    const acc = e.fresh(how === "sum" ? "sum" : "top");
    const input = e.facts.producer(value).inputs[0]!;
    const narrow = isRowScalar(e.facts.type(input)); // a row of one column, perhaps stored as four
    const raw = narrow && matrix.lanes === "vec4f" ? `vec4f(${emitValue(scope, input, place)})` : emitValue(scope, input, place);
    const text = matrix.padded && (how === "max" || narrow || !padsWithZero(e, input)) ? masked(raw, how === "max" ? "-3e38" : "0.0", place, "sizes.columns") : raw;
    inside.push(how === "sum" ? `${acc} += ${text};` : `${acc} = max(${acc}, ${text});`);
    return { value, how, acc };
  });
  const wideStores = stores.map((value) => storeElement(scope, value, place, matrix));
  for (const [key, name] of scope.known) if (!key.endsWith("@column")) e.known.set(key, name); // row scalars stay valid
  const step = stride === 0 ? { from: "0u", by: "1u" } : { from: "lane", by: `${stride}u` };
  return [
    ...before,
    ...sums.map((s) => `var ${s.acc} = ${matrix.lanes}(${s.how === "sum" ? "0.0" : "-3e38"});`),
    `for (var column = ${step.from}; column < sizes.cols; column += ${step.by}) {`, ...inside, ...wideStores, "}",
    ...sums.map((s) => closeReduction(e, s, matrix, stride)),
  ];
}

function closeReduction(e: Emitter, s: { value: ValueId; how: "sum" | "max"; acc: string }, matrix: Matrix, stride: number): string {
  const combine = s.how === "sum" ? (a: string, b: string) => `(${a} + ${b})` : (a: string, b: string) => `max(${a}, ${b})`;
  const lanes = matrix.lanes === "f32" ? s.acc : combine(combine(`${s.acc}.x`, `${s.acc}.y`), combine(`${s.acc}.z`, `${s.acc}.w`));
  const name = e.fresh("row_");
  e.known.set(rowKey(s.value, "row"), name);
  return `let ${name} = ${stride === 0 ? lanes : `team_${s.how}(${lanes}, lane)`};`;
}

