/** From items to figures with standard errors. */
import type { Item } from "./items.ts";

export interface Result {
  readonly metric: string;
  readonly value: number;
  /** From the spread of the items within their groups. */
  readonly standardError: number;
  readonly groups: Readonly<Record<string, number>>;
  /** By kind: means over its groups. */
  readonly kinds: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Mean over the groups of the means over their items. */
export function meanResult(metric: string, items: readonly Item[], values: readonly number[]): Result {
  const byGroup = grouped(items, values, ({ group }) => group);
  const groups = Object.fromEntries(Object.entries(byGroup).map(([group, of]) => [group, mean(of)]));
  const variance = Object.values(byGroup).reduce((sum, of) => sum + varianceOfMean(of), 0) / Object.keys(byGroup).length ** 2;
  return { metric, value: mean(Object.values(groups)), standardError: Math.sqrt(variance), groups, kinds: kindsOf(items, groups) };
}

/** Perplexity of what a mean is in nats: exp −mean for log probabilities. */
export function exponential({ metric, value, standardError }: Result, sign: 1 | -1): Result {
  const perplexity = Math.exp(sign * value);
  return { metric, value: perplexity, standardError: perplexity * standardError, groups: {}, kinds: {} };
}

/**
 * exp(Σ sums / Σ counts), of independent parts of unequal size.
 * Standard error: that of a ratio, from the spread of sums − ratio · counts, times the perplexity.
 */
export function perplexityResult(metric: string, sums: readonly number[], counts: readonly number[]): Result {
  const { value, standardError } = ratio(sums, counts);
  return exponential({ metric, value, standardError, groups: {}, kinds: {} }, 1);
}

/** Σ sums / Σ counts with its standard error, which is 0 of a single part: that says nothing about it. */
export function ratio(sums: readonly number[], counts: readonly number[]): { readonly value: number; readonly standardError: number } {
  const [n, count] = [sums.length, total(counts)];
  const value = total(sums) / count;
  const squares = sums.reduce((sum, part, i) => sum + (part - value * counts[i]!) ** 2, 0);
  return { value, standardError: n < 2 ? 0 : Math.sqrt((squares * n) / (n - 1)) / count };
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

/** Unbiased; 0 of a single item. */
function varianceOfMean(values: readonly number[]): number {
  const [n, center] = [values.length, mean(values)];
  return n < 2 ? 0 : values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (n * (n - 1));
}
