/** The paired bootstrap over two things that were both sampled: seeds, and the items that all seeds are measured on. */
import { createRandom } from "../standalone/random.ts";
import { deviation, mean, type Interval } from "./describe.ts";
import { around, criticalT } from "./student.ts";

/** The standard error is known to 1 / √(2 · 500) = 3 % of itself. */
const REPLICATES = 500;

/**
 * 95 % interval of the mean difference over other seeds and other items together; null for fewer than two seeds or items.
 *
 * Each replicate draws seeds and items with replacement; the items once for all its seeds, since all are measured on the same
 * (Owen 2007, "The pigeonhole bootstrap"). Few seeds make percentiles too narrow, so only the standard error is taken, as if of
 * n − 1 seeds, with Student's t (Hesterberg 2015). The same values give the same interval.
 * @param values by seed and item
 */
export function jointInterval(values: readonly (readonly number[])[]): Interval | null {
  const [seeds, items] = [values.length, values[0]?.length ?? 0];
  if (seeds < 2 || items < 2) return null;
  const random = createRandom(0, "bootstrap");
  let drawn = 0;
  const draw = (n: number): number[] => Array.from({ length: n }, () => Math.floor(random.uniform(drawn++) * n));
  const replicates = Array.from({ length: REPLICATES }, () => meanOf(values, draw(seeds), draw(items)));
  const error = deviation(replicates)! * Math.sqrt(seeds / (seeds - 1));
  return around(mean(values.map(mean)), criticalT(0.05, seeds - 1) * error);
}

function meanOf(values: readonly (readonly number[])[], seeds: readonly number[], items: readonly number[]): number {
  let sum = 0;
  for (const seed of seeds) for (const item of items) sum += values[seed]![item]!;
  return sum / (seeds.length * items.length);
}
