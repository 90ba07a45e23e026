/** The search for a learning rate of each variant, in comparisons of bigram models. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tuneOptions, tuneValues } from "../cli/compare-tune.ts";
import { allJobs, compareOne } from "../runtime/compare/index.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import { jobName } from "../runtime/compare/run.ts";
import type { Tuning } from "../runtime/compare/variant.ts";
import type { CompareSpec } from "../compiler/ir/compare-spec.ts";
import { UserError } from "../runtime/errors.ts";
import { conclusion } from "../runtime/report/conclusion.ts";
import { renderReport } from "../runtime/report/index.ts";
import { checkText } from "./support/corpus.ts";
import { compare, countSteps, optionsOf, timeless, timesKnown, variant, type BigramVariant } from "./support/bigram-compare.ts";
import { BIGRAM_RECIPE as RECIPE } from "./support/bigram-run.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root } = scratchFolder("compare-tune");
let folders = 0;
const newFolder = (): string => timesKnown(join(root, `compare-${folders++}`), ["one", "two"]);

const STEPS = 10;
const VARIANTS = [variant("one"), variant("two")];

/** Trials of ten steps with one seed. */
function tuning(values: readonly number[], breaks: (name: string, lr: number) => BigramVariant = () => ({}), seeds = [1000]): Tuning {
  const candidate = (name: string, lr: number) => ({
    lr, run: { ...variant(name, { lr }), stem: `${name}-lr${lr}` },
    trial: { ...variant(name, { lr, steps: STEPS, ...breaks(name, lr) }), stem: `${name}-lr${lr}-steps${STEPS}` },
  });
  const candidates = ["one", "two"].map((name) => [name, values.map((lr) => candidate(name, lr))] as const);
  return { seeds, steps: STEPS, candidates: Object.fromEntries(candidates) };
}

const chosenIn = (results: CompareResults): readonly number[] => results.tuning!.variants.map(({ chosen }) => chosen);

