/**
 * Contractions in which every row meets the matrix of the expert that its slot was routed to (σ-MoE and SwitchHead, Csordás et al.
 * 2024, arXiv:2405.16039). Slots are visited in expert order through `order`, cut into tiles that never straddle two
 * experts; rows are gathered on the way in and scattered on the way out, so every tensor stays in token order.
 *
 *   nn     c[s] = a[s / a_div] · w[g(s)]       nt  c[s] = a[s / a_div] · w[g(s)]ᵀ
 *   outer  w[g] += Σ_{s in g} a[s / a_div]ᵀ · b[s / b_div]
 *
 * Work   2·k·n flops per slot, in either direction; an expert's last tile may be almost empty and costs as much as a full one.
 * Error  nn, nt: one f32 sum of k products in order of k, k·2⁻²⁴·Σ|a·w|. outer: one of the S slots of an expert in order of
 *        slots, added to what is there: (S + 1)·2⁻²⁴·Σ|a·b|.
 */
import type { Profile } from "../ir/plan.ts";
import { accumulateOuter, accumulateRows, columnOfLane, type Epilogue } from "./matmul.ts";
import { OUTER_SCRATCH, packedOuter, packedRows, ROWS_SCRATCH } from "./packed.ts";
import { times, wgsl, write, type KernelParts, type Storage } from "./text.ts";
import { addParts, ofOne, ofTeams, ownsSum, team, type TileText } from "./team.ts";
import { isPacked, tileColumns } from "./tiles.ts";

const TILES: Storage = { name: "tiles", element: "vec4u", access: "read", note: "[tiles] expert, first place in order, slots, 0" };
const ORDER: Storage = { name: "order", element: "u32", access: "read", note: "[slots] slots sorted by expert" };

/** Sizes: n4, k4 in vec4s; a_div slots per row of a. Grid: column tiles × slot tiles. */
export function expertMatmulKernel(layout: "nn" | "nt", profile: Profile, teams: number, epilogue: Epilogue): KernelParts {
  const { owner, enable, workgroupSize, module, body } = isPacked(profile) ? packedTile(layout) : teamTile(layout, profile, teams);
  const product = `c[s] = a[row of s] w[expert of s]${layout === "nt" ? " transposed" : ""}`;
  return {
    name: `expert_matmul_${layout}`,
    doc: [`Expert product ${product}${epilogue.note ? `; ${epilogue.note}` : ""}.`,
      `${owner} owns up to ${profile.tileRows} slots of one expert by ${4 * tileColumns(profile)} columns.`],
    sizes: ["n4", "k4", "a_div", ...epilogue.sizes],
    grid: ["column_tiles", "slot_tiles"],
    storage: [
      { name: "a", element: "vec4f", access: "read", note: "[rows, k]" },
      { name: "b", element: "vec4f", access: "read", note: layout === "nn" ? "w [experts, k, n]" : "w [experts, n, k]" },
      ORDER, TILES, ...epilogue.storage,
    ],
    enable, workgroupSize, teams,
    module: wgsl`
      ${module}
      ${epilogue.finish}
    `,
    body: wgsl`
      let job = tiles[tile.y];
      if (job.z == 0u) { return; }
      ${body}
    `,
  };
}

function teamTile(layout: "nn" | "nt", profile: Profile, teams: number): TileText {
  const { tileRows } = profile;
  return ofTeams(teams, tileRows, team(profile, { vec4f: tileRows }, teams), wgsl`
    ${columnOfLane(profile)}
    let w_base = job.x * sizes.n4 * sizes.k4 * 4u;
    ${times(tileRows, slotOfTile)}
    ${accumulateRows(layout, profile, "w_base", teams)}
    ${addParts(teams, tileRows, profile)}
    if (${ownsSum(teams)}column < sizes.n4) {
      ${times(tileRows, (i) => `if (${i}u < job.z) { finish(slot${i}, column, c${i}); }`)}
    }
  `);
}

const packedTile = (layout: "nn" | "nt"): TileText => ofOne(ROWS_SCRATCH, wgsl`
  let w_base = job.x * sizes.n4 * sizes.k4 * 4u;
  ${packedRows(layout, "w_base", {
    count: "job.z", row: (r) => `order[job.y + ${r}]`, start: (slot) => `(${slot} / sizes.a_div) * sizes.k4`,
  })}
`);

/** The i-th slot of a tile [tileRows], the row of a that it reads, and its four columns of the result. */
const slotOfTile = (i: number): string => wgsl`
  let slot${i} = order[job.y + min(${i}u, job.z - 1u)];
  let a_row${i} = (slot${i} / sizes.a_div) * sizes.k4;
  var c${i} = vec4f();
`;

/** Sizes: m rows and n4 columns of each expert's matrix; a_div, b_div slots per row. Grid: column tiles × row tiles × experts. */
export function expertOuterKernel(profile: Profile, teams: number): KernelParts {
  const { enable, workgroupSize, module, body } = isPacked(profile) ? packedOuterTile() : teamOuterTile(profile, teams);
  return {
    name: "expert_outer",
    doc: ["Weight gradient of an expert product: c[g] += sum over slots s of expert g of a[row of s] (outer) b[row of s].",
      "Experts without slots are left alone."],
    sizes: ["m", "n4", "a_div", "b_div"],
    grid: ["column_tiles", "row_tiles", "experts"],
    storage: [
      { name: "a", element: "vec4f", access: "read", note: "[rows, m]" },
      { name: "b", element: "vec4f", access: "read", note: "[rows, n]" },
      ORDER,
      { name: "ranges", element: "vec2u", access: "read", note: "[experts] first place in order, slots" },
      write("c", "vec4f", "[experts, m, n], added to"),
    ],
    enable, workgroupSize, teams, module,
    body: wgsl`
      let range = ranges[tile.z];
      if (range.y == 0u) { return; }
      ${body}
    `,
  };
}

function teamOuterTile(profile: Profile, teams: number): TileText {
  const { tileRows } = profile;
  return ofTeams(teams, tileRows, team(profile, { vec4f: tileRows / 4, u32: 1 }, teams), wgsl`
    let m4 = sizes.m / 4u;
    let row0 = tile.y * ${tileRows}u;
    ${columnOfLane(profile)}
    ${times(tileRows, (i) => `var c${i} = vec4f();`)}
    ${accumulateOuter(profile, teams, "range.y", "slot / sizes.a_div", (row) => row, { name: "b_row", prepare: ROWS_OF_SLOT })}
    ${addParts(teams, tileRows, profile)}
    if (${ownsSum(teams)}column < sizes.n4) {
      let c_base = tile.z * sizes.m * sizes.n4 + column;
      ${times(tileRows, (i) => `if (row0 + ${i}u < sizes.m) { ${addTo(`c_base + (row0 + ${i}u) * sizes.n4`, `c${i}`)} }`)}
    }
  `);
}

/** The slot at this lane's place in the expert's run [range.y], and the row of b that it reads. */
const ROWS_OF_SLOT = wgsl`
  let slot = order[range.x + k_in];
  let b_row = slot / sizes.b_div;
`;

const packedOuterTile = (): TileText => ofOne(OUTER_SCRATCH, packedOuter({
  count: "range.y", prepare: "let slot = order[range.x + k_at];", a: "slot / sizes.a_div", b: "slot / sizes.b_div",
  finish: addTo("(tile.z * sizes.m + row) * sizes.n4 + column", "value"),
}));

const addTo = (place: string, value: string): string => `let at = ${place}; c[at] = c[at] + ${value};`;
