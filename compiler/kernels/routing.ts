/**
 * From scores to chosen experts, and from chosen experts to slots in expert order: a stable counting sort without
 * atomics, so the order (and every sum that follows it) is the same in every run.
 *
 *   topK      scores [rows, E]                → selection [rows, k]; expert [rows·k] numbered over all heads
 *   count     expert [slots]                  → counts [blocks, experts]: slots per block of slots and expert
 *   prefix    counts [blocks, experts]        → in place, slots of the expert in earlier blocks; totals [experts]
 *   offsets   totals [experts]                → ranges [experts]: first place and slots of each; tiles [tiles] of one expert
 *   place     expert [slots], counts, ranges  → order [slots]: order[place] = slot
 *
 * Error  none: comparisons and integers. Equal scores go to the lower index, so a choice differs from that of exact arithmetic only where
 *        two scores are closer to each other than to their exact values.
 */
import type { Profile } from "../ir/plan.ts";
import { oneEach, read, wgsl, write, type KernelParts } from "./text.ts";
import { WIDTH } from "./tiles.ts";

const EXPERT = read("expert", "u32", "[slots]");
const COUNTS_NOTE = "[blocks, experts]";
const RANGES_NOTE = "[experts] first place, slots";

/** Entry of a row [columns] that comes next after the last one chosen, in order of falling score and rising index. */
const BEST_AFTER_LAST = wgsl`
  var best_score = 0.0;
  var best_index = 0xffffffffu;
  for (var i = 0u; i < sizes.columns; i++) {
    let score = scores[base + i];
    let after = j == 0u || score < last_score || (score == last_score && i > last_index);
    if (after && (best_index == 0xffffffffu || score > best_score)) { best_score = score; best_index = i; }
  }
  // Only NaN scores leave no entry; any index in range will do, the step is rejected later.
  best_index = select(best_index, j, best_index == 0xffffffffu);
`;

