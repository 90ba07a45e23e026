import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { diffLines, showDiff } from "../runtime/compare/diff.ts";
import { byLoss, differenceOf } from "../runtime/compare/difference.ts";
import { readStepTimes, writeStepTimes, type FinalRecord } from "../runtime/compare/folder.ts";
import type { CompareResults, DepthResults, Difference, VariantResult } from "../runtime/compare/results.ts";
import { doJobs } from "../runtime/compare/jobs.ts";
import { countHeldOut, runJobs } from "../runtime/compare/run.ts";
import type { Variant } from "../runtime/compare/variant.ts";
import { createSessions } from "../runtime/compare/sessions.ts";
import { measureStepTimes } from "../runtime/compare/step-times.ts";
import { summarize } from "../runtime/compare/summary.ts";
import { judge } from "../runtime/compare/verdict.ts";
import { conclusion } from "../runtime/report/conclusion.ts";
import { depthInWords } from "../runtime/report/depths.ts";
import { renderReport } from "../runtime/report/index.ts";
import { rangeLabel, roundRange } from "../runtime/report/plot.ts";
import { frontInWords, frontOf, type CostPoint } from "../runtime/report/pareto.ts";
import { mean } from "../runtime/statistics/describe.ts";
import { studentInterval } from "../runtime/statistics/student.ts";
import type { Dataset } from "../runtime/data/index.ts";
import { IGNORED } from "../runtime/standalone/train-step.ts";
import { aboutOf, compare, optionsOf, variant } from "./support/bigram-compare.ts";
import { bigramData, T } from "./support/bigram-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-results-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(scratch, `results-${folders++}`);

describe("paired differences", () => {
  const final = (sequences: readonly number[], diverged: string | null = null): FinalRecord =>
    ({ format: 1, diverged, sequences, bytesPerToken: 1, memoryBytes: 1, adapter: { kind: "none", name: "none" }, sample: null });
  const runs = (...losses: readonly (readonly number[] | null)[]) => losses.map((sequences, seed) =>
    byLoss({ seed, final: sequences === null ? null : final(sequences, sequences.length === 0 ? "diverged" : null) }));

  test("over seeds: the means of each seed; over the text: the means of each sequence", () => {
    const found = differenceOf(runs([1, 2], [3, 8]), runs([0, 0], [1, 1]))!; // per seed 1.5 and 4.5; per sequence 1.5 and 4.5
    expect(found.per_seed).toEqual([{ seed: 0, difference: 1.5 }, { seed: 1, difference: 4.5 }]);
    const { low, high } = studentInterval([1.5, 4.5])!;
    const near = { low: expect.closeTo(low, 12) as number, high: expect.closeTo(high, 12) as number };
    expect([found.mean, found.seed_interval, found.text_interval]).toEqual([3, { low, high }, near]);
  });
  test("text that agrees says nothing of seeds that do not", () => {
    const found = differenceOf(runs([1, 1.01], [-0.9, -0.91], [1, 1.01]), runs([0, 0], [0, 0], [0, 0]))!;
    expect(found.text_interval!.low).toBeGreaterThan(0.3);
    expect(judge([found], 0.01)[0]!.outcome).toBe("open");
  });
  test("one seed has no interval over seeds and is never clear", () => {
    const found = differenceOf(runs([1, 1.01]), runs([0, 0]))!;
    expect(found.seed_interval).toBeNull();
    expect(judge([found], 0.01)[0]).toMatchObject({ outcome: "one seed", p: null, p_equivalent: null, more_seeds: null, joint_interval: null });
  });
  test("only seeds with a sound run of both count", () => {
    expect(differenceOf(runs([1], null, [3], []), runs([0], [0], [], [0]))!.per_seed).toEqual([{ seed: 0, difference: 1 }]);
    expect(differenceOf(runs([], null), runs([0], [0]))).toBeNull();
  });
});

