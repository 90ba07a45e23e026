/** A run folder is whole: what does not belong together is refused, what was damaged is said, and no history is lost. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test, vi } from "vitest";
import { printSpec, specHash } from "../compiler/format/index.ts";
import { readTrainedRun } from "../cli/trained-run.ts";
import { chooseModel, loadSpec } from "../cli/spec.ts";
import { EnvironmentError, UserError } from "../runtime/errors.ts";
import {
  createRun, currentCheckpoint, Diverged, logPath, openCheckpoint, readLog, readRun, saveCheckpoint, train, type TrainOptions,
} from "../runtime/train/index.ts";
import { readTokenizer } from "../runtime/tokenizer/file.ts";
import { bigramParams, createBigram } from "./support/bigram-executor.ts";
import { bigramRun, T, V } from "./support/bigram-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-run-folder-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(scratch, `run-${folders++}`);

/** Trains up to a step, with a checkpoint there. */
async function trained(steps: number, folder = newFolder()): Promise<string> {
  const run = bigramRun({ folder, resume: true });
  let done = run.done;
  await train(run, { onStep: () => void done++, shouldStop: () => done >= steps });
  return folder;
}

const resume = (folder: string): { readonly run: TrainOptions; readonly notes: readonly string[] } => {
  const notes: string[] = [];
  return { run: bigramRun({ folder, resume: true, note: (text) => notes.push(text) }), notes };
};
const stepsOf = (folder: string): readonly number[] => readLog(logPath(folder)).map((record) => record.step);
const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i + 1);
// biome-ignore lint/suspicious/noExplicitAny: tests break what is in it
const editJson = (path: string, edit: (value: any) => unknown): void =>
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, "utf8")))));
const edit = (path: string, change: (text: string) => string): void => writeFileSync(path, change(readFileSync(path, "utf8")));

describe("log.jsonl", () => {
  const lines = (text: string): string[] => text.trimEnd().split("\n");
  test.each([
    { why: "half a last line", change: (text: string) => `${text}{"step":9,"lo` },
    { why: "a last line of zeros, as some file systems leave", change: (text: string) => `${text}\0\0\0\0\n` },
    { why: "no end of the last line", change: (text: string) => text.trimEnd() },
    { why: "records behind the checkpoint", change: (text: string) => `${text}${lines(text)[7]!.replace('"step":8', '"step":9')}\n` },
  ])("$why: nothing to say, nothing kept aside", async ({ change }) => {
    const folder = await trained(8);
    const before = readLog(logPath(folder));
    edit(logPath(folder), change);
    const { notes } = resume(folder);
    expect(notes).toEqual([]);
    expect(readLog(logPath(folder))).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes("damaged"))).toEqual([]);
  });

  test.each([
    { why: "a damaged line", at: 3, by: ['{"step":4,"lo'], note: /line 4 is no record.*log\.damaged-1\.jsonl/, steps: [1, 2, 3, 5, 6, 7, 8], missing: /does not know step 4$/ },
    { why: "a line that is JSON and no record", at: 0, by: ["null"], note: /line 1 is no record/, steps: [2, 3, 4, 5, 6, 7, 8], missing: /does not know step 1$/ },
    { why: "a number that float64 cannot hold", at: 4,
      by: ['{"step":5,"loss":1e999,"ce_loss":1,"reg_loss":0,"grad_norm":1,"lr":1,"tokens":1,"seconds":1}'],
      note: /line 5 is no record/, steps: [1, 2, 3, 4, 6, 7, 8], missing: /does not know step 5$/ },
    { why: "a record without a loss", at: 1, by: ['{"step":2,"seconds":1}'], note: /line 2 is no record/, steps: [1, 3, 4, 5, 6, 7, 8], missing: /does not know step 2$/ },
  ])("$why between good ones costs that line alone, and the log is kept as it was", async ({ at, by, note, steps, missing }) => {
    const folder = await trained(8);
    edit(logPath(folder), (text) => `${lines(text).toSpliced(at, 1, ...by).join("\n")}\n`);
    const damaged = readFileSync(logPath(folder), "utf8");
    expect(stepsOf(folder)).toEqual(steps); // what a report reads, before and after
    const { notes } = resume(folder);
    expect(notes).toEqual([expect.stringMatching(note), expect.stringMatching(missing)]);
    expect(readFileSync(join(folder, "log.damaged-1.jsonl"), "utf8")).toBe(damaged);
    expect(stepsOf(folder)).toEqual(steps);
    expect(resume(folder).notes).toEqual([expect.stringMatching(missing)]);
    expect(readdirSync(folder)).not.toContain("log.damaged-2.jsonl");
  });

  test("a step that comes twice, as two trainings at once left it: each once, in order, the later record", async () => {
    const folder = await trained(8);
    const text = readFileSync(logPath(folder), "utf8");
    const twice = lines(text).flatMap((line) => [line, line.replace('"loss":', '"loss":9')]);
    writeFileSync(logPath(folder), `${[...twice.slice(4), ...twice.slice(0, 4)].join("\n")}\n`);
    const { notes } = resume(folder);
    expect(notes).toEqual([expect.stringMatching(/line 1 is of step 3, which comes again, .* and 5 more/)]);
    expect(stepsOf(folder)).toEqual(upTo(8));
    expect(readLog(logPath(folder)).every(({ loss }) => String(loss).startsWith("9"))).toBe(true);
  });

  test("a second damage is kept beside the first", async () => {
    const folder = await trained(8);
    for (const n of [1, 2]) {
      edit(logPath(folder), (text) => `x\n${text}`);
      resume(folder);
      expect(existsSync(join(folder, `log.damaged-${n}.jsonl`))).toBe(true);
    }
  });

  test("a log that ends before the checkpoint, or is missing, is said; training goes on", async () => {
    const folder = await trained(8);
    edit(logPath(folder), (text) => `${lines(text).slice(0, 5).join("\n")}\n`);
    const { run, notes } = resume(folder);
    expect(notes).toEqual([expect.stringMatching(/does not know steps 6 to 8$/)]);
    expect(run.done).toBe(8);
    unlinkSync(logPath(folder));
    expect(resume(folder).notes).toEqual([expect.stringMatching(/does not know steps 1 to 8$/)]);
  });
});

