import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { diffLines, showDiff } from "../runtime/compare/diff.ts";
import { openComparison, type CompareInfo } from "../runtime/compare/folder.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import { runComparison, type CompareOptions, type Variant } from "../runtime/compare/run.ts";
import { bootstrapInterval, deviation, mean, median, quantile, studentInterval } from "../runtime/compare/statistics.ts";
import { summarize } from "../runtime/compare/summary.ts";
import { byteTokenizer } from "../runtime/data/index.ts";
import { renderReport } from "../runtime/report/index.ts";
import { verdicts } from "../runtime/report/words.ts";
import { bigramParams, createBigram } from "./support/bigram-executor.ts";
import { BIGRAM_RECIPE as RECIPE, bigramData, T, V } from "./support/bigram-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-compare-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(scratch, `compare-${folders++}`);

describe("statistics against values worked out by hand", () => {
  test("mean, deviation, quantiles", () => {
    expect(mean([2, 4, 9])).toBe(5);
    expect(deviation([2, 4, 9])).toBeCloseTo(Math.sqrt(13), 12); // (9 + 1 + 16) / 2
    expect(deviation([7])).toBeNull();
    expect(median([9, 1, 5])).toBe(5);
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
    expect(quantile([5], 0.975)).toBe(5);
  });
  test("Student's t: ±12.706 √2 / √2 for 0 and 2, ±4.303 · 1 / √3 for 1, 2, 3", () => {
    expect(studentInterval([0, 2])).toEqual({ low: 1 - 12.706, high: 1 + 12.706 });
    expect(studentInterval([1, 2, 3])!.high).toBeCloseTo(2 + 4.303 / Math.sqrt(3), 12);
    expect(studentInterval([1])).toBeNull();
    expect(studentInterval(Array.from({ length: 61 }, (_, i) => i))!.high - 30).toBeCloseTo((2.0003 * Math.sqrt((60 * 61 * 62) / 12 / 60)) / Math.sqrt(61), 2);
  });
  test("bootstrap of equal differences has no width", () => {
    expect(bootstrapInterval([[0.5, 0.5], [0.5, 0.5]])).toEqual({ low: 0.5, high: 0.5 });
  });
  test("bootstrap of one seed: the normal interval of the mean, within a tenth of its width", () => {
    const differences = Array.from({ length: 400 }, (_, i) => ((i * 7919) % 400) / 400); // uniform on [0, 1): deviation √(1/12)
    const { low, high } = bootstrapInterval([differences]);
    const half = (1.96 * Math.sqrt(1 / 12)) / 20;
    expect(Math.abs(low - (mean(differences) - half))).toBeLessThan(half / 10);
    expect(Math.abs(high - (mean(differences) + half))).toBeLessThan(half / 10);
  });
  test("bootstrap of two seeds that disagree reaches from one to the other", () => {
    expect(bootstrapInterval([[0, 0, 0], [1, 1, 1]])).toEqual({ low: 0, high: 1 });
  });
  test("the same numbers give the same interval", () => {
    expect(bootstrapInterval([[1, 2, 4]])).toEqual(bootstrapInterval([[1, 2, 4]]));
  });
});

describe("line differences", () => {
  test("one line changed, one added", () => {
    expect(showDiff(diffLines("a\nb\nc\n", "a\nB\nc\nd\n"))).toBe("  a\n- b\n+ B\n  c\n+ d");
  });
  test("equal texts", () => {
    expect(diffLines("a\nb", "a\nb").every((line) => line.kind === "same")).toBe(true);
  });
});

/** The bigram model under two learning rates, or with a gradient that breaks. */
function variant(name: string, lr: number, breakAt = 0): Variant {
  return {
    name, spec: `model ${name} {\n  lr ${lr}\n}\n`, specHash: name.padEnd(16, "0"), parameters: { unique: 272, active: 32 }, macsPerToken: { moeut: 16, full: 32 }, seqLen: T, checkpointEvery: 10,
    info: (seed, { adapter }) => ({
      format: 1, model: name, specHash: name, seed, recipe: { ...RECIPE, optimizer: { ...RECIPE.optimizer, lr } },
      data: { source: ["pattern"], id: "pattern", tokenizer: "bytes", tokens: 1 }, versions: { moeut: "0", node: "0" }, adapter,
    }),
    open: async () => ({
      model: {} as never, executor: createBigram({ vocabSize: V, batch: RECIPE.batch, seqLen: T, breakAt }), params: bigramParams(V), memoryBytes: 4096, adapter: { kind: "none", name: "plain loops" }, close: () => {},
    }),
  };
}

