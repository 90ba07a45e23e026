/** Benchmarks end to end: a model's scores, item by item, against the protocols written down plainly and the graph in float64. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileModel, graphOf } from "../compiler/compile.ts";
import { CPU } from "../compiler/5-plan/index.ts";
import { decodeText } from "../runtime/data/index.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { readTrainedRun } from "../cli/trained-run.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { loadWeights } from "../runtime/train/index.ts";
import { json, moeutHere } from "./support/cli.ts";
import { EXPERTS, PASSAGES } from "./support/small-specs.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-gpu-tasks-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string): string => (writeFileSync(join(scratch, name), content), join(scratch, name));

const spec = file("small.moeut", EXPERTS);
const corpus = file("corpus.txt", "the cat sits and the dogs sit. 2 + 2 = 4 and 3 + 3 = 6. Passage: sit. sit.\nQuestion: ".repeat(40));
const RUN = join(scratch, "run");

const ITEMS = [
  { id: "sum", group: "a", context: "3 + 3 =", choices: ["6", "7", "six hundred"], gold: 0 },
  { id: "long", group: "a", context: `${"2 = 3 + ".repeat(20)}and the dogs`, choices: ["sit", "sits"], gold: 0 },
  { id: "space", group: "b", context: "the cat ", choices: ["sits", "sit, and the dogs"], gold: 1 },
  { id: "pair", group: "b", choices: ["the cat sits.", "the cat sit."], gold: 0 },
  { id: "letters", group: "c", choices: ["dogs", "dogß"], gold: 1 },
];
const items = file("items.jsonl", ITEMS.map((item) => `${JSON.stringify(item)}\n`).join(""));

const WORDS = ["cat", "dog", "dogs", "catß", "the", "and", "sit", "2", "3", "="];
const CLOZE = [...Array.from({ length: 20 }, (_, i) => `${i + 1} sit .`), `21 the XXXXX sits .\tcat\t\t${WORDS.join("|")}`];
mkdirSync(join(scratch, "lambada"));
file("lambada/lambada_test.jsonl", PASSAGES.map((text) => `${JSON.stringify({ text })}\n`).join(""));
for (const type of ["CN", "NE", "P", "V"]) file(`cbtest_${type}_test_2500ex.txt`, `${CLOZE.join("\n")}\n\n`);

/** Log probabilities of tokens 1, 2, … behind all before them, and the most probable tokens; NaN of the first, which nothing predicts. */
let model: (tokens: readonly number[]) => { readonly log: readonly number[]; readonly best: readonly number[] };
let encode: (text: string) => readonly number[];
let decode: (tokens: readonly number[]) => string;

beforeAll(async () => {
  const tokenizer = join(scratch, "tokenizer.json");
  for (const args of [
    ["tokenizer", "train", corpus, "--vocab-size", "300", "--out", tokenizer],
    ["train", spec, "--data", corpus, "--tokenizer", tokenizer, "--out", RUN, "--adapter", "cpu"],
  ]) {
    const { status, stderr } = await moeutHere(args);
    expect(status, stderr).toBe(0);
  }
  const run = readTrainedRun(RUN, []);
  encode = (text) => [...run.tokenizer.encode(Buffer.from(text))];
  decode = (tokens) => decodeText(run.tokenizer, tokens);
  const { weights } = run;
  const params: Record<string, Float64Array> = {};
  const write = (name: string, data: ArrayLike<number>): void => void (params[name.slice("param/".length)] = Float64Array.from(data));
  const plan = compileModel(run.model, { batch: 1, seqLen: 1, entries: ["evaluate"], profile: CPU });
  loadWeights(weights, { write } as unknown as Executor, plan.params);
  model = (tokens) => {
    const graph = graphOf(run.model, "evaluate", { batch: 1, seqLen: tokens.length - 1 });
    const values = evaluateGraph(graph, { params, inputs: { tokens: tokens.slice(0, -1), targets: tokens.slice(1) } });
    const [losses, logits] = [values[graph.outputs["token_loss"]!]!, values[graph.outputs["logits"]!]!];
    const rows = Array.from(losses, (_, i) => Array.from(logits.subarray(300 * i, 300 * (i + 1))));
    return { log: [NaN, ...Array.from(losses, (loss) => -loss)], best: [NaN, ...rows.map((row) => row.indexOf(Math.max(...row)))] };
  };
});

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
/** The model reads 64 tokens, and the last is only predicted. */
const kept = (tokens: readonly number[]): readonly number[] => tokens.slice(-65);
const sumOfLast = (tokens: readonly number[], count: number): number => sum(model(kept(tokens)).log.slice(-count));

