/**
 * Damaged files: what is read from them is what was saved, or there is a message that names the file. See support/fuzz.ts for longer runs.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import v8 from "node:v8";
import vm from "node:vm";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test, vi } from "vitest";
import { goldenModel } from "../cli/commands/verify.ts";
import { readTrainedRun } from "../cli/trained-run.ts";
import { printSpec } from "../compiler/format/index.ts";
import { checkSource } from "../compiler/front.ts";
import { importOfficial } from "../compiler/import/index.ts";
import { openCorpus } from "../runtime/corpus/corpus.ts";
import { PLAIN } from "../runtime/data/document.ts";
import { readSource, sourceDocuments } from "../runtime/data/source.ts";
import { EnvironmentError, UserError } from "../runtime/errors.ts";
import { DTYPE_BYTES } from "../runtime/standalone/safetensors-header.ts";
import type { HostArray } from "../runtime/standalone/types.ts";
import { decodeWeights } from "../runtime/standalone/safetensors.ts";
import { readSafetensors, writeSafetensors } from "../runtime/files/safetensors.ts";
import { logPath, readLog, startRun, train, type TrainOptions } from "../runtime/train/index.ts";
import { readJson } from "../runtime/train/run-folder.ts";
import { bigramRun } from "./support/bigram-run.ts";
import { moeutHere, ROOT } from "./support/cli.ts";
import { damaged, damagesOf, fewer, isSame, writeFiles, type Damage, type Files } from "./support/file-fuzz.ts";
import { fuzz, type Dice } from "./support/fuzz.ts";
import { MADE_CONFIG, makeGolden } from "./support/made-golden.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-fuzz-"));
afterAll(() => rmSync(work, { recursive: true }));

interface Target {
  readonly files: Files;
  /** Reads the folder as the program would. Throws a UserError that names a file, or returns what it read where hashes protect that. */
  readonly read: (folder: string) => unknown;
}

const filesIn = (folder: string): Files => Object.fromEntries(
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(folder, name))
    .isFile()).map((name) => [name, readFileSync(join(folder, name))]));

/** Tensors of every kind. All bytes of the file belong to one, and to one only. */
function tensorFile(): Target {
  const folder = join(work, "tensors");
  writeSafetensors(join(folder, "a.safetensors"), [
    { name: "w", dtype: "F32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }, { name: "u", dtype: "U32", shape: [2], data: Uint32Array.of(1, 2) },
    { name: "d", dtype: "F64", shape: [1], data: Float64Array.of(0.1) }, { name: "none", dtype: "I32", shape: [0, 3], data: new Int32Array(0) },
  ], { format: "x" });
  return { files: filesIn(folder), read: readTensors };
}

function readTensors(folder: string): void {
  const path = join(folder, "a.safetensors");
  const decoded = outcomeOf(() => decodeWeights(readFileSync(path)), Error);
  const file = readSafetensors(path);
  let bytes = 0;
  for (const [name, { dtype, shape }] of file.tensors) {
    const count = file.readBytes(name).length;
    expect(count).toBe(shape.reduce((a, b) => a * b, DTYPE_BYTES[dtype]));
    bytes += count;
    const numbers = /^B?F/.test(dtype) ? file.readFloats(name) : file.readBytes(name);
    if (dtype === "F32" && decoded !== null) expect(decoded.get(name)?.data).toEqual(numbers);
  }
  const headerBytes = Number(readFileSync(path).readBigUInt64LE(0));
  expect(8 + headerBytes + bytes).toBe(statSync(path).size);
}

/** Null if it throws just such an error. */
function outcomeOf<T>(call: () => T, kind: typeof Error): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof kind && !(error instanceof TypeError || error instanceof RangeError)) return null;
    throw error;
  }
}

/** A run that is to go on. */
async function resumedRun(): Promise<Target> {
  const folder = join(work, "bigram");
  const run = bigramRun({ folder, steps: 6, checkpointEvery: 3 });
  await train(run);
  return { files: filesIn(folder), read: (at) => resume(at, run) };
}

