/**
 * Contraction tiles of one invocation at a time: it owns tileRows rows × 16 columns of the result, copies what it needs of b into its
 * scratch (with one invocation a workgroup, that is what workgroup memory is), panel after panel, and runs blocks of 4 rows × 16 columns in
 * registers over each. A panel lies in order of k, so no stride is a power of two, b is transposed or gathered once for all rows, and all
 * layouts end in the same loop.
 *
 * Work   a panel is a load and a store for each 4 columns and k, for up to tileRows multiply-adds; sums rest in scratch between panels.
 * Error  one f32 sum in order of k, as by a team.
 */
import { PACKED_COLUMNS, PACKED_ROWS } from "./tiles.ts";
import { times, wgsl } from "./text.ts";

/** Words of k of a panel, and of one where `a` is packed too: both fit 16 KiB together with the sums. */
const PANEL = 128;
const OUTER_PANEL = 32;
/** Rows below which packing costs more than it saves. */
const FEW_ROWS = 4;
/** Rows of a tile, in vec4s. */
const QUADS = PACKED_ROWS / 4;

/** An epilogue's call. */
export const FINISH = "finish(row, column, value);";

const sums = `var<workgroup> sums: array<vec4f, ${PACKED_ROWS * PACKED_COLUMNS}>; // [rows, columns]`;
const panelOf = (words: number): string => `var<workgroup> panel: array<vec4f, ${words * PACKED_COLUMNS}>; // [k, columns] of b`;

export const PANEL_SCRATCH = panelOf(PANEL);
export const ROWS_SCRATCH = [PANEL_SCRATCH, sums].join("\n");
export const OUTER_SCRATCH = [
  panelOf(OUTER_PANEL), `var<workgroup> left: array<vec4f, ${QUADS * OUTER_PANEL}>; // [k, quads of rows] of a`, sums,
].join("\n");

const eachColumn = (line: (v: number) => string): string => times(PACKED_COLUMNS, line, " ");
export const eachSum = (line: (i: number, v: number) => string): string => times(4, (i) => eachColumn((v) => line(i, v)));
export const component = (name: string, i: number): string => `${name}.${"xyzw"[i]!}`;

/** The tile's columns, counted in vec4s: beyond the last of [.., 4·n4] it computes that one again. */
const COLUMNS = wgsl`
  let first_column = tile.x * ${PACKED_COLUMNS}u;
  let n_columns = min(${PACKED_COLUMNS}u, sizes.n4 - first_column);
  ${times(PACKED_COLUMNS, (v) => `let column${v} = first_column + min(${v}u, n_columns - 1u);`)}
`;

/**
 * Sums c [4, 16] in registers, from 0 or what earlier panels gave, while `body` adds to them.
 * @param sums where they rest in between  @param at from which place on
 */
const inRegisters = (sums: string, at: string, body: string): string => wgsl`
  let sum_at = ${at};
  ${eachSum((i, v) => `var c${i}_${v} = vec4f();`)}
  if (k0 > 0u) {
    ${eachSum((i, v) => `c${i}_${v} = ${sums}[sum_at + ${PACKED_COLUMNS * i + v}u];`)}
  }
  ${body}
  ${eachSum((i, v) => `${sums}[sum_at + ${PACKED_COLUMNS * i + v}u] = c${i}_${v};`)}
`;

/** Columns of the panel's q-th row from `at` on. */
const inPanel = (q: number) => (v: number): string => `panel[at + ${q * PACKED_COLUMNS + v}u]`;

/** c [4, 16] += x [4] ⊗ w [16], the columns of which are WGSL by number. */
export const addProducts = (w: (v: number) => string, x: (i: number) => string): string => wgsl`
  {
    ${eachColumn((v) => `let w${v} = ${w(v)};`)}
    ${times(4, (i) => `{ let s = vec4f(${x(i)}); ${eachColumn((v) => `c${i}_${v} = fma(s, w${v}, c${i}_${v});`)} }`)}
  }
`;

/**
 * The finished tile [rows, columns], row by row.
 * @param rowOf defines `row`, that of the result for row r of the tile  @param finish what happens to a `value` at `row` and `column`
 */
const finishRows = (nRows: string, rowOf: string, finish: string): string => wgsl`
  for (var r = 0u; r < ${nRows}; r++) {
    ${rowOf}
    for (var v = 0u; v < n_columns; v++) {
      let column = first_column + v;
      let value = sums[${PACKED_COLUMNS}u * r + v];
      ${finish}
    }
  }
`;

/** Panel [4·kc, 16] of b [k, n]. */
const packColumns = (bBase: string): string => wgsl`
  for (var k = 0u; k < 4u * kc; k++) {
    let b_at = ${bBase} + (4u * k0 + k) * sizes.n4;
    ${eachColumn((v) => `panel[${PACKED_COLUMNS}u * k + ${v}u] = b[b_at + column${v}];`)}
  }
`;

