/** The functions of an emitted model over an executor without a device: what they refuse, what they take turns for, and what they load. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compileModel } from "../compiler/compile.ts";
import { decimal, share, whole } from "../cli/options.ts";
import { loadModel } from "../api/session.ts";
import { EnvironmentError } from "../runtime/errors.ts";
import { openDevice } from "../runtime/adapter/index.ts";
import { createExecutor } from "../runtime/standalone/executor.ts";
import { pack } from "../runtime/standalone/layout.ts";
import { inferenceOver, type Inference } from "../runtime/standalone/inference.ts";
import { modelOver, type Model } from "../runtime/standalone/model.ts";
import { decodeWeights, encodeWeights, type FileBytes } from "../runtime/standalone/safetensors.ts";
import type { Recipe } from "../runtime/standalone/schedule.ts";
import { BYTES } from "../runtime/standalone/text.ts";
import type { MicroBatch } from "../runtime/standalone/train-step.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { bigramParams, createBigram } from "./support/bigram-executor.ts";
import { BIGRAM_RECIPE, bigramData, T, V } from "./support/bigram-run.ts";
import { checkText } from "./support/corpus.ts";
import { ODD_MODELS } from "./support/odd-models.ts";

const BATCH = 2;
const PARAMS = bigramParams(V);
const RECIPE: Recipe = { ...BIGRAM_RECIPE, accumulate: 2 };
const FACTS = { seqLen: T, vocabSize: V, recipe: RECIPE, text: null };
const work = mkdtempSync(join(tmpdir(), "moeut-model-"));
afterAll(() => rmSync(work, { recursive: true }));

const data = bigramData(1, BATCH);
const batchesOf = (step: number): readonly MicroBatch[] => [data.batchAt(2 * step), data.batchAt(2 * step + 1)];

/** Takes its time, and continues a text by the sum of all tokens in its cache and of the rounded first bias: a foreign token or an old weight shows. */
function summing(): Executor {
  const bigram = createBigram({ vocabSize: V, batch: BATCH, seqLen: T, chunk: 4 });
  const ends: Record<string, number> = {};
  const logits = async (entry: string): Promise<Float32Array> => {
    const [bias] = await bigram.read("param/bias");
    const sum = bigram.cache.subarray(0, ends[`${entry}/position`]! + ends[`${entry}/last`]! + 1).reduce((a, b) => a + b, Math.round(bias!));
    return Float32Array.from({ length: V }, (_, token) => (token === (sum + 1) % V ? 9 : 0));
  };
  return {
    ...bigram,
    write: (name, numbers) => {
      ends[name] = numbers[0]!;
      bigram.write(name, numbers);
    },
    run: async ([...entries], reads) => {
      const result = await bigram.run(entries, reads);
      const [entry] = entries;
      if (entry === "prefill" || entry === "decode") result[`${entry}/logits`] = await logits(entry);
      await new Promise((resolve) => setTimeout(resolve, 1));
      return result;
    },
  };
}

type Bigram = Model<string>;
const newModel = (): Bigram => {
  const model: Bigram = modelOver(summing(), PARAMS, FACTS);
  model.initialize(1);
  return model;
};

async function collect(tokens: AsyncIterable<number>): Promise<readonly number[]> {
  const all: number[] = [];
  for await (const token of tokens) all.push(token);
  return all;
}

const GREEDY = { temperature: 0, maxTokens: 3 * T }; // past the end of the context

