/** Tasks of pairs end to end: a slice of SCAN is learned, and answers are those of the graph in float64, whatever stands beside them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTrainedRun, type TrainedRun } from "../cli/trained-run.ts";
import { compileModel, graphOf, type CompileOptions } from "../compiler/compile.ts";
import { CPU } from "../compiler/5-plan/index.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import { decodeText } from "../runtime/data/index.ts";
import { scanPairs } from "../runtime/data/scan.ts";
import { accuracyOf, evaluate } from "../runtime/evaluate/index.ts";
import { pairDataset, sequences } from "../runtime/pairs/data.ts";
import { decode, prefill } from "../runtime/standalone/generate.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { updateWords } from "../runtime/standalone/schedule.ts";
import { IGNORED, writeMicroBatch } from "../runtime/standalone/train-step.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { loadWeights, readRun, recipeOf } from "../runtime/train/index.ts";
import { json, moeutHere } from "./support/cli.ts";
import { deviceOf, MAIN, PROFILES, relativeDistance, rounded, runGraph, withModel, writeParams } from "./support/gpu.ts";
import { NOISE, ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-gpu-pairs-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string): string => (writeFileSync(join(scratch, name), content), join(scratch, name));

const spec = file("small.moeut", `moeut 1
model small {
  vocab_size 32  seq_len 12  d_model 32
  layer a {
    norm layernorm at peri
    attention switchhead { n_heads 2  d_head 16  n_experts 2 on v, o  top_k 1  balance entropy { weight 0.001 } }
    feed_forward moe { n_experts 4  expert_size 16  top_k 2  balance entropy { weight 0.001 } }
  }
  stack a * 2
}
train { batch 16  accumulate 2  steps 150  optimizer adamw { lr 1e-2 }  eval_every 150 }
`);

/** Commands without conjunctions and turns of at most four actions. */
const SLICE = scanPairs().filter(({ command, actions }) => !/and|after|around|turn|opposite/.test(command) && actions.length <= 4);
const lines = file("slice.tsv", SLICE.map(({ command, actions }) => `${command}\t${actions.join(" ")}\t${actions.length}\n`).join(""));
const RUN = join(scratch, "run");

let trained: TrainedRun;

beforeAll(async () => {
  const { status, stderr } = await moeutHere(["train", spec, "--data", `pairs:${lines}`, "--out", RUN, "--adapter", "cpu"]);
  expect(status, stderr).toBe(0);
  trained = readTrainedRun(RUN, []);
});