/** The q-th words of b0 … b3. */
const turned = (q: number): string => `vec4f(${times(4, (j) => component(`b${j}`, q), ", ")})`;

/** Panel [4·kc, 16] of 16 rows [k] of `b`, turned four by four. @param row where the q-th row behind 4·v begins, in vec4s */
const packRows = (b: string, row: (q: number) => string): string => wgsl`
  for (var v = 0u; v < ${PACKED_COLUMNS}u; v++) {
    ${times(4, (q) => `let b_at${q} = ${row(q)} + k0;`)}
    for (var k = 0u; k < kc; k++) {
      ${times(4, (q) => `let b${q} = ${b}[b_at${q} + k];`, " ")}
      let at = ${4 * PACKED_COLUMNS}u * k + v;
      ${times(4, (q) => `panel[at + ${PACKED_COLUMNS * q}u] = ${turned(q)};`)}
    }
  }
`;

/** sums [rows, 16] += a [rows from `start` to below `end`, a panel of k] · the panel. @param row where row r + i begins, in vec4s */
const addPanel = (sums: string, [start, end]: readonly [string, string], a: string, row: (i: number) => string): string => wgsl`
  for (var r = ${start}; r < ${end}; r += 4u) {
    ${times(4, (i) => `let a_row${i} = ${row(i)} + k0;`)}
    ${inRegisters(sums, `${PACKED_COLUMNS}u * r`, wgsl`
      for (var k = 0u; k < kc; k++) {
        ${times(4, (i) => `let a${i} = ${a}[a_row${i} + k];`)}
        let at = ${4 * PACKED_COLUMNS}u * k;
        ${times(4, (q) => addProducts(inPanel(q), (i) => component(`a${i}`, q)))}
      }
    `)}
  }
`;

/** `body` for every panel of k, of which it begins at k0 and has kc, in vec4s. */
const eachPanel = (k4: string, body: string): string => wgsl`
  for (var k0 = 0u; k0 < ${k4}; k0 += ${PANEL / 4}u) {
    let kc = min(${PANEL / 4}u, ${k4} - k0);
    ${body}
  }
`;

/** Rows of vec4s, as WGSL. */
export interface Rows {
  readonly array: string;
  /** Where one begins, in vec4s, by its number. */
  readonly start: (row: string) => string;
}

/** sums [rows, 16] = own [rows, k4] · other [16, k4]ᵀ, of rows from `range[0]` on (a multiple of 4) to below `range[1]`. */
export const packedDots = (sums: string, range: readonly [string, string], k4: string, own: Rows, other: Rows): string =>
  eachPanel(k4, wgsl`
    ${packRows(other.array, (q) => other.start(`4u * v + ${q}u`))}
    ${addPanel(sums, range, own.array, (i) => own.start(`r + ${i}u`))}
  `);

/** Rows of a tile, as WGSL. */
export interface PackedRows {
  /** How many the tile has. */
  readonly count: string;
  /** Given the number of one: its row of the result, and where its row of `a` begins, in vec4s. */
  readonly row: (r: string) => string;
  readonly start: (row: string) => string;
}

/** c [rows, 16] = a [rows, k] · b, finished. */
export const packedRows = (layout: "nn" | "nt", bBase: string, rows: PackedRows): string => wgsl`
  ${COLUMNS}
  let n_rows = ${rows.count};
  if (n_rows < ${FEW_ROWS}u) {
    ${layout === "nn" ? straightColumns(bBase, rows) : straightRows(bBase, rows)}
  } else {
    ${eachPanel("sizes.k4", wgsl`
      ${layout === "nn" ? packColumns(bBase) : packRows("b", (q) => rowOfB(bBase, "v", q))}
      ${addPanel("sums", ["0u", "n_rows"], "a", (i) => rows.start(rows.row(`min(r + ${i}u, n_rows - 1u)`)))}
    `)}
  }
  ${finishRows("n_rows", `let row = ${rows.row("r")};`, FINISH)}
`;

/** Where the row [k] of b for the q-th of the v-th four columns begins, in vec4s. */
const rowOfB = (bBase: string, v: string, q: number): string =>
  `${bBase} + ((first_column + min(${v}, n_columns - 1u)) * 4u + ${q}u) * sizes.k4`;

