/** Benchmarks: what the published files hold, what the model reads of an item, and which answer counts, by both protocols. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { byteTokenizer, decodeText, type Tokenizer } from "../runtime/data/index.ts";
import { byteDecoding } from "../runtime/standalone/text.ts";
import { judge, summarize, type Item, type Score, type TaskProtocol } from "../runtime/tasks/items.ts";
import { requestsOf } from "../runtime/tasks/requests.ts";
import { bucketsOf } from "../runtime/tasks/score.ts";
import { ownTask, TASKS } from "../runtime/tasks/tasks.ts";
import { dataFolder } from "./support/shared.ts";

const folder = mkdtempSync(join(tmpdir(), "moeut-tasks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const item = (over: Partial<Item> = {}): Item =>
  ({ id: "x", group: "g", context: "Question: a?\nAnswer:", choices: ["yes", "no"], gold: 0, ...over });
const score = (sum: number, tokens = 1, characters = tokens, bytes = characters): Score => ({ sum, tokens, characters, bytes });

describe("which answer counts", () => {
  test("equal scores are wrong by moeut; by harness the first of them is the answer", () => {
    const tie = [score(-3), score(-3)];
    expect(judge(item(), tie, "moeut")).toEqual({ accuracy: 0 });
    expect(judge(item(), tie, "harness")).toEqual({ acc: 1, acc_norm: 1, acc_bytes: 1 });
    expect(judge(item({ gold: 1 }), tie, "harness")).toEqual({ acc: 0, acc_norm: 0, acc_bytes: 0 });
    expect(judge(item({ context: "" }), tie, "harness")).toEqual({ acc: 1 });
  });

  test("sum, mean per token, per character and per byte may each choose another", () => {
    const scores = [score(-4, 1, 2, 2), score(-5, 5, 5, 6), score(-6, 4, 12, 12), score(-6.5, 4, 12.5, 14)];
    const choices = ["a", "b", "c", "d"];
    const answers = (gold: number): readonly number[] =>
      [judge(item({ choices, gold }), scores, "moeut")["accuracy"]!, ...Object.values(judge(item({ choices, gold }), scores, "harness"))];
    expect([0, 1, 2, 3].map(answers)).toEqual([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]);
  });

  test("what is not a number is wrong", () => {
    expect(judge(item(), [score(NaN), score(-1)], "moeut")).toEqual({ accuracy: 0 });
    expect(judge(item({ gold: 1 }), [score(NaN), score(-1)], "moeut")).toEqual({ accuracy: 0 });
  });

  test("a uniform model gets nothing right by moeut, whatever the lengths", () => {
    const uniform = [3, 7, 1, 9].map((n) => score(-n * Math.log(256), n));
    expect(judge(item({ choices: ["a", "b", "c", "d"] }), uniform, "moeut")).toEqual({ accuracy: 0 });
  });

  test("a result is the mean of its groups, with the standard error of that mean", () => {
    const items = [..."aaaabb"].map((group) => item({ group }));
    const [result] = summarize(items, [1, 1, 1, 0, 0, 0].map((accuracy) => ({ accuracy })));
    expect(result).toMatchObject({ metric: "accuracy", value: 0.375, groups: { a: 0.75, b: 0 } });
    expect(result!.standardError).toBeCloseTo(Math.sqrt((0.75 * 0.25) / 3) / 2, 12);
  });
});

/** A space and a letter are one token. */
const numberOf = (t: string): number => (t.length === 2 ? 256 * t.charCodeAt(0) + t.charCodeAt(1) : t.charCodeAt(0));
const pairs: Tokenizer = {
  id: "pairs", vocabSize: 65536, endOfText: null,
  encode: (text) => Uint16Array.from(Buffer.from(text).toString("latin1").match(/ \w|[^]/g) ?? [], numberOf),
  decoder: () => byteDecoding((t) => Uint8Array.from(t > 255 ? [t >> 8, t & 255] : [t])),
};