describe("generations at the same time", () => {
  const prompts = [[1], [2, 3, 1, 1, 5, 0], [7, 7]];
  const alone = async (prompt: readonly number[]): Promise<readonly number[]> => collect(newModel().generate(prompt, GREEDY));

  test("each gives what it gives alone", async () => {
    const model = newModel();
    const together = await Promise.all(prompts.map((prompt) => collect(model.generate(prompt, GREEDY))));
    expect(together).toEqual(await Promise.all(prompts.map(alone)));
    expect(new Set(together.map(String)).size).toBe(prompts.length);
  });

  test("also where they take turns token by token, or one runs inside of the other", async () => {
    const model = newModel();
    const [outer, inner] = [[] as number[], [] as (readonly number[])[]];
    for await (const token of model.generate(prompts[0]!, { ...GREEDY, maxTokens: 5 })) {
      outer.push(token);
      inner.push(await collect(model.generate(prompts[1]!, { ...GREEDY, maxTokens: 7 })));
    }
    expect(outer).toEqual((await alone(prompts[0]!)).slice(0, 5));
    for (const tokens of inner) expect(tokens).toEqual((await alone(prompts[1]!)).slice(0, 7));
  });

  test("one that is broken off, abandoned or never begun holds nothing", async () => {
    const model = newModel();
    model.generate([1]);
    await model.generate([1]).next();
    for await (const _ of model.generate([2])) break;
    model.initialize(2);
    await model.trainStep(0, batchesOf(0));
    model.initialize(1);
    expect(await collect(model.generate(prompts[1]!, GREEDY))).toEqual(await alone(prompts[1]!));
  });

  test("a prompt may be changed once it was given", async () => {
    const prompt = [4, 5];
    const tokens = newModel().generate(prompt, GREEDY);
    prompt[0] = 9;
    expect(await collect(tokens)).toEqual(await alone([4, 5]));
  });

  const setBias = (model: Bigram, value: number): void => model.write("bias", new Float32Array(V).fill(value));
  test.each([
    { why: "write", change: (model: Bigram) => setBias(model, 3) },
    { why: "loadWeights", change: async (model: Bigram) => {
      const other = newModel();
      setBias(other, 3);
      model.loadWeights(await other.saveWeights());
    } },
    { why: "trainStep", change: async (model: Bigram) => {
      await model.trainStep(0, batchesOf(0));
      setBias(model, 3);
    } },
  ])("after $why, the next token comes from the new weights, and the whole text is read by them", async ({ change }) => {
    const model = newModel();
    const tokens = model.generate([1], GREEDY);
    const before = [(await tokens.next()).value as number, (await tokens.next()).value as number];
    await change(model);
    const after = (await tokens.next()).value as number;
    expect(after).toBe((1 + before[0]! + before[1]! + 3 + 1) % V);
  });
});

describe("text in, text out", () => {
  /** Continues every text by the bytes of `written`, whatever it has read. */
  const writer = (written: Uint8Array): Inference<string> => {
    const bigram = createBigram({ vocabSize: 256, batch: BATCH, seqLen: 64 });
    let next = 0;
    const run: Executor["run"] = async (entries, reads) => {
      const result = await bigram.run(entries, reads);
      for (const name of reads ?? []) result[name] = Float32Array.from({ length: 256 }, (_, token) => (token === written[next] ? 9 : 0));
      next++;
      return result;
    };
    return inferenceOver({ ...bigram, run }, bigramParams(256), { seqLen: 64, vocabSize: 256, text: BYTES });
  };
  const pieces = async (written: Uint8Array): Promise<readonly string[]> => {
    const all: string[] = [];
    for await (const piece of writer(written).complete("é", { temperature: 0, maxTokens: written.length })) all.push(piece);
    return all;
  };

  test("no character is split, and a part of one at the end shows", async () => {
    expect(await pieces(new TextEncoder().encode("aé€😀b"))).toEqual(["a", "é", "€", "😀", "b"]);
    expect(await pieces(new TextEncoder().encode("a😀").subarray(0, 3))).toEqual(["a", "\ufffd"]);
    expect((await pieces(Uint8Array.of(0x61, 0xff, 0x62))).join("")).toBe("a\ufffdb");
  });

  test("an empty prompt is refused, and a model whose tokens are not known to be bytes", () => {
    expect(() => writer(new Uint8Array()).complete("")).toThrow(/prompt is empty/);
    expect(() => newModel().complete("a")).toThrow(/does not know how text becomes tokens/);
  });
});