describe("the parts of a run belong together", () => {
  const at = (folder: string, name: string): string =>
    (["run.json", "checkpoint.json", "spec.moeut"].includes(name) ? join(folder, name) : join(currentCheckpoint(folder)!, name));

  test("any change to a file of a checkpoint, or to the spec, is noticed", async () => {
    const whole = await trained(8);
    const files = ["weights.safetensors", "optimizer.safetensors", "state.json", "spec.moeut"];
    fc.assert(fc.property(fc.constantFrom(...files), fc.nat(), fc.integer({ min: 1, max: 255 }), (name, position, by) => {
      const folder = newFolder();
      cpSync(whole, folder, { recursive: true });
      const bytes = readFileSync(at(folder, name));
      bytes[position % bytes.length]! ^= by;
      writeFileSync(at(folder, name), bytes);
      expect(() => resume(folder)).toThrow(UserError);
    }), { numRuns: 150, seed: 7 });
  });

  test.each([
    { why: "another seed in run.json", name: "run.json", change: (info: object) => ({ ...info, seed: 2 }), message: /belongs to another run: the seed is 1, and by run\.json it is 2/ },
    { why: "another spec in run.json", name: "run.json", change: (info: object) => ({ ...info, specHash: "1".repeat(64) }), message: /the hash of the spec is 0+, and/ },
    { why: "other data in run.json", name: "run.json", change: (info: { data: object }) => ({ ...info, data: { ...info.data, id: "x" } }), message: /the data is pattern, and by run\.json it is x/ },
    { why: "another step in the pointer", name: "checkpoint.json", change: (pointer: object) => ({ ...pointer, step: 30 }), message: /checkpoint\.json names no checkpoint/ },
    { why: "a later format", name: "checkpoint.json", change: (pointer: object) => ({ ...pointer, format: 2 }), message: /checkpoint\.json names no checkpoint/ },
    { why: "another step in the state", name: "state.json", change: (state: object) => ({ ...state, step: 30 }), message: /state\.json is of step 30, but lies in the checkpoint of step 8/ },
  ])("$why", async ({ name, change, message }) => {
    const folder = await trained(8);
    editJson(at(folder, name), change);
    expect(() => openCheckpoint(folder, readRun(folder))).toThrow(message);
    expect(() => openCheckpoint(folder, readRun(folder))).toThrow(UserError);
  });

  test("files of another checkpoint of the same run are not taken for its own", async () => {
    const folder = await trained(8);
    const earlier = newFolder();
    cpSync(currentCheckpoint(folder)!, earlier, { recursive: true });
    await trained(12, folder);
    for (const name of ["weights.safetensors", "optimizer.safetensors", "state.json"]) {
      const mixed = newFolder();
      cpSync(folder, mixed, { recursive: true });
      cpSync(join(earlier, name), at(mixed, name));
      expect(() => resume(mixed), name).toThrow(name === "state.json" ? /of step 8, but lies in the checkpoint of step 12/ : new RegExp(`${name} is not as it was saved`));
    }
  });

  test("without its pointer the newest whole checkpoint is the current one, and half of a first one is none", async () => {
    const [straight, folder] = [await trained(30), await trained(8)];
    unlinkSync(join(folder, "checkpoint.json"));
    expect(currentCheckpoint(folder)).toBe(join(folder, "checkpoints", "step-00000008"));
    const half = newFolder();
    cpSync(folder, half, { recursive: true });
    unlinkSync(at(half, "state.json"));
    expect(currentCheckpoint(half)).toBeNull();
    await trained(30, folder);
    const text = (run: string): string => readFileSync(at(run, "state.json"), "utf8");
    expect(text(folder)).toBe(text(straight));
  });

  test("a checkpoint that a training replaces meanwhile stays readable, and the next reader sees its successor", async () => {
    const folder = await trained(8);
    const info = readRun(folder);
    const held = openCheckpoint(folder, info)!;
    const before = held.weights.readFloats("bias");
    await trained(12, folder);
    expect(existsSync(held.path)).toBe(false);
    expect(held.weights.readFloats("bias")).toEqual(before);
    expect(held.weights.sha256()).toBe(held.state.files!["weights.safetensors"]);
    expect(openCheckpoint(folder, info)!.state.step).toBe(12);
  });

  test("read again and again during a training, it is whole every time", async () => {
    const folder = newFolder();
    const run = bigramRun({ folder, checkpointEvery: 1 });
    const steps: number[] = [];
    await train({ ...run, executor: { ...run.executor, read: async (name) => {
      const checkpoint = openCheckpoint(folder, run.info); // in the middle of saving the next
      if (checkpoint !== null) steps.push(checkpoint.state.step);
      return run.executor.read(name);
    } } });
    expect(new Set(steps)).toEqual(new Set(upTo(29)));
  });
});

