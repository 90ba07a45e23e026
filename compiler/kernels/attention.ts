/**
 * Softmax attention without ever storing the score matrix (after Dao et al. 2022, arXiv:2205.14135), forward and backward.
 *
 *   s[t, j] = q[t] · k[j]     p = softmax over visible j     z[t] = Σ_j p[t, j] · v[j]     lse[t] = log Σ_j exp s[t, j]
 *
 * A query at position p sees keys p − before … p + after, which covers causal, windowed and full attention with one text. Several query
 * heads may read one key head (grouped-query attention, Ainslie et al. 2023, arXiv:2305.13245).
 *
 * A team owns a few queries (or keys) of one head. For dot products its lanes are the other side's positions; for weighted sums they are
 * channels. Queries are expected to be scaled already.
 *
 * With relative positions a score has one more term, bias[t, clamp(j − t)], whose gradient is a kernel of its own.
 *
 * Work   forward 4, backward 10 flops per visible (query, key) pair and channel.
 */
import type { Profile } from "../ir/plan.ts";
import { read, times, write, type KernelParts, type Storage } from "./text.ts";
import { share, team, type SharedVar } from "./team.ts";
import { tileOf } from "./tiles.ts";

/** Masked scores: finite, because adapters may assume that infinities do not occur. */
const MASKED = "-1e30";

const Q = read("queries", "vec4f", "q [B, T, H, Dh]");
const K = read("keys", "vec4f", "k [B, S, Hk, Dh]");
const V = read("values", "vec4f", "v [B, S, Hk, Dh]");
/** H, query heads per key head, T, S, Dh in vec4s, keys visible before and after a query. */
const SIZES = ["heads", "group", "n_queries", "n_keys", "c4", "before", "after"];

/** With relative positions also: P, and stored columns of the bias. */
const sizesOf = (relative: boolean): readonly string[] => (relative ? [...SIZES, "reach", "columns"] : SIZES);
/** Tiles of a sequence (of queries or of keys) × heads of all sequences × tiles of channels. */
const GRID = ["tiles", "heads_of_batch", "channel_tiles"];
const BIAS = read("bias", "f32", "[B, T, H, columns]");
const biasOf = (relative: boolean): readonly Storage[] => (relative ? [BIAS] : []);
const suffix = (relative: boolean): string => (relative ? "_relative" : "");

/** Column of the bias for a query and a key: clamp(key − query, −(P−1), P−1) + P. */
const BIAS_COLUMN = `fn bias_column(query: u32, key: u32) -> u32 {
let last = sizes.reach - 1u;
return select(sizes.reach - min(query - key, last), sizes.reach + min(key - query, last), key > query);
}`;
const moduleOf = (ops: { readonly module: string }, relative: boolean): string => `${ops.module}\n${FIRST_VISIBLE}${relative ? `\n${BIAS_COLUMN}` : ""}`;

