/** How much one workgroup does: what the plan's grids and the kernels' texts must agree on. */
import type { Profile } from "../ir/plan.ts";

/** Invocations of a workgroup where each has a job of its own. */
export const WIDTH = 64;
/** Entries of a long axis that one invocation of a column sum adds up. */
export const CHUNK = 32;
/** Words of "metrics"; see METRICS in runtime/standalone/types.ts. 4 is the factor for gradients, 5 and 6 the running losses. */
export const METRICS_WORDS = 8;

/** Rows of one workgroup where every invocation reduces a row. */
export const rowsPerGroup = (profile: Profile): number => Math.max(4, profile.lanes);

/** Rows, and vec4s of columns, of a contraction tile of one invocation (packed.ts). */
export const PACKED_ROWS = 64;
export const PACKED_COLUMNS = 4;

/** Queries (or keys) that one invocation owns. */
export const PACKED_POSITIONS = 32;

/** A team of one packs its operands. */
export const isPacked = ({ exchange }: Profile): boolean => exchange === "none";

/** vec4s of columns of a contraction tile. */
export const tileColumns = (profile: Profile): number => (isPacked(profile) ? PACKED_COLUMNS : profile.lanes);

/** Registers and text stay bounded, however wide a head is; what is packed keeps none of them. */
const MAX_PER_LANE = 8;
/**
 * vec4s of a head that each lane holds; of a wider head it holds those of one channel tile, and each channel tile has a team that computes
 * the scores anew.
 */
export const vectorsPerLane = (profile: Profile, c4: number): number =>
  (isPacked(profile) ? 1 : Math.min(MAX_PER_LANE, Math.ceil(c4 / profile.lanes)));
/** Teams that share the channels of a head. */
export const channelTiles = (profile: Profile, c4: number): number =>
  (isPacked(profile) ? 1 : Math.ceil(c4 / (profile.lanes * vectorsPerLane(profile, c4))));
/** Queries (or keys) per team: fewer when heads are wide, so that accumulators stay in registers. */
export const tileOf = (profile: Profile, accumulators: number): number =>
  (isPacked(profile) ? PACKED_POSITIONS : accumulators <= 1 ? 8 : accumulators <= 2 ? 4 : 2);
