/**
 * Attention of one invocation at a time: the sums of attention.ts and attention-grad.ts as contractions of packed tiles. It owns some
 * positions of a head, queries or keys, and visits the other side in blocks of 16, whose scores [own, 16] rest in scratch:
 *
 *   packedDots   scores = own [own, Dh] · other [16, Dh]ᵀ
 *   eachRow      masks them; softmax or its gradient, four positions at a time
 *   addWeighted  result [own, Dh] += scores · other [16, Dh], where the result lies in storage
 *
 * Rows beyond the last own position are that one again: they compute and store the same.
 */
import { biasAt, MASKED, QUERY_HEAD, STRIDES } from "./attention-parts.ts";
import { addProducts, component, eachSum, packedDots, PANEL_SCRATCH, type Rows } from "./packed.ts";
import { times, wgsl } from "./text.ts";
import { PACKED_COLUMNS, PACKED_POSITIONS } from "./tiles.ts";

const BLOCK = 4 * PACKED_COLUMNS;

const scratch = (name: string): string => `var<workgroup> ${name}: array<vec4f, ${PACKED_POSITIONS * PACKED_COLUMNS}>; // [own, block]`;
const ofEachRow = (name: string): string => `var<workgroup> ${name}: array<f32, ${PACKED_POSITIONS}>;`;
const ofBlock = (name: string): string => `var<workgroup> ${name}: array<vec4f, ${PACKED_COLUMNS}>;`;

export const FORWARD_SCRATCH = [PANEL_SCRATCH, scratch("scores"), ofEachRow("tops"), ofEachRow("totals"), ofEachRow("shrinks")].join("\n");
export const QUERIES_SCRATCH = [PANEL_SCRATCH, scratch("scores"), scratch("products")].join("\n");
export const KEYS_SCRATCH = [QUERIES_SCRATCH, ofBlock("lse_block"), ofBlock("delta_block")].join("\n");

/** Rows of queries [T, Dh] and of keys [S, Dh] of a head, from position `from` on; beyond the last that one. */
const queryRows = (array: string, from: string): Rows =>
  ({ array, start: (r) => `q_base + min(${from} + ${r}, sizes.n_queries - 1u) * q_stride` });
const keyRows = (array: string, from: string): Rows =>
  ({ array, start: (r) => `k_base + min(${from} + ${r}, sizes.n_keys - 1u) * k_stride` });

/** Own rows that a block meets, in fours: not those before `ahead` of its first position, nor those behind `behind` of its last. */
const rowsThatMeet = (own: string, block: string, ahead: string, behind: string): string => wgsl`
  let row0 = select(0u, ${block} - ${own} - ${ahead}, ${block} > ${own} + ${ahead}) / 4u * 4u;
  let row_end = (min(n_rows, ${block} + ${BLOCK}u + ${behind} - ${own}) + 3u) / 4u * 4u;
`;
const MET = ["row0", "row_end"] as const;

const eachRow = (body: string): string => wgsl`
  for (var r = row0; r < row_end; r++) {
    ${body}
  }
`;

/** For the scores of row r, four at a time: `at`, the `other` positions from `block` on, and which of them it has `seen`. */
const eachScore = (block: string, inside: string): string => wgsl`
  for (var v = 0u; v < ${PACKED_COLUMNS}u; v++) {
    let at = ${PACKED_COLUMNS}u * r + v;
    let other = vec4u(${block} + 4u * v) + vec4u(0u, 1u, 2u, 3u);
    let seen = (other >= vec4u(from_other)) & (other <= vec4u(last_other));
    ${inside}
  }
`;

/** into [own, Dh] = into · factor + weights [own, 16] · other [16, Dh]. */
const addWeighted = (into: Rows, weights: string, other: Rows, factor?: string): string => wgsl`
  for (var r = row0; r < row_end; r += 4u) {
    ${times(4, (i) => `let into_at${i} = ${into.start(`r + ${i}u`)};`)}
    ${factor === undefined ? "" : times(4, (i) => `let factor${i} = ${factor}[r + ${i}u];`)}
    for (var c = 0u; c < sizes.c4; c += ${PACKED_COLUMNS}u) {
      ${times(PACKED_COLUMNS, (v) => `let column${v} = min(c + ${v}u, sizes.c4 - 1u);`)}
      ${eachSum((i, v) => `var c${i}_${v} = ${into.array}[into_at${i} + column${v}]${factor === undefined ? "" : ` * factor${i}`};`)}
      for (var quad = 0u; quad < ${PACKED_COLUMNS}u; quad++) {
        let weights_at = ${PACKED_COLUMNS}u * r + quad;
        ${times(4, (q) => wgsl`
          let other_at${q} = ${other.start(`(4u * quad + ${q}u)`)};
          ${addProducts(
            (v) => `${other.array}[other_at${q} + column${v}]`,
            (i) => component(`${weights}[weights_at + ${PACKED_COLUMNS * i}u]`, q),
          )}
        `)}
      }
      ${eachSum((i, v) => `${into.array}[into_at${i} + column${v}] = c${i}_${v};`)}
    }
  }
`;