describe("a search", () => {
  test("takes the value with the least held-out loss for each variant, on seeds of its own, and keeps all trials", async () => {
    const out = newFolder();
    const results = (await compare(out, VARIANTS, [0], {}, { tuning: tuning([0.001, 0.1, 30]) }))!;
    expect(chosenIn(results)).toEqual([0.1, 0.1]);
    expect(results.variants.map(({ recipe }) => [recipe.optimizer.lr, recipe.steps])).toEqual([[0.1, RECIPE.steps], [0.1, RECIPE.steps]]);
    const [first] = results.tuning!.variants;
    expect(first).toMatchObject({ name: "one", sound: true, edge: null });
    expect(first!.trials.map(({ lr }) => lr)).toEqual([0.001, 0.1, 30]);
    expect(first!.trials[0]!.validation_loss).toBeGreaterThan(first!.trials[1]!.validation_loss!);
    const folder = join("trials", "one-lr0.001-steps10-seed1000");
    expect(first!.trials[0]!.runs).toMatchObject([{ seed: 1000, folder, diverged: null, failed: null }]);
    expect(readdirSync(join(out, "runs"))).toEqual(["one-lr0.1-seed0", "two-lr0.1-seed0"]);
    expect(conclusion(results)).toContain("Each variant has a learning rate of its own, chosen on other seeds: 0.1.");
    expect(renderReport(results)).toMatch(/<h2>Learning rates<\/h2>.*One trial of 10 steps/s);
    expect(readFileSync(join(out, "table.csv"), "utf8")).toMatch(/\r\none,lr,0\.1,/);
  });

  test("says it aloud where the best is the grid's last; a wider grid keeps the trials and runs that are there", async () => {
    const out = newFolder();
    const narrow = (await compare(out, VARIANTS, [0], {}, { tuning: tuning([0.001, 0.01]) }))!;
    expect(narrow.tuning!.variants.map(({ edge }) => edge)).toEqual(["greatest", "greatest"]);
    const said = conclusion(narrow).filter((sentence) => sentence.startsWith("The best learning rate"));
    expect(said).toEqual([expect.stringMatching(/ of one and two is the greatest that was tried, 0.01: extend the grid/)]);
    const counter = countSteps();
    const wide = (await compare(out, VARIANTS, [0], counter, { tuning: tuning([0.001, 0.01, 0.1]) }))!;
    expect(counter.steps()).toBe(2 * STEPS + 2 * RECIPE.steps);
    expect(chosenIn(wide)).toEqual([0.1, 0.1]);
    expect(readdirSync(join(out, "runs"))).toHaveLength(4);
  });

  test("a trial that diverges is reported and not chosen", async () => {
    const breaks = (name: string): BigramVariant => (name === "one" ? { breakAt: STEPS + 5 } : {}); // in the second trial
    const results = (await compare(newFolder(), VARIANTS, [0], {}, { tuning: tuning([0.05, 0.1], breaks) }))!;
    expect(chosenIn(results)).toEqual([0.05, 0.1]);
    expect(results.tuning!.variants[0]!.trials[1]!.runs[0]!.diverged).toMatch(/diverged in step 5/);
    expect(results.variants.every(({ validation_loss: loss }) => loss !== null)).toBe(true);
  });

  test("a trial that fails is said with why, and neither the comparison nor another trial ends with it", async () => {
    const huge = variant("two", { trainError: new Error("too large") });
    const { candidates, ...of } = tuning([0.05]);
    const two = candidates["two"]!.map(({ lr, run, trial }) =>
      ({ lr, run: { ...run, open: huge.open }, trial: { ...trial, open: huge.open } }));
    const results = (await compare(newFolder(), VARIANTS, [0], {}, { tuning: { ...of, candidates: { ...candidates, two } } }))!;
    expect(results.tuning!.variants[1]!.trials[0]!.runs[0]!.failed).toBe("too large");
    expect(results.variants.map(({ runs }) => runs[0]!.failed)).toEqual([null, "too large"]);
  });

  test("where none is sound the least value is taken, and that is said", async () => {
    const options = { tuning: tuning([1, 0.05], (name) => ({ nanLoss: name === "two" })) };
    const results = (await compare(newFolder(), VARIANTS, [0], {}, options))!;
    expect(results.tuning!.variants).toMatchObject([{ name: "one", sound: true }, { name: "two", sound: false, chosen: 0.05, edge: null }]);
    expect(results.tuning!.variants[1]!.trials[0]!.runs[0]!.diverged).toMatch(/not finite|NaN/);
    expect(conclusion(results).join("\n")).toContain("No trial of two ended with a result with every seed");
  });

  test("with several seeds the mean decides, and one that is missing rules a value out", async () => {
    const out = newFolder();
    const results = (await compare(out, VARIANTS, [0], {}, { tuning: tuning([0.01, 0.1], () => ({}), [1000, 1001]) }))!;
    const [, best] = results.tuning!.variants[0]!.trials;
    expect(best!.validation_loss).toBeCloseTo((best!.runs[0]!.validation_loss! + best!.runs[1]!.validation_loss!) / 2, 12);
  });

  test("interrupted anywhere, it ends in the same", async () => {
    const options = { tuning: tuning([0.01, 0.1]) };
    const straight = await compare(newFolder(), VARIANTS, [0], {}, options);
    const out = newFolder();
    for (const limit of [3, 8, 12, 25, 20]) {
      const counter = countSteps();
      expect(await compare(out, VARIANTS, [0], { ...counter, shouldStop: () => counter.steps() >= limit }, options)).toBeNull();
    }
    expect(timeless(await compare(out, VARIANTS, [0], {}, options))).toEqual(timeless(straight));
  });
});