/** Sums [row, 16] of a tile with few rows, from b [k, n] where it lies: a row reads each word of it once, so a panel would save nothing. */
const straightColumns = (bBase: string, { row, start }: PackedRows): string => wgsl`
  for (var r = 0u; r < n_rows; r++) {
    let a_row = ${start(row("r"))};
    ${eachColumn((v) => `var c${v} = vec4f();`)}
    for (var k = 0u; k < sizes.k4; k++) {
      let x = a[a_row + k];
      ${times(4, (q) => wgsl`
        {
          let s = vec4f(${component("x", q)});
          let b_at = ${bBase} + (4u * k + ${q}u) * sizes.n4;
          ${eachColumn((v) => `c${v} = fma(s, b[b_at + column${v}], c${v});`)}
        }
      `)}
    }
    ${eachColumn((v) => `sums[${PACKED_COLUMNS}u * r + ${v}u] = c${v};`)}
  }
`;

/** The same of b [n, k], eight columns at a time, turned four by four on the way. */
const straightRows = (bBase: string, { row, start }: PackedRows): string => wgsl`
  for (var r = 0u; r < n_rows; r++) {
    let a_row = ${start(row("r"))};
    for (var v = 0u; v < ${PACKED_COLUMNS}u; v += 2u) {
      ${times(2, (u) => times(4, (q) => `let b${u}_row${q} = ${rowOfB(bBase, `v + ${u}u`, q)};`))}
      ${times(2, (u) => `var c${u} = vec4f();`, " ")}
      for (var k = 0u; k < sizes.k4; k++) {
        let x = a[a_row + k];
        ${times(2, (u) => wgsl`
          {
            ${times(4, (q) => `let b${q} = b[b${u}_row${q} + k];`, " ")}
            ${times(4, (q) => `c${u} = fma(vec4f(${component("x", q)}), ${turned(q)}, c${u});`)}
          }
        `)}
      }
      ${times(2, (u) => `sums[${PACKED_COLUMNS}u * r + v + ${u}u] = c${u};`)}
    }
  }
`;

/** One row of a and one of b for each of `count` k, as WGSL. */
export interface PackedPairs {
  readonly count: string;
  /** Defines what `a` and `b` need, from the number k_at. */
  readonly prepare: string;
  readonly a: string;
  readonly b: string;
  /** What happens to each `value` of the result, at `row` and `column`. */
  readonly finish: string;
}

/** The k-th row of a [k, rows] and its part of b, packed. */
const packPair = ({ prepare, a, b }: PackedPairs): string => wgsl`
  let k_at = k0 + k;
  ${prepare}
  let b_at = (${b}) * sizes.n4;
  ${eachColumn((v) => `panel[${PACKED_COLUMNS}u * k + ${v}u] = b[b_at + column${v}];`)}
  let a_at = (${a}) * m4 + quad0;
  let left_at = ${QUADS}u * k;
  for (var quad = 0u; quad + 4u <= quads; quad += 4u) {
    ${times(4, (i) => `left[left_at + quad + ${i}u] = a[a_at + quad + ${i}u];`)}
  }
  for (var quad = quads / 4u * 4u; quad < quads; quad++) { left[left_at + quad] = a[a_at + quad]; }
`;

/** Zeros for the k-th, which is not there but for the sake of the loop. */
const ZERO_PAIR = wgsl`
  ${eachColumn((v) => `panel[${PACKED_COLUMNS}u * k + ${v}u] = vec4f();`)}
  for (var quad = 0u; quad < quads; quad++) { left[${QUADS}u * k + quad] = vec4f(); }
`;

/** c [rows, 16] = a [k, rows]ᵀ · b [k, 16], finished. */
export const packedOuter = (pairs: PackedPairs): string => wgsl`
  ${COLUMNS}
  let m4 = (sizes.m + 3u) / 4u;
  let quad0 = tile.y * ${QUADS}u;
  let quads = min(${QUADS}u, m4 - quad0);
  let count = ${pairs.count};
  for (var k0 = 0u; k0 < count; k0 += ${OUTER_PANEL}u) {
    let kc = min(${OUTER_PANEL}u, count - k0);
    for (var k = 0u; k < kc; k++) {
      ${packPair(pairs)}
    }
    for (var k = kc; k < (kc + 3u) / 4u * 4u; k++) {
      ${ZERO_PAIR}
    }
    for (var quad = 0u; quad < quads; quad++) {
      ${inRegisters("sums", `${4 * PACKED_COLUMNS}u * quad`, wgsl`
        for (var k = 0u; k < kc; k += 4u) {
          let left_at = ${QUADS}u * k + quad;
          let at = ${PACKED_COLUMNS}u * k;
          ${times(4, (q) => addProducts(inPanel(q), (i) => component(`left[left_at + ${q * QUADS}u]`, i)))}
        }
      `)}
    }
  }
  ${finishRows(`min(${PACKED_ROWS}u, sizes.m - 4u * quad0)`, "let row = 4u * quad0 + r;", pairs.finish)}
`;
