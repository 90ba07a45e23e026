/** One budget for variants that cost differently: steps, what it is said to be, and what is refused. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  budgetFlags, budgetOf, budgetPart, budgetWords, NO_BUDGET, requireBytes, withBudget, type Budget, type Unit,
} from "../cli/budget.ts";
import { keepStepSeconds, stepSecondsOf } from "../cli/step-seconds.ts";
import { countMacs, countParams } from "../compiler/counts/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { conclusion } from "../runtime/report/conclusion.ts";
import { renderReport } from "../runtime/report/index.ts";
import { learningRate } from "../runtime/standalone/schedule.ts";
import { aboutOf, optionsOf, timesKnown, variant } from "./support/bigram-compare.ts";
import { bigramData } from "./support/bigram-run.ts";
import { checkText } from "./support/corpus.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import { asText } from "../cli/compare-table.ts";
import { tablesOf } from "../runtime/report/tables.ts";
import { compareVariants } from "../runtime/compare/index.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root } = scratchFolder("compare-budget");

const SPEC = `moeut 1
train { batch 4  steps 7 }
model small { vocab_size 32  seq_len 8  d_model 16  layer a { attention mha { n_heads 2 }  feed_forward dense { d_ff 16 } } }
model large from small { d_model 32 }
`;
const MODELS = checkText(SPEC).models;
const TEXT = { seqLen: 8, targetsPerBlock: 8 };
const budget = (unit: Unit, amount: number): Budget => ({ spent: { unit, amount }, bytes: null });
const stepsOf = (of: Budget, seconds: Readonly<Record<string, number>> = {}): readonly number[] =>
  withBudget(of, MODELS, TEXT, seconds).map(({ train }) => train.steps);

describe("a budget becomes steps", () => {
  test("as many for all, or as many as it pays for", () => {
    expect(stepsOf(NO_BUDGET)).toEqual([7, 7]);
    expect(stepsOf(budget("steps", 9))).toEqual([9, 9]);
    expect(stepsOf(budget("tokens", 320))).toEqual([10, 10]);
    expect(stepsOf(budget("seconds", 3), { small: 0.01, large: 0.03 })).toEqual([300, 100]);
    expect(stepsOf(budget("macs", 1))).toEqual([1, 1]);
  });
  test("MACs are those of training: three forward passes over the tokens of a step", () => {
    const macs = ({ seqLen, train, ...rest }: ModelSpec): number => 3 * countMacs({ ...rest, seqLen, train }).full * train.batch;
    const [small, large] = stepsOf(budget("macs", 1e9));
    expect(small).toBe(Math.round(1e9 / macs(MODELS[0]!)));
    expect(large).toBe(Math.round(1e9 / macs(MODELS[1]!)));
    expect(small).toBeGreaterThan(2 * large!);
  });
  test("of pairs, tokens are those that are answered, and MACs those of sequences as long as the longest pair", () => {
    const pairs = { seqLen: 6, targetsPerBlock: 2.5 };
    const spent = (unit: Unit, amount: number) => withBudget(budget(unit, amount), MODELS, pairs, {}).map(({ train }) => train.steps);
    expect(spent("tokens", 320)).toEqual([32, 32]);
    expect(spent("macs", 1e9)).toEqual(MODELS.map((model) => Math.round(1e9 / (3 * countMacs({ ...model, seqLen: 6 }).full * 4))));
  });
  test("each schedule ends with the variant's own steps", () => {
    const [small, large] = withBudget(budget("macs", 1e9), MODELS, TEXT, {}).map(({ train }) => train);
    const schedule = { kind: "linear", warmup: 0, floor: 0 } as const;
    const half = (train: ModelSpec["train"]): number => learningRate({ ...train, schedule }, train.steps / 2);
    expect(half(small!)).toBeCloseTo(half(large!), 12);
  });
});

describe("what is asked", () => {
  test("flags before a block, and the same unit once", () => {
    const text = `${SPEC}compare c { base small  vary d_model in 16, 32  budget { macs 1e9  bytes 5K  tolerance 0.1 } }`;
    const block = checkText(text).compares;
    expect(budgetOf({}, block)).toEqual({ spent: { unit: "macs", amount: 1e9 }, bytes: { amount: 5000, tolerance: 0.1 } });
    expect(budgetOf(budgetPart("seconds=5"), block)).toEqual(budget("seconds", 5));
    expect(budgetOf(budgetFlags({ steps: 5 }), [])).toEqual(budget("steps", 5));
    expect(budgetOf({}, [])).toEqual(NO_BUDGET);
    expect(budgetPart("bytes=9", budgetPart("macs=3"))).toEqual({ macs: 3, bytes: 9 });
  });
  test.each([
    { why: "two budgets", of: () => budgetOf({ macs: 3, seconds: 5 }, []), message: /one budget of training, not two: macs=3, seconds=5/ },
    { why: "a unit that is none", of: () => budgetPart("flops=3"), message: /--budget flops=3: give one of steps=N, tokens=N/ },
    { why: "steps and tokens", of: () => budgetFlags({ steps: 1, tokens: 1 }), message: /--steps or --tokens/ },
    { why: "steps twice", of: () => budgetFlags({ steps: 1, budget: { steps: 2 } }), message: /--steps or --budget steps=N/ },
  ])("$why: refused", ({ of, message }) => expect(of).toThrow(message));
  test("two units in a block are a diagnostic with both places", () => {
    const { diagnostics } = checkText(`${SPEC}compare c { base small  vary d_model in 16, 32  budget { macs 1e9  seconds 5 } }`);
    expect(diagnostics.map(({ code }) => code)).toEqual(["rival-fields"]);
  });
  test("bytes of weights are held against every variant, with the tolerance that was given", () => {
    const amount = 4 * countParams(MODELS[0]!).total;
    expect(() => requireBytes({ spent: null, bytes: { amount: 1.05 * amount, tolerance: 0.1 } }, [MODELS[0]!])).not.toThrow();
    const problem = /bytes of weights ± 1 %, and large has [\d,]+ \(\+\d+\.\d %\): `match params/;
    expect(() => requireBytes({ spent: null, bytes: { amount, tolerance: 0.01 } }, MODELS)).toThrow(problem);
  });
});

test("variants with steps of their own are compared, and it is said what each had", async () => {
  const variants = [variant("fast", { steps: 30 }), variant("slow", { steps: 12 })];
  const given = budgetWords(budget("macs", 2e9), {});
  const about = { ...aboutOf(variants), budget: { ...aboutOf(variants).budget, given } };
  const results = (await compareVariants(optionsOf(timesKnown(join(root, "own")), variants, [0]), about))!;
  expect(results.variants.map(({ runs }) => runs[0]!.curve.at(-1)!.step)).toEqual([30, 12]);
  const words = conclusion(results).join("\n");
  expect(words).toContain("Each variant had a budget of 2.00B MACs of training: 30 (fast) or 12 (slow) steps.");
  expect(words).not.toContain("steps is");
  expect(renderReport(results)).toContain("(2.00B MACs of training)");
  expect(results.method[0]).toContain("is trained with 2.00B MACs of training");
});

test("of a budget of seconds it is said how it became steps, how long training took, and where that is far from it", async () => {
  const variants = [variant("fast"), variant("slow")];
  const { budget: steps, ...rest } = aboutOf(variants);
  const about = { ...rest, budget: { ...steps, seconds: 100 } };
  const found = (await compareVariants(optionsOf(timesKnown(join(root, "timed")), variants, [0, 1]), about))!;
  expect(found.variants[0]!.train_seconds).toEqual({ mean: expect.any(Number) as number, sd: expect.any(Number) as number });
  expect(found.method.join("\n")).toContain("Seconds became steps before any run");
  const took = (...seconds: readonly number[]): CompareResults => ({
    ...found, variants: found.variants.map((v, i) => ({ ...v, train_seconds: { mean: seconds[i]!, sd: 1 } })),
  });
  const said = "Steps took other times than when they were measured for the budget of 1 min 40 s: ";
  expect(conclusion(took(109, 91)).join("\n")).not.toContain(said);
  expect(conclusion(took(109, 120))).toContain(`${said}slow trained for 2 min 00 s (+20 %).`);
  expect(conclusion(took(50.5, 120))).toContain(`${said}fast trained for 50.5 s (−50 %) and slow trained for 2 min 00 s (+20 %).`);
  expect(renderReport(took(50.5, 120))).toContain("2 min 00 s");
  expect(tablesOf(took(50.5, 120))["table.md"]).toMatch(/MACs per token \| training \|/);
  expect(asText(took(50.5, 120))).toMatch(/training +memory\n.*50\.5 s/);
});

test("seconds of a step are measured once for each variant, and kept", async () => {
  const out = join(root, "seconds");
  mkdirSync(out);
  const opened: string[] = [];
  const variantOf = ({ name }: ModelSpec) => {
    const one = variant(name);
    return { ...one, open: (purpose: "train" | "generate") => (opened.push(name), one.open(purpose)) };
  };
  const measure = (models: readonly ModelSpec[]) => stepSecondsOf(out, models, variantOf, (batch) => bigramData(0, batch));
  const first = await measure(MODELS.slice(0, 1));
  keepStepSeconds(out, MODELS, first);
  const second = await measure(MODELS);
  expect(second["small"]).toBe(first["small"]);
  expect(second["large"]).toBeGreaterThan(0);
  expect(opened).toEqual(["small", "small", "large", "large"]);
});