/** Weights and moments. A run that was ended before its first checkpoint has none, and begins anew. */
function resume(folder: string, { info, params, executor }: TrainOptions): unknown {
  const hasCheckpoint = existsSync(join(folder, "checkpoint.json"));
  const written: Record<string, unknown> = {};
  const notes: string[] = [];
  const recorder = { ...executor, write: (name: string, data: HostArray) => void (written[name] = data.slice()) };
  const done = startRun({ folder, spec: "moeut 1\n", info, params, executor: recorder, resume: true, note: (text) => notes.push(text) });
  const steps = readLog(logPath(folder)).map((record) => record.step);
  if (steps.length < done && notes.length === 0) throw new Error(`of ${done} steps the log knows ${steps.join()}, without a word`);
  return hasCheckpoint ? [done, written] : undefined;
}

/** A run with a real spec, for eval and generate. */
async function trainedRun(): Promise<Target> {
  const [golden, folder] = [join(work, "golden"), join(work, "imported")];
  makeGolden(golden);
  expect(await moeutHere(["import", join(golden, "config.json"), join(golden, "weights.safetensors"), "--out", folder]))
    .toMatchObject({ status: 0 });
  return { files: filesIn(folder), read: readRunForUse };
}

function readRunForUse(folder: string): unknown {
  const { weights, model, step, tokenizer } = readTrainedRun(folder, []);
  return [printSpec(model), step, tokenizer.id, [...weights.tensors.keys()].map((name) => [name, weights.readFloats(name)])];
}

const configuration = (config: object): Target => ({
  files: { "config.json": Buffer.from(JSON.stringify(config, null, 1)) },
  read: (folder) => {
    const imported = importOfficial(readJson(join(folder, "config.json")));
    if ("error" in imported) throw new UserError(`${folder}: ${imported.error}`);
    const { diagnostics } = checkSource(
      { file: "config.json", text: imported.spec }, { readFile: () => ({ problem: "there are no other files" }) },
    );
    const [error] = diagnostics.filter((d) => d.severity === "error");
    if (error !== undefined) throw new Error(`accepted, but ${error.message}`);
  },
});

function goldenTarget(): Target {
  const folder = join(work, "made");
  makeGolden(folder);
  return { files: filesIn(folder), read: (at) => void goldenModel(at) };
}

/** A text in each form in which data comes. */
const SENTENCES = Array.from({ length: 40 }, (_, i) => `The ${"x".repeat(i % 7)} of line ${i}, ünd so.`);
const data = (name: string, bytes: Buffer): Target => ({
  files: { [name]: bytes },
  read: async (folder) => void expect((await readSource(join(folder, name))).text.length).toBeGreaterThan(0),
});
const jsonLines = SENTENCES.map((text) => JSON.stringify({ text })).join("\n");

function table(): Target {
  const read = async (folder: string): Promise<void> => {
    for await (const { text } of sourceDocuments([join(folder, "a.csv")], { ...PLAIN, tables: true }, () => {})) expect(text).toBeDefined();
  };
  return { files: { "a.csv": Buffer.from(`id,text\n${SENTENCES.map((text, i) => `${i},"${text}"\n`).join("")}`) }, read };
}

/** Its tokens are protected by hashes; what the index says beside them is only told. */
async function preparedCorpus(): Promise<Target> {
  const [source, folder] = [join(work, "source.jsonl"), join(work, "corpus")];
  writeFileSync(source, jsonLines);
  expect(await moeutHere(["data", "prepare", source, "--out", folder, "--validation", "0.3"])).toMatchObject({ status: 0 });
  return {
    files: filesIn(folder),
    read: (at) => {
      const { train, validation } = openCorpus(at).split(4);
      return [train, validation].map(({ tokens }) => {
        const all = new Uint32Array(tokens.length);
        tokens.read(0, all);
        return all;
      });
    },
  };
}

const TRAINING_CODE = {
  context: 8, vocab: 20, batch: 2,
  args: {
    "transformer.variant": "preln_moe_universal", "state_size": 16, "transformer.encoder_n_layers": 4, "transformer.n_heads": 2, "transformer.universal.group_size": 2, "moe.n_experts": 4, "moe.expert_size": 8,
    "pkm.n_heads": 2, "moe.att.enable": true, "moe.att.n_experts": 2, "moe.att.k": 1, "moe.perplexity_reg": 0.01, "moe.perplexity_reg_mode": "layers_time", "moe.nonorm": true, "moe.drop_expert": 0.1, "dropout": 0, "reg": 1,
  },
};
const SPARSE = {
  context: 8, vocab: 20, args: {
    "transformer.variant": "actsut_universal", "state_size": 16, "transformer.encoder_n_layers": 3, "transformer.head_projection_size": 8, "moe.att.expert_size": 16, "moe.att.n_experts": 4, "moe.att.k": 2, "moe.n_experts": 4,
    "moe.expert_size": 8, "pkm.n_heads": 2, "moa.miloss": 0.01, "transformer.act_loss": 0.01, "sut.max_relative_positions": 4, "sut.sample_topk": 1,
  },
};