/** The sum of a choice's log probabilities, and of how many tokens. */
const PLAIN: Readonly<Record<string, (context: string | undefined, choice: string, space?: string) => readonly [number, number]>> = {
  moeut: (context, choice, space = " ") => {
    const own = encode(context === undefined ? choice : space + choice);
    const scored = context === undefined ? own.length - 1 : own.length;
    return [sumOfLast([...encode(context ?? ""), ...own], scored), scored];
  },
  harness: (context, choice, space = " ") => {
    const all = encode(space + choice);
    if (context === undefined) return [sumOfLast([...encode("<|endoftext|>"), ...all], all.length), all.length];
    const scored = encode(`${context} ${choice}`).length - encode(context.trimEnd()).length;
    return [sumOfLast(encode(`${context} ${choice}`), scored), scored];
  },
};

interface Line {
  readonly id: string;
  readonly choices: readonly { readonly sum: number; readonly tokens: number }[];
  readonly predicted?: string;
  readonly measures: Readonly<Record<string, number>>;
}

const close = (got: number, want: number, what: string): void => expect(Math.abs(got / want - 1), what).toBeLessThan(1e-4);

interface Evaluated {
  readonly lines: readonly Line[];
  readonly cut: number;
  readonly results: Readonly<Record<string, number>>;
}

async function evaluated(task: string, protocol: string): Promise<Evaluated> {
  const path = join(scratch, "out.jsonl");
  const args = ["--tasks", task, "--data", scratch, "--protocol", protocol, "--items", path, "--adapter", "cpu", "--json"];
  const document = json(await moeutHere(["eval", RUN, ...args]));
  const results = Object.fromEntries(document[0].results.map((r: { metric: string; value: number }) => [r.metric, r.value]));
  return { lines: readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Line), cut: document[0].cut, results };
}

describe.each(["moeut", "harness"])("the protocol %s", (protocol) => {
  test("gives each choice the sum that the float64 model gives it", async () => {
    const { lines, cut } = await evaluated(items, protocol);
    expect(lines.map(({ id }) => id)).toEqual(ITEMS.map(({ id }) => id));
    expect(cut).toBe(1);
    for (const [i, { choices, measures }] of lines.entries()) {
      const { context, choices: texts, gold, id } = ITEMS[i]!;
      const want = texts.map((text) => PLAIN[protocol]!(context, text));
      choices.forEach(({ sum, tokens }, c) => (close(sum, want[c]![0], `${id}, ${texts[c]}`), expect(tokens).toBe(want[c]![1])));
      const means = want.map(([sum, count]) => (protocol === "moeut" && context !== undefined ? sum / count : sum));
      const best = means.indexOf(Math.max(...means));
      expect(measures[protocol === "moeut" ? "accuracy" : "acc"], id).toBe(Number(best === gold));
    }
  });

  test("cbt: the word and the rest, or all of it", async () => {
    const { lines, results } = await evaluated("cbt", protocol);
    const passage = Array.from({ length: 20 }, () => "sit.").join(" ");
    const want = WORDS.map((word) => protocol === "moeut" ? PLAIN["moeut"]!(`${passage} the `, `${word} sits.`, "")
      : PLAIN["harness"]!(undefined, `Passage: ${passage}\nQuestion: the ${word} sits.`, ""));
    expect(lines).toHaveLength(protocol === "moeut" ? 4 : 2);
    for (const { choices } of lines) choices.forEach(({ sum }, c) => close(sum, want[c]![0], WORDS[c]!));
    const values = want.map(([sum, count]) => (protocol === "moeut" ? sum / count : sum));
    expect(results[protocol === "moeut" ? "accuracy" : "acc"]).toBe(Number(values.indexOf(Math.max(...values)) === 0));
  });
});