test("a checkpoint has the tokenizer too: without the run's it is read there, and with the next one it moves on", async () => {
  const model = chooseModel(loadSpec("specs/tiny.moeut", ["vocab_size=420"]), { set: [] });
  const [folder, tokenizer] = [newFolder(), readTokenizer("test/tokenizers/bpe.model")];
  const { info } = bigramRun({ folder: newFolder() });
  const data = { ...info.data, tokenizer: tokenizer.id };
  createRun(folder, { spec: printSpec(model), tokenizer: tokenizer.file }, { ...info, model: "tiny", specHash: specHash(model), data });
  const save = (step: number): Promise<void> => saveCheckpoint(
    folder, createBigram({ vocabSize: V, batch: 1, seqLen: T }), bigramParams(V),
    { format: 1, step, sequences: step * info.recipe.batch, seed: info.seed, specHash: specHash(model), dataId: data.id },
  );
  await save(3);
  await save(4);
  expect(readdirSync(join(folder, "checkpoints"))).toHaveLength(1);
  rmSync(join(folder, "tokenizer.json"));
  expect(readTrainedRun(folder, []).tokenizer.id).toBe(tokenizer.id);
  rmSync(join(currentCheckpoint(folder)!, "tokenizer.json"));
  expect(() => readTrainedRun(folder, [])).toThrow(/was made with the tokenizer "json:.*", and its tokenizer\.json is gone/);
});

