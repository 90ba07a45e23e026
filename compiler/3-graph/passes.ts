/** The stack in passes: what is repeated as a whole, and what tokens decide about when they may halt. */
import type { LayerSpec, ModelSpec } from "../ir/model-spec.ts";

/** Positions in depth of each pass over the core, first to last; without a core every application is a pass of its own. */
export function passSites({ core, schedule }: Pick<ModelSpec, "core" | "schedule">): readonly (readonly number[])[] {
  const { first, length, passes } = core ?? { first: 0, length: 1, passes: schedule.length };
  return Array.from({ length: passes }, (_, pass) => Array.from({ length }, (_, i) => first + pass * length + i));
}

/** The layer that a pass begins with: its halting network decides. */
export const firstLayer = (model: Pick<ModelSpec, "layers" | "schedule">, pass: readonly number[]): LayerSpec => model.layers[model.schedule[pass[0]!]!.layer]!;

/** Whether tokens decide by a network of this layer: at the begin of a pass; in the first one only under `graves`. */
export const hasHalting = (model: ModelSpec, layer: number): boolean =>
  model.halting !== null && passSites(model).some((pass, index) => (index > 0 || model.halting!.kind === "graves") && model.schedule[pass[0]!]!.layer === layer);
