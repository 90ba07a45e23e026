/** The stack in passes: what is repeated as a whole, and what tokens decide about when they may halt. */
import type { HaltingSpec, LayerSpec, ModelSpec } from "../ir/model-spec.ts";

/** Applications in a stack: with more, plans fill the memory. */
export const MAX_DEPTH = 10_000;

/** Positions in depth of each pass over the core, first to last; without a core every application is a pass of its own. */
export function passSites({ core, schedule }: Pick<ModelSpec, "core" | "schedule">): readonly (readonly number[])[] {
  const { first, length, passes } = core ?? { first: 0, length: 1, passes: schedule.length };
  return Array.from({ length: passes }, (_, pass) => Array.from({ length }, (_, i) => first + pass * length + i));
}

/** The layer that a pass begins with: its halting network decides. */
export const firstLayer = (model: Pick<ModelSpec, "layers" | "schedule">, pass: readonly number[]): LayerSpec =>
  model.layers[model.schedule[pass[0]!]!.layer]!;

/** The first pass in front of which tokens may halt. */
export const FIRST_DECISION: Readonly<Record<HaltingSpec["kind"], number>> = { act: 1, graves: 0 };

/** Layers by whose network tokens decide: those that begin a pass. */
export function haltingLayers(model: ModelSpec): ReadonlySet<number> {
  if (model.halting === null) return new Set();
  const deciding = passSites(model).slice(FIRST_DECISION[model.halting.kind]);
  return new Set(deciding.map((pass) => model.schedule[pass[0]!]!.layer));
}
