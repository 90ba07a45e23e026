/** What compile writes, looked at without a device: the text of the files, and what the command refuses. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { standaloneFiles } from "../api/compile.ts";
import { CPU, PORTABLE, profileFor } from "../compiler/5-plan/index.ts";
import type { Emission } from "../compiler/7-emit/emission.ts";
import { emit, type EmittedFile } from "../compiler/7-emit/index.ts";
import { compileModel, type EntryName } from "../compiler/compile.ts";
import { checkSource } from "../compiler/front.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan, Profile } from "../compiler/ir/plan.ts";
import { openDevice } from "../runtime/adapter/index.ts";
import { sha256 } from "../runtime/files/sha256.ts";
import { createExecutor } from "../runtime/standalone/executor.ts";
import { findDevice } from "../runtime/standalone/find-device.ts";
import { loadExecutor, readFrom as readFromUrls, readPlan, type ReadFile } from "../runtime/standalone/load.ts";
import { decodeWeights, encodeWeights } from "../runtime/standalone/safetensors.ts";
import { moeutHere, ROOT } from "./support/cli.ts";
import { ODD_MODELS } from "./support/odd-models.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-emit-"));
afterAll(() => rmSync(work, { recursive: true }));

const RUNTIME = standaloneFiles();
const ENTRIES = ["train", "update", "evaluate", "logits", "prefill", "decode"] as const;

function modelsIn(text: string, file = "test.moeut"): readonly ModelSpec[] {
  const { models, diagnostics } = checkSource({ file, text }, { readFile: () => ({ problem: "there are no other files" }) });
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  return models;
}
const specModels = (name: string): readonly ModelSpec[] => modelsIn(readFileSync(join(ROOT, "specs", name), "utf8"), name);

const plans = new Map<string, KernelPlan>();

/** Models that differ in their name alone have one plan; it is made once. */
function planOf(model: ModelSpec, profile: Profile, entries: readonly EntryName[]): KernelPlan {
  const key = JSON.stringify([{ ...model, name: "" }, profile, entries]);
  if (!plans.has(key)) plans.set(key, compileModel(model, { batch: 2, seqLen: model.seqLen, entries, profile }));
  return { ...plans.get(key)!, model: model.name };
}

type Trained = Partial<Pick<Emission, "weights" | "text">>;

/** Without kernels for the processor, which take as long as all else: emit-folder.test.ts runs them. */
function emitted(
  model: ModelSpec, profile: Profile = PORTABLE, entries: readonly EntryName[] = ENTRIES, more: Trained = {},
): readonly EmittedFile[] {
  const plan = planOf(model, profile, entries);
  const about = { model, weights: null, text: null, version: "1.2.3", sources: [], runtime: RUNTIME };
  return emit({ ...about, ...more, plan, cpu: { ...plan, kernels: [] } });
}
const textOf = (files: readonly EmittedFile[], path: string): string => files.find((f) => f.path === path)!.content as string;
const readFrom = (files: readonly EmittedFile[]): ReadFile => (name) => Promise.resolve(new TextEncoder().encode(textOf(files, name)));

const GPU32 = profileFor({ kind: "gpu", subgroups: true, subgroupMin: 32, subgroupMax: 32 });

describe("emitted kernels pass Dawn's validation, read back from the plan", () => {
  const models: readonly ModelSpec[] = [...specModels("tiny.moeut"), ...specModels("demo.moeut"), { ...ODD_MODELS["MoEUT"]!, name: "odd" }];
  const cases = models.flatMap((model) => [PORTABLE, GPU32].map((profile) => ({ name: model.name, model, profile })));
  test.each(cases)("$name, $profile.name", async ({ model, profile }) => {
    const handle = await openDevice({ adapter: "null" });
    try {
      const files = emitted(model, profile);
      const plan = await readPlan(readFrom(files), "plan.json");
      if (profile === GPU32) expect(handle.info.features, "the null adapter can check subgroup kernels").toContain("subgroups");
      const executor = await createExecutor(handle.device, plan);
      await handle.device.queue.onSubmittedWorkDone();
      executor.destroy();
      handle.checkErrors();
    } finally {
      handle.close();
    }
  });
});

