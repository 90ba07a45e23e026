/** What every rule that turns steps into launches needs to know about the graph being planned. */
import type { ValueId } from "../ir/graph.ts";
import type { Profile } from "../ir/plan.ts";
import type { Facts } from "./facts.ts";
import type { Ref } from "./launch.ts";
import type { Tables } from "./tables.ts";

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
  readonly scratch: (bytes: number) => Ref;
  readonly tables: Tables;
}
