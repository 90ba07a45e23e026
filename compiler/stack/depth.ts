/** A recurrent model at another depth: the same weights, its repeated group applied more or fewer times. */
import type { ModelSpec, Site } from "../ir/model-spec.ts";
import { FIRST_DECISION, MAX_DEPTH } from "./passes.ts";

/** The part of a schedule that repeats: sites first … first + length · times − 1. */
interface Recurrence {
  readonly first: number;
  readonly length: number;
  readonly times: number;
}

/**
 * How often the core, or the group where none is marked, is applied, or null where the model has none: nothing is repeated, or not as a
 * group.
 */
export const passesOf = (model: ModelSpec): number | null => recurrence(model)?.times ?? null;

/** Indices of the layers that it applies in each pass; empty where nothing is repeated as a whole. */
export function repeatedLayers(model: ModelSpec): ReadonlySet<number> {
  const group = recurrence(model);
  return new Set(group === null ? [] : model.schedule.slice(group.first, group.first + group.length).map(({ layer }) => layer));
}

/** @returns the model with its core or group applied `passes` times, or what stands in the way */
export function withPasses(model: ModelSpec, passes: number): ModelSpec | { readonly problem: string } {
  const group = recurrence(model);
  if (group === null) return { problem: `the stack of ${model.name}, ${model.stack}, has no group that is repeated as a whole` };
  const order = model.schedule.map((site) => site.layer);
  const most = Math.floor((MAX_DEPTH - order.length) / group.length) + group.times;
  if (passes > most) return { problem: `${model.name} can have ${most} passes at most: a stack has at most ${MAX_DEPTH} layers in all` };
  const end = group.first + group.length * group.times;
  const inner = order.slice(group.first, group.first + group.length);
  const repeated = Array.from({ length: passes }, () => inner).flat();
  const schedule = numbered([...order.slice(0, group.first), ...repeated, ...order.slice(end)]);
  const { core, halting } = model;
  const nPasses = core === null ? schedule.length : passes;
  if (halting !== null && nPasses <= FIRST_DECISION[halting.kind]) {
    return { problem: `${model.name} halts in front of its second ${core === null ? "application" : "pass"}, so it has no depth of 1` };
  }
  if (core?.passEmbedding?.kind === "learned" && passes > core.passes) {
    const vectors = `${model.name} has learned vectors for ${core.passes} passes`;
    return { problem: `${vectors}; \`pass_embedding sinusoidal\` has them for any number` };
  }
  return { ...model, schedule, core: core === null ? null : { ...core, passes } };
}

/**
 * The core; without one, from the first to the last use of any layer that is used again. Only if that is one run of a group without
 * repetitions inside.
 */
function recurrence({ schedule, core: marked }: ModelSpec): Recurrence | null {
  const order = schedule.map((site) => site.layer);
  if (marked !== null) {
    const { first, length, passes } = marked;
    const isShared = order.slice(first, first + length * passes).every((layer, i) => layer === order[first + (i % length)]);
    return isShared ? { first, length, times: passes } : null;
  }
  const uses = new Map<number, number>();
  for (const layer of order) uses.set(layer, (uses.get(layer) ?? 0) + 1);
  const again = order.map((layer) => uses.get(layer)! > 1);
  const first = again.indexOf(true);
  if (first < 0) return null;
  const core = order.slice(first, again.lastIndexOf(true) + 1);
  const length = new Set(core).size;
  return core.length % length === 0 && core.every((layer, i) => layer === core[i % length]) ? { first, length, times: core.length / length }
    : null;
}

function numbered(order: readonly number[]): readonly Site[] {
  const uses = new Map<number, number>();
  return order.map((layer) => {
    const pass = uses.get(layer) ?? 0;
    uses.set(layer, pass + 1);
    return { layer, pass };
  });
}
