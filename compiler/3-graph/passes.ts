/** What the two ways of halting have in common: they decide in front of passes, whatever is in those. */
import type { ValueId } from "../ir/graph.ts";
import type { Halted } from "./layer.ts";

/** The passes of a model as those who count them see them. */
export interface Passes {
  /** Positions in depth of each pass. */
  readonly sites: readonly (readonly number[])[];
  /** The state before the first pass, [B, T, D]. */
  readonly start: ValueId;
  /** What the layers of a pass read of a state. */
  readonly enter: (pass: number, state: ValueId) => ValueId;
  /** The layers of a pass: the next state. */
  readonly layers: (pass: number, x: ValueId, halted?: Halted | null) => ValueId;
}