const records = (path: string): readonly Readonly<Record<string, unknown>>[] =>
  readFileSync(path, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

interface Document {
  readonly results: readonly { readonly metric: string; readonly value: number }[];
  readonly kinds: Readonly<Record<string, { readonly items: number }>>;
}

/** Greedy, from the whole text each time, in float64. */
function answerOf(source: string): string {
  const params: Record<string, Float64Array> = {};
  const write = (name: string, data: ArrayLike<number>): void => void (params[name.slice("param/".length)] = Float64Array.from(data));
  const { model, tokenizer } = trained;
  loadWeights(trained.weights, { write } as unknown as Executor, compileModel(model, { batch: 1, seqLen: 1, entries: ["evaluate"], profile: CPU }).params);
  const { tokens, from } = sequences(tokenizer)({ source, target: "" });
  const text = tokens.slice(0, from);
  while (text.length < from + 6) {
    const graph = graphOf(model, "evaluate", { batch: 1, seqLen: text.length });
    const all = evaluateGraph(graph, { params, inputs: { tokens: text, targets: text } })[graph.outputs["logits"]!]!;
    const logits = all.subarray(all.length - model.vocabSize).slice(0, tokenizer.vocabSize);
    const best = logits.indexOf(Math.max(...logits));
    if (best === tokenizer.endOfText) break;
    text.push(best);
  }
  return decodeText(tokenizer, text.slice(from));
}

describe("a slice of SCAN", () => {
  test("is learned, and answers are those of the graph in float64", async () => {
    const items = join(scratch, "items.jsonl");
    const [document] = json(await moeutHere(["eval", RUN, "--tasks", lines, "--items", items, "--adapter", "cpu", "--json"])) as readonly Document[];
    const value = (metric: string): number => document!.results.find((result) => result.metric === metric)!.value;
    expect(value("exact_match")).toBeGreaterThan(0.9);
    expect(value("with_oracle_end")).toBeGreaterThanOrEqual(value("exact_match"));
    expect(value("token_accuracy")).toBeGreaterThan(0.95);
    expect(Object.keys(document!.kinds)).toEqual(["1", "2", "3", "4"]);
    const answers = records(items);
    expect(answers.map(({ exact }) => exact).filter((exact) => exact === 1)).toHaveLength(Math.round(value("exact_match") * SLICE.length));
    for (const { source, answer } of answers.filter((_, i) => i % 6 === 0)) expect(answer, String(source)).toBe(answerOf(String(source)));
  });

  test("as many are right word by word with the right words in front: what is measured at other depths", async () => {
    const { model, tokenizer } = trained;
    const all = SLICE.map(({ command, actions }) => sequences(tokenizer)({ source: command, target: actions.join(" ") }));
    const data = { tokenizer, train: all, validation: all, bytesPerToken: 1 };
    const { seqLen, validationBatches } = pairDataset(data, { seqLen: 12, batch: 8, seed: 0 });
    const plan: CompileOptions = { batch: 8, seqLen, entries: ["evaluate"], keep: { evaluate: ["best"] } };
    const found = await withModel(await deviceOf(MAIN), model, plan, (executor, { params }) => {
      loadWeights(trained.weights, executor, params);
      return evaluate(executor, validationBatches());
    });
    const exact = records(join(scratch, "items.jsonl")).filter((record) => record["exact"] === 1).length;
    expect(accuracyOf(found, "answers")).toBe(exact / SLICE.length);
  });

  test("answers are the same one by one", async () => {
    const [all, alone] = [join(scratch, "items.jsonl"), join(scratch, "alone.jsonl")];
    for (const { source, target, answer } of records(all).filter((_, i) => i % 14 === 1)) {
      const one = file("one.tsv", `${String(source)}\t${String(target)}\n`);
      await moeutHere(["eval", RUN, "--tasks", one, "--items", alone, "--adapter", "cpu"]);
      expect(records(alone)[0]!["answer"]).toBe(answer);
    }
  });

  test("what it was not trained on is refused", async () => {
    const { status, stderr } = await moeutHere(["eval", RUN, "--tasks", "scan", "--adapter", "cpu"]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/was trained on pairs:.*, and not on scan/)]);
  });
});

test("texts in one batch continue as each would alone", async () => {
  const model = ODD_MODELS["MoEUT"]!;
  const params = rounded(randomParams(graphOf(model, "evaluate", { batch: 1, seqLen: T }), 5, 0.3));
  const texts = [0, 1, 2].map((row) => Array.from({ length: 9 }, (_, i) => (i * 31 + 7 * row) % V));
  const logits = async (rows: readonly (readonly number[])[]): Promise<readonly Float32Array[]> =>
    withModel(await deviceOf(MAIN), model, { batch: 1, seqLen: T, chunk: 4, texts: rows.length, entries: ["prefill", "decode"] }, async (executor) => {
      writeParams(executor, params);
      const first = Float32Array.from(await prefill(executor, rows.map((text) => text.slice(0, -1)), T));
      const second = Float32Array.from(await decode(executor, rows.map((text) => text.at(-1)!), 8));
      return rows.flatMap((_, row) => [first, second].map((all) => all.slice(row * V, (row + 1) * V)));
    });
  const together = await logits(texts);
  for (const [row, text] of texts.entries()) {
    (await logits([text])).forEach((alone, i) => expect(relativeDistance(together[2 * row + i]!, alone)).toBeLessThan(1e-6));
  }
});

