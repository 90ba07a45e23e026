/**
 * Gradients of attention (forward and names in attention.ts). Probabilities are recomputed from lse, so no score is ever stored:
 *
 *   p[t, j] = exp(s[t, j] − lse[t])     delta[t] = Σ_d z[t] · grad_z[t]     ds[t, j] = p · (grad_z[t] · v[j] − delta[t])
 *   grad_q[t] = Σ_j ds[t, j] · k[j]     grad_k[j] = Σ_t ds[t, j] · q[t]     grad_v[j] = Σ_t p[t, j] · grad_z[t]
 *   grad_bias[t, c] = Σ over keys j of column c of ds[t, j]
 *
 * Work   6 flops per visible (query, key) pair and channel for queries, 8 for keys and values.
 * Error  with u and r as in attention.ts and A = Σ_j p Σ_d|grad_z · v|, the size of delta's terms: p is off by p·(r + (T + 4)·u), and ds by
 *          e = p·(2r + (2·Dh + 8)·u)·(Σ_d|grad_z · v| + A) + T·u·p·A,
 *        so |grad_v error| ≤ Σ_t p·(r + (T + 4)·u)·|grad_z|, |grad_q error| ≤ Σ_j e·|k|, |grad_k error| ≤ Σ_t e·|q|.
 */
import type { Profile } from "../ir/plan.ts";
import {
  addWeighted, BIAS, biasAt, biasOf, channel, firstChannel, GRID, K, KEY_OF_LANE, keyRow, moduleOf, nameOf, overChannels, Q, QUERY_HEAD,
  sees, sizesOf, STRIDES, V, type Tile, type WeightedSum,
} from "./attention-parts.ts";
import { gradKeysBody, gradQueriesBody, KEYS_SCRATCH, QUERIES_SCRATCH } from "./attention-packed.ts";
import { read, times, wgsl, write, type KernelParts } from "./text.ts";
import { ofOne, ofTeam, team, type TileText } from "./team.ts";
import { isPacked, tileOf } from "./tiles.ts";

const LSE = read("lse", "f32", "[B, T, H]");
const DELTA = read("delta", "f32", "[B, T, H] sum over channels of z grad_z");
const GRAD_Z = read("grad_z", "vec4f", "[B, T, H, Dh]");

/** Queries stand at 0 … T−1. Sizes: sizesOf. Grid: query tiles × (B·H) × channel tiles. */
export function attentionGradQueriesKernel(profile: Profile, perLane: number, relative: boolean): KernelParts {
  const { enable, workgroupSize, module, body } = isPacked(profile) ? ofOne(QUERIES_SCRATCH, gradQueriesBody(relative))
    : queriesByTeam(profile, perLane, relative);
  return {
    name: nameOf("attention_grad_q", perLane, relative),
    doc: ["Gradient of attention with respect to the queries; probabilities are recomputed from lse.",
      `One ${isPacked(profile) ? "invocation" : "team"} owns ${tileOf(profile, perLane)} queries of one head.`],
    sizes: sizesOf(relative),
    grid: GRID,
    storage: [Q, K, V, LSE, DELTA, GRAD_Z, ...biasOf(relative), write("grad_q", "vec4f", "[B, T, H, Dh]")],
    enable, workgroupSize, module: moduleOf(module, relative), body,
  };
}

function queriesByTeam(profile: Profile, perLane: number, relative: boolean): TileText {
  const positions = tileOf(profile, perLane);
  const tile: Tile = { profile, positions, perLane };
  return ofTeam(team(profile, { vec4f: 2 * positions, f32: positions }), wgsl`
    ${QUERY_HEAD}
    ${firstChannel(tile)}
    let t0 = tile.x * ${positions}u;
    let from_key = first_visible(t0);
    let end_key = min(sizes.n_keys, min(t0 + ${positions}u, sizes.n_queries) + sizes.after);
    ${times(positions, (i) => startQuery(i, tile))}
    for (var j0 = from_key; j0 < end_key; j0 += ${profile.lanes}u) {
      ${KEY_OF_LANE}
      ${times(positions, (i) => `var s${i} = 0.0; var dp${i} = 0.0;`)}
      ${addScoresOfKey(tile)}
      ${relative ? times(positions, (i) => `s${i} += ${biasAt(`at${i}`, `query${i}`, "key")};`) : ""}
      ${times(positions, scoreGradient)}
      let block = min(${profile.lanes}u, end_key - j0);
      ${addKeys(tile)}
    }
    ${times(positions, (i) => storeQuery(i, tile))}
  `);
}