test("and what is wrong in a kernel is reported with its line", async () => {
  const handle = await openDevice({ adapter: "null" });
  const plan = await readPlan(readFrom(emitted({ ...ODD_MODELS["dense"]!, name: "odd" })), "plan.json");
  const spoil = (wgsl: string): string => wgsl.replace("fn main", "fn mean");
  const broken = { ...plan, kernels: plan.kernels.map((k) => (k.name === "adamw" ? { ...k, wgsl: spoil(k.wgsl) } : k)) };
  await expect(createExecutor(handle.device, broken)).rejects.toThrow("the device refuses the kernel adamw");
  handle.close();
});

describe("files", () => {
  const files = emitted({ ...ODD_MODELS["MoEUT"]!, name: "odd" });

  test("say what they are in their first lines, without dates and hashes", () => {
    for (const { path, content } of files.filter((f) => f.path.endsWith(".wgsl"))) {
      const text = content as string;
      const name = path.slice("kernels/".length, -".wgsl".length);
      expect(text.split("\n")[0], path).toBe(`// ${name} of odd, compiled by moeut 1.2.3 (portable kernels).`);
      expect(text.split("\n")[1], path).toMatch(/^\/\/ Launched by /);
    }
    expect(textOf(files, "model.js")).toMatch(/^\/\*\* odd, compiled by moeut 1\.2\.3/);
  });

  test("the plan has a line for each launch and does not know where the spec lay", () => {
    const plan = compileModel({ ...ODD_MODELS["MoEUT"]!, name: "odd" }, { batch: 2, seqLen: 19, entries: ENTRIES });
    expect((JSON.parse(textOf(files, "plan.json")) as { kernels: unknown }).kernels).toEqual(plan.kernels);
    const lines = textOf(files, "plan.json").split("\n");
    expect(lines.filter((line) => line.includes('"workgroups":')).length).toBe(Object.values(plan.entries).reduce((sum, e) => sum + e.dispatches.length, 0));
    expect(lines.every((line) => line.split('"workgroups":').length <= 2)).toBe(true);
    expect(textOf(files, "plan.json")).not.toContain('"file"');
  });

  test("a tokenizer of a kind that needs a library lies beside, and the folder says what reads it", () => {
    const text = { tokenizer: `{ "pre_tokenizer": { "type": "BertPreTokenizer" }, "model": { "type": "WordPiece", "vocab": {} } }` };
    const [model] = specModels("tiny.moeut");
    const files = emitted(model!, PORTABLE, ENTRIES, { text });
    expect(textOf(files, "tokenizer.json")).toBe(text.tokenizer);
    expect(textOf(files, "model.js")).not.toContain("tokenizer.json");
    expect(textOf(files, "README.md")).toMatch(/knows only with the package `@huggingface\/tokenizers`/);
    expect(textOf(files, "example.js")).toContain("model.generate(prompt");
  });

  test("the manifest lists the other files, and where each launch comes from", () => {
    const text = "moeut 1\nmodel m {\n  vocab_size 16  seq_len 8  d_model 8\n  layer a {\n    attention mha { n_heads 1 }\n    feed_forward dense { d_ff 8 }\n  }\n  stack a * 2\n}\n";
    const model = modelsIn(text, "some/where/m.moeut")[0]!;
    const [plan, cpu] = [PORTABLE, CPU].map((profile) => compileModel(model, { batch: 2, seqLen: 8, entries: ENTRIES, profile }));
    const sources = [{ file: "some/where/m.moeut", text }];
    const all = emit({ model, plan: plan!, cpu: cpu!, weights: null, text: null, version: "1.2.3", sources, runtime: RUNTIME });
    const manifest = JSON.parse(textOf(all, "manifest.json")) as { files: string[]; language: number; launches: Record<string, { from: string; at: string | null; kernel: string }[]> };
    expect(manifest.files).toEqual(all.map((f) => f.path).filter((path) => path !== "manifest.json"));
    expect(manifest.language).toBe(1);
    expect(manifest.launches["train"]!.find((l) => l.from.startsWith("a.feed_forward"))!.at).toBe("m.moeut:6");
    for (const launch of Object.values(manifest.launches).flat()) expect(manifest.files).toContain(`kernels/${launch.kernel}.wgsl`);
  });
});

const encoder = emitted(specModels("encoder.moeut")[0]!, PORTABLE, ["train", "update", "evaluate", "logits"]);

test("what cannot generate is not said to", () => {
  for (const path of ["README.md", "example.js"]) expect(textOf(encoder, path), path).not.toMatch(/generate|generation|continue/);
});