const clear = (into: Rows): string => wgsl`
  for (var r = 0u; r < n_rows; r++) {
    let into_at = ${into.start("r")};
    for (var c = 0u; c < sizes.c4; c++) { ${into.array}[into_at + c] = vec4f(); }
  }
`;

/** Place in [B, T, H] of a query. */
const placeOf = (query: string): string => `((sequence * sizes.n_queries + min(${query}, sizes.n_queries - 1u)) * sizes.heads + head)`;
const ofFour = (value: (component: string) => string): string => `vec4f(${["x", "y", "z", "w"].map(value).join(", ")})`;

/** The queries of a tile, from t0 on. */
const OWN_QUERIES = wgsl`
  ${QUERY_HEAD}
  let t0 = tile.x * ${PACKED_POSITIONS}u;
  let n_rows = min(${PACKED_POSITIONS}u, sizes.n_queries - t0);
`;
/** Keys that a query sees. @param query where it stands */
const keysSeenBy = (query: string): string => wgsl`
  let query = ${query};
  let from_other = first_visible(query);
  let last_other = min(sizes.n_keys - 1u, query + sizes.after);
`;
const biasOfKeys = (relative: boolean): string =>
  (relative ? ` + ${ofFour((c) => biasAt("place", "query", `other.${c}`))}` : "");

export const forwardBody = (relative: boolean): string => wgsl`
  ${OWN_QUERIES}
  let first = position[0];
  ${clear(queryRows("z", "t0"))}
  for (var r = 0u; r < ${PACKED_POSITIONS}u; r++) { tops[r] = ${MASKED}; totals[r] = 0.0; }
  let end_key = min(sizes.n_keys, first + t0 + n_rows + sizes.after);
  for (var j0 = first_visible(first + t0); j0 < end_key; j0 += ${BLOCK}u) {
    ${rowsThatMeet("(first + t0)", "j0", "sizes.after", "sizes.before")}
    ${packedDots("scores", MET, "sizes.c4", queryRows("queries", "t0"), keyRows("keys", "j0"))}
    ${eachRow(foldScores(relative))}
    ${addWeighted(queryRows("z", "t0"), "scores", keyRows("values", "j0"), "shrinks")}
  }
  ${STORE_DENOMINATORS}
`;

/** One step of the online softmax of row r with the scores of a block: p, and the shrinking of what was added before. */
const foldScores = (relative: boolean): string => wgsl`
  ${keysSeenBy("first + min(t0 + r, sizes.n_queries - 1u)")}
  ${relative ? `let place = ${placeOf("t0 + r")};` : ""}
  var greatest = vec4f(${MASKED});
  ${eachScore("j0", wgsl`
    let s = select(vec4f(${MASKED}), scores[at]${biasOfKeys(relative)}, seen);
    scores[at] = s;
    greatest = max(greatest, s);
  `)}
  let top = max(tops[r], max(max(greatest.x, greatest.y), max(greatest.z, greatest.w)));
  var sum = vec4f();
  for (var at = ${PACKED_COLUMNS}u * r; at < ${PACKED_COLUMNS}u * (r + 1u); at++) {
    let s = scores[at];
    let p = select(exp(s - top), vec4f(), s == vec4f(${MASKED}));
    scores[at] = p;
    sum += p;
  }
  let shrink = exp(tops[r] - top);
  tops[r] = top;
  shrinks[r] = shrink;
  totals[r] = totals[r] * shrink + ((sum.x + sum.y) + (sum.z + sum.w));
`;

const STORE_DENOMINATORS = wgsl`
  for (var r = 0u; r < n_rows; r++) {
    let total = totals[r];
    let z_at = ${queryRows("z", "t0").start("r")};
    for (var c = 0u; c < sizes.c4; c++) { z[z_at + c] = z[z_at + c] / total; }
    lse[${placeOf("t0 + r")}] = tops[r] + log(total);
  }
`;

