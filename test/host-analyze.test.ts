/** Statistics of routing, on choices made by hand. */
import { describe, expect, test } from "vitest";
import { contextOf, leanings, occurrences } from "../runtime/analyze/examples.ts";
import { analyze } from "../runtime/analyze/index.ts";
import { renderAnalysis } from "../runtime/analyze/page.ts";
import type { Effect } from "../runtime/analyze/removal.ts";
import type { Routing, SiteRouting } from "../runtime/analyze/routing.ts";
import {
  byToken, centroid, coactivation, counts, entropy, jaccard, jensenShannon, mutualInformation, perplexity, shares,
} from "../runtime/analyze/statistics.ts";
import { stateTensors } from "../runtime/analyze/states.ts";
import { removalRows } from "../runtime/analyze/words.ts";
import { createRandom } from "../runtime/standalone/random.ts";

const site = (pass: number, chosen: readonly number[], over: Partial<SiteRouting> = {}): SiteRouting => ({
  router: "a.feed_forward", output: "ffn", site: pass, pass, heads: 1, nExperts: 4, topK: 2, chosen: Int32Array.from(chosen), entropy: 1,
  ...over,
});

describe("load", () => {
  test("counts leave out skipped tokens, and heads have experts of their own", () => {
    expect(counts(site(0, [0, 1, 1, 3, -1, -1]))).toEqual([1, 2, 0, 1]);
    expect(counts(site(0, [0, 2, 1, 3], { heads: 2, nExperts: 2, topK: 1 }))).toEqual([1, 1, 1, 1]);
  });

  test("perplexity is the number of experts where they are used evenly, 1 where one takes all, 0 of nothing", () => {
    expect(perplexity(shares([5, 5, 5, 5]))).toBeCloseTo(4, 12);
    expect(perplexity(shares([7, 0, 0]))).toBe(1);
    expect(perplexity(shares([0, 0]))).toBe(0);
    expect(entropy([0.5, 0.25, 0.25])).toBeCloseTo(1.5 * Math.LN2, 12);
  });

  test("an expert's centroid is the mean pass of its choices", () => {
    expect(centroid([1, 0, 3])).toBe(1.5);
    expect(centroid([0, 0])).toBeNull();
  });
});

describe("passes", () => {
  test("Jaccard: order does not matter, skipped tokens do not count, and a shift pairs different tokens", () => {
    const before = Int32Array.of(0, 1, 2, 3, -1, -1);
    expect(jaccard(before, Int32Array.of(1, 0, 3, 1, 0, 1), 2)).toBeCloseTo((1 + 1 / 3) / 2, 12);
    expect(jaccard(before, Int32Array.of(2, 1, -1, -1, 0, 1), 2, 2)).toBeCloseTo((1 + 1 / 3) / 2, 12);
    expect(jaccard(before, Int32Array.of(-1, -1, -1, -1, 0, 1), 2)).toBeNull();
  });

  test("Jensen–Shannon: 0 for equal loads, ln 2 for those that share nothing, symmetric", () => {
    expect(jensenShannon([0.5, 0.5], [0.5, 0.5])).toBe(0);
    expect(jensenShannon([1, 0], [0, 1])).toBeCloseTo(Math.LN2, 12);
    expect(jensenShannon([1, 0], [0.5, 0.5])).toBeCloseTo(jensenShannon([0.5, 0.5], [1, 0])!, 12);
    expect(jensenShannon([0, 0], [1, 0])).toBeNull();
  });
});

describe("mutual information", () => {
  test("is the entropy where one decides the other, and 0 where they are independent", () => {
    expect(mutualInformation([[5, 0], [0, 5]])).toEqual({ nats: expect.closeTo(Math.LN2, 12), bias: (2 - 2 - 2 + 1) / 20 });
    expect(mutualInformation([[4, 8], [2, 4]])).toEqual({ nats: expect.closeTo(0, 12), bias: 1 / 36 });
    expect(mutualInformation([[0, 0]])).toEqual({ nats: 0, bias: 0 });
  });

  test("of independent draws it exceeds 0 by the stated bias, on average", () => {
    const random = createRandom(7, "mutual information");
    const found = Array.from({ length: 200 }, (_, trial) => {
      const table = Array.from({ length: 5 }, () => [0, 0, 0, 0]);
      for (let i = 0; i < 400; i++) {
        table[Math.floor(5 * random.uniform(800 * trial + 2 * i))]![Math.floor(4 * random.uniform(800 * trial + 2 * i + 1))]!++;
      }
      return mutualInformation(table);
    });
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const bias = mean(found.map((each) => each.bias));
    expect(bias).toBeCloseTo(12 / 800, 3);
    // 2n · I is about χ² with 12 degrees of freedom: of variance 24, so this is four standard errors of 200 trials.
    expect(Math.abs(mean(found.map(({ nats }) => nats)) - bias)).toBeLessThan((4 * Math.sqrt(24 / 200)) / 800);
  });
});

test("co-activation: pairs by lift, over what each alone would give", () => {
  const chosen = [...Array<number[]>(12).fill([0, 1]), ...Array<number[]>(12).fill([2, 3]), [0, 2]].flat();
  const [first] = coactivation([site(0, chosen)], 5);
  expect(first).toEqual({ experts: [0, 1], together: 12, lift: expect.closeTo((12 * 25) / (13 * 12), 12) });
  expect(coactivation([site(0, chosen)], 100)).toEqual([]);
});