/** The TypeScript of a model, with the runtime that is written once for all of them. */
function writeSources(files: readonly EmittedFile[], folder: string): void {
  mkdirSync(join(folder, "src"), { recursive: true });
  for (const name of ["model.ts", "example.ts"]) writeFileSync(join(folder, "src", name), textOf(files, `src/${name}`));
  symlinkSync(join(work, "runtime"), join(folder, "src", "runtime"), "junction");
}

test("names of models that are also names of TypeScript still type-check", () => {
  symlinkSync(join(ROOT, "node_modules"), join(work, "node_modules"), "junction");
  const { compilerOptions } = JSON.parse(textOf(emitted({ ...ODD_MODELS["dense"]!, name: "model" }), "tsconfig.json")) as { compilerOptions: object };
  for (const [path, text] of Object.entries(RUNTIME).filter(([name]) => name.startsWith("src/"))) {
    mkdirSync(dirname(join(work, path.slice("src/".length))), { recursive: true });
    writeFileSync(join(work, path.slice("src/".length)), text);
  }
  for (const name of ["model", "promise", "recipe", "parameter_name", "_", "webgpu"]) {
    writeSources(emitted({ ...ODD_MODELS["dense"]!, name }), join(work, "names", name));
  }
  writeSources(encoder, join(work, "names", "encoder"));
  const inference = ["evaluate", "logits", "prefill", "decode"] as const;
  for (const [name, more] of Object.entries({ inference: {}, whole: { weights: new Uint8Array(8), text: "bytes" } } as const)) {
    writeSources(emitted({ ...ODD_MODELS["dense"]!, name }, PORTABLE, inference, more), join(work, "names", name));
  }
  writeFileSync(join(work, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(work, "names", "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*/src/*.ts", "../runtime"] }));
  const { stdout, status } = spawnSync(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", join(work, "names")], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

test("a device is asked for where it is faster than the processor, and has what the model needs", async () => {
  const device = { label: "a device" } as GPUDevice;
  const gpu = (isFallbackAdapter: boolean, requestDevice: () => Promise<GPUDevice>): GPU =>
    ({ requestAdapter: () => Promise.resolve({ info: { isFallbackAdapter }, requestDevice }) }) as unknown as GPU;
  expect(await findDevice(gpu(false, () => Promise.resolve(device)), {})).toBe(device);
  expect(await findDevice(gpu(true, () => Promise.resolve(device)), {})).toBe(null);
  expect(await findDevice(gpu(false, () => Promise.reject(new TypeError("a limit"))), {})).toBe(null);
  expect(await findDevice({ requestAdapter: () => Promise.resolve(null) } as unknown as GPU, {})).toBe(null);
  expect(await findDevice(undefined, {})).toBe(null);
});

describe("loading", () => {
  test("says which file is missing, or not whole", async () => {
    const text = textOf(emitted(ODD_MODELS["dense"]!), "plan.json");
    const folder = join(work, "parts");
    mkdirSync(folder);
    const read = readFromUrls({ "plan.json": () => pathToFileURL(join(folder, "plan.json")) });
    const load = (): Promise<unknown> => readPlan(read, "plan.json");
    await expect(load()).rejects.toThrow(/^the file plan\.json of this model is missing: cannot read .*parts\/plan\.json \(ENOENT\)$/);
    for (const part of ["", text.slice(0, text.length / 2), "<!doctype html>", "null", "{}", text.replace(/"wgsl":/g, '"text":')]) {
      writeFileSync(join(folder, "plan.json"), part);
      await expect(load(), part.slice(0, 20)).rejects.toThrow(/^the file plan\.json of this model is not whole, or something else has its name \(.+\); copy it anew$/);
    }
    writeFileSync(join(folder, "plan.json"), text);
    await load();
  });

  test("refuses a device without the subgroups that the kernels were made for", async () => {
    const read = readFrom(emitted(ODD_MODELS["dense"]!, { ...GPU32, lanes: 64 }));
    const device = (features: readonly string[]) => ({ features: new Set(features), adapterInfo: { subgroupMinSize: 4, subgroupMaxSize: 32 }, limits: {} }) as unknown as GPUDevice;
    await expect(loadExecutor(device([]), read, 1)).rejects.toThrow('need the feature "subgroups"');
    await expect(loadExecutor(device(["subgroups"]), read, 1)).rejects.toThrow("for subgroups of 64 lanes, and this adapter has 4 to 32");
    const portable = readFrom(emitted(ODD_MODELS["dense"]!));
    const small = { maxBufferSize: 256, maxStorageBufferBindingSize: 256, maxStorageBuffersPerShaderStage: 8 };
    await expect(loadExecutor({ limits: small } as unknown as GPUDevice, portable, 1)).rejects.toThrow(/needs \d+ bytes in one buffer, and the device allows 256 bytes/);
  });

  test("weights come back from their bytes, at any offset in memory", () => {
    const tensors = [{ name: "b", shape: [2, 3], data: Float32Array.of(1, -2, 3.5, NaN, -0, 1e-40) }, { name: "a", shape: [1], data: Float32Array.of(7) }];
    const bytes = encodeWeights(tensors);
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    const back = decodeWeights(shifted);
    expect([...back.keys()]).toEqual(["a", "b"]);
    for (const { name, shape, data } of tensors) {
      expect(back.get(name)!.shape).toEqual(shape);
      expect(Buffer.from(back.get(name)!.data.buffer).equals(Buffer.from(data.buffer))).toBe(true);
    }
    for (const length of [0, 7, 8, 40, bytes.length - 1]) expect(() => decodeWeights(bytes.subarray(0, length)), `${length} bytes`).toThrow();
  });
});

describe("the command", () => {
  const tiny = join(ROOT, "specs", "tiny.moeut");
  const compile = (...args: readonly string[]) => moeutHere(["compile", ...args]);

  const small = join(work, "small.moeut");
  const LAYER = "layer a { attention mha { n_heads 1 }  feed_forward dense { d_ff 8 } }";
  writeFileSync(small, `moeut 1\nmodel m { vocab_size 16  seq_len 8  d_model 8  ${LAYER} }\n`);

  test("replaces an earlier emission, and leaves what is not its own", async () => {
    const out = join(work, "out");
    expect((await compile(small, "--out", out)).status).toBe(0);
    const first = readFileSync(join(out, "plan.json"), "utf8");
    const others = ["kernels/old.wgsl", "../outside.wgsl", "notes.txt", "kernels/old-but-changed.wgsl"];
    for (const path of others) writeFileSync(join(out, path), "");
    const record = join(out, ".moeut-written.json");
    const listed = Object.fromEntries(others.map((path) => [path, [sha256([path.includes("changed") ? "before" : ""])]]));
    writeFileSync(record, JSON.stringify({ ...(JSON.parse(readFileSync(record, "utf8")) as object), ...listed }));
    expect((await compile(small, "--out", out)).status).toBe(0);
    expect(others.map((path) => existsSync(join(out, path)))).toEqual([false, true, true, true]);
    expect(readFileSync(join(out, "plan.json"), "utf8")).toBe(first);
  });

  test("refuses what it cannot do, in one message", async () => {
    mkdirSync(join(work, "full", "kernels"), { recursive: true });
    writeFileSync(join(work, "full", "kernels", "precious.txt"), "");
    writeFileSync(join(work, "a-file"), "");
    writeFileSync(join(work, "wrong.moeut"), "moeut 1\nmodel m { vocab_sise 8 }\n");
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[tiny, "--out", join(work, "full")], /full holds other files; .*--force/],
      [[tiny, "--out", join(work, "a-file")], /a-file is a file; --out takes a folder/],
      [[tiny, "--out", join(work, "a-file", "below")], /a-file/],
      [[join(ROOT, "specs", "demo.moeut"), "--out", join(work, "none")], /--model: moeut, dense/],
      [[tiny, "--model", "tinny", "--out", join(work, "none")], /did you mean tiny\?/],
      [[join(work, "wrong.moeut"), "--out", join(work, "none")], /vocab_size/],
      [[join(work, "absent.moeut"), "--out", join(work, "none")], /absent\.moeut: no such file/],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = await compile(...args);
      expect(stderr).toMatch(message);
      expect(status, stderr).toBe(1);
    }
    expect(existsSync(join(work, "none"))).toBe(false);
    expect((await compile(small, "--out", join(work, "full"), "--force")).status).toBe(0);
    expect(existsSync(join(work, "full", "kernels", "precious.txt"))).toBe(true);
  });
});