test("line differences: one line changed, one added; equal texts", () => {
  expect(showDiff(diffLines("a\nb\nc\n", "a\nB\nc\nd\n"))).toBe("  a\n- b\n+ B\n  c\n+ d");
  expect(diffLines("a\nb", "a\nb").every((line) => line.kind === "same")).toBe(true);
});

const THREE = [variant("fast"), variant("slow", { lr: 0.01 }), variant("slower", { lr: 0.003 })];

/** Without step times in turn. */
async function trained(out: string, variants: readonly Variant[], seeds: readonly number[]): Promise<CompareResults> {
  await doJobs(optionsOf(out, variants, seeds), runJobs({ variants, seeds }), createSessions());
  return summarize({ ...aboutOf(variants), out, variants, seeds, validationTokens: 120, searched: null, tasks: [], scoreAt: [] });
}

describe("step times", () => {
  test("of runs one after the other they come without a ratio", async () => {
    const { variants } = await trained(newFolder(), THREE.slice(0, 2), [0]);
    for (const { step_seconds: found } of variants) {
      expect(found).toMatchObject({ ratio: null, ratio_spread: null, measured: "while training" });
      expect(found!.spread.low).toBeLessThanOrEqual(found!.median);
      expect(found!.spread.high).toBeGreaterThanOrEqual(found!.median);
    }
  });

  test("in turn: ratios are taken within a round, so a machine that slows down does not show", async () => {
    const out = newFolder();
    await trained(out, THREE.slice(0, 2), [0]);
    const rounds = [1, 2, 4, 8, 16];
    writeStepTimes(out, {
      format: 1, adapter: { kind: "none", name: "none" },
      variants: { fast: { specHash: "fast", rounds }, slow: { specHash: "slow", rounds: rounds.map((x) => 1.5 * x) } },
    });
    const made = { out, variants: THREE.slice(0, 2), seeds: [0], validationTokens: 120, searched: null, tasks: [], scoreAt: [] };
    const { variants } = summarize({ ...aboutOf(THREE), ...made });
    expect(variants[1]!.step_seconds).toEqual({
      median: 6, spread: { low: 3, high: 12 }, ratio: 1.5, ratio_spread: { low: 1.5, high: 1.5 }, measured: "in turn",
    });
    expect(variants[0]!.step_seconds!.ratio).toBe(1);
  });

  test("turns alternate, start from the checkpoint, leave it alone, and are taken once", async () => {
    const out = newFolder();
    const turns: string[] = [];
    const noted = THREE.slice(0, 2).map((of): Variant => ({ ...of, open: async (purpose) => {
      const session = await of.open(purpose);
      return { ...session, executor: { ...session.executor, write: (name, data) => (name === "update" && turns.at(-1) !== of.name && turns.push(of.name), session.executor.write(name, data)) } };
    } }));
    const options = optionsOf(out, noted, [0]);
    const before = await trained(out, THREE.slice(0, 2), [0]);
    await measureStepTimes(options, createSessions());
    const { rounds } = readStepTimes(out)!.variants["slow"]!;
    expect(rounds.length).toBeGreaterThanOrEqual(5);
    expect(turns).toEqual(["fast", ...Array.from({ length: rounds.length }, (_, i) => (i % 2 === 0 ? "slow" : "fast"))]); // neighbouring turns of one variant count once
    expect((await trained(out, THREE.slice(0, 2), [0])).variants[1]!.validation_loss).toEqual(before.variants[1]!.validation_loss);
    const taken = turns.length;
    await measureStepTimes(options, createSessions());
    expect(turns).toHaveLength(taken);
  });

  test("a failure is said and leaves the times of training", async () => {
    const out = newFolder();
    await trained(out, THREE.slice(0, 2), [0]);
    const phases: string[] = [];
    const broken = [THREE[0]!, variant("slow", { lr: 0.01, trainError: new Error("out of memory") })];
    expect(await measureStepTimes(optionsOf(out, broken, [0]), createSessions(), { onPhase: (text) => void phases.push(text) })).toBe(true);
    expect(phases.at(-1)).toBe("no step times in turn: out of memory");
    expect(readStepTimes(out)).toBeNull();
  });

  test("interrupted, nothing is written", async () => {
    const out = newFolder();
    await trained(out, THREE.slice(0, 2), [0]);
    expect(await measureStepTimes(optionsOf(out, THREE.slice(0, 2), [0]), createSessions(), { shouldStop: () => true })).toBe(false);
    expect(readStepTimes(out)).toBeNull();
  });
});

