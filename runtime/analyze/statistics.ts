/** Numbers about choices. Entropies and information are in nats; distributions are arrays that sum to 1. */
import type { SiteRouting } from "./routing.ts";

export const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** Applications, of each router those that are its own. */
export const byRouter = <Site extends { readonly router: string }>(sites: readonly Site[]): readonly (readonly Site[])[] =>
  [...new Set(sites.map(({ router }) => router))].map((name) => sites.filter(({ router }) => router === name));

/** How often each expert was chosen, [H · E]. */
export function counts({ chosen, heads, nExperts }: Pick<SiteRouting, "chosen" | "heads" | "nExperts">): readonly number[] {
  const result = new Array<number>(heads * nExperts).fill(0);
  for (const expert of chosen) if (expert >= 0) result[expert]!++;
  return result;
}

/** Experts that no token chose. */
export const dead = (counts: readonly number[]): readonly number[] => counts.flatMap((n, expert) => (n === 0 ? [expert] : []));

export const added = (rows: readonly (readonly number[])[]): readonly number[] => rows[0]!.map((_, i) => sum(rows.map((row) => row[i]!)));

/** Counts as a distribution; of nothing, zeros. */
export function shares(values: readonly number[]): readonly number[] {
  const total = sum(values);
  return values.map((value) => (total === 0 ? 0 : value / total));
}

export const entropy = (p: readonly number[]): number => -sum(p.map((x) => (x === 0 ? 0 : x * Math.log(x))));

/** So many experts, used evenly, would have the same entropy; 0 where nothing was chosen. */
export const perplexity = (p: readonly number[]): number => (sum(p) === 0 ? 0 : Math.exp(entropy(p)));

/** 0 for equal distributions to ln 2 for those that share nothing; null for shares of nothing. */
export function jensenShannon(p: readonly number[], q: readonly number[]): number | null {
  if (sum(p) === 0 || sum(q) === 0) return null;
  return Math.max(0, entropy(p.map((x, i) => (x + q[i]!) / 2)) - (entropy(p) + entropy(q)) / 2);
}

/**
 * Mean over rows of |a ∩ b| / |a ∪ b|, each row being a set of `width` numbers, all negative where the token is skipped; null of no rows.
 * @param shift row i of a meets row i + shift of b
 */
export function jaccard(a: Int32Array, b: Int32Array, width: number, shift = 0): number | null {
  const rows = a.length / width;
  let [total, counted] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const other = ((row + shift) % rows) * width;
    if (a[row * width]! < 0 || b[other]! < 0) continue;
    const shared = sharedIn(a.subarray(row * width, (row + 1) * width), b.subarray(other, other + width));
    total += shared / (2 * width - shared);
    counted++;
  }
  return counted === 0 ? null : total / counted;
}

const sharedIn = (a: Int32Array, b: Int32Array): number => a.reduce((n, expert) => n + Number(b.includes(expert)), 0);

export interface Information {
  /** The plug-in estimate: that of the counts as if they were probabilities. */
  readonly nats: number;
  /** What that is on average for so many counts of two independent things: (cells − rows − columns + 1) / 2n, of those that occur. */
  readonly bias: number;
}

/** Mutual information of the two sides of a table of counts by Σ p(x, y) log p(x, y) / p(x) p(y). */
export function mutualInformation(table: readonly (readonly number[])[]): Information {
  const total = sum(table.map(sum));
  const [rows, columns] = [table.map(sum), added(table)];
  const nats = entropy(shares(rows)) + entropy(shares(columns)) - entropy(shares(table.flat()));
  const occupied = (values: readonly number[]): number => values.filter((value) => value > 0).length;
  const excess = occupied(table.flat()) - occupied(rows) - occupied(columns) + 1;
  return { nats: Math.max(0, nats), bias: total === 0 ? 0 : excess / (2 * total) };
}

/** For each token type how often it chose each expert at some sites, rows [H · E]; a row for each type that occurs. */
export function byToken(tokens: Uint32Array, sites: readonly SiteRouting[]): ReadonlyMap<number, readonly number[]> {
  const table = new Map<number, number[]>();
  for (const { chosen, heads, nExperts, topK } of sites) {
    for (const [slot, expert] of chosen.entries()) {
      const token = tokens[Math.floor(slot / (heads * topK))]!;
      if (!table.has(token)) table.set(token, new Array<number>(heads * nExperts).fill(0));
      if (expert >= 0) table.get(token)![expert]!++;
    }
  }
  return table;
}

export interface Pair {
  readonly experts: readonly [number, number];
  /** Tokens that chose both at one site. */
  readonly together: number;
  /** `together` over what it would be if each expert were chosen by itself with its share of the tokens. */
  readonly lift: number;
}

/** Pairs of experts that a token chose at once, the greatest lift first. @param least times that chance must give a pair to be counted */
export function coactivation(sites: readonly SiteRouting[], least = 5): readonly Pair[] {
  const { heads, nExperts, topK } = sites[0]!;
  const [size, width] = [heads * nExperts, heads * topK];
  const together = new Float64Array(size * size);
  let rows = 0;
  for (const { chosen } of sites) {
    for (let first = 0; first < chosen.length; first += width) {
      const set = chosen.subarray(first, first + width);
      if (set[0]! < 0) continue;
      rows++;
      for (const a of set) for (const b of set) together[a * size + b]!++;
    }
  }
  const pairs = Array.from({ length: size }, (_, a) => Array.from({ length: size - a - 1 }, (_, i): Pair => {
    const b = a + 1 + i;
    const expected = together[a * size + a]! * together[b * size + b]! / Math.max(1, rows);
    return { experts: [a, b], together: together[a * size + b]!, lift: expected < least ? 0 : together[a * size + b]! / expected };
  }));
  return pairs.flat().filter(({ lift }) => lift > 0).sort((x, y) => y.lift - x.lift);
}

/** Mean position of an expert's choices among the passes; null where it was never chosen. @param use counts by pass */
export function centroid(use: readonly number[]): number | null {
  const total = sum(use);
  return total === 0 ? null : sum(use.map((n, pass) => n * pass)) / total;
}

/** Experts by the mean pass in which they are chosen, those that are never chosen last. @param use counts, [pass][expert] */
export function byCentroid(use: readonly (readonly number[])[]): readonly number[] {
  const centroids = use[0]!.map((_, expert) => centroid(use.map((row) => row[expert]!)) ?? Infinity);
  return [...centroids.keys()].sort((a, b) => (centroids[a] === centroids[b] ? a - b : centroids[a]! - centroids[b]!));
}