const DATA = { source: ["pattern"], id: "pattern", tokenizer: "bytes", tokens: 1000 };
const optionsOf = (out: string, variants: readonly Variant[], seeds: readonly number[]): CompareOptions => ({
  out, variants, seeds, tokenizer: { ...byteTokenizer, vocabSize: V }, data: async (seed) => bigramData(seed, RECIPE.batch), evalEvery: 10, evalTokens: 60, finalTokens: 120, prompt: null, sampleTokens: 8,
});
const summaryOf = (out: string, variants: readonly Variant[], seeds: readonly number[]): CompareResults => summarize({
  out, title: "fast & slow <compared>", variants, seeds, baseline: variants[0]!.name, data: DATA, versions: { moeut: "0", node: "0" },
  budget: { steps: RECIPE.steps, batch: RECIPE.batch, seq_len: T, tokens: RECIPE.steps * RECIPE.batch * T },
});
/** Without wall times. */
const timeless = (results: CompareResults): unknown => ({ ...results, variants: results.variants.map((v) => ({ ...v, step_seconds: null })) });

describe("comparison", () => {
  const variants = [variant("fast", 0.1), variant("slow", 0.01)];
  const seeds = [0, 1, 2];

  test("trains all, pairs by seed, and finds what is better", async () => {
    const out = newFolder();
    expect(await runComparison(optionsOf(out, variants, seeds))).toBe(true);
    const results = summaryOf(out, variants, seeds);
    const [fast, slow] = results.variants;
    expect(fast!.difference).toBeNull();
    expect(slow!.difference!.mean).toBeGreaterThan(0.3);
    expect(slow!.difference!.interval.low).toBeGreaterThan(0);
    expect(slow!.difference!.per_seed.map((s) => s.seed)).toEqual(seeds);
    expect(slow!.difference!.mean).toBeCloseTo(slow!.validation_loss!.mean - fast!.validation_loss!.mean, 10);
    expect(slow!.spec_diff).toBe("- model fast {\n-   lr 0.1\n+ model slow {\n+   lr 0.01\n  }");
    expect(results.validation_sequences).toBe(10);
    expect(fast!.runs[0]!.curve.filter((p) => p.validation_loss !== null).map((p) => p.step)).toEqual([10, 20, 30]);
    expect(fast!.sample!.seed).toBe(0);
    expect(verdicts(results)[0]).toMatch(/^slow ends higher than fast by \d\.\d+ nats \(95 % interval \+.* to \+.*\), over 3 seeds/);
  });

  test("interrupted at several places, it ends in the same results", async () => {
    const straight = newFolder();
    await runComparison(optionsOf(straight, variants, seeds));
    const out = newFolder();
    for (const limit of [5, 12, 33, 61]) {
      let steps = 0;
      expect(await runComparison(optionsOf(out, variants, seeds), { onStep: () => void steps++, shouldStop: () => steps >= limit })).toBe(false);
    }
    expect(await runComparison(optionsOf(out, variants, seeds))).toBe(true);
    expect(timeless(summaryOf(out, variants, seeds))).toEqual(timeless(summaryOf(straight, variants, seeds)));
  });

  test("runs that are finished are not trained again", async () => {
    const out = newFolder();
    await runComparison(optionsOf(out, variants, [0]));
    const final = join(out, "runs", "fast-seed0", "final.json");
    utimesSync(final, 1, 1);
    let steps = 0;
    await runComparison(optionsOf(out, variants, [0]), { onStep: () => void steps++ });
    expect(steps).toBe(0);
    expect(statSync(final).mtimeMs).toBe(1000);
  });

  test("a run that diverges is a result, and the others go on", async () => {
    const out = newFolder();
    const wild = [variants[0]!, variant("wild", 0.1, 15)];
    expect(await runComparison(optionsOf(out, wild, [0]))).toBe(true);
    const results = summaryOf(out, wild, [0]);
    expect(results.variants[1]).toMatchObject({ validation_loss: null, difference: null, sample: null });
    expect(results.variants[1]!.runs[0]!.diverged).toMatch(/diverged in step 15/);
    expect(verdicts(results)[0]).toBe("wild: no pair of runs with fast was completed. 1 of 1 runs diverged and are left out.");
    expect(renderReport(results)).toContain("1 diverged");
  });
});

