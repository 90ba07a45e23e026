/** Kernels around the programs of fused launches: pointwise work, row reductions, column sums, and what a contraction's kernel calls for each result. */
import type { ColumnSumsProgram, EpilogueProgram, Lanes, PointwiseProgram, RowLoop, RowsProgram } from "../ir/launch.ts";
import type { Profile } from "../ir/plan.ts";
import type { Epilogue } from "../kernels/matmul.ts";
import { team } from "../kernels/team.ts";
import type { KernelParts } from "../kernels/text.ts";
import { CHUNK, rowsPerGroup, WIDTH } from "../kernels/tiles.ts";
import { helpersFor, linesWgsl } from "./program.ts";

/** `fn finish(row, column, value)`, column counted in vec4s. */
export function epilogueWgsl({ operands, sizes, lines, fused }: EpilogueProgram): Epilogue {
  const text = linesWgsl(lines);
  const finish = `${helpersFor(text)}
fn finish(row: u32, column: u32, value: vec4f) {
let at = row * sizes.n4 + column;
${text}
}`;
  return { finish, storage: operands, sizes, note: fused > 0 ? `${fused} fused pointwise value(s)` : "" };
}

export function pointwiseKernel({ operands, sizes, lines }: PointwiseProgram): KernelParts {
  const text = linesWgsl(lines);
  return {
    name: "pointwise", doc: ["Pointwise values that share their loads, one element per invocation."],
    sizes, storage: operands, workgroupSize: WIDTH, module: helpersFor(text),
    body: `let i = tile * ${WIDTH}u + lane;
if (i >= sizes.rows * sizes.cols) { return; }
let row = i / sizes.cols;
let column = i % sizes.cols;
${text}`,
  };
}

/** Loops over the columns of a row, one row per invocation, or per team whose lanes take every n-th column. */
export function rowsKernel({ operands, sizes, lanes, loops, after, stores }: RowsProgram, profile: Profile): KernelParts {
  const byTeam = profile.rowOwner === "team";
  const ops = byTeam ? team(profile, {}) : { enable: "", module: "", lanes: rowsPerGroup(profile) };
  const storing = linesWgsl(stores);
  const text = [
    ...loops.map((loop) => loopWgsl(loop, lanes, byTeam ? profile.lanes : null)),
    linesWgsl(after),
    byTeam && stores.length > 0 ? `if (lane == 0u) {\n${storing}\n}` : storing,
  ].join("\n");
  return {
    name: "rows", doc: [`Row reductions and the pointwise values around them, one row per ${byTeam ? "team" : "invocation"}.`],
    sizes, storage: operands, enable: ops.enable, workgroupSize: ops.lanes, module: `${ops.module}\n${helpersFor(text)}`,
    body: `let row = ${byTeam ? "tile" : `tile * ${ops.lanes}u + lane`};
if (row >= sizes.rows) { return; }
${text}`,
  };
}

/** @param stride lanes that share a row; null where one invocation has it */
function loopWgsl({ before, reductions, inside }: RowLoop, lanes: Lanes, stride: number | null): string {
  const start = reductions.map(({ how, accumulator }) => `var ${accumulator} = ${lanes}(${how === "sum" ? "0.0" : "-3e38"});`);
  const [from, by] = stride === null ? ["0u", "1u"] : ["lane", `${stride}u`];
  return [
    linesWgsl(before), ...start,
    `for (var column = ${from}; column < sizes.cols; column += ${by}) {\n${linesWgsl(inside)}\n}`,
    ...reductions.map((reduction) => closeReduction(reduction, lanes, stride !== null)),
  ].join("\n");
}

function closeReduction({ how, accumulator, result }: RowLoop["reductions"][number], lanes: Lanes, byTeam: boolean): string {
  const both = (a: string, b: string): string => (how === "sum" ? `(${a} + ${b})` : `max(${a}, ${b})`);
  const ofLane = lanes === "f32" ? accumulator : both(both(`${accumulator}.x`, `${accumulator}.y`), both(`${accumulator}.z`, `${accumulator}.w`));
  return `let ${result} = ${byTeam ? `team_${how}(${ofLane}, lane)` : ofLane};`;
}

/** First stage of sums over the middle axis of [outer, mid, inner]: partial sums [outer, chunks, inner]. */
export function columnSumsKernel({ operands, sizes, lanes, inside, sums }: ColumnSumsProgram): KernelParts {
  const text = linesWgsl(inside);
  return {
    name: "column_sums", doc: ["Sums over the middle axis, first stage: one chunk of it per invocation."],
    sizes, storage: operands, workgroupSize: WIDTH, module: helpersFor(text),
    body: `let i = tile * ${WIDTH}u + lane; // place in [outer, chunks, inner]
let inner = sizes.inner_rows * sizes.cols;
if (i >= sizes.outer * sizes.chunks * inner) { return; }
let inner_row = (i % inner) / sizes.cols;
let column = i % sizes.cols;
let chunk = (i / inner) % sizes.chunks;
let first = (i / inner / sizes.chunks) * sizes.mid;
let end = min((chunk + 1u) * ${CHUNK}u, sizes.mid);
${sums.map(({ accumulator }) => `var ${accumulator} = ${lanes}(0.0);`).join("\n")}
for (var at = chunk * ${CHUNK}u; at < end; at++) {
let row = (first + at) * sizes.inner_rows + inner_row;
${text}
}
${sums.map(({ accumulator, operand }) => `${operand}[i] = ${accumulator};`).join("\n")}`,
  };
}

/** Second stage. Sizes: outer, chunks, inner (elements). */
export const columnTotalsKernel = (lanes: Lanes, add: boolean): KernelParts => ({
  name: add ? "column_totals_add" : "column_totals",
  doc: ["Sums over the middle axis, second stage: the chunks in order."],
  sizes: ["outer", "chunks", "inner"],
  storage: [
    { name: "partial", element: lanes, access: "read", note: "[outer, chunks, inner]" },
    { name: "total", element: lanes, access: "read_write", note: `[outer, inner]${add ? ", added to" : ""}` },
  ],
  workgroupSize: WIDTH,
  body: `let i = tile * ${WIDTH}u + lane;
if (i >= sizes.outer * sizes.inner) { return; }
let first = (i / sizes.inner) * sizes.chunks * sizes.inner + i % sizes.inner;
var sum = ${lanes}(0.0);
for (var chunk = 0u; chunk < sizes.chunks; chunk++) { sum += partial[first + chunk * sizes.inner]; }
total[i] = ${add ? "total[i] + " : ""}sum;`,
});
