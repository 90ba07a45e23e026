/**
 * Kernels around the programs of fused launches: pointwise work, row reductions, column sums, and what a contraction's kernel calls for
 * each result.
 *
 * Errors, with u = 2⁻²⁴ and n terms:
 *   sum of a row           (n + 3)·u·Σ|terms|: in order of columns where one invocation owns the row; a team's lanes add up their own
 *                          columns in order, then each other's sums
 *   greatest of a row      none
 *   sum over a middle axis n·u·Σ|terms|: in order within a chunk of CHUNK, then in order of chunks
 *   RMS norm               (n/2 + 10)·u·|y|: the root halves the share of the squares; inverseSqrt is off by 2 units in the last place
 *   LayerNorm              ((n + 6)·mean|x|/σ + (n/2 + 12)·|y|)·u before gain and bias, with the error of the mean in its first term
 *   softmax                (2·(6 + 5·m) + n + 8)·u·p with m = max|x − top|: exp(x) is off by 3 + 2|x| units in the last place
 * What WGSL promises of exp, log and inverseSqrt is all that the last three rest on.
 */
import type { ColumnSumsProgram, EpilogueProgram, Lanes, PointwiseProgram, RowLoop, RowsProgram } from "../ir/launch.ts";
import type { Profile } from "../ir/plan.ts";
import type { Epilogue } from "../kernels/matmul.ts";
import { team } from "../kernels/team.ts";
import { oneEach, wgsl, type KernelParts } from "../kernels/text.ts";
import { CHUNK, rowsPerGroup, WIDTH } from "../kernels/tiles.ts";
import { helpersFor, linesWgsl } from "./program.ts";

/** `fn finish(row, column, value)`, column counted in vec4s. */
export function epilogueWgsl({ operands, sizes, lines, fused }: EpilogueProgram): Epilogue {
  const text = linesWgsl(lines);
  const finish = wgsl`
    ${helpersFor(text)}
    fn finish(row: u32, column: u32, value: vec4f) {
      let at = row * sizes.n4 + column;
      ${text}
    }
  `;
  return { finish, storage: operands, sizes, note: fused > 0 ? `${fused} fused pointwise value(s)` : "" };
}

/** Values [rows, cols], each element by one invocation. */
export function pointwiseKernel({ operands, sizes, lines }: PointwiseProgram): KernelParts {
  const text = linesWgsl(lines);
  return {
    name: "pointwise", doc: ["Pointwise values that share their loads, one element per invocation."],
    sizes, storage: operands, workgroupSize: WIDTH, module: helpersFor(text),
    body: wgsl`
      ${oneEach("i", "sizes.rows * sizes.cols")}
      let row = i / sizes.cols;
      let column = i % sizes.cols;
      ${text}
    `,
  };
}

/** Loops over the columns of a row of [rows, cols], one row per invocation, or per team whose lanes take every n-th column. */
export function rowsKernel({ operands, sizes, lanes, loops, after, stores }: RowsProgram, profile: Profile): KernelParts {
  const byTeam = profile.rowOwner === "team";
  const ops = byTeam ? team(profile, {}) : { enable: "", module: "", lanes: rowsPerGroup(profile) };
  const text = wgsl`
    ${loops.map((loop) => loopWgsl(loop, lanes, byTeam ? profile.lanes : null)).join("\n")}
    ${linesWgsl(after)}
    ${byTeam && stores.length > 0 ? byFirstLane(linesWgsl(stores)) : linesWgsl(stores)}
  `;
  return {
    name: "rows", doc: [`Row reductions and the pointwise values around them, one row per ${byTeam ? "team" : "invocation"}.`],
    sizes, storage: operands, enable: ops.enable, workgroupSize: ops.lanes,
    module: wgsl`
      ${ops.module}
      ${helpersFor(text)}
    `,
    body: wgsl`
      let row = ${byTeam ? "tile" : `tile * ${ops.lanes}u + lane`};
      if (row >= sizes.rows) { return; }
      ${text}
    `,
  };
}

/** What all lanes know [1], stored once. */
const byFirstLane = (stores: string): string => wgsl`
  if (lane == 0u) {
    ${stores}
  }
`;

/**
 * One loop over [cols], and the reductions that it feeds.
 * @param stride lanes that share a row; null where one invocation has it
 */
function loopWgsl({ before, reductions, inside }: RowLoop, lanes: Lanes, stride: number | null): string {
  const start = reductions.map(({ how, accumulator }) => `var ${accumulator} = ${lanes}(${how === "sum" ? "0.0" : "-3e38"});`);
  const [from, by] = stride === null ? ["0u", "1u"] as const : ["lane", `${stride}u`] as const;
  return wgsl`
    ${linesWgsl(before)}
    ${start.join("\n")}
    for (var column = ${from}; column < sizes.cols; column += ${by}) {
      ${linesWgsl(inside)}
    }
    ${reductions.map((reduction) => closeReduction(reduction, lanes, stride !== null)).join("\n")}
  `;
}

/** From an accumulator, of four columns or one, and from those of all lanes, to one number. */
function closeReduction({ how, accumulator, result }: RowLoop["reductions"][number], lanes: Lanes, byTeam: boolean): string {
  const both = (a: string, b: string): string => (how === "sum" ? `(${a} + ${b})` : `max(${a}, ${b})`);
  const [x, y, z, w] = ["x", "y", "z", "w"].map((component) => `${accumulator}.${component}`) as [string, string, string, string];
  const ofLane = lanes === "f32" ? accumulator : both(both(x, y), both(z, w));
  return `let ${result} = ${byTeam ? `team_${how}(${ofLane}, lane)` : ofLane};`;
}

/** First stage of sums over the middle axis of [outer, mid, inner]: partial sums [outer, chunks, inner]. */
export function columnSumsKernel({ operands, sizes, lanes, inside, sums }: ColumnSumsProgram): KernelParts {
  const text = linesWgsl(inside);
  return {
    name: "column_sums", doc: ["Sums over the middle axis, first stage: one chunk of it per invocation."],
    sizes, storage: operands, workgroupSize: WIDTH, module: helpersFor(text),
    body: wgsl`
      let i = tile * ${WIDTH}u + lane; // place in [outer, chunks, inner]
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
      ${sums.map(({ accumulator, operand }) => `${operand}[i] = ${accumulator};`).join("\n")}
    `,
  };
}

/** Second stage: [outer, chunks, inner] → [outer, inner]. Sizes: outer, chunks, inner (elements). */
export const columnTotalsKernel = (lanes: Lanes, add: boolean): KernelParts => ({
  name: add ? "column_totals_add" : "column_totals",
  doc: ["Sums over the middle axis, second stage: the chunks in order."],
  sizes: ["outer", "chunks", "inner"],
  storage: [
    { name: "partial", element: lanes, access: "read", note: "[outer, chunks, inner]" },
    { name: "total", element: lanes, access: "read_write", note: `[outer, inner]${add ? ", added to" : ""}` },
  ],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.outer * sizes.inner")}
    let first = (i / sizes.inner) * sizes.chunks * sizes.inner + i % sizes.inner;
    var sum = ${lanes}(0.0);
    for (var chunk = 0u; chunk < sizes.chunks; chunk++) { sum += partial[first + chunk * sizes.inner]; }
    total[i] = ${add ? "total[i] + " : ""}sum;
  `,
});