describe("what takes several runs is not mixed with anything", () => {
  const weights = async (model: Bigram): Promise<unknown> => Object.fromEntries(await Promise.all(PARAMS.map(async ({ name }) => [name, await model.read(name)] as const)));

  test("steps of several micro-batches that are not waited for", async () => {
    const [one, other] = [newModel(), newModel()];
    for (let step = 0; step < 4; step++) await one.trainStep(step, batchesOf(step));
    await Promise.all([0, 1, 2, 3].map((step) => other.trainStep(step, batchesOf(step))));
    expect(await weights(other)).toEqual(await weights(one));
  });

  test("a step beside a loss and a generation; its arrays may be used again at once", async () => {
    const [one, other] = [newModel(), newModel()];
    const want = [await one.forward(data.batchAt(9)), await one.trainStep(0, batchesOf(0))];
    const batches = batchesOf(0);
    const got = [other.forward(data.batchAt(9)), other.trainStep(0, batches)];
    const tokens = collect(other.generate([1], GREEDY));
    for (const { tokens, targets } of batches) [tokens, targets].map((numbers) => numbers.fill(0));
    expect(await Promise.all(got)).toEqual(want);
    expect(await weights(other)).toEqual(await weights(one));
    await tokens;
  });

  test("weights are saved from one moment, and not replaced in the midst of a step", async () => {
    const model = newModel();
    const before = await model.saveWeights();
    const saving = model.saveWeights();
    const step = model.trainStep(0, batchesOf(0));
    for (const [what, act] of Object.entries({ loadWeights: () => model.loadWeights(before), initialize: () => model.initialize(3), write: () => model.write("bias", new Float32Array(V)) })) {
      expect(act, what).toThrow(`${what} while the model is at work`);
    }
    expect(await saving).toEqual(before);
    await step;
    model.loadWeights(before);
    expect(await model.saveWeights()).toEqual(before);
  });

  test("a call that failed does not stop the next", async () => {
    const executor = summing();
    let fails = true;
    const model: Bigram = modelOver({ ...executor, run: async (...args) => (fails ? Promise.reject(new Error("no luck")) : executor.run(...args)) }, PARAMS, FACTS);
    await expect(model.trainStep(0, batchesOf(0))).rejects.toThrow("no luck");
    await expect(collect(model.generate([1]))).rejects.toThrow("no luck");
    fails = false;
    model.initialize(1);
    expect(await collect(model.generate([1], GREEDY))).toEqual(await collect(newModel().generate([1], GREEDY)));
  });
});

