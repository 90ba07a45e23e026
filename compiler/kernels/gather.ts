/**
 * Moves by index: table lookups and their gradient, scores of chosen experts, rotary positions, key/value caches.
 *
 * Error  with u = 2⁻²⁴: none for what is only moved. scatter_rows: one f32 sum in order of slots, added to what is there, of the S rows
 *        that used a table row: S·u·Σ|rows|. rope: two products and a sum of the channel x and its partner y, with rounded factors:
 *        4u·(|x| + |y|).
 */
import type { Lanes } from "../ir/launch.ts";
import type { Epilogue } from "./matmul.ts";
import { numbered, oneEach, read, wgsl, write, type KernelParts } from "./text.ts";
import { WIDTH } from "./tiles.ts";

/** Sizes: rows, n4. One invocation per vec4 of the result. */
export const gatherRowsKernel = (epilogue: Epilogue): KernelParts => ({
  name: "gather_rows",
  doc: [`Rows of a table${epilogue.note ? `; ${epilogue.note}` : ""}.`],
  sizes: ["rows", "n4", ...epilogue.sizes],
  storage: [read("table", "vec4f", "[V, n]"), read("row_of", "u32", "[rows]"), ...epilogue.storage],
  workgroupSize: WIDTH,
  module: epilogue.finish,
  body: wgsl`
    ${oneEach("i", "sizes.rows * sizes.n4")}
    let row = i / sizes.n4;
    let column = i % sizes.n4;
    finish(row, column, table[row_of[row] * sizes.n4 + column]);
  `,
});

/** Sizes: groups, n4. One invocation per vec4 of the table: adds the rows of its group in sorted order. */
export const scatterRowsKernel = (): KernelParts => ({
  name: "scatter_rows",
  doc: ["Gradient of a table lookup: each table row collects the rows that used it, in order."],
  sizes: ["groups", "n4"],
  storage: [read("rows", "vec4f", "[slots, n]"), read("order", "u32", "[slots] slots sorted by table row"),
    read("ranges", "vec2u", "[groups] first place, slots"), write("table", "vec4f", "[V, n], added to")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.groups * sizes.n4")}
    let range = ranges[i / sizes.n4];
    let column = i % sizes.n4;
    var sum = vec4f();
    for (var place = range.x; place < range.x + range.y; place++) { sum += rows[order[place] * sizes.n4 + column]; }
    table[i] = table[i] + sum;
  `,
});

/** Sizes: rows, stride, k. One invocation per chosen entry. */
export const gatherLastKernel = (): KernelParts => ({
  name: "gather_last",
  doc: ["Scores of the chosen experts."],
  sizes: ["rows", "stride", "k"],
  storage: [read("scores", "f32", "[rows, stride]"), read("selection", "u32", "[rows, k]"), write("chosen", "f32", "[rows, k]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.rows * sizes.k")}
    chosen[i] = scores[(i / sizes.k) * sizes.stride + selection[i]];
  `,
});

/** Sizes: rows, stride, k. One invocation per entry of the result. */
export const scatterLastKernel = (): KernelParts => ({
  name: "scatter_last",
  doc: ["Values put at the chosen places of each row, 0 elsewhere."],
  sizes: ["rows", "stride", "k"],
  storage: [read("chosen", "f32", "[rows, k]"), read("selection", "u32", "[rows, k]"), write("scattered", "f32", "[rows, stride]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.rows * sizes.stride")}
    let first = (i / sizes.stride) * sizes.k;
    let column = i % sizes.stride;
    var value = 0.0;
    for (var j = first; j < first + sizes.k; j++) { value = select(value, chosen[j], selection[j] == column); }
    scattered[i] = value;
  `,
});

/**
 * Rotary positions (Su et al. 2021, arXiv:2104.09864), halves convention: channel j < nRotate/2 turns with channel j + nRotate/2.
 * Sizes: rows, heads, positions, stride (stored channels), half, direction (1 forward, 0 backward). One invocation per channel, or per
 * four, and then channels are counted in fours.
 */
export const ropeKernel = (lanes: Lanes): KernelParts => ({
  name: "rope",
  doc: ["Rotates channel pairs (j, j + half) by the angle of their position; channels beyond 2·half pass."],
  sizes: ["rows", "heads", "positions", "stride", "half", "forward"],
  storage: [read("x", lanes, "[rows, stride]"), read("cosine", lanes, "[seq_len, half]"), read("sine", lanes, "[seq_len, half]"),
    read("position", "u32", "[1]"), write("rotated", lanes, "[rows, stride]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.rows * sizes.stride")}
    let channel = i % sizes.stride;
    if (channel >= 2u * sizes.half) {
      rotated[i] = x[i];
      return;
    }
    let row = i / sizes.stride;
    let low = channel < sizes.half;
    let angle = (position[0] + (row / sizes.heads) % sizes.positions) * sizes.half + select(channel - sizes.half, channel, low);
    let partner = x[select(i - sizes.half, i + sizes.half, low)];
    let turn = select(-sine[angle], sine[angle], low != (sizes.forward == 1u));
    rotated[i] = x[i] * cosine[angle] + partner * turn;
  `,
});

/** Sizes: vec4s of x, and of x, the cache and a position of one sequence. One invocation per vec4. */
export const cacheKernel = (): KernelParts => ({
  name: "cache_write",
  doc: ["Appends the keys or values of new positions to a cache."],
  sizes: ["n4", "chunk4", "cache4", "row4"],
  storage: [read("x", "vec4f", "[B, T, H, Dh]"), read("position", "u32", "[1]"), write("cache", "vec4f", "[B, capacity, H, Dh]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${numbered("i")}
    let at = position[0] * sizes.row4 + i % sizes.chunk4;
    if (i < sizes.n4 && at < sizes.cache4) { cache[(i / sizes.chunk4) * sizes.cache4 + at] = x[i]; }
  `,
});

/** Sizes: n4. Adds a gradient contribution that no contraction could add itself. */
export const addToKernel = (): KernelParts => ({
  name: "add_to",
  doc: ["sum += x"],
  sizes: ["n4"],
  storage: [read("x", "vec4f", "[n]"), write("sum", "vec4f", "[n]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${numbered("i")}
    if (i < sizes.n4) { sum[i] = sum[i] + x[i]; }
  `,
});
