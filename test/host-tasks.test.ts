/** Benchmarks: what the published files hold, what the model reads of an item, and which answer counts, by both protocols. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { byteTokenizer, decodeText, type Tokenizer } from "../runtime/data/index.ts";
import { byteDecoding } from "../runtime/standalone/text.ts";
import { judge } from "../runtime/tasks/choices.ts";
import type { Item, Score, TaskProtocol } from "../runtime/tasks/items.ts";
import { fitAll, sequencesOf } from "../runtime/tasks/requests.ts";
import { exponential, meanResult, perplexityResult } from "../runtime/tasks/results.ts";
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

  test("a uniform model has the perplexity of its vocabulary, with no error", () => {
    const losses = [3, 7, 1].map((n) => n * Math.log(8000));
    expect(perplexityResult("p", losses, [3, 7, 1])).toMatchObject({ value: expect.closeTo(8000, 8), standardError: expect.closeTo(0, 8) });
    const means = meanResult("p", [item(), item(), item()], losses.map((loss, i) => loss / [3, 7, 1][i]!));
    expect(exponential(means, 1)).toMatchObject({ value: expect.closeTo(8000, 8), standardError: expect.closeTo(0, 8) });
  });

  test("errors of perplexities are those of their logarithms, times themselves", () => {
    const spread = meanResult("p", [item(), item()], [1, 3]); // error of the mean: sqrt(2 / 2)
    expect(exponential(spread, 1)).toMatchObject({ value: Math.exp(2), standardError: expect.closeTo(Math.exp(2), 12) });
    expect(exponential(spread, -1)).toMatchObject({ value: Math.exp(-2), standardError: expect.closeTo(Math.exp(-2), 12) });
    const { value, standardError } = perplexityResult("p", [2, 10], [2, 4]); // ratio 2, residuals -2 and 2
    expect([value, standardError]).toEqual([Math.exp(2), expect.closeTo((Math.exp(2) * Math.sqrt(16)) / 6, 12)]);
  });

  test("kinds are means over their groups", () => {
    const items = [["a", "x"], ["a", "x"], ["b", "x"], ["c", "y"]].map(([group, kind]) => item({ group: group!, kinds: { field: kind! } }));
    expect(meanResult("accuracy", items, [1, 0, 1, 0]).kinds).toEqual({ field: { x: 0.75, y: 0 } });
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
    const result = meanResult("accuracy", items, [1, 1, 1, 0, 0, 0]);
    expect(result).toMatchObject({ metric: "accuracy", value: 0.375, groups: { a: 0.75, b: 0 } });
    expect(result.standardError).toBeCloseTo(Math.sqrt((0.75 * 0.25) / 3) / 2, 12);
  });

  test("there is no standard error of a single item, nor of a mean of groups where one has a single item", () => {
    const of = (groups: string) => meanResult("accuracy", [...groups].map((group) => item({ group })), [...groups].map(() => 1));
    expect([of("a"), of("aab"), exponential(of("a"), 1), perplexityResult("p", [2], [1])].map(({ standardError }) => standardError))
      .toEqual([null, null, null, null]);
    expect(of("aabb").standardError).toBe(0);
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
  const sequences = (over: Partial<Item>, protocol: TaskProtocol) => sequencesOf(item(over), { protocol, tokenizer: pairs, start: 0x0a });
  const read = (over: Partial<Item>, protocol: TaskProtocol, seqLen = 100) => fitAll(sequences(over, protocol), seqLen, "task")
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
    expect(() => read({}, "moeut", 2)).toThrow(/task has texts of which 3 tokens are scored, .* only 2: give it more with --set seq_len=3/);
    expect(() => read({ choices: ["", "a"], context: "" }, "moeut")).toThrow(/no token that could be scored/);
  });

  test("every text is in one bucket that it fits, and no bucket is longer than the context", () => {
    const requests = Array.from({ length: 300 }, (_, i) => ({ tokens: new Array<number>(2 + (i * 7) % 99).fill(0), from: 1, cut: 0 }));
    const buckets = bucketsOf(requests, 256);
    expect(buckets.flatMap(({ batches }) => batches.flat()).sort((a, b) => a - b)).toEqual(requests.map((_, i) => i));
    for (const { length, batch, rows, batches } of buckets) {
      expect(length).toBeLessThanOrEqual(100);
      for (const indices of batches) {
        expect(indices.length).toBeLessThanOrEqual(batch);
        expect(indices.reduce((sum, i) => sum + requests[i]!.tokens.length - 1, 0)).toBeLessThanOrEqual(rows);
        for (const i of indices) expect(requests[i]!.tokens.length - 1).toBeLessThanOrEqual(length);
      }
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
    const { items } = ownTask(join(folder, "own.jsonl")).load(folder, "moeut");
    expect(items).toEqual([
      { id: "a", group: "sums", context: "2 + 2 =", choices: ["4", "5"], gold: 0 },
      { id: "own.jsonl:2", group: "own.jsonl", context: "", choices: ["they go", "they goes", "they gone"], gold: 0 },
    ]);
    const { items: packed } = ownTask(join(folder, "own.jsonl.gz")).load(folder, "moeut");
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

  test("LAMBADA: the last word is what follows the last space, line breaks and all", () => {
    write("lambada/lambada_test.jsonl", [{ text: "I know the way," }, { text: "he said\n\nso. \"Yes\"\nsir" }]);
    expect(TASKS["lambada"]!.load(folder, "moeut").items).toMatchObject([
      { id: "lambada:1", context: "I know the", choices: ["way,"] },
      { id: "lambada:2", context: "he said\n\nso.", choices: ["\"Yes\"\nsir"] },
    ]);
    write("lambada/lambada_test.jsonl", [{ text: "word" }]);
    expect(() => TASKS["lambada"]!.load(folder, "moeut")).toThrow(/lambada_test\.jsonl:1: the text has no last word behind others/);
  });

  describe("CBT", () => {
    const sentences = Array.from({ length: 20 }, (_, i) => `${i + 1} it ca n't be ${i} , he said .`);
    const query = "21 `` The XXXXX '' , said he , `` ran ! ''\tcat\t\tcat|dog|cow|pig|hen|owl|fox|bee|ant|";
    const files = (lines: readonly string[]): void => {
      for (const type of ["CN", "NE", "P", "V"]) write(`cbt/cbtest_${type}_test_2500ex.txt`, lines);
    };
    const load = (protocol: TaskProtocol) => TASKS["cbt"]!.load(folder, protocol);

    test("context, candidates with what follows them, as written by moeut", () => {
      files([...sentences, `${query}elk`, "", ...sentences, `${query}dog`, "", ...sentences, `${query.replace("\tcat\t", "\telk\t")}dog`]);
      const { items, notes } = load("moeut");
      expect(notes).toEqual(["cbt: 4 items without ten different candidates are skipped (cbt_CN:2, cbt_NE:2, cbt_P:2 …)"]);
      expect(items).toHaveLength(8);
      expect(items.map(({ id }) => id).slice(0, 3)).toEqual(["cbt_CN:1", "cbt_CN:3", "cbt_NE:1"]);
      const context = `${Array.from({ length: 20 }, (_, i) => `it can't be ${i}, he said.`).join(" ")} "The `;
      expect(items[0]).toMatchObject({ group: "CN", context, glued: true, gold: 0 });
      expect(items[0]!.choices.slice(0, 2)).toEqual(['cat", said he, "ran!"', 'dog", said he, "ran!"']);
      expect(items[1]).toMatchObject({ gold: 0, choices: { length: 10 } });
    });

    test("whole texts by harness, of nouns and names only", () => {
      files([...sentences, `${query}dog`]);
      const { items, notes } = load("harness");
      expect(notes).toEqual([]);
      expect(items.map(({ group }) => group)).toEqual(["CN", "NE"]);
      expect(items[0]).toMatchObject({ context: "", glued: true, gold: 0, choices: { length: 9 } });
      expect(items[0]!.choices[1]).toMatch(/^Passage: it can't be 0, he said\. it .*, he said\.\nQuestion: "The dog", said he, "ran!"$/);
    });

    test.each([
      { why: "no first line", lines: [...sentences.slice(1), `${query}elk`], where: /_CN_test_2500ex\.txt:1: here should be line 1 of/ },
      { why: "the file ends early", lines: sentences, where: /:21: here should be line 21 of the 21/ },
      { why: "no candidates", lines: [...sentences, "21 a XXXXX\tcat\t\t"], where: /:21: it is not a query, an answer and candidates/ },
      { why: "no place", lines: [...sentences, `${query}elk`.replace("XXXXX", "X")], where: /:21: the query has no XXXXX/ },
    ])("$why", ({ lines, where }) => {
      files(lines);
      expect(() => load("moeut")).toThrow(where);
    });
  });

  test("HellaSwag's own fields: a capital in front of the second part, markers gone by harness only", () => {
    const endings = ["[step] bakes. [title] Eat", "b", "c", "d"];
    write("hellaswag/hellaswag_val.jsonl", [{ activity_label: "Baking", ctx_a: "She  mixes.", ctx_b: "then SHE", endings, label: 2 }]);
    const [moeut] = TASKS["hellaswag"]!.load(folder, "moeut").items;
    expect(moeut).toMatchObject({ context: "Baking: She mixes. Then she", gold: 2, choices: ["[step] bakes.. Eat", "b", "c", "d"] });
    expect(TASKS["hellaswag"]!.load(folder, "harness").items[0]!.choices[0]).toBe(" bakes.. Eat");
  });
});

const data = dataFolder();

describe.skipIf(data === null)("published files", () => {
  test.each([
    ["blimp", "moeut", 67000], ["piqa", "moeut", 1838], ["hellaswag", "moeut", 10042],
    ["arc_easy", "moeut", 2365], ["arc_easy", "harness", 2376], ["arc_challenge", "moeut", 1165], ["arc_challenge", "harness", 1172],
    ["lambada", "moeut", 5153],
  ] as const)("%s by %s has %i items", (name, protocol, count) => {
    const { items } = TASKS[name]!.load(data!, protocol);
    expect(items).toHaveLength(count);
    expect(items.every(({ choices, gold }) => choices[gold] !== undefined)).toBe(true);
    expect(new Set(items.map(({ group }) => group)).size).toBe(name === "blimp" ? 67 : 1);
  });

  test("BLiMP's breakdowns are those of its paper; LAMBADA's last words may hold line breaks", () => {
    const { items } = TASKS["blimp"]!.load(data!, "moeut");
    const { kinds } = meanResult("accuracy", items, items.map(() => 1));
    expect([kinds["field"], kinds["linguistics_term"]].map((of) => Object.keys(of!).length)).toEqual([4, 12]);
    expect(TASKS["lambada"]!.load(data!, "harness").items.filter(({ choices }) => choices[0]!.includes("\n"))).toHaveLength(7);
  });

  test("a pair that differs in its first word is decided by it only behind a start token", () => {
    const different = TASKS["blimp"]!.load(data!, "moeut").items.filter(({ choices: [a, b] }) => a!.split(" ")[0] !== b!.split(" ")[0]);
    expect(different).toHaveLength(7977);
    const [first] = different;
    const reading = (protocol: TaskProtocol) => ({ protocol, tokenizer: byteTokenizer, start: 0x0a });
    const firstScored = (protocol: TaskProtocol): readonly string[] => sequencesOf(first!, reading(protocol))
      .map(({ tokens, from }) => Buffer.from(tokens.slice(from)).toString().split(" ").find((word) => word !== "")!);
    expect(firstScored("harness")).toEqual(first!.choices.map((choice) => choice.split(" ")[0]));
    expect(firstScored("moeut")).toEqual(first!.choices.map((choice) => choice.split(" ")[0]!.slice(1)));
  });
});
