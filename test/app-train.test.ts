import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../runtime/files/safetensors.ts";
import { currentCheckpoint, createProgress, logPath, readLog, readRun, train } from "../runtime/train/index.ts";
import { UPDATE } from "../runtime/standalone/types.ts";
import { learningRate, updateWords, type Recipe } from "../runtime/standalone/schedule.ts";
import { initializeParameters, readOfficial } from "../runtime/standalone/parameters.ts";
import { trainStep } from "../runtime/standalone/train-step.ts";
import { bigramParams, createBigram } from "./support/bigram-executor.ts";
import { bundled } from "./support/bundled.ts";
import { hashOf } from "./support/cli.ts";
import { bigramRun, BIGRAM_RECIPE as RECIPE } from "./support/bigram-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-train-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(scratch, `run-${folders++}`);

const checkpointBytes = (folder: string): readonly string[] =>
  ["weights.safetensors", "optimizer.safetensors", "state.json"].map((name) => hashOf(join(currentCheckpoint(folder)!, name)));
/** The log without wall times. */
const lossesOf = (folder: string): unknown => readLog(logPath(folder)).map(({ seconds: _, ...rest }) => rest);

describe("schedule", () => {
  const recipe = (kind: Recipe["schedule"]["kind"], warmup = 0): Recipe =>
    ({ ...RECIPE, steps: 100, optimizer: { ...RECIPE.optimizer, lr: 2 }, schedule: { kind, warmup, floor: 0.1 } });
  test.each([
    { why: "constant", kind: "constant", warmup: 0, step: 57, want: 2 },
    { why: "linear start", kind: "linear", warmup: 0, step: 0, want: 2 },
    { why: "linear middle", kind: "linear", warmup: 0, step: 50, want: 2 * 0.55 },
    { why: "cosine quarter: 0.1 + 0.9 (1 + √½) / 2", kind: "cosine", warmup: 0, step: 25, want: 2 * (0.1 + (0.9 * (1 + Math.SQRT1_2)) / 2) },
    { why: "cosine middle", kind: "cosine", warmup: 0, step: 50, want: 2 * 0.55 },
    { why: "first step of warm-up", kind: "cosine", warmup: 10, step: 0, want: 0.2 },
    { why: "last step of warm-up", kind: "cosine", warmup: 10, step: 9, want: 2 },
    { why: "decay counts from the end of warm-up", kind: "linear", warmup: 10, step: 60, want: 2 * 0.55 },
  ] as const)("$why", ({ kind, warmup, step, want }) => {
    expect(learningRate(recipe(kind, warmup), step)).toBeCloseTo(want, 12);
  });
  test("bias corrections are 1 − βᵗ with t from 1, and no clipping is 0", () => {
    const words = updateWords({ ...recipe("constant"), gradClip: null }, 1);
    expect(Array.from(words)).toEqual([2, 1 - 0.9, 1 - 0.999, 1e-8, 0.01, 0, 1 - 0.9 ** 2, 1 - 0.999 ** 2].map(Math.fround));
  });
  test.each([
    { beta: 0, step: 5, fresh: 1, correction: 1 },
    { beta: 0.9999999, step: 0, fresh: 1e-7, correction: 1e-7 },
    { beta: 1 - 2 ** -40, step: 2, fresh: 2 ** -40, correction: 3 * 2 ** -40 - 3 * 2 ** -80 },
    { beta: 0.99999, step: 99, fresh: 1e-5, correction: 9.99505161699e-4 },
    { beta: 0.5, step: 2000, fresh: 0.5, correction: 1 },
  ])("1 − β and 1 − βᵗ keep their digits: β = $beta, t = $step + 1", ({ beta, step, fresh, correction }) => {
    const words = updateWords({ ...recipe("constant"), optimizer: { ...RECIPE.optimizer, beta1: beta, beta2: beta } }, step);
    for (const word of [UPDATE.oneMinusBeta1, UPDATE.oneMinusBeta2]) expect(words[word]! / fresh).toBeCloseTo(1, 6);
    for (const word of [UPDATE.biasCorrection1, UPDATE.biasCorrection2]) expect(words[word]! / correction).toBeCloseTo(1, 6);
  });
});

