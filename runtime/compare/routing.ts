/** How the variants of a comparison used their experts, by what training counted. */
import { dead, jensenShannon, perplexity, shares } from "../analyze/statistics.ts";
import { mean } from "../statistics/describe.ts";
import type { StepRecord } from "../train/index.ts";
import { routerCounts, type RouterCounts } from "../train/routing.ts";
import type { RouterUse, RunRouting } from "./results.ts";

interface Run {
  readonly seed: number;
  readonly log: readonly StepRecord[];
}

/** By the last record of each run that has counts; none of models without experts, and of runs of versions that did not count. */
export function routingOf(runs: readonly Run[]): readonly RouterUse[] {
  const last = runs.flatMap(({ seed, log }) => {
    const routing = log.findLast((record) => record.routing !== undefined)?.routing;
    return routing === undefined ? [] : [{ seed, steps: routing.steps, routers: routerCounts(routing) }];
  });
  return (last[0]?.routers ?? []).map(({ router, counts, passes }, i): RouterUse => ({
    router, experts: counts.length, steps: last[0]!.steps, passes,
    runs: last.map(({ seed, routers }) => ({ seed, ...useOf(routers[i]!) })),
  }));
}

function useOf({ counts, passes }: RouterCounts): Omit<RunRouting, "seed"> {
  const loads = passes.map(shares);
  const moved = loads.slice(1).flatMap((load, i) => jensenShannon(loads[i]!, load) ?? []);
  return { perplexity: perplexity(shares(counts)), dead: dead(counts), moved: moved.length === 0 ? null : mean(moved) };
}
