import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkComparison, openComparison, readFinal, writeFinal, type CompareInfo } from "../runtime/compare/folder.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import type { DepthLoss } from "../runtime/compare/depths.ts";
import { doJobs } from "../runtime/compare/jobs.ts";
import { runJobs, type CompareHooks, type CompareOptions } from "../runtime/compare/run.ts";
import type { Variant } from "../runtime/compare/variant.ts";
import { createSessions } from "../runtime/compare/sessions.ts";
import { messageOf, UserError } from "../runtime/errors.ts";
import { readLog } from "../runtime/train/index.ts";
import { compare, countSteps, DATA, optionsOf, timeless, timesKnown, variant } from "./support/bigram-compare.ts";
import { BIGRAM_RECIPE as RECIPE } from "./support/bigram-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-compare-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;

const newFolder = (): string => timesKnown(join(scratch, `compare-${folders++}`));

const [fast, slow, slower] = [variant("fast"), variant("slow", { lr: 0.01 }), variant("slower", { lr: 0.003 })];
const readResults = (out: string): CompareResults => JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as CompareResults;

describe("comparison", () => {
  const seeds = [0, 1, 2];

  test("trains all, pairs by seed, and finds what is better", async () => {
    const out = newFolder();
    const results = (await compare(out, [fast, slow], seeds))!;
    const [first, second] = results.variants;
    expect(first!.difference).toBeNull();
    expect(second!.difference!.mean).toBeGreaterThan(0.3);
    expect(second!.difference!.seed_interval!.low).toBeGreaterThan(0);
    expect(second!.difference!.per_seed.map((s) => s.seed)).toEqual(seeds);
    expect(second!.difference!.mean).toBeCloseTo(second!.validation_loss!.mean - first!.validation_loss!.mean, 10);
    expect(second!.spec_diff).toBe("- model fast {\n-   lr 0.1\n+ model slow {\n+   lr 0.01\n  }");
    expect(results.validation_sequences).toBe(10);
    expect(first!.runs[0]!.curve.filter((p) => p.validation_loss !== null).map((p) => p.step)).toEqual([10, 20, 30]);
    expect(first!.sample!.seed).toBe(0);
    expect(readResults(out)).toEqual(results);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("</html>");
  });

  test("interrupted at several places, it ends in the same results", async () => {
    const variants = [variant("fast", { checkpointEvery: 10 }), slow];
    const straight = await compare(newFolder(), variants, [0, 1]);
    const out = newFolder();
    for (const limit of [5, 12, 33, 61]) {
      const counter = countSteps();
      expect(await compare(out, variants, [0, 1], { ...counter, shouldStop: () => counter.steps() >= limit })).toBeNull();
    }
    expect(timeless(await compare(out, variants, [0, 1]))).toEqual(timeless(straight));
  });

  test("variants may split the batch each in their own way: the same sequences give the same losses", async () => {
    const results = (await compare(newFolder(), [fast, variant("split", { accumulate: 2 })], [0]))!;
    const [whole, split] = results.variants.map((v) => v.runs[0]!);
    expect(split!.validation_loss).toBeCloseTo(whole!.validation_loss!, 4);
    expect(split!.curve[0]!.train_loss).toBeCloseTo(whole!.curve[0]!.train_loss, 4);
  });

  test("runs that are finished are not trained again", async () => {
    const out = newFolder();
    await compare(out, [fast, slow], [0]);
    const final = join(out, "runs", "fast-seed0", "final.json");
    utimesSync(final, 1, 1);
    const counter = countSteps();
    await compare(out, [fast, slow], [0], counter);
    expect(counter.steps()).toBe(0);
    expect(statSync(final).mtimeMs).toBe(1000);
  });

  test("sessions are kept from seed to seed while they are small", async () => {
    const opened: string[] = [];
    const counted = (of: Variant): Variant => ({ ...of, open: (purpose) => (opened.push(of.name), of.open(purpose)) });
    const options = optionsOf(newFolder(), [counted(fast), counted(slow)], seeds);
    await doJobs(options, runJobs(options), createSessions());
    expect(opened).toEqual(["fast", "slow"]);
    const again = { ...options, out: newFolder(), seeds: [0, 1] };
    await doJobs(again, runJobs(again), createSessions(0));
    expect(opened.slice(2)).toEqual(["fast", "slow", "fast", "slow"]);
  });
});