describe("training", () => {
  test("learns, logs each step once, and leaves one checkpoint", async () => {
    const run = bigramRun({ folder: newFolder() });
    const result = await train(run);
    const log = readLog(logPath(run.folder));
    expect(result).toMatchObject({ step: RECIPE.steps, finished: true });
    expect(log.map((r) => r.step)).toEqual(Array.from({ length: RECIPE.steps }, (_, i) => i + 1));
    expect(log.filter((r) => r.validation_loss !== undefined).map((r) => r.step)).toEqual([10, 20, 30]);
    expect(log.at(-1)!.validation_loss!).toBeLessThan(log[9]!.validation_loss!);
    expect(log.at(-1)!.ce_loss).toBeLessThan(0.8 * log[0]!.ce_loss);
    expect(readdirSync(join(run.folder, "checkpoints"))).toEqual(["step-00000030"]);
    const weights = readSafetensors(join(currentCheckpoint(run.folder)!, "weights.safetensors"));
    expect([...weights.tensors].map(([name, { shape }]) => [name, shape])).toEqual([["bias", [16]], ["table.weight", [16, 16]]]);
  });

  test("micro-batches give the gradients of the whole batch", async () => {
    const whole = bigramRun({ folder: newFolder() });
    const parts = bigramRun({ folder: newFolder(), accumulate: 4 });
    await train(whole);
    await train(parts);
    const [a, b] = await Promise.all([whole, parts].map(({ executor, params }) => readOfficial(executor, params, "param")));
    a!.forEach((tensor, i) => tensor.data.forEach((x, j) => expect(Math.abs(x - b![i]!.data[j]!)).toBeLessThan(1e-4)));
  });

  test.each([1, 7, 14, 15, 29])("stopped after step %i and resumed, it ends in the same bits and the same log", async (stopAfter) => {
    const straight = bigramRun({ folder: newFolder() });
    await train(straight);
    const first = bigramRun({ folder: newFolder() });
    let steps = 0;
    const stopped = await train(first, { onStep: () => void steps++, shouldStop: () => steps >= stopAfter });
    expect(stopped).toMatchObject({ step: stopAfter, finished: false });
    const second = bigramRun({ folder: first.folder, resume: true });
    expect(second.done).toBe(stopAfter);
    await train(second);
    expect(checkpointBytes(first.folder)).toEqual(checkpointBytes(straight.folder));
    expect(lossesOf(first.folder)).toEqual(lossesOf(straight.folder));
  });

  test("a finished run that is resumed changes nothing", async () => {
    const run = bigramRun({ folder: newFolder() });
    await train(run);
    const before = checkpointBytes(run.folder);
    expect(await train(bigramRun({ folder: run.folder, resume: true }))).toMatchObject({ finished: true, last: null });
    expect(checkpointBytes(run.folder)).toEqual(before);
  });

  test("a gradient that is not finite stops the run, is named, and spares the checkpoint", async () => {
    const run = bigramRun({ folder: newFolder(), breakAt: 18 });
    await expect(train(run)).rejects.toThrow(/diverged in step 18: the gradient of bias is not finite; the first tensor that went bad is "gradient of bias"/);
    expect(currentCheckpoint(run.folder)).toMatch(/step-00000014$/);
    expect(readLog(logPath(run.folder))).toHaveLength(17);
    const again = bigramRun({ folder: run.folder, resume: true });
    await train(again);
    const straight = bigramRun({ folder: newFolder() });
    await train(straight);
    expect(checkpointBytes(run.folder)).toEqual(checkpointBytes(straight.folder));
  });
});

const TRAINING = fileURLToPath(await bundled("test/support/train-bigram.ts"));