describe("what is asked of a search", () => {
  const tune = (name: string, of: CompareSpec["tune"]) => ({ name, tune: of }) as CompareSpec;
  test("a block's, a flag's, and flags over a block's", () => {
    const block = tune("a", { lr: [1, 2], seeds: 3, steps: 7 });
    expect(tuneOptions({}, [tune("b", null), block])).toEqual({ lr: [1, 2], seeds: 3, steps: 7 });
    expect(tuneOptions({ tune: [5] }, [])).toEqual({ lr: [5], seeds: 1, steps: null });
    expect(tuneOptions({ tune: [5], tuneSteps: 9 }, [block])).toEqual({ lr: [5], seeds: 3, steps: 9 });
    expect(tuneOptions({}, [])).toBeNull();
  });
  test("what does not fit together is refused", () => {
    const two = [tune("a", { lr: [1], seeds: 1, steps: null }), tune("b", { lr: [2], seeds: 1, steps: null })];
    expect(() => tuneOptions({}, two)).toThrow(/compare a and compare b tune differently/);
    expect(() => tuneOptions({ tuneSteps: 5 }, [])).toThrow(/--tune-steps needs values/);
    expect(() => tuneValues("wd=1")).toThrow(/what can be tuned is lr/);
    expect(() => tuneValues("lr=1,1.0")).toThrow(/twice/);
    expect(() => tuneValues("lr=0")).toThrow();
  });
  test("a block says it with its seeds and steps", () => {
    const spec = (text: string): string => `moeut 1\nmodel m { layer a {} }\ncompare c { base m  vary d_model in 64, 128  ${text} }`;
    const of = (text: string) => checkText(spec(text)).compares[0];
    expect(of("tune lr in 1e-3, 2e-3 { seeds 2  steps 500 }")?.tune).toEqual({ lr: [1e-3, 2e-3], seeds: 2, steps: 500 });
    expect(of("tune lr in 1e-3")?.tune).toEqual({ lr: [1e-3], seeds: 1, steps: null });
    expect([of("tune none")?.tune, of("")?.tune]).toEqual([null, null]);
    const wrong = ["tune lr", "tune lr in 0", "tune lr in 1, 1", "tune wd in 1", "tune lr in"];
    for (const text of wrong) expect(of(text), text).toBeUndefined();
  });
});

describe("jobs of a sweep", () => {
  const breaks = (name: string, lr: number): BigramVariant => (name === "one" && lr === 0.001 ? { breakAt: 3 } : {});
  const search = tuning([0.001, 0.1], breaks);

  test("one by one, from the last to the first, they do what a comparison does, and are gathered to the same", async () => {
    const out = newFolder();
    const options = optionsOf(out, VARIANTS, [0, 1], { tuning: search });
    const names = allJobs(options).map(jobName);
    expect(names.slice(0, 3)).toEqual(["one-lr0.001-steps10-seed1000", "one-lr0.1-steps10-seed1000", "two-lr0.001-steps10-seed1000"]);
    expect(names.slice(4)).toEqual(["one-seed0", "two-seed0", "one-seed1", "two-seed1"]);
    const counter = countSteps();
    await compareOne(options, "two-seed1", counter);
    expect(counter.steps()).toBe(2 * STEPS + RECIPE.steps); // the trials of its variant, and itself
    for (const name of names.toReversed()) await compareOne(options, name);
    const gathered = await compare(out, VARIANTS, [0, 1], {}, { tuning: search, gather: true });
    const compared = await compare(newFolder(), VARIANTS, [0, 1], {}, { tuning: search });
    expect(chosenIn(gathered!)).toEqual([0.1, 0.1]);
    expect(timeless(gathered)).toEqual(timeless(compared));
  });
  test("one that diverges is done, and gathered as diverged", async () => {
    const out = newFolder();
    const variants = [variant("one"), variant("two", { breakAt: 3 })];
    const options = optionsOf(out, variants, [0]);
    for (const name of ["one-seed0", "two-seed0"]) await compareOne(options, name);
    const results = (await compare(out, variants, [0], {}, { gather: true }))!;
    expect(results.variants[1]!.runs).toMatchObject([{ failed: null, diverged: expect.stringContaining("diverged in step 3") as string }]);
    expect(conclusion(results)).toContain("two: 1 of 1 runs diverged and is left out.");
  });
  test("one that fails throws why, and one of no job's name names them", async () => {
    const options = optionsOf(newFolder(), [variant("one"), variant("two", { trainError: new UserError("it is too large") })], [0]);
    await expect(compareOne(options, "two-seed0")).rejects.toThrow("it is too large");
    await expect(compareOne(options, "two-seed1")).rejects.toThrow("there is no job two-seed1; choose one of one-seed0, two-seed0");
  });
});