const difference = (seeds: readonly number[], text: readonly number[] = [0.1, 0.2], diverged = { variant: 0, against: 0 }): Difference =>
  judge([{
    mean: mean(seeds), seed_interval: studentInterval(seeds), text_interval: studentInterval(text), joint_interval: null,
    per_seed: seeds.map((d, seed) => ({ seed, difference: d })), diverged,
  }], 0.01)[0]!;

describe("conclusion", () => {
  const results = trained(newFolder(), THREE, [0, 1]);
  /** With other differences of the second variant from the first. */
  const against = async (d: Difference | null): Promise<string> => {
    const { variants, ...rest } = await results;
    return conclusion({ ...rest, variants: [variants[0]!, { ...variants[1]!, difference: d }] })[0]!;
  };

  test.each([
    { why: "clear over seeds", d: difference([0.5, 0.51, 0.49]), want: /^slow is worse than fast: its loss is higher by 0.5000 nats \(95 % over 3 seeds: \+0.4\d+ to \+0.5\d+; p = 0.00013\)\.$/ },
    { why: "lower", d: difference([-0.5, -0.51, -0.49]), want: /^slow is better than fast: its loss is lower by 0.5000 nats \(.*\)\.$/ },
    { why: "all within the margin", d: difference([0.001, 0.002, 0.0015]), want: /^slow and fast are equivalent within 0.01 nats: the difference is \+0.0015 \(90 % over 3 seeds: \+0.0007 to \+0.0023\)\.$/ },
    { why: "seeds disagree", d: difference([0.5, -0.4, 0.3], [0.1, 0.11]), want: /^Not enough seeds to tell slow from fast: run 98 more \(--seeds 100\); the difference is \+0.1333 nats \(95 % over 3 seeds: −.* to \+.*; p = 0.67\), and the least that they find is 1.\d+\.$/ },
    { why: "hopeless", d: difference([1, -1, 0.0301]), want: /^Not enough seeds to tell slow from fast: even 1,000 would hardly do, if they go on like these; .*\.$/ },
    { why: "lower, but it diverged elsewhere", d: difference([-0.5, -0.51], [0.1], { variant: 1, against: 0 }), want: /^slow differs from fast by −0.5050 nats where both were trained to the end \(.*\), but the one that this speaks for diverged with other seeds, so nothing is called better or equivalent\.$/ },
    { why: "one seed", d: difference([-0.3]), want: /^slow ends lower than fast by 0.3000 nats in the one pair of runs there is \(95 % over the text of this seed: .*\); what another seed would change is not known: run 2 more \(--seeds 4\)\.$/ },
    { why: "no pair", d: null, want: /^slow: no pair of runs with fast was completed\.$/ },
  ])("$why", async ({ d, want }) => expect(await against(d)).toMatch(want));

  test("names the lowest, and what it cannot be told apart from", async () => {
    const text = conclusion(await results).join("\n");
    expect(text).toMatch(/fast has the lowest mean loss, \d\.\d{4}, /);
  });
  test("the lowest is told from the baseline by the same difference that was judged before", async () => {
    const { variants, pairs, ...rest } = await results;
    const [better, open] = [difference([-0.5, -0.51, -0.49]), difference([0.5, -0.4, 0.3])];
    const lowest = { ...variants[2]!, difference: better, validation_loss: { mean: 0, sd: 0 } };
    const told = (of: Difference): string => conclusion({
      ...rest, variants: [...variants.slice(0, 2), lowest], pairs: pairs.map((pair) => ({ ...pair, difference: of })),
    })[2]!;
    expect(told(open)).toBe("slower has the lowest mean loss, 0.0000, but it cannot be told apart from slow.");
    expect(told(better)).toBe("slower has the lowest mean loss, 0.0000, clearly lower than each of the others.");
  });
  test("several variants: p says for how many it is corrected", async () => {
    const { variants, ...rest } = await results;
    const one = { ...variants[1]!, difference: difference([0.5, 0.51, 0.49]) };
    expect(conclusion({ ...rest, variants: [variants[0]!, one, one] })[1]).toMatch(/; p = 0.00013 corrected for 2 variants\)\.$/);
  });
  test("what holds over seeds for this text alone is said", async () => {
    const { variants, ...rest } = await results;
    const said = (low: number): string => {
      const d = { ...difference([0.5, 0.51, 0.49]), joint_interval: { low, high: 1 } };
      return conclusion({ ...rest, variants: [variants[0]!, { ...variants[1]!, difference: d }] }).join("\n");
    };
    expect(said(-0.1)).toContain("The held-out text is too little to tell whether other text would agree about slow: --eval-tokens.");
    expect(said(0.1)).not.toContain("too little");
  });
  test("says what differs in recipes, that runs are short, and what was held out", async () => {
    const text = conclusion(await results).join("\n");
    expect(text).toContain("not trained alike, so recipe and model are compared together: lr is 0.1 (fast) or 0.01 (slow) or 0.003 (slower).");
    expect(text).toContain("1.44k tokens are 5.3 per parameter, where about 20 are usual for texts");
    expect(text).toContain("Losses are of 120 tokens that were not trained on: other rows of the pattern.");
  });
  test("says what the models differ in, where that is little", async () => {
    const { variants, ...rest } = await results;
    const said = (diff: string): readonly string[] =>
      conclusion({ ...rest, variants: [variants[0]!, { ...variants[1]!, spec_diff: diff }] }).filter((text) => / (has|lacks) “/.test(text));
    const [names, recipe] = ["- model fast {\n+ model slow {\n    seq_len 8", "  \n    train {\n-     batch 8\n+     batch 9"];
    expect(said(`${names}\n-   stack a\n+   stack a * 2\n${recipe}`)).toEqual(["slow has “stack a * 2” where fast has “stack a”."]);
    expect(said(`${names}\n+   halting act\n${recipe}`)).toEqual(["slow has “halting act”, which fast has not."]);
    expect(said(`${names}\n-   d_model 9\n-   n_heads 3\n${recipe}`)).toEqual(["slow lacks “d_model 9” and “n_heads 3”, which fast has."]);
    expect(said(`${names}\n${"+   n_heads 3\n".repeat(4)}${recipe}`)).toEqual([]);
    expect(said(`${names}\n${recipe}`)).toEqual([]);
  });
  test("of a grid, as it was written: what follows from it is left out of the sentence, and of the names", async () => {
    const { variants, ...rest } = await results;
    const grid = [{ stack: "(a, b) * 2", "train.optimizer.lr": "1" }, { stack: "a * 2, b * 2", "train.optimizer.lr": "2" }];
    const spec_diff = "- model fast {\n+ model slow {\n-   stack (a, b) * 2\n+   stack a * 2, b * 2\n-   d_ff 9\n+   d_ff 8";
    const found = { ...rest, variants: grid.map((settings, i) => ({ ...variants[i]!, settings, ...(i === 0 ? {} : { spec_diff }) })) };
    expect(conclusion(found)).toContain("slow has “stack a * 2, b * 2” where fast has “stack (a, b) * 2”.");
    expect(renderReport(found)).toMatch(/slow<small>stack a \* 2, b \* 2<\/small><small>train\.optimizer\.lr 2<\/small>/);
  });
  test("of pairs, what is answered was held out", async () => {
    const answered = (targets: Uint32Array): Uint32Array => targets.map((target, i) => (i % T < T - 2 ? IGNORED : target));
    const pairs = (seed: number, batch: number): Dataset => ({
      ...bigramData(seed, batch),
      *validationBatches(most) {
        for (const rows of bigramData(seed, batch).validationBatches(most)) yield { ...rows, targets: answered(rows.targets) };
      },
    });
    const heldOut = await countHeldOut(optionsOf(scratch, THREE, [0], { data: async (seed, batch) => pairs(seed, batch) }));
    expect(heldOut).toEqual({ sequences: 10, tokens: 20 });
    const { data, ...rest } = await results;
    const found = { ...rest, validation_tokens: heldOut.tokens, data: { ...data, positions: 5 } };
    const said = conclusion(found).join("\n");
    expect(said).toContain("Losses are of 20 answered tokens");
    expect(said).toContain("1.44k answered tokens are 5.3 per parameter");
    const report = renderReport(found);
    expect(report).toContain("final loss on 20 held-out answered tokens");
    expect(report).toMatch(/of \d+ pairs of at most 5 positions \(1.44k answered tokens in all\)/);
  });
  test("equal recipes and long runs are no news", async () => {
    const { variants, budget, ...rest } = await results;
    const text = conclusion({ ...rest, budget: { ...budget, tokens: 1e6 }, variants: variants.map((v) => ({ ...v, recipe: variants[0]!.recipe })) }).join("\n");
    expect(text).not.toMatch(/not trained alike|short/);
  });
  test("runs that diverged or failed are counted, those of the baseline too", async () => {
    const { variants, ...rest } = await results;
    const [run] = variants[0]!.runs;
    const broken = { ...variants[0]!, runs: [{ ...run!, diverged: "step 3" }, { ...run!, failed: "too large" }] };
    const text = conclusion({ ...rest, variants: [broken, ...variants.slice(1)] }).join("\n");
    expect(text).toContain("fast: 1 of 2 runs diverged and is left out.");
    expect(text).toContain("fast: 1 of 2 runs failed and is left out (too large).");
  });
});