describe("crash safety", () => {
  const start = (folder: string, command: readonly string[] = []): ChildProcess => {
    const [program, ...args] = [...command, process.execPath, TRAINING, folder];
    return spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
  };
  /** Kills it as soon as it has said that so many steps are done. */
  const kill = (folder: string, steps: number): Promise<void> => new Promise((done) => {
    const child = start(folder);
    let lines = 0;
    child.stdout!.setEncoding("utf8").on("data", (text: string) => (lines += text.split("\n").length - 1) > steps && child.kill("SIGKILL"));
    child.on("exit", () => done());
  });

  test.skipIf(process.platform === "win32")("a full disk: the last checkpoint is kept, and with room again the run ends in the same bits", async () => {
    const straight = bigramRun({ folder: newFolder(), checkpointEvery: 1 });
    await train(straight);
    const run = bigramRun({ folder: newFolder() });
    let steps = 0;
    await train(run, { onStep: () => void steps++, shouldStop: () => steps >= 2 });
    const before = checkpointBytes(run.folder);
    // No file may be larger than 1 or 2 KiB, as the shell counts: less than the optimizer's state.
    const child = start(run.folder, ["sh", "-c", 'ulimit -f 2; exec "$0" "$@"']);
    let stderr = "";
    child.stderr!.on("data", (text: Buffer) => (stderr += text.toString()));
    await new Promise((done) => child.on("close", done));
    expect(stderr).toMatch(/EnvironmentError: cannot write .*: the disk is full \(EFBIG\); what was there before is kept/);
    expect(checkpointBytes(run.folder)).toEqual(before);
    await train(bigramRun({ folder: run.folder, resume: true, checkpointEvery: 1 }));
    expect(checkpointBytes(run.folder)).toEqual(checkpointBytes(straight.folder));
    expect(lossesOf(run.folder)).toEqual(lossesOf(straight.folder));
  });

  test("killed at several moments, a run resumes to the bits of an undisturbed one", async () => {
    const straight = bigramRun({ folder: newFolder(), checkpointEvery: 1 });
    await train(straight);
    const folder = newFolder();
    for (const steps of [0, 3, 6]) {
      await kill(folder, steps);
      const checkpoint = currentCheckpoint(folder);
      if (checkpoint !== null) expect(readdirSync(checkpoint).filter((name) => !name.startsWith(".")).sort()).toEqual([
        "optimizer.safetensors", "state.json", "weights.safetensors",
      ]);
    }
    await train(bigramRun({ folder, resume: true, checkpointEvery: 1 }));
    expect(checkpointBytes(folder)).toEqual(checkpointBytes(straight.folder));
    expect(lossesOf(folder)).toEqual(lossesOf(straight.folder));
  });

  test("what a crash may leave behind does not disturb: half a log line, half a new checkpoint, a temporary file", async () => {
    const straight = bigramRun({ folder: newFolder() });
    await train(straight);
    const run = bigramRun({ folder: newFolder() });
    let steps = 0;
    await train(run, { onStep: () => void steps++, shouldStop: () => steps >= 14 });
    appendFileSync(logPath(run.folder), `{"step":15,"loss":1}\n{"step":16,"lo`);
    cpSync(join(run.folder, "checkpoints", "step-00000014"), join(run.folder, "checkpoints", "step-00000028"), { recursive: true });
    writeFileSync(join(run.folder, "checkpoints", "step-00000028", "weights.safetensors"), "half");
    writeFileSync(join(run.folder, ".checkpoint.json.tmp-999999-00000000"), "half");
    await train(bigramRun({ folder: run.folder, resume: true }));
    expect(checkpointBytes(run.folder)).toEqual(checkpointBytes(straight.folder));
    expect(lossesOf(run.folder)).toEqual(lossesOf(straight.folder));
    expect(readdirSync(join(run.folder, "checkpoints"))).toEqual(["step-00000030"]);
  });
});