describe("what goes wrong in one run", () => {
  test("divergence is a result, and the others go on", async () => {
    const results = (await compare(newFolder(), [fast, variant("wild", { breakAt: 15 })], [0]))!;
    expect(results.variants[1]).toMatchObject({ validation_loss: null, difference: null, sample: null });
    expect(results.variants[1]!.runs[0]!.diverged).toMatch(/diverged in step 15/);
    expect(results.pairs).toEqual([{ variant: "wild", against: "fast", difference: null }]);
  });

  test("held-out losses that are not finite are a divergence, along the run and after it", async () => {
    const mute = { evalEvery: 0 }; // measured only after the last step
    for (const change of [{}, mute]) {
      const results = (await compare(newFolder(), [fast, variant("wild", { nanLoss: true })], [0], {}, change))!;
      expect(results.variants[1]!.runs[0]!.diverged).toMatch(/the validation loss is NaN|the loss on held-out data is not finite/);
      expect(results.variants[1]).toMatchObject({ validation_loss: null, difference: null });
    }
  });

  test("a model that cannot be opened is said, and tried again the next time", async () => {
    const out = newFolder();
    const failed: string[] = [];
    const results = (await compare(out, [fast, variant("huge", { trainError: new UserError("too large") }), slow], [0, 1], { onFail: (v, seed) => void failed.push(`${v.name} ${seed}`) }))!;
    expect(failed).toEqual(["huge 0", "huge 1"]);
    expect(results.variants[1]!.runs.map((run) => run.failed)).toEqual(["too large", "too large"]);
    expect(results.variants[1]).toMatchObject({ validation_loss: null, memory_bytes: null, difference: null });
    expect(results.variants[2]!.difference!.per_seed).toHaveLength(2);
    const again = (await compare(out, [fast, variant("huge"), slow], [0, 1]))!;
    expect(again.variants[1]!.runs.map((run) => run.failed)).toEqual([null, null]);
  });

  test("a baseline that fails leaves the other pairs", async () => {
    const results = (await compare(newFolder(), [variant("huge", { trainError: new Error("no") }), fast, slow], [0]))!;
    expect(results.pairs.map(({ difference }) => difference === null)).toEqual([true, true, false]);
  });

  test("if nothing has a result, the first failure is the comparison's", async () => {
    const broken = ["a", "b"].map((name) => variant(name, { trainError: new UserError(`${name} is too large`) }));
    await expect(compare(newFolder(), broken, [0])).rejects.toThrow("a is too large");
  });

  test("a sample that fails is left out, after the results were written", async () => {
    const out = newFolder();
    const phases: string[] = [];
    let before: CompareResults | null = null;
    const mute = variant("slow", { lr: 0.01, sampleError: new UserError("it cannot generate") });
    const onMiss = (what: string, error: unknown): void => void phases.push(`${what}: ${messageOf(error)}`);
    const results = (await compare(out, [fast, mute], [0], { onMiss, onPhase: (text) => {
      phases.push(text);
      if (text.startsWith("sampling from fast")) before = readResults(out);
    } }))!;
    expect(before!.variants[1]!.validation_loss).toEqual(results.variants[1]!.validation_loss);
    expect(results.variants.map(({ sample }) => sample === null)).toEqual([false, true]);
    expect(phases).toContain("sampling from slow: it cannot generate");
    expect(existsSync(join(out, "report.html"))).toBe(true);
  });
});