test.each(["MoEUT", "halting"])("masked gradients are those of float64: %s", async (name) => {
  const model = ODD_MODELS[name]!;
  const graph = graphOf(model, "train", { batch: 2, seqLen: T, masked: true });
  const params = rounded(randomParams(graph, 5, 0.3));
  const tokens = Array.from({ length: 2 * T }, (_, i) => (i * 31 + 7) % V);
  const targets = tokens.map((token, i) => (i % T < 4 || i > T + 9 ? IGNORED : (token * 3 + 1) % V));
  const inputs = { tokens, targets, loss_scale: [0.75], noise: NOISE, position: [0] };
  const values = evaluateGraph(graph, { params, inputs });
  const handle = await deviceOf(MAIN);
  const { outputs, grads } = await runGraph(handle, PROFILES.own(handle), graph, { params, inputs, outputs: ["ce_loss", "reg_loss"] });
  for (const output of ["ce_loss", "reg_loss"]) expect(outputs[output]![0]).toBeCloseTo(values[graph.outputs[output]!]![0]!, 4);
  for (const [param, want] of Object.entries(gradientsOf(graph, values))) {
    if (Math.max(...want.map(Math.abs)) > 1e-6) expect(relativeDistance(grads[param]!, want), param).toBeLessThan(1e-4);
  }
});

/** Gradients and losses of the same pairs in rows of `length`, from rows of T that end in padding. */
async function trainedOn(name: string, length: number): Promise<Readonly<Record<string, Float32Array>>> {
  const model = ODD_MODELS[name]!;
  const row = (values: (t: number) => number): readonly number[] => Array.from({ length }, (_, t) => values(t));
  const tokens = Uint32Array.from([1, 2].flatMap((n) => row((t) => (t < SHORT ? (t * 31 + 7 * n) % V : 0))));
  const targets = Uint32Array.from([1, 2].flatMap((n) => row((t) => (t < 4 || t >= SHORT ? IGNORED : (t * 17 + n) % V))));
  const plan: CompileOptions = { batch: 2, seqLen: T, lengths: [SHORT], masked: true, entries: ["train", "update"] };
  return withModel(await deviceOf(MAIN), model, plan, async (executor, { params }) => {
    initializeParameters(executor, params, 3);
    const entry = writeMicroBatch(executor, [{ tokens, targets }], [1], 0, 5, 2);
    expect(entry).toBe(length === T ? "train" : `train.${SHORT}`);
    const grads = await executor.run([entry], params.map((param) => `grad/${param.name}`));
    executor.write("update", updateWords(recipeOf(model.train), 2));
    return { ...grads, ...await executor.run(["update"], ["metrics"]) } as Record<string, Float32Array>;
  });
}

const SHORT = T - 7;

const CUT = ["MoEUT", "halting, dropout, experts drawn", "relative positions of three distances, rotary too"];

test.each(CUT)("padding that is cut off changes nothing: %s", async (name) => {
  const [whole, cut] = [await trainedOn(name, T), await trainedOn(name, SHORT)];
  for (const [tensor, want] of Object.entries(whole)) {
    if (Math.max(...want.map(Math.abs)) > 1e-6) expect(relativeDistance(cut[tensor]!, want), tensor).toBeLessThan(1e-5);
  }
});

test("a comparison trains on cut rows, too", async () => {
  const rows = Array.from({ length: 200 }, (_, i) => `${"w ".repeat(i === 0 ? 30 : 2)}${i % 9}\tw\t\n`);
  const small = readFileSync(spec, "utf8").replace("seq_len 12", "seq_len 40").replace("accumulate 2  steps 150", "steps 3");
  const forty = file("forty.moeut", `${small}\nmodel other from small { d_model 16 }\n`);
  const given = ["--data", `pairs:${file("tail.tsv", rows.join(""))}`, "--seeds", "1", "--adapter", "cpu", "--json"];
  const { variants } = json(await moeutHere(["compare", forty, ...given, "--out", join(scratch, "compared")])) as Compared;
  expect(variants.map(({ runs }) => runs.map(({ failed }) => failed))).toEqual([[null], [null]]);
  expect(readRun(join(scratch, "compared", "runs", "small-seed0")).data).toMatchObject({ positions: 34, lengths: [6] });
});

interface Compared {
  readonly variants: readonly { readonly runs: readonly { readonly failed: string | null }[] }[];
}
