/** From items to figures with standard errors. */
import type { Item } from "./items.ts";

export interface Result {
  readonly metric: string;
  readonly value: number;
  /** From the spread of the items within their groups; null where a group has one item, which has no spread. */
  readonly standardError: number | null;
  readonly groups: Readonly<Record<string, number>>;
  /** By kind: means over its groups. */
  readonly kinds: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Mean over the groups of the means over their items. */
export function meanResult(metric: string, items: readonly Item[], values: readonly number[]): Result {
  const byGroup = grouped(items, values, ({ group }) => group);
  const groups = Object.fromEntries(Object.entries(byGroup).map(([group, of]) => [group, mean(of)]));
  const standardError = errorOfMeans(Object.values(byGroup));
  return { metric, value: mean(Object.values(groups)), standardError, groups, kinds: kindsOf(items, groups) };
}

/** Perplexity of what a mean is in nats: exp −mean for log probabilities. */
export function exponential({ metric, value, standardError }: Result, sign: 1 | -1): Result {
  const perplexity = Math.exp(sign * value);
  return { metric, value: perplexity, standardError: standardError === null ? null : perplexity * standardError, groups: {}, kinds: {} };
}

/**
 * exp(Σ sums / Σ counts), of independent parts of unequal size.
 * Standard error: that of a ratio, from the spread of sums − ratio · counts, times the perplexity.
 */
export function perplexityResult(metric: string, sums: readonly number[], counts: readonly number[]): Result {
  const { value, standardError } = ratio(sums, counts);
  return exponential({ metric, value, standardError, groups: {}, kinds: {} }, 1);
}

/** Σ sums / Σ counts with its standard error; null of a single part, which says nothing about it. */
export function ratio(sums: readonly number[], counts: readonly number[]): Pick<Result, "value" | "standardError"> {
  const [n, count] = [sums.length, total(counts)];
  const value = total(sums) / count;
  const squares = sums.reduce((sum, part, i) => sum + (part - value * counts[i]!) ** 2, 0);
  return { value, standardError: n < 2 ? null : Math.sqrt((squares * n) / (n - 1)) / count };
}

function kindsOf(items: readonly Item[], groups: Result["groups"]): Result["kinds"] {
  const names = Object.keys(items[0]?.kinds ?? {});
  const firsts = Object.keys(groups).map((group) => items.find((item) => item.group === group)!);
  return Object.fromEntries(names.map((name) => {
    const byKind = grouped(firsts, Object.values(groups), ({ kinds }) => kinds![name]!);
    return [name, Object.fromEntries(Object.entries(byKind).map(([kind, means]) => [kind, mean(means)]))];
  }));
}

type Lists = Readonly<Record<string, readonly number[]>>;

function grouped(items: readonly Item[], values: readonly number[], keyOf: (item: Item) => string): Lists {
  const lists: Record<string, number[]> = {};
  items.forEach((item, i) => (lists[keyOf(item)] ??= []).push(values[i]!));
  return lists;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const mean = (values: readonly number[]): number => total(values) / values.length;

/** Of the mean of the means of independent groups, unbiased; null if one has a single value. */
function errorOfMeans(groups: readonly (readonly number[])[]): number | null {
  if (groups.some(({ length }) => length < 2)) return null;
  return Math.sqrt(groups.reduce((sum, values) => sum + varianceOfMean(values), 0)) / groups.length;
}

function varianceOfMean(values: readonly number[]): number {
  const [n, center] = [values.length, mean(values)];
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (n * (n - 1));
}