describe("several processes in one folder", () => {
  /** As if a process elsewhere had the run folder. */
  function held(out: string, run: string): string {
    const lock = join(out, "runs", run, ".moeut-lock~1~0~elsewhere");
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, "");
    return lock;
  }

  test("what another does is passed over, waited for, and done here once that one is gone", async () => {
    const out = newFolder();
    const lock = held(out, "fast-seed0");
    const said: string[] = [];
    const results = (await compare(out, [fast, slow], [0], { onRun: ({ variant: v }) => void said.push(v.name), onPhase: (text) => {
      if (text.startsWith("waiting")) rmSync(lock);
      if (text.startsWith("waiting")) said.push(text);
    } }))!;
    expect(said).toEqual(["slow", "waiting for 1 run of other processes: fast-seed0 (process 1 on elsewhere) …", "fast"]);
    expect(timeless(results)).toEqual(timeless(await compare(newFolder(), [fast, slow], [0])));
  });
  test("of a process on another machine that is silent it is said what to remove, and nothing is taken from it", async () => {
    const out = newFolder();
    const lock = held(out, "fast-seed0");
    const [said, start] = [[] as string[], Date.now() / 1000];
    utimesSync(lock, start - 7200, start - 3600);
    const onPhase = (text: string): void => void (text.includes("waiting") || text.includes("waited") ? said.push(text) : null);
    expect(await compare(out, [fast, slow], [0], { onPhase, shouldStop: () => said.length === 2 })).toBeNull();
    expect(said[1]).toMatch(/^process 1 on elsewhere has written nothing for 60 minutes, and is waited for: /);
    expect(said[1]!.endsWith(`; if it no longer runs, remove ${lock}`)).toBe(true);
    expect(existsSync(lock)).toBe(true);
  });
  test("who is asked to stop does not wait on", async () => {
    const out = newFolder();
    held(out, "fast-seed0");
    let waits = false;
    const onPhase = (text: string): void => void (waits ||= text.startsWith("waiting"));
    expect(await compare(out, [fast, slow], [0], { onPhase, shouldStop: () => waits })).toBeNull();
  });
  test("runs alone leave the report to another, and what failed in one is not tried in another that began before", async () => {
    const out = newFolder();
    const options = { onlyRuns: true, since: Date.now() - 1 };
    const huge = variant("huge", { trainError: new UserError("too large") });
    expect(await compare(out, [fast, huge], [0], {}, options)).toBeNull();
    expect(readdirSync(out).sort()).toEqual(["runs", "step-times.json"]);
    const tried: string[] = [];
    const onRun: CompareHooks["onRun"] = ({ variant: { name } }) => void tried.push(name);
    const results = (await compare(out, [fast, huge], [0], { onRun }, { since: options.since }))!;
    expect([tried, results.variants.map(({ runs }) => runs[0]!.failed)]).toEqual([[], [null, "too large"]]);
  });
});

describe("other depths", () => {
  const twice = variant("fast", { passes: 2 });
  const usual = { depths: null, finalTokens: 24 }; // little held-out text makes them cheap: 6 of the 1,440 tokens of training

  /** What is said beside training, and how often a depth was opened. */
  async function measured(out: string, variants: readonly Variant[], change: Partial<CompareOptions>) {
    const said: string[] = [];
    const missed: unknown[] = [];
    let opened = 0;
    const counted = variants.map((one): Variant => ({ ...one, atPasses: (passes) => {
      const at = one.atPasses(passes);
      return "problem" in at ? at : { ...at, open: () => (opened++, at.open()) };
    } }));
    const hooks: CompareHooks = { onPhase: (text) => void said.push(text), onMiss: (what, error) => void missed.push(what, error) };
    const results = (await compare(out, counted, [0, 1], hooks, change))!;
    return { said, missed, opened, depths: results.variants.map(({ depths }) => depths), results };
  }

  test("the usual ones, where they are cheap: every run, once, by the loss that its weights have there", async () => {
    const out = newFolder();
    const { depths, opened, results } = await measured(out, [twice, slow], usual);
    expect(depths[1]).toBeNull();
    expect(depths[0]).toMatchObject({ trained: 2, points: [{ passes: 1 }, { passes: 2 }, { passes: 3 }, { passes: 4 }] });
    const trained = results.variants[0]!.runs.map((run) => run.validation_loss!);
    for (const { passes, per_seed: runs } of depths[0]!.points) {
      expect(runs.map(({ loss }) => loss)).toEqual(trained.map((loss) => expect.closeTo(passes === 2 ? loss : loss + 0.1, 5)));
    }
    expect(depths[0]!.points.map(({ accuracy }) => accuracy!.mean > 0.5)).toEqual([false, true, false, false]);
    expect(opened).toBe(4);
    expect((await measured(out, [twice, slow], usual)).opened).toBe(0);
  });
  test("what an earlier version measured is shown, and measured again to know what is right", async () => {
    const out = newFolder();
    const { depths } = await measured(out, [twice, slow], usual);
    for (const seed of [0, 1]) {
      const path = join(out, "runs", `fast-seed${seed}`, "depths.json");
      const { losses } = JSON.parse(readFileSync(path, "utf8")) as { readonly losses: readonly DepthLoss[] };
      const known = losses.filter(({ passes }) => passes !== 2).map(({ accuracy: _, ...old }) => old);
      writeFileSync(path, JSON.stringify({ format: 1, losses: known }));
    }
    const old = (await measured(out, [twice, slow], { ...usual, depths: [] })).depths[0]!;
    expect(old.points.map(({ loss, accuracy }) => [loss, accuracy])).toEqual(depths[0]!.points.map(({ loss }) => [loss, null]));
    expect((await measured(out, [twice, slow], usual)).depths).toEqual(depths);
  });
  test("where they are not cheap they are named", async () => {
    const { said, depths } = await measured(newFolder(), [twice, slow], { depths: null, finalTokens: 120 });
    expect(depths[0]).toBeNull();
    expect(said).toContain("fast is not measured at other depths, which would be 14 % of the work of its training; --depths 1,3,4 does it");
  });
  test("what is asked for is measured whatever it takes, what cannot be is said, and other text is measured again", async () => {
    const out = newFolder();
    const { said, missed, depths } = await measured(out, [twice, slow], { depths: [1, 2, 7, 8, 12] });
    expect(depths[0]!.points.map(({ passes }) => passes)).toEqual([1, 2]);
    expect(said).toContain("not measured: fast can have 9 passes at most");
    expect(missed).toEqual([
      "measuring fast at 7 passes", new UserError("seven is too many"), "measuring fast at 8 passes", new TypeError("eight is a bug"),
    ]);
    expect((await measured(out, [twice, slow], { depths: [1], finalTokens: 48 })).opened).toBe(2);
    expect((await measured(newFolder(), [twice, slow], { depths: [] })).depths).toEqual([null, null]);
  });
});

