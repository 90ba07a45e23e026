/**
 * Dense contractions with a fused epilogue. A team owns tileRows rows × 4·lanes columns of the result in registers: each
 * lane four adjacent columns, one vec4 accumulator per row. Operands stream through vec4 loads; the row operand is
 * spread over the team by exchange, because one load costs as much as 6 to 10 multiply-adds on software adapters.
 *
 *   nn  c[m, n] = Σ_k a[m, k] · b[k, n]     nt  c[m, n] = Σ_k a[m, k] · b[n, k]     tn  c[m, n] = Σ_k a[k, m] · b[k, n]
 *
 * Work   2·m·n·k flops; each tile reads k·(tileRows + 4·lanes) words.
 * Error  one f32 sum of k products in order of k: |c − c₆₄| ≤ k·2⁻²⁴·Σ|a·b|.
 */
import type { Profile } from "../ir/plan.ts";
import { times, type KernelParts, type Storage } from "./text.ts";
import { share, team } from "./team.ts";

export type Layout = "nn" | "nt" | "tn";

/** What happens to a finished vec4 of the result: WGSL `fn finish(row: u32, column: u32, value: vec4f)`, column counted in vec4s. */
export interface Epilogue {
  readonly finish: string;
  readonly storage: readonly Storage[];
  readonly sizes: readonly string[];
  /** For the header comment: what is fused. */
  readonly note: string;
}

/** Sizes: m rows, n4 and k4 in vec4s, k in words. */
export function matmulKernel(layout: Layout, profile: Profile, epilogue: Epilogue): KernelParts {
  const rows = profile.tileRows;
  const shared = layout === "tn" ? rows / 4 : rows;
  const ops = team(profile, { vec4f: shared });
  return {
    name: `matmul_${layout}`,
    doc: [`Matrix product ${FORMULA[layout]}${epilogue.note ? `; ${epilogue.note}` : ""}.`,
      `One team of ${profile.lanes} lanes owns ${rows} rows by ${4 * profile.lanes} columns of c.`],
    sizes: ["m", "n4", "k", "k4", ...epilogue.sizes],
    grid: ["column_tiles", "row_tiles"],
    storage: [
      { name: "a", element: "vec4f", access: "read", note: layout === "tn" ? "[k, m]" : "[m, k]" },
      { name: "b", element: "vec4f", access: "read", note: layout === "nt" ? "[n, k]" : "[k, n]" },
      ...epilogue.storage,
    ],
    enable: ops.enable,
    workgroupSize: ops.lanes,
    module: `${ops.module}\n${epilogue.finish}`,
    body: `
let row0 = tile.y * ${rows}u;
let column = tile.x * ${profile.lanes}u + lane;
let column_in = min(column, sizes.n4 - 1u);
${times(rows, (i) => `var c${i} = vec4f();`)}
${INNER[layout](profile)}
if (column < sizes.n4) {
${times(rows, (i) => `if (row0 + ${i}u < sizes.m) { finish(row0 + ${i}u, column, c${i}); }`)}
}`,
  };
}

const FORMULA: Readonly<Record<Layout, string>> = {
  nn: "c[m, n] = sum over k of a[m, k] b[k, n]",
  nt: "c[m, n] = sum over k of a[m, k] b[n, k]",
  tn: "c[m, n] = sum over k of a[k, m] b[k, n]",
};

const vec4s = (count: number): { name: string; element: "vec4f" }[] => Array.from({ length: count }, (_, i) => ({ name: `a${i}`, element: "vec4f" }));

/** The accumulation over k, given row starts `a_row0…` in vec4s: shared with the expert kernels. */
export function accumulateRows(layout: "nn" | "nt", profile: Profile, bBase: string): string {
  const rows = profile.tileRows;
  const { lanes } = profile;
  const nn = (take: (name: string) => string, q: string): string => `
let b_at = ${bBase} + (k + ${q}) * 4u * sizes.n4 + column_in;
let b0 = b[b_at]; let b1 = b[b_at + sizes.n4]; let b2 = b[b_at + 2u * sizes.n4]; let b3 = b[b_at + 3u * sizes.n4];
${times(rows, (i) => `{ let x = ${take(`a${i}`)}; c${i} = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c${i})))); }`)}`;
  const nt = (take: (name: string) => string, q: string): string => `
let b_at = ${bBase} + column_in * 4u * sizes.k4 + k + ${q};
let b0 = b[b_at]; let b1 = b[b_at + sizes.k4]; let b2 = b[b_at + 2u * sizes.k4]; let b3 = b[b_at + 3u * sizes.k4];
${times(rows, (i) => `{ let x = ${take(`a${i}`)}; c${i} += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }`)}`;
  return `for (var k = 0u; k < sizes.k4; k += ${lanes}u) {
let k_in = min(k + lane, sizes.k4 - 1u);
${times(rows, (i) => `let a${i} = a[a_row${i} + k_in];`)}
let filled = min(${lanes}u, sizes.k4 - k);
${share(profile, vec4s(rows), "filled", layout === "nn" ? nn : nt)}
}`;
}

const rowStarts = (profile: Profile): string => times(profile.tileRows, (i) => `let a_row${i} = min(row0 + ${i}u, sizes.m - 1u) * sizes.k4;`);

const INNER: Readonly<Record<Layout, (profile: Profile) => string>> = {
  nn: (profile) => `${rowStarts(profile)}\n${accumulateRows("nn", profile, "0u")}`,
  nt: (profile) => `${rowStarts(profile)}\n${accumulateRows("nt", profile, "0u")}`,
  tn: (profile) => `let m4 = (sizes.m + 3u) / 4u;\n${accumulateOuter(profile, "sizes.k", "k_in", (q) => `k + ${q}`)}`,
};

/**
 * c += Σ_k a[k, rows] ⊗ b[k, columns]: lanes run along k for the row operand.
 * @param count WGSL of the number of k  @param aRow row of `a` for this lane's k (clamped in `k_in`)  @param bRow row of `b` for lane q
 */
export function accumulateOuter(profile: Profile, count: string, aRow: string, bRow: (q: string) => string, extraShared: readonly { name: string; element: "u32" }[] = [], prepare = ""): string {
  const quads = profile.tileRows / 4;
  const component = ["x", "y", "z", "w"];
  const body = (take: (name: string) => string, q: string): string => `
let bv = b[(${bRow(extraShared.length > 0 ? take(extraShared[0]!.name) : q)}) * sizes.n4 + column_in];
${times(quads, (r) => `let x${r} = ${take(`a${r}`)};`)}
${times(profile.tileRows, (i) => `c${i} = fma(vec4f(x${i >> 2}.${component[i & 3]}), bv, c${i});`)}`;
  return `for (var k = 0u; k < ${count}; k += ${profile.lanes}u) {
let k_in = min(k + lane, ${count} - 1u);
${prepare}
${times(quads, (r) => `let a${r} = a[(${aRow}) * m4 + min(row0 / 4u + ${r}u, m4 - 1u)];`)}
let filled = min(${profile.lanes}u, ${count} - k);
${share(profile, [...vec4s(quads), ...extraShared], "filled", body)}
}`;
}
