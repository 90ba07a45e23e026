/**
 * The paired bootstrap over two things that were both sampled: seeds, and the items that all seeds are measured on. Items may come in
 * groups that count alike, whatever their number: a mean is then that over the groups of the means over their items.
 */
import { mean, type Interval } from "./describe.ts";
import { around, criticalT } from "./student.ts";

/** By item, the number of its group; undefined: one group. */
export type Groups = readonly number[] | undefined;

/**
 * 95 % interval of the mean difference over other seeds and other items together; null for fewer than two seeds or items.
 *
 * A replicate draws seeds and, within their groups, items with replacement; the items once for all its seeds, since all are measured on
 * the same (Owen 2007, "The pigeonhole bootstrap"). The variance of infinitely many replicates has a closed form: that of the seeds'
 * means, what items add to each seed apart from the others, and what they add to all alike. Few seeds make percentiles too narrow,
 * so only the standard error is taken, as if of n − 1 seeds, with Student's t (Hesterberg 2015).
 * @param values by seed and item
 */
export function jointInterval(values: readonly (readonly number[])[], groups?: Groups): Interval | null {
  const [seeds, items] = [values.length, values[0]?.length ?? 0];
  if (seeds < 2 || items < 2) return null;
  const parts = partsOf(items, groups);
  const bySeed = values.map((of) => groupedMean(of, groups));
  const byItem = meanByItem(values);
  const center = mean(bySeed);
  const apart = values.reduce((sum, of) => sum + varianceByItems(of.map((value, i) => value - byItem[i]!), parts), 0);
  const squares = bySeed.reduce((sum, of) => sum + (of - center) ** 2, 0);
  const variance = (squares + apart) / seeds ** 2 + varianceByItems(byItem, parts);
  return around(center, criticalT(0.05, seeds - 1) * Math.sqrt((variance * seeds) / (seeds - 1)));
}

/** 95 % interval over other items with the seeds as they are; null if no group has two items. */
export function itemInterval(values: readonly (readonly number[])[], groups?: Groups): Interval | null {
  const byItem = meanByItem(values);
  const parts = partsOf(byItem.length, groups);
  if (byItem.length <= parts.length) return null;
  const half = criticalT(0.05, byItem.length - parts.length) * Math.sqrt(varianceByItems(byItem, parts));
  return around(groupedMean(byItem, groups), half);
}

/** Mean over groups of the means over their items. */
export const groupedMean = (values: readonly number[], groups: Groups): number =>
  mean(partsOf(values.length, groups).map((items) => mean(items.map((i) => values[i]!))));

const meanByItem = (values: readonly (readonly number[])[]): readonly number[] =>
  (values[0] ?? []).map((_, i) => values.reduce((sum, of) => sum + of[i]!, 0) / values.length);

/** The items of each group. */
function partsOf(items: number, groups: Groups): readonly (readonly number[])[] {
  const parts: number[][] = [];
  for (let i = 0; i < items; i++) (parts[groups?.[i] ?? 0] ??= []).push(i);
  return Object.values(parts);
}

/** Of the grouped mean, from how items spread within their groups; a group of one item adds nothing. */
function varianceByItems(values: readonly number[], parts: readonly (readonly number[])[]): number {
  const variances = parts.map((items) => {
    const center = mean(items.map((i) => values[i]!));
    const squares = items.reduce((sum, i) => sum + (values[i]! - center) ** 2, 0);
    return items.length < 2 ? 0 : squares / (items.length * (items.length - 1));
  });
  return variances.reduce((sum, variance) => sum + variance, 0) / parts.length ** 2;
}