test("a report or results that somebody worked on are kept beside those of the next comparison", async () => {
  const out = newFolder();
  await compare(out, [fast, slow], [0]);
  const phases: string[] = [];
  const onPhase = (text: string): void => void phases.push(text);
  const aside = (): readonly string[] => readdirSync(out).filter((name) => name.includes("changed"));
  await compare(out, [fast, slow], [0, 1], { onPhase });
  expect(aside()).toEqual([]);
  for (const name of ["report.html", "results.json"]) writeFileSync(join(out, name), "mine");
  await compare(out, [fast, slow], [0], { onPhase });
  expect(aside()).toEqual(["report.changed-1.html", "results.changed-1.json"]);
  for (const name of aside()) expect(readFileSync(join(out, name), "utf8")).toBe("mine");
  expect(phases.filter((text) => text.includes("it is kept as"))).toHaveLength(2);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("</html>");
});

describe("a comparison grows", () => {
  test("more seeds and more variants train only what is new, and end as if all had been asked for at once", async () => {
    const out = newFolder();
    await compare(out, [fast, slow], [0]);
    const counter = countSteps();
    const grown = await compare(out, [slower, fast, slow], [0, 1], counter);
    expect(counter.steps()).toBe(4 * RECIPE.steps);
    expect(timeless(grown)).toEqual(timeless(await compare(newFolder(), [slower, fast, slow], [0, 1])));
  });

  test("fewer seeds and variants than there are: those that are asked for", async () => {
    const out = newFolder();
    await compare(out, [fast, slow, slower], [0, 1]);
    const counter = countSteps();
    const results = (await compare(out, [slower, slow], [1], counter))!;
    expect(counter.steps()).toBe(0);
    expect([results.baseline, results.variants.length, results.seeds]).toEqual(["slower", 2, [1]]);
    expect(readdirSync(join(out, "runs"))).toHaveLength(6);
  });

  test("other held-out tokens measure again without training, another prompt samples again", async () => {
    const out = newFolder();
    const first = (await compare(out, [fast, slow], [0]))!;
    const counter = countSteps();
    const shorter = (await compare(out, [fast, slow], [0], counter, { finalTokens: 48, prompt: "\u0001" }))!;
    expect([counter.steps(), first.validation_sequences, shorter.validation_sequences]).toEqual([0, 10, 4]);
    expect(shorter.variants[0]!.sample!.prompt).toBe("\u0001");
    const back = await compare(out, [fast, slow], [0]);
    expect(timeless(back)).toEqual(timeless(first));
  });

  test("records that are damaged are said by name; losses that were saved as no number are measured again", async () => {
    const out = newFolder();
    const first = (await compare(out, [fast, slow], [0]))!;
    const path = join(out, "runs", "slow-seed0", "final.json");
    const record = readFinal(join(out, "runs", "slow-seed0"))!;
    writeFinal(join(out, "runs", "slow-seed0"), { ...record, sequences: [Number.NaN] });
    expect(timeless(await compare(out, [fast, slow], [0]))).toEqual(timeless(first));
    for (const text of ["{", "[]", '{"format": 1}', JSON.stringify({ ...record, sequences: 3 }), JSON.stringify({ ...record, adapter: null })]) {
      writeFileSync(path, text);
      await expect(compare(out, [fast, slow], [0])).rejects.toThrow(/slow-seed0\/final.json/);
    }
  });

  test("records of earlier versions, which sampled before they wrote, are used as they are", async () => {
    const out = newFolder();
    await compare(out, [fast, slow], [0], {}, { prompt: "\u0001" });
    const folder = join(out, "runs", "fast-seed0");
    writeFinal(folder, { ...readFinal(folder)!, sample: { seed: 0, prompt: "\u0001", text: "written before" } });
    const results = (await compare(out, [fast, slow], [0], {}, { prompt: "\u0001" }))!;
    expect(results.variants[0]!.sample!.text).toBe("written before");
  });
});

