/**
 * A team of lanes that owns a tile together: one workgroup, which is also one subgroup where the profile uses subgroups.
 * Kernels are written once in terms of `share` and the reductions; the profile decides what carries the values.
 */
import type { Profile } from "../ir/plan.ts";
import { times } from "./text.ts";

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

/**
 * Runs `body` for each lane index 0 … limit−1 (uniform), with the variables' values at that lane.
 * @param take WGSL of a variable's value at the current lane  @param q WGSL of the current lane index
 */
export function share(
  profile: Profile, vars: readonly SharedVar[], limit: string, body: (take: (name: string) => string, q: string) => string,
): string {
  switch (profile.exchange) {
    case "shuffle":
      return `for (var q = 0u; q < ${limit}; q++) {\n${body((name) => `subgroupShuffle(${name}, q)`, "q")}\n}`;
    case "broadcast":
      return times(profile.lanes, (i) => `if (${i}u < ${limit}) {\n${body((name) => `subgroupBroadcast(${name}, ${i}u)`, `${i}u`)}\n}`);
    case "workgroup": {
      const slot = (name: string): string => {
        const { element } = vars.find((v) => v.name === name)!;
        return `shared_${element}[${vars.filter((v) => v.element === element).findIndex((v) => v.name === name)}]`;
      };
      const publish = vars.map((v) => `${slot(v.name)}[lane] = ${v.name};`).join("\n");
      return `${publish}\nworkgroupBarrier();\nfor (var q = 0u; q < ${limit}; q++) {\n${body((name) => `${slot(name)}[q]`, "q")}\n}\nworkgroupBarrier();`;
    }
  }
}

/** @param sharedVars the most variables that one `share` of this kernel carries, per element type */
export function team(profile: Profile, sharedVars: Partial<Record<SharedVar["element"], number>>): Team {
  if (profile.exchange !== "workgroup") return { lanes: profile.lanes, enable: "enable subgroups;", module: SUBGROUP_REDUCTIONS };
  const arrays = Object.entries(sharedVars).map(([element, count]) =>
    `var<workgroup> shared_${element}: array<array<${element}, ${profile.lanes}>, ${count}>;`);
  return { lanes: profile.lanes, enable: "", module: [...arrays, workgroupReductions(profile.lanes)].join("\n") };
}

const SUBGROUP_REDUCTIONS = `
fn team_sum(x: f32, lane: u32) -> f32 { return subgroupAdd(x); }
fn team_max(x: f32, lane: u32) -> f32 { return subgroupMax(x); }`;

const workgroupReductions = (lanes: number): string => `
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
}`;
