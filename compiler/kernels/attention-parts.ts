/** What the attention kernels have in common, forward and backward: bindings, heads, masks, and the two loops over channels. */
import type { Profile } from "../ir/plan.ts";
import { read, times, wgsl, type Storage } from "./text.ts";
import { share, type SharedBody, type SharedVar } from "./team.ts";

/** What one team owns: `positions` queries (or keys) of a head × `lanes` of the other side × 4·perLane·lanes channels. */
export interface Tile {
  readonly profile: Profile;
  readonly positions: number;
  readonly perLane: number;
}

export const Q = read("queries", "vec4f", "q [B, T, H, Dh]");
export const K = read("keys", "vec4f", "k [B, S, Hk, Dh]");
export const V = read("values", "vec4f", "v [B, S, Hk, Dh]");
export const BIAS = read("bias", "f32", "[B, T, H, columns]");
export const biasOf = (relative: boolean): readonly Storage[] => (relative ? [BIAS] : []);

/** Masked scores: finite, because adapters may assume that infinities do not occur. */
export const MASKED = "-1e30";

/** H, query heads per key head, T, S, Dh in vec4s, keys visible before and after a query. */
const SIZES = ["heads", "group", "n_queries", "n_keys", "c4", "before", "after"];
/** With relative positions also: P, and stored columns of the bias. */
export const sizesOf = (relative: boolean): readonly string[] => (relative ? [...SIZES, "reach", "columns"] : SIZES);
/** Tiles of a sequence (of queries or of keys) × heads of all sequences × tiles of channels. */
export const GRID = ["tiles", "heads_of_batch", "channel_tiles"];

export const nameOf = (what: string, perLane: number, relative: boolean): string => `${what}_${perLane}${relative ? "_relative" : ""}`;

/** First key that the query at p may see. */
const FIRST_VISIBLE = "fn first_visible(p: u32) -> u32 { return select(0u, p - sizes.before, p > sizes.before); }";

/** Column of the bias [columns] for a query and a key: clamp(key − query, −(P−1), P−1) + P. */
const BIAS_COLUMN = wgsl`
  fn bias_column(query: u32, key: u32) -> u32 {
    let last = sizes.reach - 1u;
    return select(sizes.reach - min(query - key, last), sizes.reach + min(key - query, last), key > query);
  }
`;

export const moduleOf = (module: string, relative: boolean): string => wgsl`
  ${module}
  ${FIRST_VISIBLE}
  ${relative ? BIAS_COLUMN : ""}
`;

/** Whether `query` sees `key`; `inRange` says that the one of the two that a lane holds exists. */
export const sees = (query: string, key: string, inRange: string): string =>
  `${inRange} && ${key} <= ${query} + sizes.after && ${key} >= first_visible(${query})`;

/** The term of relative positions in the score of a query, whose place in [B, T, H] is `at`, and a key. */
export const biasAt = (at: string, query: string, key: string): string => `bias[${at} * sizes.columns + bias_column(${query}, ${key})]`;

/** From one position to the next, for queries [B, T, H, Dh] and for keys [B, S, Hk, Dh], in vec4s. */
export const STRIDES = wgsl`
  let key_heads = sizes.heads / sizes.group;
  let q_stride = sizes.heads * sizes.c4;
  let k_stride = key_heads * sizes.c4;
`;

/** Where the tile's query head [T, Dh] begins, and the key head [S, Dh] that it reads. */
export const QUERY_HEAD = wgsl`
  ${STRIDES}
  let head = tile.y % sizes.heads;
  let sequence = tile.y / sizes.heads;
  let q_base = (sequence * sizes.n_queries * sizes.heads + head) * sizes.c4;
  let k_base = (sequence * sizes.n_keys * key_heads + head / sizes.group) * sizes.c4;
`;

/** The first channel of a lane, in vec4s. */
export const firstChannel = ({ profile, perLane }: Tile): string => `let channel0 = tile.z * ${profile.lanes * perLane}u + lane;`;
/** The j-th. */
export const channel = ({ profile }: Tile, j: number): string => `channel0 + ${j * profile.lanes}u`;

/** The key of a lane, and its row: beyond the last that one, whose probability is then 0. */
export const KEY_OF_LANE = wgsl`
  let key = j0 + lane;
  let k_row = k_base + min(key, sizes.n_keys - 1u) * k_stride;
`;

/** Row of the key that lane q holds. */
export const keyRow = (q: string): string => `k_base + (j0 + ${q}) * k_stride`;

/** A value that every lane has for each position of the tile, so named with the position's number behind it. */
const eachOf = (name: string, tile: Tile): readonly string[] => Array.from({ length: tile.positions }, (_, i) => `${name}${i}`);

/** Rows [positions, Dh] of the tile's own side: in registers `name0…`, beginning at `row0…`. */
interface OwnRows {
  readonly array: string;
  readonly name: string;
  readonly row: string;
}

/** Score loop: `body` for every vec4 of channels, c + q, with the rows [positions, Dh] of the tile's own side. */
export function overChannels(tile: Tile, tensors: readonly OwnRows[], body: SharedBody): string {
  const { lanes } = tile.profile;
  const vars = tensors.flatMap(({ name }) => eachOf(name, tile).map((of): SharedVar => ({ name: of, element: "vec4f" })));
  const load = ({ array, name, row }: OwnRows): string => times(tile.positions, (i) => `let ${name}${i} = ${array}[${row}${i} + c_in];`);
  return wgsl`
    for (var c = 0u; c < sizes.c4; c += ${lanes}u) {
      let c_in = min(c + lane, sizes.c4 - 1u);
      ${tensors.map(load).join("\n")}
      let channels = min(${lanes}u, sizes.c4 - c);
      ${share(tile.profile, vars, "channels", body)}
    }
  `;
}

/** One sum: `into` [positions, perLane] += `weight` [positions, block] · `array` [block, Dh]. */
export interface WeightedSum {
  /** Accumulators `into0_0…`. */
  readonly into: string;
  /** Registers `weight0…` of each lane, shared with the others; `factor` is one of them while it multiplies. */
  readonly weight: string;
  readonly factor: string;
  readonly array: string;
  /** Registers for the channels of a row. */
  readonly name: string;
}

/**
 * Channel loop: adds up the `block` rows of the other side with lanes along channels.
 * @param row register for where a row begins  @param rowAt WGSL of that for lane q  @param shared the weights in the order of their slots
 */
export function addWeighted(
  tile: Tile, row: string, rowAt: (q: string) => string, sums: readonly WeightedSum[], shared: readonly string[],
): string {
  const { profile, positions, perLane } = tile;
  const each = (text: (sum: WeightedSum) => string): string => sums.map(text).join(" ");
  const vars = shared.flatMap((name) => eachOf(name, tile)).map((name): SharedVar => ({ name, element: "f32" }));
  const last = (j: number): string => `min(${channel(tile, j)}, sizes.c4 - 1u)`;
  const adds = (i: number): string =>
    times(perLane, (j) => each(({ into, factor, name }) => `${into}${i}_${j} = fma(${factor}, ${name}${j}, ${into}${i}_${j});`), " ");
  return share(profile, vars, "block", (take, q) => wgsl`
    let ${row} = ${rowAt(q)};
    ${times(perLane, (j) => each(({ name, array }) => `let ${name}${j} = ${array}[${row} + ${last(j)}];`))}
    ${times(positions, (i) => `{ ${each(({ factor, weight }) => `let ${factor} = vec4f(${take(`${weight}${i}`)});`)} ${adds(i)} }`)}
  `);
}