describe("the folder of a comparison", () => {
  const info: CompareInfo = {
    format: 1, variants: [{ name: "fast", specHash: "fast", recipe: RECIPE }], seeds: [0], data: DATA, evalTokens: 1, finalTokens: 2,
  };
  const runsOf = (variants: readonly Variant[], seeds: readonly number[] = [0]) =>
    runJobs({ variants, seeds }).map(({ variant: { info, spec }, seed, folder }) =>
      ({ folder, info: info(seed, { kind: "", name: "" }), spec }));

  const finished = (async () => {
    const out = join(scratch, "finished");
    openComparison(out, info, runsOf([fast]));
    const options = optionsOf(out, [fast], [0, 1]);
    await doJobs(options, runJobs(options), createSessions());
    return out;
  })();

  test.each([
    { why: "other specs", run: variant("fast", { specHash: "other" }), message: /fast-seed0: it holds a run of another spec/ },
    { why: "another recipe", run: variant("fast", { lr: 0.3 }), message: /fast-seed0: lr is 0.3, but the run was made with 0.1/ },
    { why: "another split of the batch", run: variant("fast", { accumulate: 2 }), message: /fast-seed0: accumulate is 2/ },
    { why: "other steps", run: variant("fast", { steps: 7 }), message: /fast-seed0: steps is 7, but the run was made with 30/ },
  ])("$why are refused by name, once for each variant, and nothing is changed", async ({ run, message }) => {
    const out = await finished;
    const before = readFileSync(join(out, "compare.json"));
    expect(() => openComparison(out, { ...info, seeds: [0, 1] }, runsOf([run], [0, 1]))).toThrow(message);
    expect(() => checkComparison(out, runsOf([run], [0, 1]))).not.toThrow(/fast-seed1/);
    expect(readFileSync(join(out, "compare.json"))).toEqual(before);
    expect(readLog(join(out, "runs", "fast-seed0", "log.jsonl"))).toHaveLength(RECIPE.steps);
  });
  test("other data are refused", async () => {
    const out = await finished;
    const runs = runsOf([fast]).map((run) => ({ ...run, info: { ...run.info, data: { ...DATA, id: "x", source: ["other"] } } }));
    expect(() => checkComparison(out, runs)).toThrow(/trained on other data \(pattern, id pattern; now other, id x\)/);
  });
  test("other variants and seeds are not", async () => {
    const out = await finished;
    expect(() => openComparison(out, info, runsOf([slow, fast], [0, 5]))).not.toThrow();
  });
  test.each([
    { why: "other things", file: "letter.txt", text: "" },
    { why: "another file of that name", file: "compare.json", text: '{"mine": 1}' },
  ])("a folder with $why in it is not used", ({ file, text }) => {
    const out = mkdtempSync(join(scratch, "taken-"));
    writeFileSync(join(out, file), text);
    expect(() => openComparison(out, info, runsOf([fast]))).toThrow(/not empty, and it is not a comparison/);
    expect(readdirSync(out)).toEqual([file]);
    expect(readFileSync(join(out, file), "utf8")).toBe(text);
  });
});
