/**
 * Dense contractions with a fused epilogue. A team owns a tile [tileRows, 4·lanes] of the result in registers: each
 * lane four adjacent columns, one vec4 accumulator per row. Operands stream through vec4 loads; the row operand is
 * spread over the team by exchange, because one load costs as much as 6 to 10 multiply-adds on software adapters. A team of one has the
 * tiles of packed.ts instead.
 *
 *   nn  c[m, n] = Σ_k a[m, k] · b[k, n]     nt  c[m, n] = Σ_k a[m, k] · b[n, k]     tn  c[m, n] = Σ_k a[k, m] · b[k, n]
 *
 * Work   2·m·n·k flops; each tile reads k·(tileRows + 4·lanes) words.
 * Error  one f32 sum of k products in order of k: |c − c₆₄| ≤ k·2⁻²⁴·Σ|a·b|. Teams that share a tile have a sum each: fewer roundings.
 */
import type { Profile } from "../ir/plan.ts";
import { FINISH, OUTER_SCRATCH, packedOuter, packedRows, ROWS_SCRATCH } from "./packed.ts";
import { times, wgsl, type KernelParts, type Storage } from "./text.ts";
import { addParts, eachRun, ofOne, ofTeams, ownsSum, share, team, type SharedVar, type TileText } from "./team.ts";
import { isPacked, PACKED_ROWS, tileColumns } from "./tiles.ts";

export type Layout = "nn" | "nt" | "tn";

/** What happens to a finished vec4 of the result: WGSL `fn finish(row: u32, column: u32, value: vec4f)`, column counted in vec4s. */
export interface Epilogue {
  readonly finish: string;
  readonly storage: readonly Storage[];
  readonly sizes: readonly string[];
  /** For the header comment: what is fused. */
  readonly note: string;
}

const FORMULA: Readonly<Record<Layout, string>> = {
  nn: "c[m, n] = sum over k of a[m, k] b[k, n]",
  nt: "c[m, n] = sum over k of a[m, k] b[n, k]",
  tn: "c[m, n] = sum over k of a[k, m] b[k, n]",
};

/** Sizes: m rows, n4 and k4 in vec4s, k in words. Grid: column tiles × row tiles. */
export function matmulKernel(layout: Layout, profile: Profile, teams: number, epilogue: Epilogue): KernelParts {
  const { owner, enable, workgroupSize, module, body } = isPacked(profile) ? packedTile(layout) : teamTile(layout, profile, teams);
  return {
    name: `matmul_${layout}`,
    doc: [`Matrix product ${FORMULA[layout]}${epilogue.note ? `; ${epilogue.note}` : ""}.`,
      `${owner} owns ${profile.tileRows} rows by ${4 * tileColumns(profile)} columns of c.`],
    sizes: ["m", "n4", "k", "k4", ...epilogue.sizes],
    grid: ["column_tiles", "row_tiles"],
    storage: [
      { name: "a", element: "vec4f", access: "read", note: layout === "tn" ? "[k, m]" : "[m, k]" },
      { name: "b", element: "vec4f", access: "read", note: layout === "nt" ? "[n, k]" : "[k, n]" },
      ...epilogue.storage,
    ],
    enable, workgroupSize, teams,
    module: wgsl`
      ${module}
      ${epilogue.finish}
    `,
    body,
  };
}

function teamTile(layout: Layout, profile: Profile, teams: number): TileText {
  const { tileRows } = profile;
  return ofTeams(teams, tileRows, team(profile, { vec4f: layout === "tn" ? tileRows / 4 : tileRows }, teams), wgsl`
    let row0 = tile.y * ${tileRows}u;
    ${columnOfLane(profile)}
    ${times(tileRows, (i) => `var c${i} = vec4f();`)}
    ${layout === "tn" ? accumulateColumns(profile, teams) : accumulateTile(layout, profile, teams)}
    ${addParts(teams, tileRows, profile)}
    if (${ownsSum(teams)}column < sizes.n4) {
      ${times(tileRows, (i) => `if (row0 + ${i}u < sizes.m) { finish(row0 + ${i}u, column, c${i}); }`)}
    }
  `);
}

function packedTile(layout: Layout): TileText {
  if (layout === "tn") return ofOne(OUTER_SCRATCH, packedOuter({ count: "sizes.k", prepare: "", a: "k_at", b: "k_at", finish: FINISH }));
  const row = (r: string): string => `(tile.y * ${PACKED_ROWS}u + ${r})`;
  return ofOne(ROWS_SCRATCH, packedRows(layout, "0u", {
    count: `min(${PACKED_ROWS}u, sizes.m - ${row("0u")})`, row, start: (at) => `${at} * sizes.k4`,
  }));
}