/** The i-th query (beyond the last that one), its row, what forward left of it, and its channels [perLane] of grad_q. */
const startQuery = (i: number, { perLane }: Tile): string => wgsl`
  let query${i} = min(t0 + ${i}u, sizes.n_queries - 1u);
  let row${i} = q_base + query${i} * q_stride;
  let at${i} = (sequence * sizes.n_queries + query${i}) * sizes.heads + head;
  let lse${i} = lse[at${i}]; let delta${i} = delta[at${i}];
  ${times(perLane, (j) => `var g${i}_${j} = vec4f();`)}
`;

/** s, dp [positions] of this lane's key: s[t] += q[t] · k[key], dp[t] += grad_z[t] · v[key]. */
function addScoresOfKey(tile: Tile): string {
  const own = [{ array: "queries", name: "q", row: "row" }, { array: "grad_z", name: "dz", row: "row" }];
  return overChannels(tile, own, (take, q) => wgsl`
    let kv = keys[k_row + c + ${q}]; let vv = values[k_row + c + ${q}];
    ${times(tile.positions, (i) => `s${i} += dot(${take(`q${i}`)}, kv); dp${i} += dot(${take(`dz${i}`)}, vv);`)}
  `);
}

/** ds of the i-th query and this lane's key. */
function scoreGradient(i: number): string {
  const seen = sees(`query${i}`, "key", "key < end_key");
  return `let ds${i} = select(0.0, exp(s${i} - lse${i}) * (dp${i} - delta${i}), ${seen});`;
}

/** grad_q [positions, Dh] += ds [positions, block] · k [block, Dh]. */
const addKeys = (tile: Tile): string =>
  addWeighted(tile, "row", keyRow, [{ into: "g", weight: "ds", factor: "w", array: "keys", name: "k" }], ["ds"]);

const storeQuery = (i: number, tile: Tile): string => times(tile.perLane, (j) => {
  const inside = `t0 + ${i}u < sizes.n_queries && ${channel(tile, j)} < sizes.c4`;
  return `if (${inside}) { grad_q[row${i} + ${channel(tile, j)}] = g${i}_${j}; }`;
});

/** Which of the gradients of keys and values a kernel computes. */
interface Outputs {
  readonly keys: boolean;
  readonly values: boolean;
}

const GRAD_K: WeightedSum = { into: "gk", weight: "ds", factor: "wk", array: "queries", name: "q" };
const GRAD_V: WeightedSum = { into: "gv", weight: "p", factor: "wv", array: "grad_z", name: "dz" };
const sumsOf = ({ keys, values }: Outputs): readonly WeightedSum[] => [...(keys ? [GRAD_K] : []), ...(values ? [GRAD_V] : [])];

/**
 * Sizes: sizesOf. Grid: key tiles × (B·Hk) × channel tiles.
 * @param outputs both, or with relative positions one: more than eight buffers would be bound otherwise
 */
export function attentionGradKeysKernel(profile: Profile, perLane: number, relative: boolean, outputs: "kv" | "k" | "v"): KernelParts {
  const of: Outputs = { keys: outputs !== "v", values: outputs !== "k" };
  const { enable, workgroupSize, module, body } = isPacked(profile) ? ofOne(KEYS_SCRATCH, gradKeysBody(relative, of))
    : keysByTeam(profile, perLane, relative, of);
  return {
    name: nameOf(`attention_grad_${outputs}`, perLane, relative),
    doc: [`Gradients of attention with respect to ${{ kv: "keys and values", k: "keys", v: "values" }[outputs]}.`,
      `One ${isPacked(profile) ? "invocation" : "team"} owns ${tileOf(profile, 2 * perLane)} keys of one head`
        + " and visits the queries that see them, head by head."],
    sizes: sizesOf(relative),
    grid: GRID,
    storage: [
      Q, K, ...(of.keys ? [V] : []), LSE, ...(of.keys ? [DELTA] : []), GRAD_Z, ...biasOf(relative),
      ...(of.keys ? [write("grad_k", "vec4f", "[B, S, Hk, Dh]")] : []), ...(of.values ? [write("grad_v", "vec4f", "[B, S, Hk, Dh]")] : []),
    ],
    enable, workgroupSize, module: moduleOf(module, relative), body,
  };
}