describe("lambada", () => {
  const split = (text: string): readonly [string, string] => [text.slice(0, text.lastIndexOf(" ")), text.slice(text.lastIndexOf(" ") + 1)];

  test("moeut: what is decoded for the last characters, and three ways to count losses", async () => {
    const { lines, results } = await evaluated("lambada", "moeut");
    const want = PASSAGES.map((text) => {
      const { log, best } = model(kept(encode(text)));
      const [, word] = split(text);
      const last = -encode(` ${word}`).length;
      const said = decode(best.slice(1).slice(-[...word].length)).split(" ").at(-1)!;
      return {
        said, right: Number(said === word), last: Number(best.at(-1) === encode(text).at(-1)),
        loss: sum(log.slice(last)) / last, all: -sum(log.slice(1)), count: log.length - 1,
      };
    });
    lines.forEach(({ predicted, measures }, i) => {
      expect(predicted).toBe(want[i]!.said);
      expect([measures["accuracy"], measures["last_token_accuracy"]]).toEqual([want[i]!.right, want[i]!.last]);
      close(measures["word_loss"]!, want[i]!.loss, PASSAGES[i]!);
    });
    const of = (name: "right" | "last" | "loss" | "all" | "count"): number => sum(want.map((item) => item[name]));
    expect([results["accuracy"], results["last_token_accuracy"]]).toEqual([of("right") / 4, of("last") / 4]);
    close(results["perplexity"]!, Math.exp(of("loss") / 4), "perplexity");
    close(results["lm_perplexity"]!, Math.exp(of("all") / of("count")), "lm_perplexity");
    expect(want.some(({ right }) => right === 1) && want.some(({ right }) => right === 0)).toBe(true);
  });

  test("harness: all tokens of the word, and perplexity by word", async () => {
    const { lines, results } = await evaluated("lambada", "harness");
    const want = PASSAGES.map((text) => {
      const scored = encode(text).length - encode(split(text)[0].trimEnd()).length;
      const { log, best } = model(kept(encode(text)));
      const isRight = encode(text).slice(-scored).every((token, i) => best.slice(-scored)[i] === token);
      return { sum: sum(log.slice(-scored)), right: Number(isRight) };
    });
    lines.forEach(({ measures, choices }, i) => {
      close(choices[0]!.sum, want[i]!.sum, PASSAGES[i]!);
      expect(measures["acc"]).toBe(want[i]!.right);
    });
    close(results["perplexity"]!, Math.exp(-sum(want.map((item) => item.sum)) / 4), "perplexity");
    expect(results["acc"]).toBe(sum(want.map(({ right }) => right)) / 4);
  });
});