/** The four columns of a lane, counted in vec4s: beyond the last of [.., 4·n4] it works on that one and stores nothing. */
export const columnOfLane = ({ lanes }: Profile): string => wgsl`
  let column = tile.x * ${lanes}u + lane;
  let column_in = min(column, sizes.n4 - 1u);
`;

/** Layouts nn and nt: c [tileRows, 4] += a [rows, k] · b, rows beyond the last being that one again. */
const accumulateTile = (layout: "nn" | "nt", profile: Profile, teams: number): string => wgsl`
  ${times(profile.tileRows, (i) => `let a_row${i} = min(row0 + ${i}u, sizes.m - 1u) * sizes.k4;`)}
  ${accumulateRows(layout, profile, "0u", teams)}
`;

/** Layout tn: c [tileRows, 4] += a [k, rows]ᵀ · b [k, 4]. */
const accumulateColumns = (profile: Profile, teams: number): string => wgsl`
  let m4 = (sizes.m + 3u) / 4u;
  ${accumulateOuter(profile, teams, "sizes.k", "k_in", (q) => `k + ${q}`)}
`;

const vec4s = (count: number): readonly SharedVar[] => Array.from({ length: count }, (_, i) => ({ name: `a${i}`, element: "vec4f" }));

/** How a lane's four columns meet four words of k: c [tileRows, 4] += x [tileRows, 4] · b [4, 4], x taken from lane q. */
type Block = (profile: Profile, bBase: string, take: (name: string) => string, q: string) => string;

/** b0 … b3 are rows of b [k, n]. */
const blockNn: Block = ({ tileRows }, bBase, take, q) => wgsl`
  let b_at = ${bBase} + (k + ${q}) * 4u * sizes.n4 + column_in;
  let b0 = b[b_at]; let b1 = b[b_at + sizes.n4]; let b2 = b[b_at + 2u * sizes.n4]; let b3 = b[b_at + 3u * sizes.n4];
  ${times(tileRows, (i) => {
    const sum = `fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c${i}))))`;
    return `{ let x = ${take(`a${i}`)}; c${i} = ${sum}; }`;
  })}
`;

/** b0 … b3 are rows of b [n, k]. */
const blockNt: Block = ({ tileRows }, bBase, take, q) => wgsl`
  let b_at = ${bBase} + column_in * 4u * sizes.k4 + k + ${q};
  let b0 = b[b_at]; let b1 = b[b_at + sizes.k4]; let b2 = b[b_at + 2u * sizes.k4]; let b3 = b[b_at + 3u * sizes.k4];
  ${times(tileRows, (i) => `{ let x = ${take(`a${i}`)}; c${i} += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }`)}
`;

/** c [tileRows, 4] += a [rows, k] · b: lanes run along k. Rows begin at `a_row0…`, in vec4s; also the expert kernels'. */
export function accumulateRows(layout: "nn" | "nt", profile: Profile, bBase: string, teams: number): string {
  const { tileRows } = profile;
  const block = layout === "nn" ? blockNn : blockNt;
  return eachRun(teams, profile, "sizes.k4", wgsl`
    ${times(tileRows, (i) => `let a${i} = a[a_row${i} + k_in];`)}
    ${share(profile, vec4s(tileRows), "filled", (take, q) => block(profile, bBase, take, q), teams)}
  `);
}

/** A further value that each lane finds for its own k, and that `bRow` sees for lane q. */
export interface SharedRow {
  readonly name: string;
  /** WGSL that defines it, and what `aRow` needs. */
  readonly prepare: string;
}

/**
 * c [tileRows, 4] += a [k, rows]ᵀ · b [k, 4]: lanes run along k for the row operand.
 * @param count WGSL of the number of k  @param aRow row of `a` for this lane's k (clamped in `k_in`)  @param bRow row of `b` for lane q
 */
export function accumulateOuter(
  profile: Profile, teams: number, count: string, aRow: string, bRow: (q: string) => string, shared?: SharedRow,
): string {
  const { tileRows } = profile;
  const quads = tileRows / 4;
  const extra: readonly SharedVar[] = shared === undefined ? [] : [{ name: shared.name, element: "u32" }];
  return eachRun(teams, profile, count, wgsl`
    ${shared?.prepare ?? ""}
    ${times(quads, (r) => `let a${r} = a[(${aRow}) * m4 + min(row0 / 4u + ${r}u, m4 - 1u)];`)}
    ${share(profile, [...vec4s(quads), ...extra], "filled", (take, q) => wgsl`
      let bv = b[(${bRow(shared === undefined ? q : take(shared.name))}) * sizes.n4 + column_in];
      ${times(quads, (r) => `let x${r} = ${take(`a${r}`)};`)}
      ${times(tileRows, (i) => `c${i} = fma(vec4f(x${i >> 2}.${"xyzw"[i & 3]!}), bv, c${i});`)}
    `, teams)}
  `);
}