describe("loss against cost", () => {
  /** [cost, loss] by name. */
  const points = (of: Readonly<Record<string, readonly [number, number]>>): readonly CostPoint[] =>
    Object.entries(of).map(([name, [cost, loss]]) => ({ variant: { name } as VariantResult, cost, loss }));
  const names = (front: readonly CostPoint[]): string => front.map(({ variant }) => variant.name).join(" ");

  test.each([
    { why: "cheaper ones that are worse and better ones that cost more", of: { c: [3, 1], a: [1, 3], b: [2, 2] }, front: "a b c" },
    { why: "not what costs more and is worse", of: { a: [1, 1], b: [2, 2] }, front: "a" },
    { why: "of one cost the better", of: { a: [1, 2], b: [1, 1] }, front: "b" },
    { why: "of one loss the cheaper", of: { a: [1, 1], b: [2, 1] }, front: "a" },
    { why: "both that are equal", of: { a: [1, 1], b: [1, 1] }, front: "a b" },
  ] as const)("on the front: $why", ({ of, front }) => expect(names(frontOf(points(of)))).toBe(front));
  test("in words", () => {
    const cost = { name: "parameters", words: String };
    expect(frontInWords(cost, points({ a: [1, 3], b: [2, 2], c: [3, 2.5] })))
      .toBe("Front of loss and parameters: a (1, loss 3.0000) and b (2, loss 2.0000); beaten: c.");
  });
  test("only costs that differ have a plot", async () => {
    const results = await trained(newFolder(), THREE.slice(0, 2), [0]);
    const costs = (found: CompareResults): readonly string[] =>
      [...renderReport(found).matchAll(/Front of loss and ([\w ]+):/g)].map(([, name]) => name!);
    expect(new Set(costs(results))).toEqual(new Set(["time per step"]));
    const [first, second] = results.variants;
    const large = { ...second!, parameters: { unique: 300, active: 32 } };
    expect(new Set(costs({ ...results, variants: [first!, large] }))).toEqual(new Set(["parameters", "time per step"]));
  });
});

