/**
 * A team of lanes that owns a tile together: one workgroup, which is also one subgroup where the profile uses subgroups.
 * Kernels are written once in terms of `share` and the reductions; the profile decides what carries the values.
 */
import type { Profile } from "../ir/plan.ts";
import { times, wgsl, type KernelParts } from "./text.ts";

export interface SharedVar {
  readonly name: string;
  readonly element: "f32" | "vec4f" | "u32";
}

export interface Team {
  readonly lanes: number;
  readonly enable: string;
  /** Workgroup memory and functions the body needs. */
  readonly module: string;
}

/** What whoever owns a tile puts into its kernel. */
export interface TileText extends Required<Pick<KernelParts, "enable" | "workgroupSize" | "module" | "body">> {
  /** For the header comment. */
  readonly owner: string;
}

export const ofTeam = ({ lanes, enable, module }: Team, body: string): TileText =>
  ({ owner: `One team of ${lanes} lanes`, enable, workgroupSize: lanes, module, body });

/**
 * Several teams that share the sum of one tile: each adds up a part of it, and the first then has the sum of all of them. `body` sees
 * `part`, the team's number, and `lane`, an index in it.
 */
export const ofTeams = (teams: number, rows: number, { lanes, enable, module }: Team, body: string): TileText => teams === 1
  ? ofTeam({ lanes, enable, module }, body)
  : {
    owner: `A workgroup of ${teams} teams of ${lanes} lanes`, workgroupSize: teams * lanes,
    // A team is a subgroup, which the rules of WGSL do not know: to them it seems to part ways within a loop.
    enable: enable === "" ? "" : `${enable}\ndiagnostic(off, subgroup_uniformity);`,
    module: wgsl`
      ${module}
      var<workgroup> parts: array<vec4f, ${(teams / 2) * rows * lanes}>;
    `,
    body: wgsl`
      let part = invocation / ${lanes}u;
      let lane = invocation % ${lanes}u;
      ${body}
    `,
  };

/**
 * A loop over `count` words of k, [lanes] at a time: `k` is the first of them, `k_in` this lane's (the last again beyond it), `filled` how
 * many there are. Each of several teams has a part of them, one behind the other.
 */
export const eachRun = (teams: number, { lanes }: Profile, count: string, body: string): string => teams === 1
  ? wgsl`
    for (var k = 0u; k < ${count}; k += ${lanes}u) {
      let k_in = min(k + lane, ${count} - 1u);
      let filled = min(${lanes}u, ${count} - k);
      ${body}
    }
  `
  : wgsl`
    let run = (${count} + ${teams - 1}u) / ${teams}u;
    for (var done = 0u; done < run; done += ${lanes}u) {
      let k = part * run + done;
      let k_in = min(k + lane, ${count} - 1u);
      let filled = min(min(${lanes}u, run - done), max(${count}, k) - k);
      ${body}
    }
  `;

/** c0 … of all teams, [teams, rows, lanes], added up in the first: half of them hand theirs to the other half, again and again. */
export function addParts(teams: number, rows: number, { lanes }: Profile): string {
  if (teams === 1) return "";
  const place = (part: string, i: number): string => `parts[(${part} * ${rows}u + ${i}u) * ${lanes}u + lane]`;
  return wgsl`
    for (var half = ${teams / 2}u; half > 0u; half /= 2u) {
      if (part >= half && part < 2u * half) {
        ${times(rows, (i) => `${place("(part - half)", i)} = c${i};`)}
      }
      workgroupBarrier();
      if (part < half) {
        ${times(rows, (i) => `c${i} += ${place("part", i)};`)}
      }
      workgroupBarrier();
    }
  `;
}

/** Whether this lane has the sum of its tile. */
export const ownsSum = (teams: number): string => (teams === 1 ? "" : "part == 0u && ");

