/** Which kernel shapes suit an adapter. */
import type { Profile } from "../ir/plan.ts";
import { PACKED_ROWS } from "../kernels/tiles.ts";

export interface AdapterFacts {
  readonly kind: "gpu" | "lavapipe" | "swiftshader" | "cpu" | "null";
  readonly subgroups: boolean;
  readonly subgroupMin: number;
  readonly subgroupMax: number;
}

/** Runs anywhere: exchange through workgroup memory. */
export const PORTABLE: Profile = { name: "portable", lanes: 32, exchange: "workgroup", tileRows: 8, rowOwner: "team" };

/** Of a workgroup, on every device. */
const MAX_INVOCATIONS = 256;

/** One invocation at a time, as WebAssembly on a CPU runs them. */
export const CPU: Profile = { name: "cpu", lanes: 1, exchange: "none", tileRows: PACKED_ROWS, rowOwner: "thread" };

/**
 * Subgroups are used only where every subgroup has the same, known size: the kernels equate team, workgroup and subgroup.
 * Software adapters reduce a row in one invocation, because loads cost them the same wherever they go.
 */
export function profileFor(adapter: AdapterFacts): Profile {
  const { kind, subgroupMin, subgroupMax } = adapter;
  if (kind === "cpu") return CPU;
  if (!adapter.subgroups || subgroupMin !== subgroupMax || subgroupMin < 4) {
    return kind === "gpu" ? { ...PORTABLE, teams: 2 } : { ...PORTABLE, rowOwner: "thread" };
  }
  const lanes = subgroupMin;
  if (kind === "swiftshader") return { name: `broadcast${lanes}`, lanes, exchange: "broadcast", tileRows: 8, rowOwner: "thread" };
  const shuffle = { name: `shuffle${lanes}`, lanes, exchange: "shuffle", tileRows: 8 } as const;
  return kind === "gpu" ? { ...shuffle, rowOwner: "team", teams: Math.max(1, MAX_INVOCATIONS / lanes) }
    : { ...shuffle, rowOwner: "thread" };
}