describe("run folders", () => {
  const finished = async (): Promise<string> => {
    const run = bigramRun({ folder: newFolder() });
    await train(run);
    return run.folder;
  };
  test("an existing run is not overwritten without --resume", async () => {
    const folder = await finished();
    expect(() => bigramRun({ folder })).toThrow(/already holds a run; add --resume/);
    expect(currentCheckpoint(folder)).not.toBeNull();
  });
  test("a folder with other things in it is not used", () => {
    expect(() => bigramRun({ folder: join(import.meta.dirname) })).toThrow(/not empty, and it is not a run/);
  });
  test.each([
    { why: "another spec", change: { specHash: "f".repeat(64) }, message: /another spec/ },
    { why: "another seed", change: { seed: 9 }, message: /the seed is 9, but the run was made with 1/ },
    { why: "other data", change: { dataId: "other" }, message: /trained on other data/ },
    { why: "another learning rate", change: { lr: 0.5 }, message: /lr is 0.5, but the run was made with 0.05/ },
    { why: "another length", change: { steps: 31 }, message: /steps is 31, but the run was made with 30/ },
  ])("$why is refused with --resume", async ({ change, message }) => {
    const folder = await finished();
    const before = checkpointBytes(folder);
    expect(() => bigramRun({ folder, resume: true, ...change })).toThrow(message);
    expect(checkpointBytes(folder)).toEqual(before);
  });
  test.each([
    { why: "weights cut short", file: "weights.safetensors", damage: (bytes: Buffer) => bytes.subarray(0, bytes.length - 40), message: /weights.safetensors is not a sound safetensors file/ },
    { why: "state that is not JSON", file: "state.json", damage: () => Buffer.from("{"), message: /state.json is not JSON/ },
    { why: "weights of NaN", file: "weights.safetensors", damage: (bytes: Buffer) => Buffer.concat([bytes.subarray(0, bytes.length - 4), Buffer.from([0, 0, 0xc0, 0x7f])]), message: /is not finite/ },
  ])("$why: the file is named", async ({ file, damage, message }) => {
    const folder = await finished();
    const path = join(currentCheckpoint(folder)!, file);
    writeFileSync(path, damage(readFileSync(path)));
    expect(() => bigramRun({ folder, resume: true })).toThrow(message);
  });
  test("--resume without a run starts one", async () => {
    const run = bigramRun({ folder: newFolder(), resume: true });
    expect(run.done).toBe(0);
    expect(readRun(run.folder).seed).toBe(1);
    expect(existsSync(join(run.folder, "spec.moeut"))).toBe(true);
  });
});

test("a step over an executor: losses are means over micro-batches", async () => {
  const executor = createBigram({ vocabSize: 4, batch: 1, seqLen: 2 });
  initializeParameters(executor, bigramParams(4).map((p) => ({ ...p, init: { kind: "zeros" } as const })), 0);
  const batch = { tokens: Uint32Array.of(0, 1), targets: Uint32Array.of(1, 2) };
  const metrics = await trainStep(executor, RECIPE, 0, [batch, batch], 0);
  expect(metrics.ceLoss).toBeCloseTo(Math.log(4), 6);
  expect(metrics.firstBad).toBeNull();
});

describe("progress", () => {
  const record = { step: 1, loss: 2, ce_loss: 2, reg_loss: 0, grad_norm: 1, lr: 1, tokens: 64, seconds: 0.5 };
  const capture = (isTTY: boolean): { text: () => string; output: { isTTY: boolean; write(text: string): void } } => {
    let text = "";
    return { text: () => text, output: { isTTY, write: (more) => void (text += more) } };
  };
  test("plain lines: some, with loss, speed and time left as soon as they are known", () => {
    const { text, output } = capture(false);
    const progress = createProgress({ output, label: "tiny", steps: 200, tokensPerStep: 64 });
    for (let step = 1; step <= 200; step++) progress.update({ ...record, step, seconds: step === 1 ? 60 : 0.5 });
    const lines = text().trimEnd().split("\n");
    expect(lines).toHaveLength(22);
    expect(lines[0]).toBe("tiny  step   1/200  loss 2.0000"); // the driver compiled: no speed, no time left
    expect(lines[1]).toBe("tiny  step   2/200  loss 2.0000  128 tokens/s  1 min 39 s left");
    expect(lines.at(-1)).toBe("tiny  step 200/200  loss 2.0000  128 tokens/s  done");
  });
  test("a terminal: one line that is written over; evaluations stay", () => {
    const { text, output } = capture(true);
    const progress = createProgress({ output, label: "", steps: 3, tokensPerStep: 64 });
    progress.update(record);
    progress.update({ ...record, step: 2, validation_loss: 1.5 });
    progress.update({ ...record, step: 3 });
    progress.finish();
    expect(text().match(/\n/g)).toHaveLength(2);
    expect(text()).toContain("validation 1.5000");
  });
});

test("nothing is written where the folder is taken", () => {
  const folder = newFolder();
  bigramRun({ folder });
  const before = readFileSync(join(folder, "run.json"), "utf8");
  expect(() => bigramRun({ folder, seed: 2 })).toThrow();
  expect(readFileSync(join(folder, "run.json"), "utf8")).toBe(before);
});