/** Sizes: rows, columns (experts), stride (stored columns), k, heads. One invocation per row. */
export const topKKernel = (): KernelParts => ({
  name: "top_k",
  doc: ["The k greatest scores of each row, best first; equal scores in order of index. Also numbers the chosen experts over all heads.",
    "k passes over the row: each finds the best entry that comes after the previous one in (score, index) order."],
  sizes: ["rows", "columns", "stride", "k", "heads"],
  storage: [read("scores", "f32", "[rows, stride]"), write("selection", "u32", "[rows, k]"), write("expert", "u32", "[rows, k]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("row", "sizes.rows")}
    let base = row * sizes.stride;
    let first_expert = (row % sizes.heads) * sizes.columns;
    var last_score = 0.0;
    var last_index = 0u;
    for (var j = 0u; j < sizes.k; j++) {
      ${BEST_AFTER_LAST}
      selection[row * sizes.k + j] = best_index;
      expert[row * sizes.k + j] = first_expert + best_index;
      last_score = best_score;
      last_index = best_index;
    }
  `,
});

/** Sizes: slots, experts, block (slots of one), blocks. One invocation per (block, expert). */
export const countKernel = (): KernelParts => ({
  name: "route_count",
  doc: ["Slots of each expert in each block of slots."],
  sizes: ["slots", "experts", "block", "blocks"],
  storage: [EXPERT, write("counts", "u32", COUNTS_NOTE)],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("job", "sizes.blocks * sizes.experts")}
    let wanted = job % sizes.experts;
    let first = (job / sizes.experts) * sizes.block;
    let end = min(first + sizes.block, sizes.slots);
    var count = 0u;
    for (var slot = first; slot < end; slot++) { count += select(0u, 1u, expert[slot] == wanted); }
    counts[job] = count;
  `,
});

/** Sizes: experts, blocks. One invocation per expert. @param counted whether totals are also added up over all runs */
export const prefixKernel = (counted: boolean): KernelParts => ({
  name: counted ? "route_prefix_counted" : "route_prefix",
  doc: ["Turns counts into slots of the same expert in earlier blocks; keeps each expert's total"
    + `${counted ? ", and adds it to those of earlier runs" : ""}.`],
  sizes: ["experts", "blocks"],
  storage: [write("counts", "u32", COUNTS_NOTE), write("totals", "u32", "[experts]"),
    ...(counted ? [write("chosen", "u32", "[experts] over all runs")] : [])],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("expert", "sizes.experts")}
    var before = 0u;
    for (var i = 0u; i < sizes.blocks; i++) {
      let at = i * sizes.experts + expert;
      let here = counts[at];
      counts[at] = before;
      before += here;
    }
    totals[expert] = before;
    ${counted ? "chosen[expert] = chosen[expert] + before;" : ""}
  `,
});

/** Slots and tiles of this lane's run of experts. */
const COUNT_RUN = wgsl`
  var run_slots = 0u;
  var run_tiles = 0u;
  for (var e = first_expert; e < end_expert; e++) {
    run_slots += totals[e];
    run_tiles += (totals[e] + sizes.tile_rows - 1u) / sizes.tile_rows;
  }
`;

/** By one lane: slots and tiles [WIDTH] of each run → those of earlier runs, and how many tiles there are in all. */
const SUM_RUNS = wgsl`
  var slot_sum = 0u;
  var tile_sum = 0u;
  for (var i = 0u; i < ${WIDTH}u; i++) {
    let s = slots_before[i];
    let t = tiles_before[i];
    slots_before[i] = slot_sum;
    tiles_before[i] = tile_sum;
    slot_sum += s;
    tile_sum += t;
  }
  tiles_used = tile_sum;
`;

/** Ranges and tiles of a run of experts, from `place` and `tile_at` on. */
const WRITE_RUN = wgsl`
  for (var e = first_expert; e < end_expert; e++) {
    let total = totals[e];
    ranges[e] = vec2u(place, total);
    for (var i = 0u; i < total; i += sizes.tile_rows) {
      tiles[tile_at] = vec4u(e, place + i, min(sizes.tile_rows, total - i), 0u);
      tile_at++;
    }
    place += total;
  }
`;

/** By WIDTH lanes, each of which owns a run of experts. */
const OFFSETS_BY_LANES: Pick<KernelParts, "workgroupSize" | "module" | "body"> = {
  workgroupSize: WIDTH,
  module: wgsl`
    var<workgroup> slots_before: array<u32, ${WIDTH}>;
    var<workgroup> tiles_before: array<u32, ${WIDTH}>;
    var<workgroup> tiles_used: u32;
  `,
  body: wgsl`
    let run = (sizes.experts + ${WIDTH - 1}u) / ${WIDTH}u;
    let first_expert = min(lane * run, sizes.experts);
    let end_expert = min(first_expert + run, sizes.experts);
    ${COUNT_RUN}
    slots_before[lane] = run_slots;
    tiles_before[lane] = run_tiles;
    workgroupBarrier();
    if (lane == 0u) {
      ${SUM_RUNS}
    }
    workgroupBarrier();
    var place = slots_before[lane];
    var tile_at = tiles_before[lane];
    ${WRITE_RUN}
    for (var i = tiles_used + lane; i < sizes.tiles; i += ${WIDTH}u) { tiles[i] = vec4u(); }
  `,
};

/** By one invocation: all experts are its run. */
const OFFSETS_BY_ONE: typeof OFFSETS_BY_LANES = {
  workgroupSize: 1,
  body: wgsl`
    let first_expert = 0u;
    let end_expert = sizes.experts;
    var place = 0u;
    var tile_at = 0u;
    ${WRITE_RUN}
    for (var i = tile_at; i < sizes.tiles; i++) { tiles[i] = vec4u(); }
  `,
};

/** Sizes: experts, tile_rows, tiles. One workgroup. */
export const offsetsKernel = ({ exchange }: Profile): KernelParts => ({
  name: "route_offsets",
  doc: ["Places of each expert in the sorted order, and tiles of at most tile_rows slots of one expert; unused tiles get 0 slots."],
  sizes: ["experts", "tile_rows", "tiles"],
  storage: [read("totals", "u32", "[experts]"), write("ranges", "vec2u", RANGES_NOTE),
    write("tiles", "vec4u", "[tiles] expert, first place, slots, 0")],
  ...(exchange === "none" ? OFFSETS_BY_ONE : OFFSETS_BY_LANES),
});

/** Sizes: slots, experts, block. One invocation per slot. */
export const placeKernel = (): KernelParts => ({
  name: "route_place",
  doc: ["Puts each slot at its place: its expert's first place, plus that expert's slots in earlier blocks,"
    + " plus those earlier in this block."],
  sizes: ["slots", "experts", "block"],
  storage: [EXPERT, read("counts", "u32", `${COUNTS_NOTE} slots in earlier blocks`), read("ranges", "vec2u", RANGES_NOTE),
    write("order", "u32", "[slots]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("slot", "sizes.slots")}
    let mine = expert[slot];
    let block = slot / sizes.block;
    var place = ranges[mine].x + counts[block * sizes.experts + mine];
    for (var other = block * sizes.block; other < slot; other++) { place += select(0u, 1u, expert[other] == mine); }
    order[place] = slot;
  `,
});