describe("what is refused changes nothing", () => {
  const NAMES = PARAMS.flatMap(({ name }) => ["param", "grad", "adam_m", "adam_v"].map((kind) => `${kind}/${name}`));
  const stateOf = ({ executor }: Bigram): Promise<unknown> => Promise.all([...NAMES, "update", "metrics", "train/tokens", "train/targets"].map((name) => executor.read(name)));
  const batch = (over: object = {}): MicroBatch => ({ ...data.batchAt(0), ...over });
  const recipe = (over: object): Recipe => ({ ...RECIPE, ...over });
  const adam = (over: object): Recipe => recipe({ optimizer: { ...RECIPE.optimizer, ...over } });
  const plan = (over: object): Recipe => recipe({ schedule: { ...RECIPE.schedule, ...over } });
  const fileWith = (value: number): Uint8Array => encodeWeights([
    { name: "table.weight", shape: [V, V], data: new Float32Array(V * V).fill(0.5) }, { name: "bias", shape: [V], data: new Float32Array(V).fill(value, 3) },
  ]);

  const cases: readonly (readonly [string, (model: Bigram) => unknown, RegExp])[] = [
    ...[[{ topK: 0 }, /topK is 0; it must be a whole number of at least 1/], [{ topK: 1.5 }, /topK is 1.5/], [{ topK: NaN }, /topK is NaN/], [{ topK: "4" }, /topK is "4"/],
      [{ temperature: -0.1 }, /temperature is -0.1; it must be a number of at least 0/], [{ temperature: NaN }, /temperature is NaN/], [{ temperature: Infinity }, /temperature is Infinity/], [{ temperature: null }, /temperature is null/],
      [{ topP: 0 }, /topP is 0; it must be a number above 0 and at most 1/], [{ topP: 1.01 }, /topP is 1.01/], [{ topP: -1 }, /topP is -1/], [{ topP: NaN }, /topP is NaN/],
      [{ seed: -1 }, /seed is -1; it must be a whole number of at least 0/], [{ seed: 0.5 }, /seed is 0.5/], [{ seed: 2 ** 53 }, /seed is 9007199254740992/], [{ seed: NaN }, /seed is NaN/],
      [{ maxTokens: NaN }, /maxTokens is NaN/], [{ maxTokens: -1 }, /maxTokens is -1; it must be a whole number of at least 1/], [{ maxTokens: 2.5 }, /maxTokens is 2.5/], [{ maxTokens: 0 }, /maxTokens is 0/],
    ].map(([options, message]) => [`generate ${JSON.stringify(options)}`, (model: Bigram) => model.generate([1], options as object), message as RegExp] as const),
    ...([[[], /prompt is empty/], [[1, V], /16 at position 1 is no token: .* 0 to 15/], [[-1], /-1 at position 0/], [[1.5], /1.5 at/], [[NaN], /NaN at/], [["a"], /"a" at/]] as const)
      .map(([prompt, message]) => [`prompt ${JSON.stringify(prompt)}`, (model: Bigram) => model.generate(prompt as readonly number[]), message] as const),
    ...[-1, NaN, 1.5, Infinity, 2e9].map((step) => [`step ${step}`, (model: Bigram) => model.trainStep(step, batchesOf(0)), new RegExp(`step is ${step}; it must be a whole number from 0`)] as const),
    ["seed of a step", (model) => model.trainStep(0, batchesOf(0), { seed: -3 }), /seed is -3/],
    ["seed of weights", (model) => model.initialize(NaN), /seed is NaN/],
    ["no micro-batch", (model) => model.trainStep(0, []), /0 micro-batches were given; the recipe accumulates 2 per step/],
    ["one of two", (model) => model.trainStep(0, [batch()]), /1 micro-batches/],
    ["three of two", (model) => model.trainStep(0, [batch(), batch(), batch()]), /3 micro-batches/],
    ["as many as another recipe says", (model) => model.trainStep(0, batchesOf(0), { recipe: recipe({ accumulate: 1 }) }), /the recipe accumulates 1/],
    ["short tokens", (model) => model.trainStep(0, [batch(), batch({ tokens: new Uint32Array(7) })]), /tokens: 7 numbers do not fill a tensor of shape \[2, 12\] \(24\)/],
    ["long targets", (model) => model.trainStep(0, [batch(), batch({ targets: new Uint32Array(25) })]), /targets: 25 numbers/],
    ["a foreign target", (model) => model.trainStep(0, [batch(), batch({ targets: new Uint32Array(2 * T).fill(V) })]), /targets: 16 at position 0 is no token/],
    ["half a token", (model) => model.forward(batch({ tokens: new Float32Array(2 * T).fill(0.5) })), /tokens: 0.5 at position 0 is no token/],
    ["a short loss", (model) => model.forward(batch({ tokens: new Uint32Array(T) })), /tokens: 12 numbers/],
    ...([[adam({ lr: NaN }), /lr is NaN; it must be a number of at least 0 and at most 1000/], [adam({ lr: -1 }), /lr is -1/], [adam({ lr: Infinity }), /lr is Infinity/], [adam({ lr: 1e-40 }), /lr is 1e-40; .* float32 cannot tell it from 0/],
      [adam({ beta1: 1 }), /beta1 is 1; it must be a number of at least 0 and below 1/], [adam({ beta2: 1.5 }), /beta2 is 1.5/], [adam({ beta2: NaN }), /beta2 is NaN/],
      [adam({ eps: 0 }), /eps is 0; it must be a number above 0/], [adam({ eps: 1e-46 }), /eps is 1e-46; .* float32 cannot tell it from 0/], [adam({ weightDecay: -0.1 }), /weightDecay is -0.1/],
      [plan({ kind: "step" }), /schedule.kind is "step"; it must be "constant", "linear" or "cosine"/], [plan({ warmup: -1 }), /warmup is -1/], [plan({ warmup: 0.5 }), /warmup is 0.5/], [plan({ floor: 2 }), /floor is 2/],
      [recipe({ gradClip: 0 }), /gradClip is 0/], [recipe({ gradClip: NaN }), /gradClip is NaN/], [recipe({ steps: 0 }), /steps is 0/], [recipe({ accumulate: 0 }), /accumulate is 0/], [recipe({ batch: 5 }), /batch is 5; it must be a multiple of accumulate, which is 2/],
    ] as const).map(([own, message]) => [`recipe with ${message}`, (model: Bigram) => model.trainStep(0, batchesOf(0), { recipe: own }), message] as const),
    ...[NaN, Infinity, -Infinity].flatMap((value) => [
      [`load ${value}`, (model: Bigram) => model.loadWeights(fileWith(value)), new RegExp(`the tensor "bias" holds ${value} at position 3; weights must be finite`)],
      [`write ${value}`, (model: Bigram) => model.write("bias", new Float32Array(V).fill(value, 5)), new RegExp(`"bias" holds ${value} at position 5`)],
    ] as const),
    ["a weight beyond float32", (model) => model.write("bias", new Float64Array(V).fill(1e39) as unknown as Float32Array), /holds 1e\+39 at position 0; weights must be finite in float32/],
    ["too few weights", (model) => model.write("bias", new Float32Array(3)), /3 numbers do not fill a tensor of shape \[16\]/],
    ["a foreign parameter to write", (model) => model.write("biass", new Float32Array(V)), /no parameter "biass"; PARAMETERS lists them/],
    ["a foreign parameter to read", (model) => model.read("toString"), /no parameter "toString"/],
    ["half a file", (model) => model.loadWeights(fileWith(1).subarray(0, 300)), /no sound safetensors file: .* truncated/],
    ["a promise for a file", (model) => model.loadWeights(Promise.resolve(fileWith(1)) as unknown as Uint8Array), /bytes of a file, not from \[object Promise\]/],
    ["a file without a tensor", (model) => model.loadWeights(encodeWeights([{ name: "bias", shape: [V], data: new Float32Array(V) }])), /no tensor "table.weight"/],
  ];
  test.each(cases)("%s", async (_, act, message) => {
    const model = newModel();
    await model.trainStep(0, batchesOf(0));
    const before = await stateOf(model);
    await expect((async () => act(model))()).rejects.toThrow(message);
    expect(await stateOf(model)).toEqual(before);
  });

  test("generate refuses when it is called, not when the first token is asked for", () => {
    expect(() => newModel().generate([1], { topK: 0 })).toThrow(RangeError);
  });

  test("what is allowed at the ends of the ranges", async () => {
    const model = newModel();
    for (const options of [{ topK: 1 }, { topP: 1 }, { topP: 1e-9 }, { temperature: 1e-3 }, { topK: 1000, seed: Number.MAX_SAFE_INTEGER }]) expect(await collect(model.generate([1], { ...options, maxTokens: 1 }))).toHaveLength(1);
    await model.trainStep(1e9, batchesOf(0), { recipe: adam({ lr: 0, beta1: 0, beta2: 0, weightDecay: 0 }) });
    await model.trainStep(0, [{ tokens: Uint8Array.from(batch().tokens) as unknown as Uint32Array, targets: batch().targets }, batch()], { recipe: recipe({ gradClip: null }) });
  });

  test("samplers are judged as the command line judges them", () => {
    const succeeds = (act: () => unknown): boolean => {
      try {
        act();
        return true;
      } catch {
        return false;
      }
    };
    const model = newModel();
    const options = { temperature: decimal(0), topP: share, topK: whole(1), maxTokens: whole(1), seed: whole(0) };
    for (const value of [-Infinity, -1, 0, 1e-9, 0.5, 1, 1.0001, 2, 1e9, 2 ** 53 - 1, 2 ** 53, Infinity, NaN]) {
      const text = Number.isInteger(value) ? value.toFixed(0) : String(value);
      for (const [name, parse] of Object.entries(options)) expect(succeeds(() => model.generate([1], { [name]: value })), `${name} ${text}`).toBe(succeeds(() => parse(text)));
    }
  });

  test("recipes are judged as the language judges them", async () => {
    const written = (train: string): boolean => checkText(`moeut 1\nmodel m { layer a {} stack a }\ntrain { ${train} }`).diagnostics.every((d) => d.severity !== "error");
    const model = newModel();
    const allowed = (own: Recipe): Promise<boolean> => model.trainStep(0, Array.from({ length: Math.min(6, own.accumulate) }, () => batch()), { recipe: own }).then(() => true, () => false);
    for (const x of [-1, -1e-9, 0, 1e-45, 1.1e-38, 1.2e-38, 1e-30, 0.5, 0.999999, 1 - 1e-12, 1, 1.5, 7, 1000, 1001, 1e9, 2e9]) {
      const pairs: readonly (readonly [string, Recipe])[] = [
        [`optimizer adamw { lr ${x} }`, adam({ lr: x })], [`optimizer adamw { betas ${x}, 0.9 }`, adam({ beta1: x })], [`optimizer adamw { betas 0.9, ${x} }`, adam({ beta2: x })],
        [`optimizer adamw { eps ${x} }`, adam({ eps: x })], [`optimizer adamw { weight_decay ${x} }`, adam({ weightDecay: x })], [`grad_clip ${x}`, recipe({ gradClip: x })],
        [`schedule linear { floor ${x} }`, plan({ floor: x })], [`steps 1000000000  schedule linear { warmup ${x} }`, plan({ warmup: x })], [`steps ${x}`, recipe({ steps: x })],
        [`batch 6  accumulate ${x}`, recipe({ batch: 6, accumulate: x })],
      ];
      for (const [text, own] of pairs) expect(await allowed(own), text).toBe(written(text));
    }
  });
});