describe("runs of early versions, without hashes", () => {
  const model = chooseModel(loadSpec("specs/tiny.moeut", []), { set: [] });
  /** As `moeut train specs/tiny.moeut` leaves it, but for the weights. */
  async function run(early: boolean): Promise<string> {
    const folder = newFolder();
    const { info } = bigramRun({ folder: newFolder() });
    createRun(folder, { spec: printSpec(model) }, { ...info, model: "tiny", specHash: specHash(model) });
    await saveCheckpoint(folder, createBigram({ vocabSize: V, batch: 1, seqLen: T }), bigramParams(V), { format: 1, step: 3, sequences: 3 * info.recipe.batch, seed: info.seed, specHash: specHash(model), dataId: info.data.id });
    if (!early) return folder;
    editJson(join(folder, "run.json"), ({ specSha256: _, ...rest }) => rest);
    editJson(join(folder, "checkpoint.json"), ({ state: _, ...rest }) => rest);
    editJson(join(currentCheckpoint(folder)!, "state.json"), ({ files: _, ...rest }) => rest);
    return folder;
  }

  test.each([true, false])("are loaded like those with hashes (early: %s), also with --set", async (early) => {
    const folder = await run(early);
    expect(readTrainedRun(folder, [])).toMatchObject({ step: 3, model: { name: "tiny", seqLen: 64 } });
    expect(readTrainedRun(folder, ["seq_len=32"]).model.seqLen).toBe(32);
    expect(readTrainedRun(folder, []).weights.readFloats("bias")).toHaveLength(V);
  });

  test.each([true, false])("an edited spec is refused, however small the edit (early: %s)", async (early) => {
    for (const [from, to] of [[/top_k 4/, "top_k 2"], [/seq_len +64/, "seq_len 32"]] as const) {
      const folder = await run(early);
      edit(join(folder, "spec.moeut"), (text) => text.replace(from, to));
      expect(readFileSync(join(folder, "spec.moeut"), "utf8")).toContain(to);
      expect(() => readTrainedRun(folder, [])).toThrow(/spec\.moeut was changed after the run was made.*undo the change, and try other settings with --set/);
    }
  });

  test("they are trained on to the same end, and get hashes", async () => {
    const [straight, early] = [await trained(20), await trained(8)];
    editJson(join(early, "run.json"), ({ specSha256: _, ...rest }) => rest);
    editJson(join(early, "checkpoint.json"), ({ state: _, ...rest }) => rest);
    editJson(join(currentCheckpoint(early)!, "state.json"), ({ files: _, ...rest }) => rest);
    await trained(20, early);
    expect(readFileSync(join(currentCheckpoint(early)!, "state.json"), "utf8"))
      .toBe(readFileSync(join(currentCheckpoint(straight)!, "state.json"), "utf8"));
  });

  test("weights that are not finite are refused there too", async () => {
    const folder = await trained(8);
    editJson(join(folder, "checkpoint.json"), ({ state: _, ...rest }) => rest);
    editJson(join(currentCheckpoint(folder)!, "state.json"), ({ files: _, ...rest }) => rest);
    const path = join(currentCheckpoint(folder)!, "weights.safetensors");
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(0x7f800000, bytes.length - 4);
    writeFileSync(path, bytes);
    expect(() => resume(folder)).toThrow(/weights\.safetensors: tensor "table\.weight" is not finite: element 255 is Infinity/);
  });
});

test("what somebody puts beside or into a checkpoint stays when the run goes on", async () => {
  const folder = await trained(8);
  const [checkpoint, copy] = [currentCheckpoint(folder)!, join(folder, "checkpoints", "step-00000008 good")];
  cpSync(checkpoint, copy, { recursive: true });
  writeFileSync(join(checkpoint, "notes.txt"), "mine");
  await trained(12, folder);
  expect(readdirSync(checkpoint)).toEqual(["notes.txt"]);
  expect(readdirSync(copy)).toHaveLength(3);
  rmSync(join(folder, "checkpoint.json"));
  expect(currentCheckpoint(folder)).toBe(join(folder, "checkpoints", "step-00000012"));
});

