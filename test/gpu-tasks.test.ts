/** Benchmarks end to end: a model's scores, item by item, against the protocols written down plainly and the graph in float64. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileModel, graphOf } from "../compiler/compile.ts";
import { CPU } from "../compiler/5-plan/index.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { readTrainedRun } from "../cli/trained-run.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { loadWeights } from "../runtime/train/index.ts";
import { json, moeutHere } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-gpu-tasks-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string): string => (writeFileSync(join(scratch, name), content), join(scratch, name));

const spec = file("small.moeut", `moeut 1
model small {
  vocab_size 256  seq_len 40  d_model 16
  layer a {
    norm layernorm at peri
    attention switchhead { n_heads 2  d_head 8  n_experts 2 on v, o  top_k 1 }
    feed_forward moe { n_experts 4  expert_size 8  top_k 2 }
  }
  stack a * 2
}
train { batch 4  steps 12  optimizer adamw { lr 1e-2 } }
`);
const corpus = file("corpus.txt", "the cat sits and the dogs sit. 2 + 2 = 4 and 3 + 3 = 6. ".repeat(40));
const RUN = join(scratch, "run");

const ITEMS = [
  { id: "sum", group: "a", context: "3 + 3 =", choices: ["6", "7", "six hundred"], gold: 0 },
  { id: "long", group: "a", context: "and the dogs sit. the cat sits and the dogs", choices: ["sit", "sits"], gold: 0 },
  { id: "space", group: "b", context: "the cat ", choices: ["sits", "sit, and the dogs"], gold: 1 },
  { id: "pair", group: "b", choices: ["the cat sits.", "the cat sit."], gold: 0 },
  { id: "letters", group: "c", choices: ["dogs", "dogß"], gold: 1 },
];
const items = file("items.jsonl", ITEMS.map((item) => `${JSON.stringify(item)}\n`).join(""));

let logProbabilities: (tokens: readonly number[]) => readonly number[];

beforeAll(async () => {
  const { status, stderr } = await moeutHere(["train", spec, "--data", corpus, "--out", RUN, "--adapter", "cpu"]);
  expect(status, stderr).toBe(0);
  const { model, weights } = readTrainedRun(RUN, []);
  const params: Record<string, Float64Array> = {};
  const write = (name: string, data: ArrayLike<number>): void => void (params[name.slice("param/".length)] = Float64Array.from(data));
  const plan = compileModel(model, { batch: 1, seqLen: 1, entries: ["evaluate"], profile: CPU });
  loadWeights(weights, { write } as unknown as Executor, plan.params);
  /** Of tokens 1, 2, … behind all before them; NaN of the first, which nothing predicts. */
  logProbabilities = (tokens) => {
    const graph = graphOf(model, "evaluate", { batch: 1, seqLen: tokens.length - 1 });
    const values = evaluateGraph(graph, { params, inputs: { tokens: tokens.slice(0, -1), targets: tokens.slice(1) } });
    return [NaN, ...Array.from(values[graph.outputs["token_loss"]!]!, (loss) => -loss)];
  };
});

const bytes = (text: string): readonly number[] => [...Buffer.from(text)];
const sumFrom = (tokens: readonly number[], from: number): number => {
  const kept = tokens.slice(-41); // the model reads 40, and the last is only predicted
  return logProbabilities(kept).slice(from - (tokens.length - kept.length)).reduce((a, b) => a + b, 0);
};

/** The sum of a choice's log probabilities. Bytes are tokens, so that context and choice may be encoded together or not. */
const PLAIN: Readonly<Record<string, (context: string | undefined, choice: string) => number>> = {
  moeut: (context, choice) => context === undefined
    ? sumFrom(bytes(choice), 1)
    : sumFrom([...bytes(context), ...bytes(` ${choice}`)], bytes(context).length),
  harness: (context, choice) => context === undefined
    ? sumFrom([0x0a, ...bytes(` ${choice}`)], 1)
    : sumFrom(bytes(`${context} ${choice}`), bytes(context.trimEnd()).length),
};

interface Line {
  readonly id: string;
  readonly choices: readonly { readonly sum: number; readonly tokens: number }[];
  readonly right: Readonly<Record<string, number>>;
}

describe.each(["moeut", "harness"])("the protocol %s", (protocol) => {
  test("gives each choice the sum that the float64 model gives it", async () => {
    const out = join(scratch, `${protocol}.jsonl`);
    const args = ["--tasks", items, "--protocol", protocol, "--items", out, "--adapter", "cpu"];
    const { status, stdout, stderr } = await moeutHere(["eval", RUN, ...args]);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain("1 contexts cut at their beginning");
    const lines = readFileSync(out, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Line);
    expect(lines.map(({ id }) => id)).toEqual(ITEMS.map(({ id }) => id));
    for (const [i, { choices, right }] of lines.entries()) {
      const { context, choices: texts, gold, id } = ITEMS[i]!;
      const want = texts.map((text) => PLAIN[protocol]!(context, text));
      choices.forEach(({ sum }, c) => expect(Math.abs(sum / want[c]! - 1), `${id}, ${texts[c]}`).toBeLessThan(1e-4));
      const means = protocol === "moeut" && context !== undefined ? want.map((sum, c) => sum / bytes(` ${texts[c]}`).length) : want;
      const best = means.indexOf(Math.max(...means));
      expect(right[protocol === "moeut" ? "accuracy" : "acc"], id).toBe(Number(best === gold));
    }
  });
});

test("several depths in one run, as one document", async () => {
  const result = await moeutHere(["eval", RUN, "--tasks", items, "--passes", "1,2", "--json", "--adapter", "cpu"]);
  const [one, two] = json(result);
  expect(one).toMatchObject({ passes: 1, protocol: "moeut", items: 5, cut: 1, results: [{ metric: "accuracy" }] });
  expect(two.results[0].groups).toEqual({ a: expect.any(Number), b: expect.any(Number), c: expect.any(Number) });
});

test("what does not go together, and tasks that do not exist, are said", async () => {
  const failing = async (...args: readonly string[]): Promise<string> =>
    (await moeutHere(["eval", RUN, "--adapter", "cpu", ...args])).stderr;
  expect(await failing("--tasks", "blimb")).toMatch(/there is no task blimb: choose of blimp, /);
  expect(await failing("--tasks", items, "--stride", "4")).toMatch(/--stride does nothing beside --tasks/);
  expect(await failing("--data", corpus, "--protocol", "harness")).toMatch(/--protocol does nothing beside a text/);
  expect(await failing()).toMatch(/give the text to measure with --data, or benchmarks with --tasks/);
});