describe("texts", () => {
  const documents = ["the cat sits and the dogs sit.\n", "2 + 2 = 4. ".repeat(40), "é"];
  const path = file("documents.jsonl", documents.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  const measured = async (protocol: string) =>
    json(await moeutHere(["eval", RUN, "--data", path, "--protocol", protocol, "--json", "--adapter", "cpu"]));
  const bytes = (text: string): number => Buffer.byteLength(text);

  test("harness: each document alone behind a start token, every token once, in windows of which the last is moved back", async () => {
    const got = await measured("harness");
    const total = sum(documents.map((text) => {
      const tokens = [...encode("<|endoftext|>"), ...encode(text)];
      let loss = 0;
      for (let done = 0; done < tokens.length - 1;) {
        const end = Math.min(done + 64, tokens.length - 1); // of the targets
        const { log } = model(tokens.slice(Math.max(0, end - 64), end + 1));
        loss -= sum(log.slice(-(end - done)));
        done = end;
      }
      return loss;
    }));
    const [allBytes, words] = [sum(documents.map(bytes)), sum(documents.map((text) => text.split(/\s+/).length))];
    expect(got).toMatchObject({ bytes: allBytes, words, tokens: sum(documents.map((text) => encode(text).length)) });
    close(got.byte_perplexity, Math.exp(total / allBytes), "byte perplexity");
    close(got.bits_per_byte, total / allBytes / Math.LN2, "bits per byte");
    close(got.word_perplexity, Math.exp(total / words), "word perplexity");
    expect(got.standard_error).toBeGreaterThan(0);
  });

  test("moeut: one stream in whole blocks", async () => {
    const got = await measured("moeut");
    const tokens = encode(documents.map((text) => (text.endsWith("\n") ? text : `${text}\n`)).join(""));
    const blocks = Math.floor((tokens.length - 1) / 64);
    const total = sum(Array.from({ length: blocks }, (_, i) => -sum(model(tokens.slice(64 * i, 64 * i + 65)).log.slice(1))));
    expect(got.tokens).toBe(64 * blocks);
    close(got.loss, total / (64 * blocks), "loss");
    close(got.bits_per_byte, total / Math.LN2 / bytes(decode(tokens.slice(1, 64 * blocks + 1))), "bits per byte");
  });
});

test("a line for each benchmark says what was measured by which protocol", async () => {
  const { stdout } = await moeutHere(["eval", RUN, "--tasks", `${items},lambada`, "--data", scratch, "--adapter", "cpu"]);
  expect(stdout).toMatch(/items\.jsonl +accuracy +\d\.\d{4} +\(moeut protocol, 5 items, 1 contexts cut at their beginning\)\n/);
  expect(stdout).toMatch(/\n +by part +a \d\.\d{4}, b \d\.\d{4}, c \d\.\d{4}\n/);
  expect(stdout).toMatch(/\nlambada +accuracy +\d\.\d{4} ± \d\.\d{4} +\(moeut protocol, 4 items, 1 /);
  expect(stdout).toMatch(/\n +last_token.*\n +perplexity +\d+\.\d+ ± .*\n +lm_/);
});

test("of each part only the first items, if so many are asked for, which is said", async () => {
  const result = await moeutHere(["eval", RUN, "--tasks", items, "--limit", "1", "--json", "--adapter", "cpu"]);
  expect(json(result)).toMatchObject([{ items: 3, results: [{ groups: { a: expect.any(Number), c: expect.any(Number) } }] }]);
  expect(result.stderr).toContain("items.jsonl: 3 of 5 items, the first of each part");
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
  expect(await failing("--tasks", "blimb")).toMatch(/there is no task blimb: choose of blimp, .*lambada, cbt/);
  expect(await failing("--tasks", items, "--stride", "4")).toMatch(/--stride does nothing beside --tasks/);
  expect(await failing("--data", corpus, "--protocol", "moeut", "--stride", "4")).toMatch(/--stride does nothing beside --protocol/);
  expect(await failing("--data", corpus, "--protocol", "harness", "--max-tokens", "4")).toMatch(/--max-tokens does nothing beside/);
  expect(await failing("--tasks", items, "--max-tokens", "4")).toMatch(/--max-tokens does nothing beside --tasks/);
  expect(await failing("--data", corpus, "--items", join(scratch, "i.jsonl"))).toMatch(/--items does nothing beside a text/);
  expect(await failing()).toMatch(/give the text to measure with --data, or benchmarks with --tasks/);
});