describe("other depths", () => {
  /** @param right the share that is right, at every depth */
  const points = (losses: Readonly<Record<string, readonly number[]>>, right: number | null = null): DepthResults => ({
    trained: 2, points: Object.entries(losses).map(([passes, of]) => ({
      passes: Number(passes), loss: { mean: mean(of), sd: 0.1 }, accuracy: right === null ? null : { mean: right, sd: 0.05 },
      per_seed: of.map((loss, seed) => ({ seed, loss, accuracy: right })),
    })),
  });
  test.each([
    {
      why: "best as trained", losses: { 1: [3], 2: [1], 3: [1.5], 4: [2] },
      want: "has its lowest loss there; the loss changes by +2.0000 at 1 and +1.0000 at 4",
    },
    {
      why: "best elsewhere", losses: { 1: [3], 2: [1], 4: [0.5] },
      want: "has its lowest loss at 4 (−0.5000); the loss changes by +2.0000 at 1",
    },
    { why: "none fewer", losses: { 2: [1], 3: [0.5] }, want: "has its lowest loss at 3 (−0.5000)" },
  ])("in words: $why", ({ losses, want }) =>
    expect(depthInWords({ name: "a", depths: points(losses) }, "tokens")).toBe(`a, trained with 2 passes, ${want}.`));
  test("what is right, of tokens or of whole answers", async () => {
    const said = "a, trained with 2 passes, has its lowest loss at 3 (−0.5000). Of the answers, 0.2500 at 2 and 0.2500 at 3 are right.";
    expect(depthInWords({ name: "a", depths: points({ 2: [1], 3: [0.5] }, 0.25) }, "answers")).toBe(said);
    const results = await trained(newFolder(), THREE.slice(0, 2), [0]);
    const [first, second] = results.variants;
    const deep = { ...results, variants: [first!, { ...second!, depths: points({ 2: [1, 1.2], 4: [1.5, 1.7] }, 0.25) }] };
    expect(renderReport(deep)).toMatch(/share of tokens that is right<.*0\.2500<small>± 0\.0500<\/small>/s);
    const none = { ...deep, variants: [first!, { ...second!, depths: points({ 2: [1], 4: [1.5] }, 0) }] };
    const ofPairs = renderReport({ ...none, data: { ...none.data, positions: 9 } });
    expect(ofPairs).toContain("share of answers that is right<");
    expect(ofPairs.slice(ofPairs.indexOf("<h2>Depth"), ofPairs.indexOf("<h2>Samples"))).not.toMatch(/>-0/);
  });
  test("curves, and their numbers in a table; of earlier versions without what is right", async () => {
    const results = await trained(newFolder(), THREE.slice(0, 2), [0]);
    expect(renderReport(results)).not.toContain("<h2>Depth</h2>");
    const [first, second] = results.variants;
    const text = renderReport({ ...results, variants: [first!, { ...second!, depths: points({ 2: [1, 1.2], 4: [1.5, 1.7] }) }] });
    expect(text).toContain("<h2>Depth</h2>");
    expect(text).toContain("1.1000<small>± 0.1000</small></td><td>1.6000<small>");
    expect(text).not.toMatch(/NaN|Infinity|undefined|that is right/);
  });
});