describe("what the model reads", () => {
  const words = (tokens: readonly number[]): string => decodeText(pairs, tokens);
  const read = (over: Partial<Item>, protocol: TaskProtocol, seqLen = 100) => requestsOf(item(over), protocol, pairs, 0x0a, seqLen)
    .map(({ tokens, from, cut }) => ({ text: words(tokens), scored: words(tokens.slice(from)), cut }));

  test("a continuation begins with a space and is scored whole; its context is not", () => {
    for (const protocol of ["moeut", "harness"] as const) {
      expect(read({}, protocol)).toEqual([
        { text: "Question: a?\nAnswer: yes", scored: " yes", cut: 0 }, { text: "Question: a?\nAnswer: no", scored: " no", cut: 0 },
      ]);
    }
  });

  test("space at the end of a context belongs to the continuation by harness", () => {
    expect(read({ context: "a  " }, "harness")[0]).toEqual({ text: "a   yes", scored: "   yes", cut: 0 });
    expect(read({ context: "a  " }, "moeut")[0]).toEqual({ text: "a   yes", scored: " yes", cut: 0 });
  });

  test("a sentence is scored but for its first token; by harness behind a start token and a space, with it", () => {
    expect(read({ context: "", choices: ["a cat", "two cats"] }, "moeut").map(({ scored }) => scored)).toEqual([" cat", "wo cats"]);
    expect(read({ context: "", choices: ["a cat", "two cats"] }, "harness").map(({ scored }) => scored)).toEqual([" a cat", " two cats"]);
  });

  test("what is too long is cut at the beginning of the context, never where it is scored", () => {
    expect(read({}, "moeut", 8)[0]).toEqual({ text: "nswer: yes", scored: " yes", cut: 13 });
    expect(() => read({}, "moeut", 2)).toThrow(/x: 3 tokens are to be scored, and the model's context is only 2/);
    expect(() => read({ choices: ["", "a"], context: "" }, "moeut")).toThrow(/no token that could be scored/);
  });

  test("every text is in one bucket that it fits, and no bucket is longer than the context", () => {
    const requests = Array.from({ length: 300 }, (_, i) => ({ tokens: new Array<number>(2 + (i * 7) % 99).fill(0), from: 1, cut: 0 }));
    const buckets = bucketsOf(requests, 100);
    expect(buckets.flatMap((bucket) => bucket.requests).sort((a, b) => a - b)).toEqual(requests.map((_, i) => i));
    for (const { length, requests: indices } of buckets) {
      expect(length).toBeLessThanOrEqual(100);
      for (const i of indices) expect(requests[i]!.tokens.length - 1).toBeLessThanOrEqual(length);
    }
  });
});

describe("files", () => {
  const write = (path: string, lines: readonly unknown[], packed = false): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    const text = lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");
    writeFileSync(join(folder, path), packed ? gzipSync(text) : text);
  };

  test("own sets: contexts, whole sentences, groups; gzip or not", () => {
    const lines = [
      { context: "2 + 2 =", choices: ["4", "5"], gold: 0, group: "sums", id: "a" },
      { choices: ["they go", "they goes", "they gone"], gold: "0" },
    ];
    write("own.jsonl", lines);
    write("own.jsonl.gz", lines, true);
    const items = ownTask(join(folder, "own.jsonl")).load(folder, "moeut");
    expect(items).toEqual([
      { id: "a", group: "sums", context: "2 + 2 =", choices: ["4", "5"], gold: 0 },
      { id: "own.jsonl:2", group: "own.jsonl", context: "", choices: ["they go", "they goes", "they gone"], gold: 0 },
    ]);
    const packed = ownTask(join(folder, "own.jsonl.gz")).load(folder, "moeut");
    expect(packed.map(({ choices }) => choices)).toEqual(items.map(({ choices }) => choices));
  });

  test.each([
    ['{"choices":["a"],"gold":0}', "choices is no list of at least two texts"],
    ['{"choices":["a","b"],"gold":2}', "gold is 2, which is none of 0 to 1"],
    ["[]", "it is no JSON object"], ["{", "JSON"], ['{"choices":["a","b"],"gold":0,"context":3}', "the field context is no text"],
  ])("a damaged line is named: %s", (line, why) => {
    write("bad.jsonl", ['{"choices":["a","b"],"gold":0}', line]);
    expect(() => ownTask(join(folder, "bad.jsonl")).load(folder, "moeut")).toThrow(new RegExp(`bad\\.jsonl:2: .*${why}`));
  });

  test("labels that are too few, and files that are missing, are named", () => {
    write("piqa/valid.jsonl", [{ goal: "g", sol1: "a", sol2: "b" }]);
    write("piqa/valid-labels.lst", ["0", "1"]);
    expect(() => TASKS["piqa"]!.load(folder, "moeut")).toThrow(/has 1 items, and .* has 2 labels/);
    expect(() => TASKS["arc_easy"]!.load(folder, "moeut")).toThrow(/arc needs the file ARC-Easy-Test\.jsonl/);
  });

  test("HellaSwag's own fields: a capital in front of the second part, markers gone by harness only", () => {
    const endings = ["[step] bakes. [title] Eat", "b", "c", "d"];
    write("hellaswag/hellaswag_val.jsonl", [{ activity_label: "Baking", ctx_a: "She  mixes.", ctx_b: "then SHE", endings, label: 2 }]);
    const [moeut] = TASKS["hellaswag"]!.load(folder, "moeut");
    expect(moeut).toMatchObject({ context: "Baking: She mixes. Then she", gold: 2, choices: ["[step] bakes.. Eat", "b", "c", "d"] });
    expect(TASKS["hellaswag"]!.load(folder, "harness")[0]!.choices[0]).toBe(" bakes.. Eat");
  });
});

const data = dataFolder();

describe.skipIf(data === null)("published files", () => {
  test.each([
    ["blimp", "moeut", 67000], ["piqa", "moeut", 1838], ["hellaswag", "moeut", 10042],
    ["arc_easy", "moeut", 2365], ["arc_easy", "harness", 2376], ["arc_challenge", "moeut", 1165], ["arc_challenge", "harness", 1172],
  ] as const)("%s by %s has %i items", (name, protocol, count) => {
    const items = TASKS[name]!.load(data!, protocol);
    expect(items).toHaveLength(count);
    expect(items.every(({ choices, gold }) => choices[gold] !== undefined)).toBe(true);
    expect(new Set(items.map(({ group }) => group)).size).toBe(name === "blimp" ? 67 : 1);
  });

  test("a pair that differs in its first word is decided by it only behind a start token", () => {
    const different = TASKS["blimp"]!.load(data!, "moeut").filter(({ choices: [a, b] }) => a!.split(" ")[0] !== b!.split(" ")[0]);
    expect(different).toHaveLength(7977);
    const [first] = different;
    const firstScored = (protocol: TaskProtocol): readonly string[] => requestsOf(first!, protocol, byteTokenizer, 0x0a, 1000)
      .map(({ tokens, from }) => Buffer.from(tokens.slice(from)).toString().split(" ").find((word) => word !== "")!);
    expect(firstScored("harness")).toEqual(first!.choices.map((choice) => choice.split(" ")[0]));
    expect(firstScored("moeut")).toEqual(first!.choices.map((choice) => choice.split(" ")[0]!.slice(1)));
  });
});
