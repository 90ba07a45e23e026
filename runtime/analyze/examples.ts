/** What an expert is for, as far as a text shows it: the tokens that lean to it, and where they stand. */
import type { Routing, SiteRouting } from "./routing.ts";
import { added, sum } from "./statistics.ts";

export interface Leaning {
  readonly token: number;
  /** Times that it chose the expert, at all sites together. */
  readonly count: number;
  /** Its share of the expert's choices over its share of all choices. */
  readonly lift: number;
}

/**
 * For each expert the tokens that lean to it, by what they add to Σ p(token | expert) log p(token | expert) / p(token), greatest first.
 * @param table of each token, how often it chose each expert
 */
export function leanings(table: ReadonlyMap<number, readonly number[]>, most: number): readonly (readonly Leaning[])[] {
  const load = added([...table.values()]);
  const all = sum(load);
  const rows = [...table].map(([token, row]) => ({ token, row, choices: sum(row) })).filter(({ choices }) => choices > 0);
  const weight = ({ count, lift }: Leaning): number => count * Math.log(lift);
  return load.map((mine, expert) => rows
    .map(({ token, row, choices }): Leaning => ({ token, count: row[expert]!, lift: (row[expert]! * all) / (mine * choices) }))
    .filter(({ count, lift }) => count > 0 && lift > 1).sort((a, b) => weight(b) - weight(a)).slice(0, most));
}

/** For each expert, positions in `tokens` where one of its tokens chose it, at most `most`, spread over the text. */
export function occurrences(
  tokens: Uint32Array, sites: readonly SiteRouting[], wanted: readonly (readonly Leaning[])[], most: number,
): readonly (readonly number[])[] {
  const sets = wanted.map((leaning) => new Set(leaning.map(({ token }) => token)));
  const found = wanted.map(() => new Set<number>());
  for (const { chosen, heads, topK } of sites) {
    for (const [slot, expert] of chosen.entries()) {
      const position = Math.floor(slot / (heads * topK));
      if (expert >= 0 && sets[expert]!.has(tokens[position]!)) found[expert]!.add(position);
    }
  }
  return found.map((positions) => spread([...positions].sort((a, b) => a - b), most));
}

const spread = (values: readonly number[], most: number): readonly number[] =>
  values.filter((_, i) => Math.floor((i * most) / values.length) !== Math.floor(((i - 1) * most) / values.length));

export interface Context {
  readonly before: string;
  readonly token: string;
  readonly after: string;
}

const [BEFORE, AFTER] = [16, 8]; // tokens

/** A token with what its window has around it. */
export function contextOf({ tokens, starts }: Routing, position: number, decode: (tokens: Uint32Array) => string): Context {
  const start = starts.findLast((first) => first <= position)!;
  const end = starts.find((first) => first > position) ?? tokens.length;
  const part = (from: number, to: number): string => decode(tokens.subarray(Math.max(start, from), Math.min(end, to)));
  const next = position + 1;
  return { before: part(position - BEFORE, position), token: part(position, next), after: part(next, next + AFTER) };
}
