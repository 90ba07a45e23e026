/**
 * Counters of routing: how often each expert was chosen, at each application of a router, by all positions of the batches. Padding of
 * pairs and tokens that halting skips choose too, and are counted. The device adds up; the host reads and clears at steps that log it.
 */
import type { RouterSite } from "../../compiler/stack/routers.ts";
import { added, byRouter, dead, perplexity, shares, sum } from "../analyze/statistics.ts";
import type { Recipe } from "../standalone/schedule.ts";
import type { Executor, HostArray } from "../standalone/types.ts";

/** Since the record before that has one. */
export interface RoutingRecord {
  /** Steps that were counted. */
  readonly steps: number;
  readonly sites: readonly SiteCounts[];
}

export interface SiteCounts extends Pick<RouterSite, "router" | "site" | "pass"> {
  /** Expert e of head h is number h · n_experts + e. */
  readonly counts: readonly number[];
}

/** What was counted since the last record, for a checkpoint: counts by tensor. */
export type Pending = Readonly<Record<string, readonly number[]>>;

const tensorOf = ({ output, site }: RouterSite): string => `routing/${output}.${site}`;
const counted = (executor: Pick<Executor, "has">, sites: readonly RouterSite[]): readonly RouterSite[] =>
  sites.filter((site) => executor.has(tensorOf(site)));

/** Whether a step (counted from 1) logs its routing: every twentieth of the run, every hundredth step at least, and the last. */
export const logsRouting = (step: number, { steps }: Pick<Recipe, "steps">): boolean =>
  step === steps || step % Math.min(100, Math.ceil(steps / 20)) === 0;

/** Counters begin here, at what a checkpoint kept or at 0. */
export function writeCounters(executor: Executor, sites: readonly RouterSite[], pending: Pending = {}): void {
  for (const name of counted(executor, sites).map(tensorOf)) {
    const cleared = new Uint32Array(executor.shape(name)[0]!);
    const kept = pending[name];
    executor.write(name, kept?.length === cleared.length ? Uint32Array.from(kept) : cleared);
  }
}

export async function readCounters(executor: Executor, sites: readonly RouterSite[]): Promise<Pending> {
  const names = counted(executor, sites).map(tensorOf);
  if (names.length === 0) return {};
  const read = await executor.run([], names);
  return Object.fromEntries(names.map((name) => [name, Array.from(read[name] as HostArray)]));
}

/** Reads the counters and clears them; null of a plan without any. @param tokens of a step */
export async function takeCounters(executor: Executor, sites: readonly RouterSite[], tokens: number): Promise<RoutingRecord | null> {
  const all = await readCounters(executor, sites);
  const taken = counted(executor, sites).map((site) => ({ ...site, counts: all[tensorOf(site)]! }));
  const [first] = taken;
  if (first === undefined) return null;
  writeCounters(executor, sites);
  const choices = sum(first.counts) / (first.heads * first.topK);
  return {
    steps: Math.round(choices / tokens), sites: taken.map(({ router, site, pass, counts }) => ({ router, site, pass, counts })),
  };
}

/** A router's choices. */
export interface RouterCounts {
  readonly router: string;
  /** All passes together. */
  readonly counts: readonly number[];
  /** [pass] */
  readonly passes: readonly (readonly number[])[];
}

export const routerCounts = ({ sites }: RoutingRecord): readonly RouterCounts[] => byRouter(sites).map((own) => {
  const passes = own.map(({ counts }) => counts);
  return { router: own[0]!.router, counts: added(passes), passes };
});

/** Choices that an even load would give each expert, from which on one without any is no accident. */
const ENOUGH = 100;

/**
 * Says which experts were chosen by no token in two records running, and again only when there are more of them.
 * @returns what there is to say of the next record
 */
export function createRoutingWatch(): (record: RoutingRecord) => readonly string[] {
  let before: RoutingRecord | null = null;
  const told = new Map<string, number>();
  return (record) => {
    const last = before;
    before = record;
    if (last === null) return [];
    const earlier = new Map(routerCounts(last).map(({ router, counts }) => [router, dead(counts)]));
    return routerCounts(record).flatMap(({ router, counts }) => {
      const deadTwice = dead(counts).filter((expert) => earlier.get(router)?.includes(expert) === true);
      if (sum(counts) < ENOUGH * counts.length || deadTwice.length <= (told.get(router) ?? 0)) return [];
      told.set(router, deadTwice.length);
      const even = perplexity(shares(counts)).toFixed(1);
      const [all, steps] = [counts.length, last.steps + record.steps];
      return [`warning: no token chose ${deadTwice.length} of the ${all} experts of ${router} in ${steps} steps`
        + ` (usage perplexity ${even}); a balance term, or a greater weight of it, spreads the load`];
    });
  };
}
