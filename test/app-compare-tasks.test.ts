/** Tasks in comparisons of bigram models: when they measure a run, what is kept, and what is said. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadPairTests } from "../cli/eval/pairs.ts";
import { compareTasks } from "../cli/compare-tasks.ts";
import { compareOne } from "../runtime/compare/index.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import type { CompareTask } from "../runtime/compare/scores.ts";
import { UserError } from "../runtime/errors.ts";
import { conclusion } from "../runtime/report/conclusion.ts";
import { renderReport } from "../runtime/report/index.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import { logPath, openCheckpoint, readLog, readRun } from "../runtime/train/index.ts";
import { compare, countSteps, optionsOf, timeless, timesKnown, variant } from "./support/bigram-compare.ts";
import { BIGRAM_RECIPE as RECIPE } from "./support/bigram-run.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root } = scratchFolder("compare-tasks");
let folders = 0;
const newFolder = (): string => timesKnown(join(root, `compare-${folders++}`));

const [fast, slow] = [variant("fast"), variant("slow", { lr: 0.01 })];
const ITEMS = 300;

interface Change {
  readonly id?: string;
  readonly calls?: string[];
  readonly fails?: (folder: string) => boolean;
}

/** Items are hard to different degrees, and a model with a low loss is right about more of them. */
function quiz(name = "quiz", change: Change = {}): CompareTask {
  const random = createRandom(3, name);
  return {
    name, id: (change.id ?? name).padEnd(64, "0"),
    score: async (folder) => {
      change.calls?.push(folder);
      if (change.fails?.(folder) === true) throw new UserError("a text is too long");
      const { state: { step } } = openCheckpoint(folder, readRun(folder))!;
      const share = Math.exp(-readLog(logPath(folder)).find((record) => record.step === step)!.ce_loss);
      const values = Array.from({ length: ITEMS }, (_, i) => Number(random.uniform(i) < share));
      const mean = (of: readonly number[]): number => of.reduce((sum, x) => sum + x, 0) / of.length;
      const parts = { half: { first: mean(values.slice(0, 150)), second: mean(values.slice(150)) } };
      const headline = { metric: "accuracy", value: mean(values), chance: 0, parts, values, groups: values.map(() => 0) };
      return { step, headline, records: values.map((right, i) => ({ id: `${name}:${i}`, right })) };
    },
  };
}

const taskOf = (results: CompareResults, step: number | null = null) => results.tasks.find((task) => task.step === step)!;