function keysByTeam(profile: Profile, perLane: number, relative: boolean, of: Outputs): TileText {
  const positions = tileOf(profile, 2 * perLane);
  const tile: Tile = { profile, positions, perLane };
  return ofTeam(team(profile, { vec4f: 2 * positions, f32: 2 * positions }), wgsl`
    ${STRIDES}
    ${firstChannel(tile)}
    let key_head = tile.y % key_heads;
    let sequence = tile.y / key_heads;
    let k_base = (sequence * sizes.n_keys * key_heads + key_head) * sizes.c4;
    let j0 = tile.x * ${positions}u;
    // A query sees key j when j − after ≤ query ≤ j + before.
    let from_query = select(0u, j0 - sizes.after, j0 > sizes.after);
    let end_query = min(sizes.n_queries, j0 + ${positions}u + sizes.before);
    ${times(positions, (i) => startKey(i, tile, of))}
    for (var head = key_head * sizes.group; head < (key_head + 1u) * sizes.group; head++) {
      let q_base = (sequence * sizes.n_queries * sizes.heads + head) * sizes.c4;
      for (var t0 = from_query; t0 < end_query; t0 += ${profile.lanes}u) {
        ${queryOfLane(of)}
        ${times(positions, (i) => `var s${i} = 0.0;${of.keys ? ` var dp${i} = 0.0;` : ""}`)}
        ${addScoresOfQuery(tile, of)}
        ${relative ? times(positions, (i) => `s${i} += ${biasAt("at", "t_in", `j0 + ${i}u`)};`) : ""}
        ${times(positions, (i) => probability(i, of))}
        let block = min(${profile.lanes}u, end_query - t0);
        ${addQueries(tile, of)}
      }
    }
    ${times(positions, (i) => storeKey(i, tile, of))}
  `);
}

/** Row of the i-th key (beyond the last that one), and its channels [perLane] of the gradients. */
const startKey = (i: number, { perLane }: Tile, of: Outputs): string => wgsl`
  let k_row${i} = k_base + min(j0 + ${i}u, sizes.n_keys - 1u) * k_stride;
  ${times(perLane, (j) => sumsOf(of).map(({ into }) => `var ${into}${i}_${j} = vec4f();`).join(" "))}
`;

/** The query of a lane (beyond the last that one, with p = 0), its row, and what forward left of it. */
const queryOfLane = ({ keys }: Outputs): string => wgsl`
  let t = t0 + lane;
  let t_in = min(t, sizes.n_queries - 1u);
  let q_row = q_base + t_in * q_stride;
  let at = (sequence * sizes.n_queries + t_in) * sizes.heads + head;
  let lse_t = lse[at];${keys ? " let delta_t = delta[at];" : ""}
`;

/** s [positions] of this lane's query, s[j] += k[j] · q[t], and for the gradient of keys dp[j] += v[j] · grad_z[t]. */
function addScoresOfQuery(tile: Tile, { keys }: Outputs): string {
  const own = [{ array: "keys", name: "k", row: "k_row" }, ...(keys ? [{ array: "values", name: "v", row: "k_row" }] : [])];
  return overChannels(tile, own, (take, q) => wgsl`
    let qv = queries[q_row + c + ${q}];${keys ? ` let dz = grad_z[q_row + c + ${q}];` : ""}
    ${times(tile.positions, (i) => `s${i} += dot(${take(`k${i}`)}, qv);${keys ? ` dp${i} += dot(${take(`v${i}`)}, dz);` : ""}`)}
  `);
}

/** p, and for the gradient of keys ds, of this lane's query and the i-th key. */
const probability = (i: number, { keys }: Outputs): string => wgsl`
  let p${i} = select(0.0, exp(s${i} - lse_t), ${sees("t", `j0 + ${i}u`, "t < end_query")});
  ${keys ? `let ds${i} = p${i} * (dp${i} - delta_t);` : ""}
`;