describe("numbers that are not finite are never kept as good", () => {
  /** Bigram training in which `read` gives a bad number for one tensor from a step on. */
  function spoiled(name: string, value: number, from: number): { readonly run: TrainOptions; readonly onStep: () => void } {
    const run = bigramRun({ folder: newFolder(), checkpointEvery: 1 });
    let done = 0;
    const read: TrainOptions["executor"]["read"] = async (tensor) => {
      const data = await run.executor.read(tensor);
      if (done >= from && tensor === name) data[1] = value;
      return data;
    };
    return { run: { ...run, executor: { ...run.executor, read } }, onStep: () => void done++ };
  }

  test.each([["param/bias", NaN, /after it tensor "bias" is not finite: element 1 is NaN/], ["adam_v/table.low", Infinity, /after it tensor "v\.table\.weight" is not finite/]])("%s of %s", async (name, value, message) => {
    const { run, onStep } = spoiled(name, value, 5);
    const error = await train(run, { onStep }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Diverged);
    expect((error as Diverged).message).toMatch(message);
    expect((error as Diverged).message).toMatch(/training diverged in step 5: .*The last checkpoint in .* is kept/);
    expect(openCheckpoint(run.folder, run.info)!.state.step).toBe(4);
    expect(readdirSync(join(run.folder, "checkpoints"))).toEqual(["step-00000004"]);
    expect(resume(run.folder).run.done).toBe(4);
  });

  test.each([NaN, Infinity])("a validation loss of %s ends the run as divergence, before a checkpoint", async (value) => {
    const run = bigramRun({ folder: newFolder(), checkpointEvery: 1 });
    const evaluate: TrainOptions["executor"]["run"] = async (entries, reads) => {
      const results = await run.executor.run(entries, reads);
      return entries.includes("evaluate") ? { ...results, "evaluate/token_loss": Float32Array.from(results["evaluate/token_loss"]!, () => value) } : results;
    };
    await expect(train({ ...run, executor: { ...run.executor, run: evaluate } })).rejects.toThrow(new RegExp(`training diverged in step 10: the validation loss is ${value}`));
    expect(openCheckpoint(run.folder, run.info)!.state.step).toBe(9);
    expect(stepsOf(run.folder)).toEqual(upTo(9));
  });
});

describe("no room on the disk", () => {
  test("in the middle of a checkpoint: the old one stays, what was half written is removed, status 2", async () => {
    const folder = await trained(8);
    const run = resume(folder).run;
    vi.resetModules();
    vi.doMock("node:fs", async (original) => {
      const fs = await original<typeof import("node:fs")>();
      let writes = 0;
      return { ...fs, writeSync: (...args: Parameters<typeof fs.writeSync>) => {
        if (++writes > 3) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
        return fs.writeSync(...args);
      } };
    });
    try {
      const { saveCheckpoint: save } = await import("../runtime/train/checkpoint.ts");
      const error = await save(folder, run.executor, run.params, { format: 1, step: 9, sequences: 36, seed: 1, specHash: "0".repeat(64), dataId: "pattern" }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        name: "EnvironmentError", exitStatus: 2,
        message: expect.stringMatching(/the disk is full \(ENOSPC\); what was there before is kept/) as string,
      });
    } finally {
      vi.doUnmock("node:fs");
      vi.resetModules();
    }
    expect(readdirSync(join(folder, "checkpoints"))).toEqual(["step-00000008"]);
    expect(resume(folder).run.done).toBe(8);
  });

  test.skipIf(!existsSync("/dev/full"))("in the log: status 2, and the checkpoint is as it was", async () => {
    const folder = await trained(8);
    const { run } = resume(folder);
    rmSync(logPath(folder));
    symlinkSync("/dev/full", logPath(folder));
    await expect(train(run)).rejects.toThrow(EnvironmentError);
    rmSync(logPath(folder));
    expect(resume(folder).run.done).toBe(8);
  });
});
