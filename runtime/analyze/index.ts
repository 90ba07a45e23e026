/** Routing in numbers: what analysis.json holds. */
import { mean } from "../statistics/describe.ts";
import { contextOf, leanings, occurrences, type Context } from "./examples.ts";
import type { Removal } from "./removal.ts";
import type { Routing, SiteRouting, SiteState } from "./routing.ts";
import {
  added, byCentroid, byRouter, byToken, coactivation, counts, dead, jaccard, jensenShannon, mutualInformation, perplexity, shares,
  type Information, type Pair,
} from "./statistics.ts";

export interface Analysis {
  readonly format: 1;
  readonly tokens: number;
  readonly windows: number;
  readonly token_types: number;
  readonly routers: readonly RouterAnalysis[];
  /** Behind each application of a layer. */
  readonly states: readonly SiteState[];
  /** null where it was not measured. */
  readonly removal: Removal | null;
}

/** How experts are used. Expert e of head h is number h · n_experts + e. */
export interface Use {
  readonly counts: readonly number[];
  /** Experts that no token chose. */
  readonly dead: readonly number[];
  readonly perplexity: number;
  /** Share of choices of the busiest expert over an even share. */
  readonly busiest: number;
}

export interface PassAnalysis extends Use {
  readonly site: number;
  readonly pass: number;
  /** Of the router's softmax, nats: a mean over all tokens and heads, those that halting skips as well. */
  readonly router_entropy: number;
}

export interface RouterAnalysis extends Use {
  readonly router: string;
  readonly heads: number;
  readonly n_experts: number;
  readonly top_k: number;
  readonly passes: readonly PassAnalysis[];
  /** Experts by the mean pass in which they are chosen, those that are never chosen last. */
  readonly by_centroid: readonly number[];
  readonly expert_and_token: Information;
  readonly expert_and_pass: Information;
  /** Each pass and the next. */
  readonly overlap: readonly Overlap[];
  /** Between the loads of passes, nats, [pass][pass]; null where halting skips all. */
  readonly jensen_shannon: readonly (readonly (number | null)[])[];
  /** Between the sets that a token chose, [pass][pass]; null where halting skips all. */
  readonly jaccard: readonly (readonly (number | null)[])[];
  readonly coactivation: readonly Pair[];
  readonly distinct_experts: DistinctExperts;
  readonly examples: readonly Example[];
}

export interface Overlap {
  readonly passes: readonly [number, number];
  /** Of the sets that a token chose; null if halting skips all. */
  readonly jaccard: number | null;
  /** The same between a token and another one: what loads alone explain. */
  readonly jaccard_of_others: number | null;
}

/** Of token types that occur at least `least` times: how many different experts they chose, in all passes together and in each. */
export interface DistinctExperts {
  readonly least: number;
  /** Number of those. */
  readonly types: number;
  readonly mean: number | null;
  /** Means, [pass]. */
  readonly by_pass: readonly (number | null)[];
  /** The most frequent ones. */
  readonly tokens: readonly TokenUse[];
}

export interface TokenUse {
  readonly token: number;
  readonly text: string;
  /** Occurrences. */
  readonly count: number;
  readonly distinct: number;
  readonly by_pass: readonly number[];
}

export interface Example {
  readonly expert: number;
  readonly tokens: readonly { readonly token: number; readonly text: string; readonly count: number; readonly lift: number }[];
  readonly contexts: readonly Context[];
}

type Decode = (tokens: Uint32Array) => string;

/** Token types that are rarer have too few choices to count experts by. */
const LEAST = 10;
const [PAIRS, TOKENS, LEANING, CONTEXTS] = [20, 20, 5, 3];

export function analyze(routing: Routing, decode: Decode, removal: Removal | null = null): Analysis {
  return {
    format: 1, tokens: routing.tokens.length, windows: routing.starts.length, token_types: new Set(routing.tokens).size,
    routers: byRouter(routing.sites).map((sites) => analyzeRouter(routing, sites, decode)),
    states: routing.states, removal,
  };
}

/** @param sites its applications, in order of depth */
function analyzeRouter(routing: Routing, sites: readonly SiteRouting[], decode: Decode): RouterAnalysis {
  const { router, heads, nExperts, topK } = sites[0]!;
  const use = sites.map(counts);
  const loads = use.map(shares);
  const table = byToken(routing.tokens, sites);
  return {
    router, heads, n_experts: nExperts, top_k: topK, ...useOf(added(use)),
    passes: sites.map((site, i) => ({ site: site.site, pass: site.pass, ...useOf(use[i]!), router_entropy: site.entropy })),
    by_centroid: byCentroid(use),
    expert_and_token: mutualInformation([...table.values()]), expert_and_pass: mutualInformation(use),
    overlap: overlaps(sites), jensen_shannon: loads.map((p) => loads.map((q) => jensenShannon(p, q))),
    jaccard: sites.map((a) => sites.map((b) => jaccard(a.chosen, b.chosen, heads * topK))),
    coactivation: coactivation(sites).slice(0, PAIRS),
    distinct_experts: distinctExperts(routing.tokens, sites, table, decode),
    examples: examplesOf(routing, sites, table, decode),
  };
}

function useOf(use: readonly number[]): Use {
  const load = shares(use);
  return { counts: use, dead: dead(use), perplexity: perplexity(load), busiest: Math.max(...load) * use.length };
}

const overlaps = (sites: readonly SiteRouting[]): readonly Overlap[] => sites.slice(1).map((site, i): Overlap => {
  const [before, width] = [sites[i]!, site.heads * site.topK];
  const half = Math.floor(site.chosen.length / width / 2);
  return {
    passes: [before.pass, site.pass], jaccard: jaccard(before.chosen, site.chosen, width),
    jaccard_of_others: jaccard(before.chosen, site.chosen, width, half),
  };
});

function distinctExperts(
  tokens: Uint32Array, sites: readonly SiteRouting[], table: ReadonlyMap<number, readonly number[]>, decode: Decode,
): DistinctExperts {
  const occurring = new Map<number, number>();
  for (const token of tokens) occurring.set(token, (occurring.get(token) ?? 0) + 1);
  const tables = sites.map((site) => byToken(tokens, [site]));
  const frequent = [...occurring].filter(([, count]) => count >= LEAST).sort(([, a], [, b]) => b - a);
  const found = frequent.map(([token, count]): TokenUse => ({
    token, text: decode(Uint32Array.of(token)), count, distinct: used(table.get(token)!),
    by_pass: tables.map((each) => used(each.get(token)!)),
  }));
  const meanOf = (of: (use: TokenUse) => number): number | null => (found.length === 0 ? null : mean(found.map(of)));
  return {
    least: LEAST, types: found.length, mean: meanOf(({ distinct }) => distinct),
    by_pass: sites.map((_, pass) => meanOf((use) => use.by_pass[pass]!)), tokens: found.slice(0, TOKENS),
  };
}

const used = (row: readonly number[]): number => row.filter((n) => n > 0).length;

function examplesOf(
  routing: Routing, sites: readonly SiteRouting[], table: ReadonlyMap<number, readonly number[]>, decode: Decode,
): readonly Example[] {
  const leaning = leanings(table, LEANING);
  const places = occurrences(routing.tokens, sites, leaning, CONTEXTS);
  return leaning.map((tokens, expert) => ({
    expert, tokens: tokens.map((each) => ({ ...each, text: decode(Uint32Array.of(each.token)) })),
    contexts: places[expert]!.map((position) => contextOf(routing, position, decode)),
  }));
}
