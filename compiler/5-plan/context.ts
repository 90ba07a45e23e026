/** What every rule that turns steps into launches looks up: all of it is decided before the first of them. */
import type { Node, ValueId } from "../ir/graph.ts";
import type { Profile } from "../ir/plan.ts";
import type { Facts } from "./facts.ts";
import type { Ref } from "./launch.ts";
import type { Step } from "./step.ts";

export interface PlanContext {
  readonly facts: Facts;
  readonly profile: Profile;
  readonly isStored: (value: ValueId) => boolean;
  readonly whyStored: (value: ValueId) => string;
  /** Stored values that another step or the host reads. */
  readonly isRead: (value: ValueId) => boolean;
  /** Storage of a value; gradients of parameters have theirs. */
  readonly ref: (value: ValueId) => Ref;
  /** Whether a value is added to what its storage holds. */
  readonly accumulates: (value: ValueId) => boolean;
  /** What the launches of a step hand to each other or to those of other steps, besides values. */
  readonly scratch: (step: Step) => readonly Ref[];
  /** What a routed operation reads of its selection. */
  readonly tables: (node: Node) => Tables;
}

/** Slots in expert order, the range of each expert there, and tiles of slots of one expert each. */
export interface Tables {
  readonly slots: number;
  readonly order: Ref;
  readonly ranges: Ref;
  readonly tiles: Ref;
  readonly nTiles: number;
}