describe("weights come back from a file, however its bytes lie in memory", () => {
  const tensors = [
    { name: "table.weight", shape: [V, V], data: Float32Array.from({ length: V * V }, (_, i) => Math.sin(i) * 2 ** ((i % 40) - 20)) }, { name: "bias", shape: [V], data: Float32Array.from({ length: V }, (_, i) => -i - 1e-40) },
  ];
  const bytes = encodeWeights(tensors);
  const path = join(work, "weights.safetensors");
  writeFileSync(path, bytes);
  const shifted = (offset: number, memory: ArrayBufferLike = new ArrayBuffer(bytes.length + 16)): Uint8Array => {
    const view = new Uint8Array(memory, offset, bytes.length);
    view.set(bytes);
    return view;
  };
  const pooled = (): Buffer => {
    Buffer.allocUnsafe(1); // the next one lies behind it, in the same memory
    const buffer = Buffer.allocUnsafe(bytes.length);
    buffer.set(bytes);
    return buffer;
  };
  const ways: Readonly<Record<string, () => FileBytes | Promise<FileBytes>>> = {
    "readFileSync": () => readFileSync(path),
    "fs/promises": () => readFile(path),
    "a part of a larger Buffer": () => Buffer.concat([Buffer.from("abc"), bytes, Buffer.from("de")]).subarray(3, 3 + bytes.length),
    "a Buffer of the pool": pooled,
    "an ArrayBuffer": () => bytes.buffer,
    "a DataView": () => { const { buffer, byteOffset, byteLength } = shifted(5); return new DataView(buffer, byteOffset, byteLength); },
    "shared memory": () => shifted(1, new SharedArrayBuffer(bytes.length + 16)),
    "a SharedArrayBuffer": () => { const memory = new SharedArrayBuffer(bytes.length); new Uint8Array(memory).set(bytes); return memory; },
    ...Object.fromEntries([0, 1, 2, 3, 4, 7].map((offset) => [`a view at ${offset}`, () => shifted(offset)])),
    ...Object.fromEntries([1, 2].map((offset) => [`a Buffer at ${offset}`, () => { const view = shifted(offset); return Buffer.from(view.buffer, view.byteOffset, view.byteLength); }])),
  };
  test.each(Object.keys(ways))("%s", async (way) => {
    const file = await ways[way]!();
    const back = decodeWeights(file);
    for (const { name, shape, data } of tensors) expect(back.get(name)).toEqual({ name, shape, data });
    const model = newModel();
    model.loadWeights(file);
    expect(await model.read("bias")).toEqual(tensors[1]!.data);
    expect(await model.read("table.high")).toEqual(tensors[0]!.data.slice((V * V) / 2));
    expect(await model.saveWeights()).toEqual(encodeWeights(tensors));
  });
});

