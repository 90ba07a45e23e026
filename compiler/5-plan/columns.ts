/**
 * Sums over a long axis that is not the last: bias and norm gradients, loads per expert, mean losses. The axis is cut into
 * chunks, summed in order within a chunk and then over the chunks, so the result does not depend on scheduling.
 */
import type { ValueId } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import type { KernelParts, Storage } from "../kernels/text.ts";
import { createBindings, type BoundNames } from "./bindings.ts";
import { createEmitter, emitValue, isVec4, masked, padsWithZero, type Place } from "./emit-value.ts";
import { colsOf, isRowScalar, type Facts } from "./facts.ts";
import { erfWgsl } from "./expr-wgsl.ts";

const WIDTH = 64;
/** Entries of the axis that one invocation adds up. */
const CHUNK = 32;

export interface ColumnShape {
  readonly outer: number;
  readonly mid: number;
  /** Rows (of the last axis) per entry of the reduced axis. */
  readonly innerRows: number;
  readonly cols: number;
  readonly chunks: number;
}

export function columnShapeOf(facts: Facts, reduce: ValueId): ColumnShape {
  const node = facts.producer(reduce);
  const axis = node.op.kind === "reduce" ? node.op.axis : 0;
  const { physical, shape } = facts.type(node.inputs[0]!);
  const mid = shape[axis]!;
  return { outer: elements(physical.slice(0, axis)), mid, innerRows: elements(physical.slice(axis + 1, -1)), cols: colsOf(facts.type(node.inputs[0]!)), chunks: Math.ceil(mid / CHUNK) };
}

export interface ColumnLaunch {
  readonly kernel: KernelParts;
  readonly bound: BoundNames;
  readonly grid: readonly number[];
}

/** First stage: partial sums [outer, chunks, inner] of every reduction of the step, one binding each. */
export function partialSumsLaunch(facts: Facts, reduces: readonly ValueId[], isStored: (v: ValueId) => boolean): ColumnLaunch {
  const shape = columnShapeOf(facts, reduces[0]!);
  const inputs = reduces.map((v) => facts.producer(v).inputs[0]!);
  const vec4 = isVec4(facts, inputs[0]!);
  const lanes = vec4 ? "vec4f" : "f32";
  const cols = vec4 ? shape.cols / 4 : shape.cols;
  const columns = facts.type(inputs[0]!).shape.at(-1)!;
  const b = createBindings({ outer: shape.outer, mid: shape.mid, chunks: shape.chunks, inner_rows: shape.innerRows, cols, columns },
    (v) => (reduces.includes(v) ? "[outer, chunks, inner] partial sums" : "[outer, mid, inner]"));
  const e = createEmitter(facts, b, isStored);
  const before: string[] = [];
  const inside: string[] = [];
  const place: Place = { row: "row", column: "column", columns: "sizes.cols", lanes, rowLines: inside, columnLines: inside };
  const sums = inputs.map((input, i) => {
    const raw = emitValue(e, input, place);
    const narrow = isRowScalar(facts.type(input)); // one column, perhaps stored as four
    const wide = narrow && vec4 ? `vec4f(${raw})` : raw;
    const text = columns !== shape.cols && (narrow || !padsWithZero(e, input)) ? masked(wide, "0.0", place, "sizes.columns") : wide;
    inside.push(`total${i} += ${text};`);
    return `var total${i} = ${lanes}(0.0);`;
  });
  const stores = reduces.map((v, i) => `${b.array(v, lanes, true)}[i] = total${i};`);
  const body = `let i = tile * ${WIDTH}u + lane; // place in [outer, chunks, inner]
let inner = sizes.inner_rows * sizes.cols;
if (i >= sizes.outer * sizes.chunks * inner) { return; }
let inner_row = (i % inner) / sizes.cols;
let column = i % sizes.cols;
let chunk = (i / inner) % sizes.chunks;
let first = (i / inner / sizes.chunks) * sizes.mid;
let end = min((chunk + 1u) * ${CHUNK}u, sizes.mid);
${[...before, ...sums].join("\n")}
for (var at = chunk * ${CHUNK}u; at < end; at++) {
let row = (first + at) * sizes.inner_rows + inner_row;
${inside.join("\n")}
}
${stores.join("\n")}`;
  const bound = b.result();
  const erf = (["f32", "vec4f"] as const).filter((l) => body.includes(`erf_${l}(`)).map(erfWgsl).join("\n");
  const kernel: KernelParts = { name: "column_sums", doc: ["Sums over the middle axis, first stage: one chunk of it per invocation."], module: erf,
    sizes: bound.sizeNames, storage: bound.storage, workgroupSize: WIDTH, body };
  return { kernel, bound, grid: [Math.ceil((shape.outer * shape.chunks * shape.innerRows * cols) / WIDTH)] };
}

/** Second stage. Sizes: outer, chunks, inner (elements). */
export const totalSumsKernel = (vec4: boolean, accumulate: boolean): KernelParts => {
  const element = vec4 ? "vec4f" : "f32";
  const storage: Storage[] = [
    { name: "partial", element, access: "read", note: "[outer, chunks, inner]" },
    { name: "total", element, access: "read_write", note: `[outer, inner]${accumulate ? ", added to" : ""}` },
  ];
  return {
    name: accumulate ? "column_totals_add" : "column_totals",
    doc: ["Sums over the middle axis, second stage: the chunks in order."],
    sizes: ["outer", "chunks", "inner"], storage, workgroupSize: WIDTH,
    body: `let i = tile * ${WIDTH}u + lane;
if (i >= sizes.outer * sizes.inner) { return; }
let first = (i / sizes.inner) * sizes.chunks * sizes.inner + i % sizes.inner;
var sum = ${element}(0.0);
for (var chunk = 0u; chunk < sizes.chunks; chunk++) { sum += partial[first + chunk * sizes.inner]; }
total[i] = ${accumulate ? "total[i] + " : ""}sum;`,
  };
};
