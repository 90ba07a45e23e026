/**
 * Softmax attention without ever storing the score matrix (after Dao et al. 2022, arXiv:2205.14135); backward in attention-grad.ts.
 *
 *   s[t, j] = q[t] · k[j]     p = softmax over visible j     z[t] = Σ_j p[t, j] · v[j]     lse[t] = log Σ_j exp s[t, j]
 *
 * A query at position p sees keys p − before … p + after, which covers causal, windowed and full attention with one text. Several query
 * heads may read one key head (grouped-query attention, Ainslie et al. 2023, arXiv:2305.13245).
 *
 * A team owns a few queries (or keys) of one head. For dot products its lanes are the other side's positions; for weighted sums they are
 * channels. Queries come scaled. With relative positions a score has one more term, bias[t, clamp(j − t)].
 *
 * The softmax is online: `top` and `sum` are the greatest score and Σ exp(s − top) so far, and what was added before is shrunk by
 * exp(old top − new top). Each lane keeps the sum of its own keys; lanes meet at the end.
 *
 * Work   4 flops per visible (query, key) pair and channel.
 * Error  with u = 2⁻²⁴ and S visible keys. A score is one f32 sum in order of channels: (Dh + 4)·u·Σ|q·k|. exp(x) may be off by
 *        3 + 2|x| units in the last place (WGSL), 2u each, and |x| is at most m = max|s − lse| + |lse| + 1. The denominator is a sum of S
 *        such terms. So each p is off by a share of at most
 *          r = 2·((Dh + 4)·u·max Σ|q·k| + 2u·(3 + 2m)) + (S + 8)·u,     and |z − z₆₄| ≤ Σ_j p·(r + (T + 4)·u)·|v|.
 */
import type { Profile } from "../ir/plan.ts";
import {
  addWeighted, biasAt, biasOf, channel, firstChannel, GRID, K, KEY_OF_LANE, keyRow, MASKED, moduleOf, nameOf, overChannels, Q, QUERY_HEAD,
  sees,
  sizesOf, V, type Tile,
} from "./attention-parts.ts";
import { FORWARD_SCRATCH, forwardBody } from "./attention-packed.ts";
import { read, times, wgsl, write, type KernelParts } from "./text.ts";
import { ofOne, ofTeam, team, type TileText } from "./team.ts";
import { isPacked, tileOf } from "./tiles.ts";

/** Sizes: sizesOf. Grid: query tiles × (B·H) × channel tiles. */
export function attentionKernel(profile: Profile, perLane: number, relative: boolean): KernelParts {
  const { enable, workgroupSize, module, body } = isPacked(profile) ? ofOne(FORWARD_SCRATCH, forwardBody(relative))
    : byTeam(profile, perLane, relative);
  return {
    name: nameOf("attention", perLane, relative),
    doc: ["Attention, online softmax: z = softmax(q k) v and lse, the logarithm of each denominator.",
      `One ${isPacked(profile) ? "invocation" : "team"} owns ${tileOf(profile, perLane)} queries of one head.`],
    sizes: sizesOf(relative),
    grid: GRID,
    storage: [Q, K, V, read("position", "u32", "[1] where the first query stands"), ...biasOf(relative),
      write("z", "vec4f", "[B, T, H, Dh]"), write("lse", "f32", "[B, T, H]")],
    enable, workgroupSize, module: moduleOf(module, relative), body,
  };
}

function byTeam(profile: Profile, perLane: number, relative: boolean): TileText {
  const positions = tileOf(profile, perLane);
  const tile: Tile = { profile, positions, perLane };
  return ofTeam(team(profile, { vec4f: positions, f32: positions }), wgsl`
    ${QUERY_HEAD}
    ${firstChannel(tile)}
    let t0 = tile.x * ${positions}u;
    let first = position[0];
    let from_key = first_visible(first + t0);
    let end_key = min(sizes.n_keys, first + min(t0 + ${positions}u, sizes.n_queries) + sizes.after);
    ${times(positions, (i) => startQuery(i, tile))}
    for (var j0 = from_key; j0 < end_key; j0 += ${profile.lanes}u) {
      ${KEY_OF_LANE}
      ${times(positions, (i) => `var s${i} = 0.0;`)}
      ${addScores(tile)}
      ${times(positions, (i) => foldScore(i, tile, relative))}
      let block = min(${profile.lanes}u, end_key - j0);
      ${addValues(tile)}
    }
    ${times(positions, (i) => storeQuery(i, tile))}
  `);
}

/** Row of the i-th query (beyond the last that one), its running softmax, and its channels [perLane] of z. */
const startQuery = (i: number, { perLane }: Tile): string => wgsl`
  let q_row${i} = q_base + min(t0 + ${i}u, sizes.n_queries - 1u) * q_stride;
  var top${i} = ${MASKED}; var sum${i} = 0.0;
  ${times(perLane, (j) => `var z${i}_${j} = vec4f();`)}
`;

/** s [positions] of this lane's key: s[t] += q[t] · k[key]. */
const addScores = (tile: Tile): string => overChannels(tile, [{ array: "queries", name: "q", row: "q_row" }], (take, q) => wgsl`
  let kv = keys[k_row + c + ${q}];
  ${times(tile.positions, (i) => `s${i} += dot(${take(`q${i}`)}, kv);`)}
`);

/** One step of the online softmax of the i-th query with the scores [lanes] of a block of keys: p, and the shrinking of sum and z. */
function foldScore(i: number, { perLane }: Tile, relative: boolean): string {
  const query = `first + t0 + ${i}u`;
  const at = `((sequence * sizes.n_queries + min(t0 + ${i}u, sizes.n_queries - 1u)) * sizes.heads + head)`;
  return wgsl`
    let seen${i} = ${sees(query, "key", "key < end_key")};
    ${relative ? `s${i} += ${biasAt(at, query, "key")};` : ""}
    s${i} = select(${MASKED}, s${i}, seen${i});
    let new_top${i} = max(top${i}, team_max(s${i}, lane));
    let shrink${i} = exp(top${i} - new_top${i});
    top${i} = new_top${i};
    let p${i} = select(0.0, exp(s${i} - new_top${i}), seen${i});
    sum${i} = sum${i} * shrink${i} + p${i};
    ${times(perLane, (j) => `z${i}_${j} *= shrink${i};`)}
  `;
}

/** z [positions, Dh] += p [positions, block] · v [block, Dh]. */
const addValues = (tile: Tile): string =>
  addWeighted(tile, "v_row", keyRow, [{ into: "z", weight: "p", factor: "w", array: "values", name: "v" }], ["p"]);

/** The i-th query's denominator: z [perLane] divided by it, and (from one lane of one channel tile) its logarithm. */
const storeQuery = (i: number, tile: Tile): string => wgsl`
  {
    let total = team_sum(sum${i}, lane);
    if (t0 + ${i}u < sizes.n_queries) {
      ${times(tile.perLane, (j) => `if (${channel(tile, j)} < sizes.c4) { z[q_row${i} + ${channel(tile, j)}] = z${i}_${j} / total; }`)}
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + ${i}u) * sizes.heads + head] = top${i} + log(total); }
    }
  }
`;