test("a tensor is written from numbers of its own kind, never from their bits", () => {
  const words = { dtype: "u32", shape: [3], physical: [4] } as const;
  expect(pack(Uint32Array.of(1, 2, 3), words)).toEqual(Uint32Array.of(1, 2, 3, 0));
  for (const physical of [[3], [4]]) {
    for (const data of [Float32Array.of(1, 2, 3), Buffer.from([1, 2, 3]), Int32Array.of(1, 2, 3)]) {
      expect(() => pack(data as unknown as Uint32Array, { ...words, physical })).toThrow("a tensor of u32 is written from a Uint32Array");
    }
  }
});

describe("on a device that executes nothing", () => {
  const entries = ["train", "update", "evaluate"] as const;
  const spec = ODD_MODELS["dense"]!;
  const plan = compileModel(spec, { batch: 2, seqLen: spec.seqLen, entries: [...entries, "prefill", "decode"] });
  const createModel = async (device: GPUDevice, of = plan): Promise<Bigram> =>
    modelOver(await createExecutor(device, of), of.params, facts);
  const facts = { seqLen: spec.seqLen, vocabSize: spec.vocabSize, recipe: { ...RECIPE, accumulate: 1 }, text: null };
  const numbers = new Uint32Array(2 * spec.seqLen);
  const batch = { tokens: numbers, targets: numbers };

  test("a lost device, and a model that was destroyed, say so in every call", async () => {
    for (const [end, message] of [["lose", /the device was lost \(destroyed\)/], ["destroy", /this model was destroyed/]] as const) {
      const handle = await openDevice({ adapter: "null" });
      const model: Bigram = await createModel(handle.device);
      const started = model.generate([1]);
      const file = encodeWeights([...new Map(plan.params.map(({ official: { tensor, shape } }) => [tensor, { name: tensor, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }])).values()]);
      await model.saveWeights();
      const running = [model.trainStep(0, [batch]), model.read(plan.params[0]!.name)];
      if (end === "lose") handle.device.destroy();
      else model.destroy();
      for (const result of running) await expect(result).rejects.toThrow(message);
      const { name, shape } = plan.params[0]!;
      const weights = new Float32Array(shape.reduce((a, b) => a * b, 1));
      const calls = [
        () => started.next(), () => model.generate([1]).next(), () => model.trainStep(0, [batch]), () => model.forward(batch), () => model.initialize(0), () => model.read(name),
        () => model.write(name, weights), () => model.officialWeights(), () => model.saveWeights(), () => model.loadWeights(file),
      ];
      for (const call of calls) await expect((async () => call())(), String(call)).rejects.toThrow(message);
      if (end === "lose") await expect(createModel(handle.device)).rejects.toThrow(message);
      handle.close();
    }
  });

  test("to the command line a lost device is the machine's fault, whatever is called first", async () => {
    const handle = await openDevice({ adapter: "null" });
    const { executor } = await loadModel(handle, spec, { batch: 2, seqLen: spec.seqLen, entries: ["evaluate"] });
    handle.device.destroy();
    await handle.device.lost;
    for (const call of [() => executor.write("evaluate/tokens", numbers), () => executor.run(["evaluate"]), () => executor.read("evaluate/tokens")]) {
      await expect((async () => call())()).rejects.toThrow(EnvironmentError);
    }
  });

  test("a model that sees both sides trains and measures, and says that it cannot generate", async () => {
    const handle = await openDevice({ adapter: "null" });
    const encoder: Bigram = await createModel(handle.device, compileModel(spec, { batch: 2, seqLen: spec.seqLen, entries }));
    expect((await encoder.forward(batch)).length).toBe(numbers.length);
    expect(() => encoder.generate([1])).toThrow(/`causal false`.* cannot generate/);
    await expect(encoder.forward({ ...batch, tokens: numbers.map(() => spec.vocabSize) })).rejects.toThrow("is no token");
    handle.close();
  });
});