/** Of one invocation, whose workgroup memory is scratch. */
export const ofOne = (module: string, body: string): TileText => ({ owner: "One invocation", enable: "", workgroupSize: 1, module, body });

/** @param take WGSL of a variable's value at the current lane  @param q WGSL of the current lane's index */
export type SharedBody = (take: (name: string) => string, q: string) => string;

/** The exchange [lanes]: `body` for each lane 0 … limit−1 (of a team), with the variables' values at that lane. */
export function share(profile: Profile, vars: readonly SharedVar[], limit: string, body: SharedBody, teams = 1): string {
  const first = teams === 1 ? "" : `part * ${profile.lanes}u + `;
  switch (profile.exchange) {
    case "shuffle": return wgsl`
      for (var q = 0u; q < ${limit}; q++) {
        ${body((name) => `subgroupShuffle(${name}, q)`, "q")}
      }
    `;
    case "broadcast": return times(profile.lanes, (i) => wgsl`
      if (${i}u < ${limit}) {
        ${body((name) => `subgroupBroadcast(${name}, ${i}u)`, `${i}u`)}
      }
    `);
    case "workgroup": return wgsl`
      ${vars.map(({ name }) => `${slotOf(vars, name)}[${first}lane] = ${name};`).join("\n")}
      workgroupBarrier();
      for (var q = 0u; q < ${limit}; q++) {
        ${body((name) => `${slotOf(vars, name)}[${first}q]`, "q")}
      }
      workgroupBarrier();
    `;
    case "none": return wgsl`
      {
        ${body((name) => name, "0u")}
      }
    `;
  }
}

/** Workgroup memory [lanes] of a variable: those of one type have a row each in one array. */
function slotOf(vars: readonly SharedVar[], name: string): string {
  const { element } = vars.find((v) => v.name === name)!;
  return `shared_${element}[${vars.filter((v) => v.element === element).findIndex((v) => v.name === name)}]`;
}

/** @param sharedVars the most variables that one `share` of this kernel carries, per element type */
export function team(profile: Profile, sharedVars: Partial<Record<SharedVar["element"], number>>, teams = 1): Team {
  const { lanes } = profile;
  if (profile.exchange === "none") return { lanes, enable: "", module: OWN_REDUCTIONS };
  if (profile.exchange !== "workgroup") return { lanes, enable: "enable subgroups;", module: SUBGROUP_REDUCTIONS };
  const arrays = Object.entries(sharedVars).map(([element, count]) =>
    `var<workgroup> shared_${element}: array<array<${element}, ${teams * lanes}>, ${count}>;`);
  return { lanes, enable: "", module: [...arrays, workgroupReductions(lanes)].join("\n") };
}

/** In an order that the driver chooses; [lanes] → a number that all lanes have. */
const SUBGROUP_REDUCTIONS = wgsl`
  fn team_sum(x: f32, lane: u32) -> f32 { return subgroupAdd(x); }
  fn team_max(x: f32, lane: u32) -> f32 { return subgroupMax(x); }
`;

/** Of a team of one. */
const OWN_REDUCTIONS = wgsl`
  fn team_sum(x: f32, lane: u32) -> f32 { return x; }
  fn team_max(x: f32, lane: u32) -> f32 { return x; }
`;

/** In order of the lanes; [lanes] → a number that all lanes have. */
const workgroupReductions = (lanes: number): string => wgsl`
  var<workgroup> reduced: array<f32, ${lanes}>;
  fn team_sum(x: f32, lane: u32) -> f32 {
    reduced[lane] = x;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < ${lanes}u; i++) { sum += reduced[i]; }
    workgroupBarrier();
    return sum;
  }
  fn team_max(x: f32, lane: u32) -> f32 {
    reduced[lane] = x;
    workgroupBarrier();
    var greatest = reduced[0];
    for (var i = 1u; i < ${lanes}u; i++) { greatest = max(greatest, reduced[i]); }
    workgroupBarrier();
    return greatest;
  }
`;