describe("marks on an axis", () => {
  /** The texts of its marks. */
  const marks = (least: number, greatest: number): readonly string[] => {
    const range = roundRange(least, greatest, 3);
    const { formatter } = rangeLabel(range) as { readonly formatter: (mark: number) => string };
    const count = Math.round((range.max - range.min) / range.interval);
    return Array.from({ length: count + 1 }, (_, i) => formatter(range.min + i * range.interval));
  };
  test.each([
    { why: "nearly equal sizes", least: 649_216, greatest: 649_472, want: ["649.1k", "649.2k", "649.3k", "649.4k", "649.5k"] },
    { why: "great sizes", least: 649_216_128, greatest: 649_216_640, want: [0, 2, 4, 6, 8].map((n) => `649.216${n}M`) },
    { why: "a wide range", least: 270_000, greatest: 1_500_000, want: ["0.0M", "0.5M", "1.0M", "1.5M", "2.0M"] },
    { why: "losses", least: 2.3011, greatest: 2.3019, want: ["2.3005", "2.3010", "2.3015", "2.3020", "2.3025"] },
    { why: "milliseconds", least: 48.21, greatest: 48.24, want: ["48.20", "48.22", "48.24", "48.26"] },
    { why: "one value", least: 2.5, greatest: 2.5, want: ["2.495", "2.500", "2.505"] },
  ])("$why: each has a text of its own", ({ least, greatest, want }) => expect(marks(least, greatest)).toEqual(want));
});