export const gradQueriesBody = (relative: boolean): string => wgsl`
  ${OWN_QUERIES}
  ${clear(queryRows("grad_q", "t0"))}
  let end_key = min(sizes.n_keys, t0 + n_rows + sizes.after);
  for (var j0 = first_visible(t0); j0 < end_key; j0 += ${BLOCK}u) {
    ${rowsThatMeet("t0", "j0", "sizes.after", "sizes.before")}
    ${packedDots("scores", MET, "sizes.c4", queryRows("queries", "t0"), keyRows("keys", "j0"))}
    ${packedDots("products", MET, "sizes.c4", queryRows("grad_z", "t0"), keyRows("values", "j0"))}
    ${eachRow(wgsl`
      ${keysSeenBy("min(t0 + r, sizes.n_queries - 1u)")}
      let place = ${placeOf("query")};
      let lse_row = lse[place];
      let delta_row = delta[place];
      ${eachScore("j0", wgsl`
        let p = exp(scores[at]${biasOfKeys(relative)} - lse_row);
        scores[at] = select(vec4f(), p * (products[at] - delta_row), seen);
      `)}
    `)}
    ${addWeighted(queryRows("grad_q", "t0"), "scores", keyRows("keys", "j0"))}
  }
`;

/** @param of which gradients it computes: of keys, of values or both */
export const gradKeysBody = (relative: boolean, of: { readonly keys: boolean; readonly values: boolean }): string => wgsl`
  ${STRIDES}
  let key_head = tile.y % key_heads;
  let sequence = tile.y / key_heads;
  let k_base = (sequence * sizes.n_keys * key_heads + key_head) * sizes.c4;
  let j0 = tile.x * ${PACKED_POSITIONS}u;
  let n_rows = min(${PACKED_POSITIONS}u, sizes.n_keys - j0);
  ${of.keys ? clear(keyRows("grad_k", "j0")) : ""}
  ${of.values ? clear(keyRows("grad_v", "j0")) : ""}
  // A query sees key j when j − after ≤ query ≤ j + before.
  let end_query = min(sizes.n_queries, j0 + n_rows + sizes.before);
  for (var head = key_head * sizes.group; head < (key_head + 1u) * sizes.group; head++) {
    let q_base = (sequence * sizes.n_queries * sizes.heads + head) * sizes.c4;
    for (var t0 = select(0u, j0 - sizes.after, j0 > sizes.after); t0 < end_query; t0 += ${BLOCK}u) {
      ${rowsThatMeet("j0", "t0", "sizes.before", "sizes.after")}
      ${packedDots("scores", MET, "sizes.c4", keyRows("keys", "j0"), queryRows("queries", "t0"))}
      ${of.keys ? packedDots("products", MET, "sizes.c4", keyRows("values", "j0"), queryRows("grad_z", "t0")) : ""}
      for (var v = 0u; v < ${PACKED_COLUMNS}u; v++) {
        ${times(4, (q) => `let place${q} = ${placeOf(`t0 + 4u * v + ${q}u`)};`)}
        lse_block[v] = vec4f(${times(4, (q) => `lse[place${q}]`, ", ")});
        ${of.keys ? `delta_block[v] = vec4f(${times(4, (q) => `delta[place${q}]`, ", ")});` : ""}
      }
      ${eachRow(wgsl`
        let key = min(j0 + r, sizes.n_keys - 1u);
        let from_other = select(0u, key - sizes.after, key > sizes.after);
        let last_other = min(sizes.n_queries - 1u, key + sizes.before);
        ${eachScore("t0", wgsl`
          let p = select(vec4f(), exp(scores[at]${biasOfQueries(relative)} - lse_block[v]), seen);
          scores[at] = p;
          ${of.keys ? "products[at] = p * (products[at] - delta_block[v]);" : ""}
        `)}
      `)}
      ${of.keys ? addWeighted(keyRows("grad_k", "j0"), "products", queryRows("queries", "t0")) : ""}
      ${of.values ? addWeighted(keyRows("grad_v", "j0"), "scores", queryRows("grad_z", "t0")) : ""}
    }
  }
`;

const biasOfQueries = (relative: boolean): string =>
  (relative ? ` + ${ofFour((c) => biasAt(placeOf(`other.${c}`), `other.${c}`, "key"))}` : "");