describe("the folder of a comparison", () => {
  const info: CompareInfo = { format: 1, variants: [{ name: "a", specHash: "1", recipe: RECIPE }], seeds: [0, 1], data: DATA, evalTokens: 1, finalTokens: 2 };
  test.each([
    { why: "other data", change: { data: { ...DATA, id: "x", source: ["other"] } }, message: /the data were pattern \(pattern\), now other \(x\)/ },
    { why: "other seeds", change: { seeds: [0] }, message: /the seeds were 0, 1, now 0/ },
    { why: "other specs", change: { variants: [{ name: "a", specHash: "2", recipe: RECIPE }] }, message: /the specs were 1, now 2/ },
    { why: "other steps", change: { variants: [{ name: "a", specHash: "1", recipe: { ...RECIPE, steps: 7 } }] }, message: /the steps were 30, now 7/ },
  ])("$why is refused and nothing is overwritten", ({ change, message }) => {
    const out = newFolder();
    openComparison(out, info);
    const before = readFileSync(join(out, "compare.json"));
    expect(() => openComparison(out, { ...info, ...change })).toThrow(message);
    expect(readFileSync(join(out, "compare.json"))).toEqual(before);
    expect(() => openComparison(out, info)).not.toThrow();
  });
  test("a folder with other things in it is not used", () => {
    const out = mkdtempSync(join(scratch, "taken-"));
    writeFileSync(join(out, "letter.txt"), "");
    expect(() => openComparison(out, info)).toThrow(/not empty, and it is not a comparison/);
    expect(readdirSync(out)).toEqual(["letter.txt"]);
    expect(existsSync(join(out, "compare.json"))).toBe(false);
  });
});

describe("report", () => {
  const variants = [variant("fast", 0.1), variant("slow", 0.01), variant("slower", 0.003)];
  const html = (async () => {
    const out = newFolder();
    await runComparison(optionsOf(out, variants, [0, 1]));
    return renderReport(summaryOf(out, variants, [0, 1]));
  })();

  test("needs no other file and no network", async () => {
    const text = await html;
    const references = [...text.matchAll(/\b(?:src|href|url|@import)\b\s*[=(]?\s*["']?([^"')\s>]+)/g)].map((m) => m[1]!).filter((target) => !target.startsWith("#"));
    expect(references).toEqual([]);
    expect(text).not.toMatch(/<script|<link|<iframe|<object/);
    expect([...text.matchAll(/https?:\/\/[^"'\s<)]+/g)].map((m) => m[0]).filter((url) => !url.startsWith("http://www.w3.org/"))).toEqual([]);
  });
  test("shows every variant, the plots, the samples and the differences between specs", async () => {
    const text = await html;
    for (const { name } of variants) expect(text).toContain(`${name}`);
    expect(text.match(/<svg/g)).toHaveLength(4);
    expect(text).toContain('<span class="line removed">-   lr 0.1</span>');
    expect(text).toContain("fast &#38; slow &#60;compared&#62;");
    expect(text).toContain("prefers-color-scheme: dark");
    expect(text).toContain("@media print");
  });
  test("equal results give equal bytes", async () => {
    const out = newFolder();
    await runComparison(optionsOf(out, variants, [0]));
    const results = summaryOf(out, variants, [0]);
    expect(renderReport(results)).toBe(renderReport(results));
  });
  test("plots have no text that is not a number", async () => {
    expect(await html).not.toMatch(/NaN|Infinity|undefined/);
  });
});
