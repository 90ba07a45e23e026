/** What a family of differences says: a false word anywhere in it is as rare as LEVEL says. */
import { deviation, mean } from "../statistics/describe.ts";
import { detectable, leastSeeds, powerToDiffer, powerToEquate } from "../statistics/power.ts";
import { differenceP, equivalenceP, holm } from "../statistics/student.ts";
import type { Difference, Estimate, Outcome } from "./results.ts";

/** Of any false "better" or "worse" in a family, and of any false "equivalent". */
const LEVEL = 0.05;

/** The chance of a decision that seeds are planned for. */
const POWER = 0.8;

/**
 * @param margin what makes no difference to the reader, in the unit of the values: nats per token, or a share of items
 * @param good losses are better lower, shares of right answers higher
 */
export function judge(estimates: readonly (Estimate | null)[], margin: number, good: Good = "lower"): readonly (Difference | null)[] {
  const found = estimates.map((estimate) => estimate?.per_seed.map(({ difference }) => difference) ?? []);
  const [p, pEquivalent] = [found.map(differenceP), found.map((values) => equivalenceP(values, margin))].map(corrected) as [P, P];
  const level = LEVEL / Math.max(1, p.filter((one) => one !== null).length); // Bonferroni's, to plan by: Holm's is never stricter
  return estimates.map((estimate, i) => {
    if (estimate === null) return null;
    const outcome = outcomeOf(estimate, p[i]!, pEquivalent[i]!, good);
    const [values, sd] = [found[i]!, deviation(found[i]!)];
    return {
      ...estimate, p: p[i]!, p_equivalent: pEquivalent[i]!, outcome, detectable: sd && detectable(values.length, sd, level, POWER),
      more_seeds: outcome === "open" ? moreSeeds(values, sd!, margin, level) : null,
    };
  });
}

type Good = "lower" | "higher";

type P = readonly (number | null)[];

/** By Holm, over those that are known. */
function corrected(p: P): P {
  const known = holm(p.filter((one) => one !== null));
  let next = 0;
  return p.map((one) => (one === null ? null : known[next++]!));
}

/** What lies within the margin is equivalent, even where it is no accident. */
function outcomeOf({ mean, diverged }: Estimate, p: number | null, pEquivalent: number | null, good: Good): Outcome {
  if (p === null || pEquivalent === null) return "one seed";
  if (pEquivalent < LEVEL) return diverged.variant + diverged.against > 0 ? "unstable" : "equivalent";
  if (p >= LEVEL) return "open";
  const isBetter = good === "lower" ? mean < 0 : mean > 0;
  return (isBetter ? diverged.variant : diverged.against) > 0 ? "unstable" : isBetter ? "better" : "worse";
}

/** How many more will probably decide, if mean and deviation are what they are in these; null if MOST_SEEDS would not. */
function moreSeeds(values: readonly number[], sd: number, margin: number, level: number): number | null {
  const population = { mean: mean(values), sd };
  const chance = (n: number): number => Math.max(powerToDiffer(n, population, level), powerToEquate(n, population, margin, level));
  const needed = leastSeeds(chance, POWER, values.length + 1);
  return needed === null ? null : needed - values.length;
}