/** grad_k [positions, Dh] += ds [positions, block] · q [block, Dh], and grad_v += p · grad_z in the same shapes. */
const addQueries = (tile: Tile, of: Outputs): string => addWeighted(
  tile, "row", (q) => `q_base + (t0 + ${q}) * q_stride`, sumsOf(of), [...(of.values ? ["p"] : []), ...(of.keys ? ["ds"] : [])],
);

const storeKey = (i: number, tile: Tile, of: Outputs): string => times(tile.perLane, (j) => {
  const at = `[k_row${i} + ${channel(tile, j)}]`;
  const stores = [...(of.keys ? [`grad_k${at} = gk${i}_${j};`] : []), ...(of.values ? [`grad_v${at} = gv${i}_${j};`] : [])];
  return `if (j0 + ${i}u < sizes.n_keys && ${channel(tile, j)} < sizes.c4) { ${stores.join(" ")} }`;
});

/** ds of one query and one key, by one lane, channel after channel. */
const SCORE_GRADIENT = wgsl`
  fn score_gradient(q_row: u32, k_row: u32, at: u32, column: u32) -> f32 {
    var s = bias[at * sizes.columns + column];
    var dp = 0.0;
    for (var c = 0u; c < sizes.c4; c++) {
      s += dot(queries[q_row + c], keys[k_row + c]);
      dp += dot(grad_z[q_row + c], values[k_row + c]);
    }
    return exp(s - lse[at]) * (dp - delta[at]);
  }
`;

/**
 * grad_bias [B, T, H, columns]. Inner columns have one key each; those at the two ends have all that are further away.
 * Sizes: sizesOf. Grid: queries × (B·H).
 */
export function attentionGradBiasKernel(profile: Profile): KernelParts {
  const ops = team(profile, {});
  return {
    name: "attention_grad_bias",
    doc: ["Gradient of attention with respect to the scores of relative positions.",
      "One team owns one query of one head; its lanes are columns, then keys further away."],
    sizes: sizesOf(true),
    grid: ["n_rows", "heads_of_batch"],
    storage: [Q, K, V, LSE, DELTA, GRAD_Z, BIAS, write("grad_bias", "f32", "[B, T, H, columns]")],
    enable: ops.enable,
    workgroupSize: ops.lanes,
    module: wgsl`
      ${moduleOf(ops.module, true)}
      ${SCORE_GRADIENT}
    `,
    body: wgsl`
      ${QUERY_HEAD}
      let query = tile.x;
      let q_row = q_base + query * q_stride;
      let at = (sequence * sizes.n_queries + query) * sizes.heads + head;
      let last = sizes.reach - 1u;
      let from_key = first_visible(query);
      let end_key = min(sizes.n_keys, query + 1u + sizes.after);
      ${innerColumns(profile)}
      var low = 0.0;
      var high = 0.0;
      ${keysFurtherAway(profile, "low", "from_key + lane; key < end_key && key + last <= query", "1u")}
      ${keysFurtherAway(profile, "high", "max(from_key, query + max(last, 1u)) + lane; key < end_key", "sizes.reach + last")}
      let all_low = team_sum(low, lane);
      let all_high = team_sum(high, lane);
      if (lane == 0u) {
        grad_bias[at * sizes.columns + 1u] = all_low + select(0.0, all_high, last == 0u);
        if (last > 0u) { grad_bias[at * sizes.columns + sizes.reach + last] = all_high; }
      }
    `,
  };
}

/** Columns [columns] besides the two ends: ds of their one key, 0 where there is none. */
const innerColumns = ({ lanes }: Profile): string => wgsl`
  for (var column = lane; column < sizes.columns; column += ${lanes}u) {
    let key = query + column - sizes.reach;
    let inner = column > 1u && column < sizes.reach + last && query + column >= sizes.reach && key >= from_key && key < end_key;
    var sum = 0.0;
    if (inner) { sum = score_gradient(q_row, k_base + key * k_stride, at, column); }
    if (column != 1u && column != sizes.reach + last) { grad_bias[at * sizes.columns + column] = sum; }
  }
`;

/** This lane's part of an end column: its keys, from the first on while there are any. */
const keysFurtherAway = ({ lanes }: Profile, into: string, keys: string, column: string): string =>
  `for (var key = ${keys}; key += ${lanes}u) { ${into} += score_gradient(q_row, k_base + key * k_stride, at, ${column}); }`;