const vec = (names: readonly string[]): SharedVar[] => names.map((name) => ({ name, element: "vec4f" }));
const scalar = (names: readonly string[]): SharedVar[] => names.map((name) => ({ name, element: "f32" }));
const list = (prefix: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${prefix}${i}`);

/** The first channel of a lane, in vec4s, and the j-th. */
const channel0 = (profile: Profile, perLane: number): string => `let channel0 = tile.z * ${profile.lanes * perLane}u + lane;`;
const channel = (profile: Profile, j: number): string => `channel0 + ${j * profile.lanes}u`;

/** From one position to the next, for queries and for keys. */
const STRIDES = `
let key_heads = sizes.heads / sizes.group;
let q_stride = sizes.heads * sizes.c4;
let k_stride = key_heads * sizes.c4;`;

const QUERY_HEAD = `${STRIDES}
let head = tile.y % sizes.heads;
let sequence = tile.y / sizes.heads;
let q_base = (sequence * sizes.n_queries * sizes.heads + head) * sizes.c4;
let k_base = (sequence * sizes.n_keys * key_heads + head / sizes.group) * sizes.c4;`;

/** First key that the query at p may see. */
const FIRST_VISIBLE = `fn first_visible(p: u32) -> u32 { return select(0u, p - sizes.before, p > sizes.before); }`;

/** `body` for every chunk of channels, rows of `tensors` for the tile's own positions loaded with lanes along channels. */
function overChannels(profile: Profile, n: number, tensors: readonly { array: string; name: string; row: string }[], body: (take: (name: string) => string, q: string) => string): string {
  const names = tensors.flatMap((t) => list(t.name, n));
  return `for (var c = 0u; c < sizes.c4; c += ${profile.lanes}u) {
let c_in = min(c + lane, sizes.c4 - 1u);
${tensors.map((t) => times(n, (i) => `let ${t.name}${i} = ${t.array}[${t.row}${i} + c_in];`)).join("\n")}
let channels = min(${profile.lanes}u, sizes.c4 - c);
${share(profile, vec(names), "channels", body)}
}`;
}

/** Forward. Sizes: SIZES, and with relative positions two more. Grid: query tiles × (B·H). */
export function attentionKernel(profile: Profile, perLane: number, relative: boolean): KernelParts {
  const n = tileOf(perLane);
  const ops = team(profile, { vec4f: n, f32: n });
  return {
    name: `attention_${perLane}${suffix(relative)}`,
    doc: ["Attention, online softmax: z = softmax(q k) v and lse, the logarithm of each denominator.", `One team owns ${n} queries of one head.`],
    sizes: sizesOf(relative),
    grid: GRID,
    storage: [Q, K, V, read("position", "u32", "[1] where the first query stands"), ...biasOf(relative), write("z", "vec4f", "[B, T, H, Dh]"), write("lse", "f32", "[B, T, H]")],
    enable: ops.enable,
    workgroupSize: ops.lanes,
    module: moduleOf(ops, relative),
    body: `
${QUERY_HEAD}
${channel0(profile, perLane)}
let t0 = tile.x * ${n}u;
let first = position[0];
let from_key = first_visible(first + t0);
let end_key = min(sizes.n_keys, first + min(t0 + ${n}u, sizes.n_queries) + sizes.after);
${times(n, (i) => `let q_row${i} = q_base + min(t0 + ${i}u, sizes.n_queries - 1u) * q_stride;\nvar top${i} = ${MASKED}; var sum${i} = 0.0;\n${times(perLane, (j) => `var z${i}_${j} = vec4f();`)}`)}
for (var j0 = from_key; j0 < end_key; j0 += ${profile.lanes}u) {
let key = j0 + lane;
let k_row = k_base + min(key, sizes.n_keys - 1u) * k_stride;
${times(n, (i) => `var s${i} = 0.0;`)}
${overChannels(profile, n, [{ array: "queries", name: "q", row: "q_row" }], (take, q) => `let kv = keys[k_row + c + ${q}];\n${times(n, (i) => `s${i} += dot(${take(`q${i}`)}, kv);`)}`)}
${times(n, (i) => `let seen${i} = key < end_key && key <= first + t0 + ${i}u + sizes.after && key >= first_visible(first + t0 + ${i}u);
${relative ? `s${i} += bias[((sequence * sizes.n_queries + min(t0 + ${i}u, sizes.n_queries - 1u)) * sizes.heads + head) * sizes.columns + bias_column(first + t0 + ${i}u, key)];\n` : ""}s${i} = select(${MASKED}, s${i}, seen${i});
let new_top${i} = max(top${i}, team_max(s${i}, lane));
let shrink${i} = exp(top${i} - new_top${i});
top${i} = new_top${i};
let p${i} = select(0.0, exp(s${i} - new_top${i}), seen${i});
sum${i} = sum${i} * shrink${i} + p${i};
${times(perLane, (j) => `z${i}_${j} *= shrink${i};`)}`)}
let block = min(${profile.lanes}u, end_key - j0);
${share(profile, scalar(list("p", n)), "block", (take, q) => `let v_row = k_base + (j0 + ${q}) * k_stride;
${times(perLane, (j) => `let v${j} = values[v_row + min(${channel(profile, j)}, sizes.c4 - 1u)];`)}
${times(n, (i) => `{ let w = vec4f(${take(`p${i}`)}); ${times(perLane, (j) => `z${i}_${j} = fma(w, v${j}, z${i}_${j});`, " ")} }`)}`)}
}
${times(n, (i) => `{
let total = team_sum(sum${i}, lane);
if (t0 + ${i}u < sizes.n_queries) {
${times(perLane, (j) => `if (${channel(profile, j)} < sizes.c4) { z[q_row${i} + ${channel(profile, j)}] = z${i}_${j} / total; }`)}
if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + ${i}u) * sizes.heads + head] = top${i} + log(total); }
}
}`)}`,
  };
}

const GRADS = [read("lse", "f32", "[B, T, H]"), read("delta", "f32", "[B, T, H] sum over channels of z grad_z"), read("grad_z", "vec4f", "[B, T, H, Dh]")];

/** grad_q[t] = Σ_j ds[t, j] · k[j] with ds = p · (grad_z · v − delta). Queries stand at 0 … T−1. Sizes: SIZES. Grid: query tiles × (B·H). */
export function attentionGradQueriesKernel(profile: Profile, perLane: number, relative: boolean): KernelParts {
  const n = tileOf(perLane);
  const ops = team(profile, { vec4f: 2 * n, f32: n });
  return {
    name: `attention_grad_q_${perLane}${suffix(relative)}`,
    doc: ["Gradient of attention with respect to the queries; probabilities are recomputed from lse.", `One team owns ${n} queries of one head.`],
    sizes: sizesOf(relative),
    grid: GRID,
    storage: [Q, K, V, ...GRADS, ...biasOf(relative), write("grad_q", "vec4f", "[B, T, H, Dh]")],
    enable: ops.enable,
    workgroupSize: ops.lanes,
    module: moduleOf(ops, relative),
    body: `
${QUERY_HEAD}
${channel0(profile, perLane)}
let t0 = tile.x * ${n}u;
let from_key = first_visible(t0);
let end_key = min(sizes.n_keys, min(t0 + ${n}u, sizes.n_queries) + sizes.after);
${times(n, (i) => `let query${i} = min(t0 + ${i}u, sizes.n_queries - 1u);
let row${i} = q_base + query${i} * q_stride;
let at${i} = (sequence * sizes.n_queries + query${i}) * sizes.heads + head;
let lse${i} = lse[at${i}]; let delta${i} = delta[at${i}];
${times(perLane, (j) => `var g${i}_${j} = vec4f();`)}`)}
for (var j0 = from_key; j0 < end_key; j0 += ${profile.lanes}u) {
let key = j0 + lane;
let k_row = k_base + min(key, sizes.n_keys - 1u) * k_stride;
${times(n, (i) => `var s${i} = 0.0; var dp${i} = 0.0;`)}
${overChannels(profile, n, [{ array: "queries", name: "q", row: "row" }, { array: "grad_z", name: "dz", row: "row" }], (take, q) => `let kv = keys[k_row + c + ${q}]; let vv = values[k_row + c + ${q}];
${times(n, (i) => `s${i} += dot(${take(`q${i}`)}, kv); dp${i} += dot(${take(`dz${i}`)}, vv);`)}`)}
${relative ? times(n, (i) => `s${i} += bias[at${i} * sizes.columns + bias_column(query${i}, key)];`) : ""}
${times(n, (i) => `let ds${i} = select(0.0, exp(s${i} - lse${i}) * (dp${i} - delta${i}), key < end_key && key <= query${i} + sizes.after && key >= first_visible(query${i}));`)}
let block = min(${profile.lanes}u, end_key - j0);
${share(profile, scalar(list("ds", n)), "block", (take, q) => `let row = k_base + (j0 + ${q}) * k_stride;
${times(perLane, (j) => `let k${j} = keys[row + min(${channel(profile, j)}, sizes.c4 - 1u)];`)}
${times(n, (i) => `{ let w = vec4f(${take(`ds${i}`)}); ${times(perLane, (j) => `g${i}_${j} = fma(w, k${j}, g${i}_${j});`, " ")} }`)}`)}
}
${times(n, (i) => times(perLane, (j) => `if (t0 + ${i}u < sizes.n_queries && ${channel(profile, j)} < sizes.c4) { grad_q[row${i} + ${channel(profile, j)}] = g${i}_${j}; }`))}`,
  };
}

/**
 * grad_k[j] = Σ_t ds[t, j] · q[t], grad_v[j] = Σ_t p[t, j] · grad_z[t]. Sizes: SIZES. Grid: key tiles × (B·Hk).
 * @param outputs both, or with relative positions one: more than eight buffers would be bound otherwise
 */
export function attentionGradKeysKernel(profile: Profile, perLane: number, relative: boolean, outputs: "kv" | "k" | "v"): KernelParts {
  const n = tileOf(2 * perLane);
  const ops = team(profile, { vec4f: 2 * n, f32: 2 * n });
  const [hasK, hasV] = [outputs !== "v", outputs !== "k"];
  const either = (k: string, v: string): string => `${hasK ? k : ""}${hasK && hasV ? " " : ""}${hasV ? v : ""}`;
  const [lse, delta, gradZ] = GRADS as [Storage, Storage, Storage];
  return {
    name: `attention_grad_${outputs}_${perLane}${suffix(relative)}`,
    doc: [`Gradients of attention with respect to ${{ kv: "keys and values", k: "keys", v: "values" }[outputs]}.`, `One team owns ${n} keys of one head and visits the queries that see them, head by head.`],
    sizes: sizesOf(relative),
    grid: GRID,
    storage: [
      Q, K, ...(hasK ? [V] : []), lse, ...(hasK ? [delta] : []), gradZ, ...biasOf(relative),
      ...(hasK ? [write("grad_k", "vec4f", "[B, S, Hk, Dh]")] : []), ...(hasV ? [write("grad_v", "vec4f", "[B, S, Hk, Dh]")] : []),
    ],
    enable: ops.enable,
    workgroupSize: ops.lanes,
    module: moduleOf(ops, relative),
    body: `
${STRIDES}
${channel0(profile, perLane)}
let key_head = tile.y % key_heads;
let sequence = tile.y / key_heads;
let k_base = (sequence * sizes.n_keys * key_heads + key_head) * sizes.c4;
let j0 = tile.x * ${n}u;
// A query sees key j when j − after ≤ query ≤ j + before.
let from_query = select(0u, j0 - sizes.after, j0 > sizes.after);
let end_query = min(sizes.n_queries, j0 + ${n}u + sizes.before);
${times(n, (i) => `let k_row${i} = k_base + min(j0 + ${i}u, sizes.n_keys - 1u) * k_stride;\n${times(perLane, (j) => either(`var gk${i}_${j} = vec4f();`, `var gv${i}_${j} = vec4f();`))}`)}
for (var head = key_head * sizes.group; head < (key_head + 1u) * sizes.group; head++) {
let q_base = (sequence * sizes.n_queries * sizes.heads + head) * sizes.c4;
for (var t0 = from_query; t0 < end_query; t0 += ${profile.lanes}u) {
let t = t0 + lane;
let t_in = min(t, sizes.n_queries - 1u);
let q_row = q_base + t_in * q_stride;
let at = (sequence * sizes.n_queries + t_in) * sizes.heads + head;
let lse_t = lse[at];${hasK ? " let delta_t = delta[at];" : ""}
${times(n, (i) => `var s${i} = 0.0;${hasK ? ` var dp${i} = 0.0;` : ""}`)}
${overChannels(profile, n, [{ array: "keys", name: "k", row: "k_row" }, ...(hasK ? [{ array: "values", name: "v", row: "k_row" }] : [])], (take, q) => `let qv = queries[q_row + c + ${q}];${hasK ? ` let dz = grad_z[q_row + c + ${q}];` : ""}
${times(n, (i) => `s${i} += dot(${take(`k${i}`)}, qv);${hasK ? ` dp${i} += dot(${take(`v${i}`)}, dz);` : ""}`)}`)}
${relative ? times(n, (i) => `s${i} += bias[at * sizes.columns + bias_column(t_in, j0 + ${i}u)];`) : ""}
${times(n, (i) => `let p${i} = select(0.0, exp(s${i} - lse_t), t < end_query && j0 + ${i}u <= t + sizes.after && j0 + ${i}u >= first_visible(t));${hasK ? `\nlet ds${i} = p${i} * (dp${i} - delta_t);` : ""}`)}
let block = min(${profile.lanes}u, end_query - t0);
${share(profile, scalar([...(hasV ? list("p", n) : []), ...(hasK ? list("ds", n) : [])]), "block", (take, q) => `let row = q_base + (t0 + ${q}) * q_stride;
${times(perLane, (j) => either(`let q${j} = queries[row + min(${channel(profile, j)}, sizes.c4 - 1u)];`, `let dz${j} = grad_z[row + min(${channel(profile, j)}, sizes.c4 - 1u)];`))}
${times(n, (i) => `{ ${either(`let wk = vec4f(${hasK ? take(`ds${i}`) : ""});`, `let wv = vec4f(${hasV ? take(`p${i}`) : ""});`)} ${times(perLane, (j) => either(`gk${i}_${j} = fma(wk, q${j}, gk${i}_${j});`, `gv${i}_${j} = fma(wv, dz${j}, gv${i}_${j});`), " ")} }`)}`)}
}
}
${times(n, (i) => times(perLane, (j) => `if (j0 + ${i}u < sizes.n_keys && ${channel(profile, j)} < sizes.c4) { ${either(`grad_k[k_row${i} + ${channel(profile, j)}] = gk${i}_${j};`, `grad_v[k_row${i} + ${channel(profile, j)}] = gv${i}_${j};`)} }`))}`,
  };
}

/**
 * grad_bias[t, c] = Σ over keys j of column c of ds[t, j]. Inner columns have one key each; those at the two ends have all that are further away.
 * Sizes: SIZES, reach, columns. Grid: queries × (B·H).
 */
export function attentionGradBiasKernel(profile: Profile): KernelParts {
  const ops = team(profile, {});
  return {
    name: "attention_grad_bias",
    doc: ["Gradient of attention with respect to the scores of relative positions.", "One team owns one query of one head; its lanes are columns, then keys further away."],
    sizes: sizesOf(true),
    grid: ["n_rows", "heads_of_batch"],
    storage: [Q, K, V, ...GRADS, BIAS, write("grad_bias", "f32", "[B, T, H, columns]")],
    enable: ops.enable,
    workgroupSize: ops.lanes,
    module: `${moduleOf(ops, true)}
fn score_gradient(q_row: u32, k_row: u32, at: u32, column: u32) -> f32 {
var s = bias[at * sizes.columns + column];
var dp = 0.0;
for (var c = 0u; c < sizes.c4; c++) {
s += dot(queries[q_row + c], keys[k_row + c]);
dp += dot(grad_z[q_row + c], values[k_row + c]);
}
return exp(s - lse[at]) * (dp - delta[at]);
}`,
    body: `
${QUERY_HEAD}
let query = tile.x;
let q_row = q_base + query * q_stride;
let at = (sequence * sizes.n_queries + query) * sizes.heads + head;
let last = sizes.reach - 1u;
let from_key = first_visible(query);
let end_key = min(sizes.n_keys, query + 1u + sizes.after);
for (var column = lane; column < sizes.columns; column += ${profile.lanes}u) {
let key = query + column - sizes.reach;
let inner = column > 1u && column < sizes.reach + last && query + column >= sizes.reach && key >= from_key && key < end_key;
var sum = 0.0;
if (inner) { sum = score_gradient(q_row, k_base + key * k_stride, at, column); }
if (column != 1u && column != sizes.reach + last) { grad_bias[at * sizes.columns + column] = sum; }
}
var low = 0.0;
var high = 0.0;
for (var key = from_key + lane; key < end_key && key + last <= query; key += ${profile.lanes}u) { low += score_gradient(q_row, k_base + key * k_stride, at, 1u); }
for (var key = max(from_key, query + max(last, 1u)) + lane; key < end_key; key += ${profile.lanes}u) { high += score_gradient(q_row, k_base + key * k_stride, at, sizes.reach + last); }
let all_low = team_sum(low, lane);
let all_high = team_sum(high, lane);
if (lane == 0u) {
grad_bias[at * sizes.columns + 1u] = all_low + select(0.0, all_high, last == 0u);
if (last > 0u) { grad_bias[at * sizes.columns + sizes.reach + last] = all_high; }
}`,
  };
}