/** Token 7 chooses experts 0 and 1, then 0 and 2; token 9 chooses 2 and 3, then nothing. */
const ROUTING: Routing = {
  tokens: Uint32Array.of(7, 9, 7, 9), starts: [0, 2],
  sites: [site(0, [0, 1, 2, 3, 1, 0, 3, 2]), site(1, [0, 2, -1, -1, 2, 0, -1, -1])],
  states: [{ site: 0, rms: 1, update: 0.5, loss: 3 }, { site: 1, rms: 2, update: 0.25, loss: 2 }],
  streams: [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(7, 8, 9, 10, 11, 12), Float32Array.of(13, 14, 15, 16, 17, 18)],
};

test("experts by token, and the tokens that lean to an expert", () => {
  const table = byToken(ROUTING.tokens, ROUTING.sites);
  expect(table).toEqual(new Map([[7, [4, 2, 2, 0]], [9, [0, 0, 2, 2]]]));
  expect(leanings(table, 1)).toEqual([
    [{ token: 7, count: 4, lift: 1.5 }], [{ token: 7, count: 2, lift: 1.5 }],
    [{ token: 9, count: 2, lift: 1.5 }], [{ token: 9, count: 2, lift: 3 }],
  ]);
  expect(occurrences(ROUTING.tokens, ROUTING.sites, leanings(table, 1), 2)).toEqual([[0, 2], [0, 2], [1, 3], [1, 3]]);
});

test("a context stays in its window", () => {
  const decode = (tokens: Uint32Array): string => tokens.join(" ");
  expect(contextOf(ROUTING, 2, decode)).toEqual({ before: "", token: "7", after: "9" });
  expect(contextOf(ROUTING, 1, decode)).toEqual({ before: "7", token: "9", after: "" });
});

test("an analysis is of each router over its passes, and its page says it without colours and scripts", () => {
  const analysis = analyze(ROUTING, (tokens) => `<${tokens.join(" ")}>`);
  expect(analysis).toMatchObject({
    tokens: 4, windows: 2, token_types: 2, routers: [{ counts: [4, 2, 4, 2], dead: [], by_centroid: [1, 3, 0, 2] }],
  });
  const [router] = analysis.routers;
  expect(router!.passes.map(({ counts: use, dead }) => [use, dead])).toEqual([[[2, 2, 2, 2], []], [[2, 0, 2, 0], [1, 3]]]);
  expect(router!.overlap).toEqual([{ passes: [0, 1], jaccard: expect.closeTo(1 / 3, 12), jaccard_of_others: expect.closeTo(1 / 3, 12) }]);
  expect(router!.jaccard).toEqual([[1, expect.closeTo(1 / 3, 12)], [expect.closeTo(1 / 3, 12), 1]]);
  expect(router!.distinct_experts).toMatchObject({ types: 0, mean: null, by_pass: [null, null] });
  const page = renderAnalysis("Routing of m", "About it.", analysis);
  expect(page).toContain('aria-label="Heat map of expert by pass for a.feed_forward. Chosen most often: in pass 1 expert 0 (25.0 %)');
  expect(page).toContain("<title>expert 2, pass 2: 50.0 %</title>");
  expect(page).not.toMatch(/<script|<7>/);
});

test("a token type's different experts are counted in all passes together and in each", () => {
  const one: Routing = {
    ...ROUTING, tokens: new Uint32Array(10).fill(7), starts: [0],
    sites: [site(0, Array<number[]>(10).fill([0, 1]).flat()), site(1, [...Array<number[]>(9).fill([2, 1]), [3, 0]].flat())],
  };
  expect(analyze(one, String).routers[0]!.distinct_experts).toEqual({
    least: 10, types: 1, mean: 4, by_pass: [2, 4], tokens: [{ token: 7, text: "7", count: 10, distinct: 4, by_pass: [2, 4] }],
  });
});

test("without an expert: what is missed most comes first, on the page too", () => {
  const effects = (...losses: readonly number[]): readonly Effect[] => losses.map((loss) => ({ loss, error: 0.001 }));
  const removal = {
    tokens: 4, windows: 2,
    routers: [{
      router: "a.feed_forward", everywhere: effects(0.1, 0.3, -0.2, 0), passes: [effects(0, 0.25, 0, 0), effects(0, 0.01, -0.2, 0)],
    }],
  };
  const analysis = analyze(ROUTING, String, removal);
  expect(removalRows(analysis, 2)).toEqual([
    ["a.feed_forward", "1", "+0.3000 ± 0.0010", "1", "+0.2500 ± 0.0010"],
    ["a.feed_forward", "0", "+0.1000 ± 0.0010", "1", "0.0000 ± 0.0010"],
  ]);
  expect(renderAnalysis("m", "", analysis)).toMatch(/fill="var\(--series-1\)" fill-opacity="0.800"><title>expert 2, pass 2: −0.2000 nats</);
});

test("states are named after pass and layer, and end where they were to end", () => {
  const tensors = stateTensors(ROUTING, [{ layer: "a", pass: 0 }, { layer: "a", pass: 1 }], 2);
  expect(tensors.map(({ name, dtype, shape, data }) => [name, dtype, shape, [...data]])).toEqual([
    ["tokens", "U32", [3], [7, 9, 7]], ["windows", "U32", [2], [0, 2]],
    ["residual.embedding", "F32", [3, 2], [1, 2, 3, 4, 5, 6]], ["residual.0.a", "F32", [3, 2], [7, 8, 9, 10, 11, 12]],
    ["residual.1.a", "F32", [3, 2], [13, 14, 15, 16, 17, 18]],
    ["experts.0.a.feed_forward", "I32", [3, 2], [0, 1, 2, 3, 1, 0]], ["experts.1.a.feed_forward", "I32", [3, 2], [0, 2, -1, -1, 2, 0]],
  ]);
});