describe("report", () => {
  const results = trained(newFolder(), THREE, [0, 1]);
  const html = results.then(renderReport);

  test("says where it was made, and by which command", async () => {
    expect(await html).toContain("<pre>moeut compare &#39;a b&#39;</pre>");
    expect(await html).toContain("<td>data</td><td>pattern: 1,000 tokens, id pattern</td>");
  });
  test("needs no other file and no network", async () => {
    const text = await html;
    const references = [...text.matchAll(/\b(?:src|href|url|@import)\b\s*[=(]?\s*["']?([^"')\s>]+)/g)].map((m) => m[1]!)
      .filter((target) => !target.startsWith("#"));
    expect(references).toEqual([]);
    expect(text).not.toMatch(/<script|<link|<iframe|<object/);
    expect([...text.matchAll(/https?:\/\/[^"'\s<)]+/g)].map((m) => m[0]).filter((url) => !url.startsWith("http://www.w3.org/")))
      .toEqual([]);
  });
  test("shows every variant, every pair, the plots and the differences between specs", async () => {
    const text = await html;
    for (const { name } of THREE) expect(text).toContain(name);
    expect(text.match(/<svg/g)).toHaveLength(5);
    expect(text.match(/<svg[^>]* role="img" aria-label="[^"]{20,}/g)).toHaveLength(5);
    expect(text).toContain('<span class="line removed">-   lr 0.1</span>');
    expect(text).toContain("fast &#38; slow &#60;compared&#62;");
    expect(text).toContain("prefers-color-scheme: dark");
    expect(text).toContain("@media print");
    const { pairs } = await results;
    expect(pairs.map(({ variant: a, against: b }) => `${a} ${b}`)).toEqual(["slow fast", "slower fast", "slower slow"]);
    for (const pair of pairs) expect(text).toContain(`${pair.difference!.mean < 0 ? "−" : "+"}${Math.abs(pair.difference!.mean).toFixed(4)}</span>`);
  });
  test("one seed colours nothing and has no bar in colour", async () => {
    const text = renderReport(await trained(newFolder(), THREE, [0]));
    expect(text).not.toMatch(/class="(good|bad)"/);
    expect(text).toContain("<small>one seed</small>");
    expect(text).toMatch(/over the text<\/small>/);
  });
  test("a variant without any run", async () => {
    const broken = [THREE[0]!, variant("huge", { trainError: new Error("too large") }), THREE[1]!];
    const text = renderReport(await trained(newFolder(), broken, [0, 1]));
    expect(text).toContain("2 failed");
    expect(text).not.toMatch(/NaN|Infinity|undefined|null/);
  });
  test("samples, and step times with their spread", async () => {
    const out = newFolder();
    writeStepTimes(out, {
      format: 1, adapter: { kind: "none", name: "none" },
      variants: { fast: { specHash: "fast", rounds: [1, 2, 3] }, slow: { specHash: "slow", rounds: [2, 4, 7] } },
    });
    const text = renderReport((await compare(out, THREE.slice(0, 2), [0]))!);
    expect(text).toContain("4.00 s<small>3.00 s to 5.50 s</small><small>× 2.00 (2.00 to 2.17)</small>");
    expect(text).toContain('<span class="prompt">');
  });
  test("equal results give equal bytes, and no text that is not a number", async () => {
    expect(renderReport(await results)).toBe(await html);
    expect(await html).not.toMatch(/NaN|Infinity|undefined/);
  });
});