describe("tasks", () => {
  test("measure each run at its end, pair items, and more is better", async () => {
    const out = newFolder();
    const results = (await compare(out, [fast, slow], [0, 1, 2], {}, { tasks: [quiz()] }))!;
    const [first, second] = taskOf(results).variants;
    expect(taskOf(results)).toMatchObject({ task: "quiz", metric: "accuracy", step: null, items: ITEMS, chance: 0 });
    expect(first!.difference).toBeNull();
    expect(first!.value).toBeGreaterThan(second!.value! + 0.1);
    expect(second!.difference).toMatchObject({ outcome: "worse", mean: expect.closeTo(second!.value! - first!.value!, 12) as number });
    expect(second!.parts["half"]!["first"]).toBeGreaterThan(0);
    const kept = join(out, "runs", "fast-seed0", "tasks", "step-00000030");
    expect(readdirSync(kept)).toEqual(["quiz-quiz0000.items.jsonl", "quiz-quiz0000.json"]);
    expect(readFileSync(join(kept, "quiz-quiz0000.items.jsonl"), "utf8").split("\n")).toHaveLength(ITEMS + 1);
    const sentence = /quiz \(accuracy\): slow is worse than fast, 0\.\d+ against 0\.\d+ \(−0\.\d+; 95 % over 3 seeds/;
    expect(conclusion(results).join("\n")).toMatch(sentence);
    expect(renderReport(results)).toContain("quiz by half");
    expect(readFileSync(join(out, "table.csv"), "utf8"))
      .toMatch(/\r\nslow,quiz accuracy_difference,-0\.\d+,,-0\.\d+,-0\.\d+,\S+,worse\r\n/);
    expect(readFileSync(join(out, "table.md"), "utf8")).toMatch(/\| slow \|.*, worse \|\n/);
  });

  test("where nobody does better than guessing, that is said", async () => {
    const results = (await compare(newFolder(), [fast, slow], [0], {}, { tasks: [quiz()] }))!;
    const wordsAt = (chance: number | null, right = 1): string => conclusion({ ...results, tasks: results.tasks.map((task) => (
      { ...task, chance, variants: task.variants.map((one) => ({ ...one, value: one.value! * right })) })) }).join("\n");
    expect(wordsAt(0.99)).toContain("quiz: no variant is clearly better than guessing (0.99), so it says nothing about which is better.");
    for (const chance of [0, 0.001, null]) expect(wordsAt(chance)).not.toMatch(/guessing|anything right/);
    for (const chance of [0, null]) expect(wordsAt(chance, 0)).toContain("quiz: no variant has anything right, so it says nothing");
  });

  test("and at steps along the way, whose weights they see; the run ends as without", async () => {
    const straight = (await compare(newFolder(), [fast, slow], [0]))!;
    const results = (await compare(newFolder(), [fast, slow], [0], {}, { tasks: [quiz()], scoreAt: [1, 10] }))!;
    expect(results.tasks.map(({ step }) => step)).toEqual([null, 1, 10]);
    const [end, one, ten] = [null, 1, 10].map((step) => taskOf(results, step).variants[0]!.value!);
    expect(one).toBeLessThan(ten!);
    expect(ten).toBeLessThan(end!);
    expect(results.variants.map((v) => v.validation_loss)).toEqual(straight.variants.map((v) => v.validation_loss));
    expect(renderReport(results)).toContain("quiz after steps");
  });

  test("interrupted anywhere, also between a step and its tasks, it ends in the same", async () => {
    const options = { tasks: [quiz(), quiz("riddle")], scoreAt: [10, 20] };
    const straight = await compare(newFolder(), [fast, slow], [0], {}, options);
    const out = newFolder();
    let asked = 0;
    for (const limit of [3, 8, 1, 1, 12, 1, 9]) {
      asked = 0;
      expect(await compare(out, [fast, slow], [0], { shouldStop: () => ++asked > limit }, options)).toBeNull();
    }
    expect(timeless(await compare(out, [fast, slow], [0], {}, options))).toEqual(timeless(straight));
  });

  test("what was scored is not scored again; a task that is new, or has other items, is, without training", async () => {
    const out = newFolder();
    const [calls, counter] = [[] as string[], countSteps()];
    await compare(out, [fast, slow], [0], {}, { tasks: [quiz("quiz", { calls })] });
    expect(calls).toHaveLength(2);
    await compare(out, [fast, slow], [0], counter, { tasks: [quiz("quiz", { calls }), quiz("riddle", { calls })] });
    expect(calls).toHaveLength(4);
    const results = (await compare(out, [fast, slow], [0], counter, { tasks: [quiz("quiz", { calls, id: "other" })] }))!;
    expect([calls.length, counter.steps(), results.tasks.length]).toEqual([6, 0, 1]);
  });

  test("a record that was damaged is measured again", async () => {
    const out = newFolder();
    const first = (await compare(out, [fast, slow], [0], {}, { tasks: [quiz()] }))!;
    writeFileSync(join(out, "runs", "slow-seed0", "tasks", "step-00000030", "quiz-quiz0000.json"), '{"format": 1, "values": [null]}');
    expect(timeless(await compare(out, [fast, slow], [0], {}, { tasks: [quiz()] }))).toEqual(timeless(first));
  });

  test("a job of a sweep measures its run on its way too, and what gathers finds it measured", async () => {
    const [out, calls] = [newFolder(), [] as string[]];
    const asked = { tasks: [quiz("quiz", { calls })], scoreAt: [10] };
    for (const name of ["fast-seed0", "slow-seed0"]) await compareOne(optionsOf(out, [fast, slow], [0], asked), name);
    expect(calls).toHaveLength(4);
    const gathered = (await compare(out, [fast, slow], [0], {}, { ...asked, gather: true }))!;
    expect(calls).toHaveLength(4);
    expect(gathered.tasks).toEqual((await compare(newFolder(), [fast, slow], [0], {}, asked))!.tasks);
  });
  test("a task that fails keeps nothing from being said, and is tried again the next time", async () => {
    const out = newFolder();
    const failed: string[] = [];
    const onMiss = (what: string): void => void failed.push(what);
    const fails = (folder: string): boolean => folder.includes("slow-seed1");
    const results = (await compare(out, [fast, slow], [0, 1], { onMiss }, { tasks: [quiz("quiz", { fails })] }))!;
    expect(failed).toEqual(["measuring slow seed 1 by quiz"]);
    expect(taskOf(results).variants[1]!.runs.map((run) => run.failed)).toEqual([null, "a text is too long"]);
    expect(taskOf(results).variants[1]!.difference!.per_seed).toHaveLength(1);
    expect(conclusion(results).join("\n")).toContain("quiz could not measure 1 of 2 runs of slow: a text is too long.");
    const again = (await compare(out, [fast, slow], [0, 1], {}, { tasks: [quiz()] }))!;
    expect(taskOf(again).variants[1]!.runs.map((run) => run.failed)).toEqual([null, null]);
  });

  test("a run that diverged is not measured, and leaves nothing better or worse that it speaks against", async () => {
    const out = newFolder();
    const wild = variant("wild", { breakAt: RECIPE.steps + 15 }); // with the second seed: sessions are kept
    const results = (await compare(out, [slow, wild], [0, 1], {}, { tasks: [quiz()] }))!;
    const runs = [{ failed: null }, { value: null, failed: null }];
    expect(taskOf(results).variants[1]).toMatchObject({ runs, difference: { diverged: { variant: 1 } } });
    expect(existsSync(join(out, "runs", "wild-seed1", "tasks"))).toBe(false);
  });
});

describe("what is asked of tasks", () => {
  const never = async (): Promise<never> => Promise.reject(new Error("no device is needed"));
  const options = { names: null, at: [], folder: null, protocol: "moeut", limit: null, margin: 0.01 } as const;
  test("pairs are measured by their own test items, texts by none", () => {
    expect(compareTasks(options, ["scan:length"], 9, never).tasks.map(({ name }) => name)).toEqual(["scan:length"]);
    expect(compareTasks(options, ["typescript"], 9, never).tasks).toEqual([]);
    expect(compareTasks({ ...options, names: [] }, ["scan:length"], 9, never).tasks).toEqual([]);
  });
  test("the last step is the end, which is measured anyway; a task that is named twice is one", () => {
    const { tasks, scoreAt } = compareTasks({ ...options, names: ["scan", "scan"], at: [9, 4, 4] }, ["scan:length"], 9, never);
    expect([tasks.length, scoreAt]).toEqual([1, [4]]);
  });
  test.each([
    { why: "a task that was not trained on", change: { names: ["scan"] }, source: ["typescript"], message: /every variant was trained on/ },
    { why: "a step that no run has", change: { at: [10] }, source: ["scan:length"], message: /at step 10: they have 9 steps/ },
    { why: "steps without tasks", change: { at: [5] }, source: ["typescript"], message: /--at 5 needs tasks/ },
    { why: "a task that there is none", change: { names: ["blimpp"] }, source: ["typescript"], message: /there is no task blimpp/ },
  ])("$why is refused", ({ change, source, message }) => {
    expect(() => compareTasks({ ...options, ...change }, source, 9, never)).toThrow(message);
  });
  test("a run is named by its folder", () => {
    const trainedOn = { source: ["scan:length"], who: "runs/a" };
    expect(() => loadPairTests("cogs", trainedOn, null)).toThrow("runs/a was trained on scan:length, and not on cogs");
  });
});