const targets: Readonly<Record<string, Target>> = {
  "tensors": tensorFile(),
  "resumed run": await resumedRun(),
  "trained run": await trainedRun(),
  "configuration of the clean code": configuration(MADE_CONFIG),
  "configuration of the training code": configuration(TRAINING_CODE),
  "configuration of a sparse model": configuration(SPARSE),
  "golden folder": goldenTarget(),
  "text": data("a.txt", Buffer.from(SENTENCES.join("\n"))),
  "lines of JSON": data("a.jsonl", Buffer.from(jsonLines)),
  "elements of JSON": data("a.json", Buffer.from(`[${jsonLines.replaceAll("\n", ",\n")}]`)),
  "text in UTF-16": data("a.txt", Buffer.from(`\ufeff${SENTENCES.join("\n")}`, "utf16le")),
  "text in UTF-32": data("a.txt", Buffer.from(Uint32Array.from(`\ufeff${SENTENCES.join("\n")}`, (c) => c.codePointAt(0)!).buffer)),
  "packed text": data("a.txt.gz", gzipSync(SENTENCES.join("\n"))),
  "Parquet": data("a.parquet", readFileSync(join(ROOT, "test", "parquet", "snappy.parquet"))),
  "a table": table(),
  "prepared corpus": await preparedCorpus(),
  "packed lines of JSON": data("a.jsonl.gz", gzipSync(jsonLines)),
};

interface Input {
  readonly target: string;
  readonly damages: readonly Damage[];
}

function inputOf(d: Dice): Input {
  const target = d.pick(Object.keys(targets));
  return { target, damages: damagesOf(targets[target]!.files)(d) };
}

const withFewer = (input: Input, d: Dice): Input => (input.damages.length === 1 ? input : { ...input, damages: fewer(input.damages, d) });

/** Half a gibibyte more than ever before, for files of a few kilobytes. */
const HUGE = 2 ** 19;

let examined = 0;
v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;

async function examine({ target, damages }: Input): Promise<string> {
  if (examined++ % 200 === 0) collectGarbage(); // files that nobody holds any more are closed
  const { files, read } = targets[target]!;
  const folder = join(work, "examined");
  const now = damaged(files, damages);
  writeFiles(folder, now);
  const before = process.resourceUsage().maxRSS;
  const outcome = await answer(async () => expectSame(target, await read(folder), damages));
  const more = process.resourceUsage().maxRSS - before;
  if (more > HUGE) throw new Error(`took ${more} KiB of memory`);
  if (outcome === "refused" && isSame(files, now)) throw new Error("a sound folder was refused");
  return `${target} ${outcome}`;
}

const sound = new Map<string, unknown>();

async function readSound(): Promise<void> {
  const folder = join(work, "sound");
  for (const [name, { files, read }] of Object.entries(targets)) {
    writeFiles(folder, files);
    sound.set(name, await read(folder));
  }
}

/** What one damage leaves readable is what was saved. Several may make of a run one of an early version, which had no hashes. */
function expectSame(target: string, got: unknown, damages: readonly Damage[]): void {
  if (got !== undefined && damages.length === 1) expect(got).toEqual(sound.get(target));
}

async function answer(read: () => Promise<void>): Promise<"read" | "refused"> {
  try {
    await read();
    return "read";
  } catch (error) {
    if (!(error instanceof UserError || error instanceof EnvironmentError)) throw error;
    if (!/(error|errors) in|examined/.test(error.message)) throw new Error(`no file is named: ${error.message}`);
    if (error.message.length > 20_000) throw new Error(`a message of ${error.message.length} characters`);
    return "refused";
  }
}

test("damaged files", async () => {
  const quiet = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await readSound();
    const outcomes = await fuzz({ inputOf, examine, smaller: withFewer, usual: 600 });
    console.info(`file fuzzer: ${Object.entries(outcomes).map(([what, count]) => `${count} ${what}`).join(", ")}`);
  } finally {
    quiet.mockRestore();
  }
}, 2_147_483_647);
