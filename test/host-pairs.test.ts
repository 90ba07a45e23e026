/** Tasks of pairs: where they come from, how they become rows, and when an answer is right. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { decodeText } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { accuracyOf, evaluate, type Evaluation } from "../runtime/evaluate/index.ts";
import { pairData, pairDataset } from "../runtime/pairs/data.ts";
import { answerAll, type Answer } from "../runtime/pairs/decode.ts";
import { byKind, judge, share, shareOfTokens } from "../runtime/pairs/judge.ts";
import { apply, listops } from "../runtime/pairs/listops.ts";
import { holdBack, type Pair, type PairTask } from "../runtime/pairs/pair.ts";
import { pairTask } from "../runtime/pairs/tasks.ts";
import { IGNORED } from "../runtime/standalone/train-step.ts";
import type { Executor, HostArray } from "../runtime/standalone/types.ts";
import { parseTokenizer } from "../runtime/tokenizer/file.ts";
import { vocabularyText } from "../runtime/pairs/vocabulary.ts";
import { dataFolder } from "./support/shared.ts";

const root = mkdtempSync(join(tmpdir(), "moeut-pairs-"));
afterAll(() => rmSync(root, { recursive: true }));
const file = (name: string, content: string): string => (writeFileSync(join(root, name), content), join(root, name));
const taskOf = (source: string): PairTask => pairTask([source])!;
const sorted = (pairs: readonly Pair[]): readonly string[] => pairs.map(({ source, target }) => `${source} > ${target}`).sort();

const data = dataFolder();

describe.skipIf(data === null)("published files", () => {
  test.each(["length", "addprim_jump", "addprim_turn_left"])("scan:%s is what is generated, repeated lines too", (split) => {
    const [published, generated] = [taskOf(`scan:${join(data!, "scan", `tasks_train_${split}.txt.gz`)}`), taskOf(`scan:${split}`)];
    expect(sorted(published.train())).toEqual(sorted(generated.train()));
    expect(sorted(published.tests(null)[0]!.pairs)).toEqual(sorted(generated.tests(null)[0]!.pairs));
  });

  test("the published simple split covers the grammar", () => {
    const task = taskOf(`scan:${join(data!, "scan", "tasks_train_simple.txt.gz")}`);
    const [train, tests] = [task.train(), task.tests(null)[0]!.pairs];
    expect([train.length, tests.length]).toEqual([16_728, 4_182]);
    const all = taskOf("scan:simple");
    expect(sorted([...train, ...tests])).toEqual(sorted([...all.train(), ...all.tests(null)[0]!.pairs]));
  });

  test("COGS has its lines, and words for all positions of a sentence", () => {
    const task = taskOf(`cogs:${join(data!, "cogs")}`);
    expect([task.train().length, task.validation()!.length]).toEqual([24_155, 3_000]);
    expect(task.tests(null).map(({ name, pairs }) => [name, pairs.length])).toEqual([["cogs:test", 3_000]]);
    const { tokenizer, train } = pairData(task);
    const words = new Set(task.train().flatMap(({ source, target }) => [...source.split(" "), ...target.split(" ")]));
    const indices = Array.from({ length: 64 }, (_, i) => String(i)).filter((word) => !words.has(word));
    expect(tokenizer.vocabSize).toBe(5 + words.size + indices.length);
    expect(train.reduce((most, { tokens }) => Math.max(most, tokens.length), 0)).toBe(153 + 22 + 3);
    const unknown = tokenizer.encode(Buffer.from("gardner 63"));
    expect([unknown[0], decodeText(tokenizer, unknown)]).toEqual([4, "<unk> 63"]);
  });
});

describe("listops", () => {
  const items = listops(3000);

  /** With a stack, from the text alone. */
  function valueOf(text: string): { readonly value: number; readonly depth: number } {
    const stack: { readonly operator: string; readonly digits: number[] }[] = [{ operator: "", digits: [] }];
    let depth = 0;
    for (const word of text.split(" ")) {
      if (word.startsWith("[")) stack.push({ operator: word, digits: [] });
      else if (word !== "]") stack.at(-1)!.digits.push(Number(word));
      else {
        const { operator, digits } = stack.pop()!;
        const ascending = digits.toSorted();
        const sum = digits.reduce((a, b) => a + b, 0);
        const half = ascending.length / 2;
        const median = ascending.length % 2 === 1 ? ascending[Math.floor(half)]! : Math.floor((ascending[half - 1]! + ascending[half]!) / 2);
        stack.at(-1)!.digits.push({ "[MIN": ascending[0]!, "[MAX": ascending.at(-1)!, "[MED": median, "[SM": sum % 10 }[operator]!);
      }
      depth = Math.max(depth, stack.length - 1);
    }
    return { value: stack[0]!.digits[0]!, depth };
  }

  test("operators", () => {
    expect(apply("[MED", [1, 2])).toBe(1);
    expect(apply("[MED", [9, 1, 4, 2])).toBe(3);
    expect(apply("[MED", [9, 1, 4])).toBe(4);
    expect(apply("[SM", [9, 9, 9])).toBe(7);
    expect([apply("[MIN", [3, 2, 5]), apply("[MAX", [3, 2, 5])]).toEqual([2, 5]);
  });

  test("each value and depth is that of its text, and 2 to 5 arguments at most 19 deep", () => {
    expect(items.map(({ source }) => valueOf(source))).toEqual(items.map(({ target, kind }) => ({ value: Number(target), depth: Number(kind) })));
    expect(Math.max(...items.map(({ kind }) => Number(kind)))).toBeLessThanOrEqual(19);
    expect(items.some(({ source }) => /^\[\w+ (\d )+\]$/.test(source))).toBe(true);
    for (const { source } of items) {
      const flat = /\[\w+ ((?:\d ?)+)\]/.exec(source);
      if (flat !== null) expect(flat[1]!.trim().split(" ").length).toSatisfy((n: number) => n >= 2 && n <= 5);
    }
  });

  test("all are different, in the same order every time, and at most ten are bare digits", () => {
    expect(new Set(items.map(({ source }) => source)).size).toBe(3000);
    expect(listops(3000)).toEqual(items);
    expect(items.filter(({ kind }) => kind === "0").length).toBeLessThanOrEqual(10);
    expect(listops(50, 1)).not.toEqual(listops(50, 2));
  });

  test("expressions are as long, and operators and values as frequent, as in the published set", () => {
    const words = items.flatMap(({ source }) => source.split(" "));
    expect(words.length / items.length).toBeGreaterThan(30);
    expect(words.length / items.length).toBeLessThan(55);
    const operators = words.filter((word) => word.startsWith("["));
    for (const operator of ["[MIN", "[MAX", "[MED", "[SM"]) {
      expect(operators.filter((word) => word === operator).length / operators.length).toBeCloseTo(0.25, 1);
    }
  });
});

describe("sources", () => {
  const lines = file("own.tsv", "a b\tx y z\tshort\nb\tx\tshort\nc c c\tx\tlong\n");

  test.each([
    { source: "scan:lenght", message: /scan has no split "lenght"; choose one of simple, length/ },
    { source: "listops:40", message: /depth is to be a whole number from 1 to 18/ },
    { source: `cogs:${root}`, message: /cogs needs the file train\.tsv/ },
    { source: `pairs:${file("bad.tsv", "a\tb\nc\n")}`, message: /bad\.tsv:2: it is not source, target/ },
    { source: `scan:${file("tasks_train_bad.txt", "IN: a OUT: b\nIN: a\n")}`, message: /tasks_train_bad\.txt:2: it is not of the form/ },
  ])("$source", ({ source, message }) => {
    const read = (): unknown => taskOf(source).train();
    expect(read).toThrow(UserError);
    expect(read).toThrow(message);
  });

  test("texts are none", () => {
    for (const source of [["typescript"], ["scan"], ["a.txt", "b.txt"], ["/data/cogs.txt"]]) expect(pairTask(source)).toBeNull();
  });

  test("a tenth is held back by source, so that a repeated line is on one side", () => {
    const { train, validation } = holdBack(taskOf("scan:addprim_jump").train());
    const [seen, held] = [train, validation].map((part) => new Set(part.map(({ source }) => source))) as [Set<string>, Set<string>];
    expect(held.size).toBe(Math.floor((seen.size + held.size) / 10));
    expect([...held].some((source) => seen.has(source))).toBe(false);
    const tests = new Set(taskOf("scan:addprim_jump").tests(null)[0]!.pairs.map(({ source }) => source));
    expect([...seen, ...held].some((source) => tests.has(source))).toBe(false);
  });

  test("one question is too few, two are one to train on and one to hold back", () => {
    expect(() => pairData(taskOf(`pairs:${file("one.tsv", "a\tb\na\tb\n")}`))).toThrow(UserError);
    expect(() => pairData(taskOf(`pairs:${file("none.tsv", "")}`))).toThrow(/at least two different questions/);
    const { train, validation } = pairData(taskOf(`pairs:${file("two.tsv", "a\tb\nc\td\n")}`));
    expect([train.length, validation.length]).toEqual([1, 1]);
  });

  test("rows are scored from the target to its end, and padding counts for nothing", async () => {
    const pairs = pairData({ ...taskOf(`pairs:${lines}`), validation: () => [{ source: "a", target: "z", kind: "" }] });
    const dataset = pairDataset(pairs, { seqLen: 9, batch: 3, seed: 1 });
    expect(dataset.targetsPerBlock).toBe((4 + 2 + 2) / 3); // "x y z", "x" and "x", and what ends them
    expect(dataset.bytesPerToken).toBe(1); // "z" and what ends it, two tokens
    const { tokens, targets } = dataset.batchAt(0);
    const words = (row: HostArray): string => decodeText(pairs.tokenizer, row);
    const rows = [0, 1, 2].map((row) => {
      const [read, wanted] = [tokens, targets].map((all) => all.subarray(row * dataset.seqLen, (row + 1) * dataset.seqLen)) as [Uint32Array, Uint32Array];
      return [words(read), words(wanted.filter((target) => target !== IGNORED)), wanted.findIndex((target) => target !== IGNORED)];
    });
    expect(rows.sort()).toEqual([
      ["<bos> a b <sep> x y z", "x y z <eos>", 3], ["<bos> b <sep> x <pad> <pad> <pad>", "x <eos>", 2], ["<bos> c c c <sep> x <pad>", "x <eos>", 4],
    ]);
    const losses = new Float32Array(3 * dataset.seqLen).fill(100);
    losses.set([1, 3], 2); // of the one held-out pair: <bos> a <sep> z <eos>
    const measured = (best: Uint32Array): Promise<Evaluation> =>
      evaluate(stubOf({ "evaluate/token_loss": losses, "evaluate/best": best }, [3, dataset.seqLen]), dataset.validationBatches());
    const right = [...dataset.validationBatches()][0]!.targets;
    const one = await measured(right.map((token, position) => (position === 2 ? token : 0)));
    expect(one).toMatchObject({ loss: 2, tokens: 2, right: [1] });
    expect([accuracyOf(one, "tokens"), accuracyOf(one, "answers"), accuracyOf(await measured(right), "answers")]).toEqual([0.5, 0, 1]);
    expect(() => pairDataset(pairs, { seqLen: 6, batch: 3, seed: 1 })).toThrow(/the longest pair takes 7 positions, and seq_len is 6/);
  });

  test("batches to train on are cut to the shortest length that holds them", () => {
    const pair = (words: number, i: number): string => `${"w ".repeat(words)}${i}\tx\t\n`;
    const text = Array.from({ length: 1000 }, (_, i) => pair(i < 20 ? 30 : i < 25 ? 11 : i < 100 ? 10 : 4, i)).join("");
    const task = { ...taskOf(`pairs:${file("lengths.tsv", text)}`), validation: () => [{ source: "w", target: "x", kind: "" }] };
    const dataset = pairDataset(pairData(task), { seqLen: 40, batch: 2, seed: 1 });
    expect(dataset).toMatchObject({ seqLen: 34, lengths: [14] }); // 994 of 1,000 are no longer than 34, which is no shorter length
    const counts = new Map<number, number>();
    for (let step = 0; step < 500; step++) {
      const { tokens, targets } = dataset.batchAt(step);
      const length = tokens.length / 2;
      counts.set(length, (counts.get(length) ?? 0) + 1);
      const rows = [targets.subarray(0, length), targets.subarray(length)];
      expect(rows.map((row) => row.filter((target) => target !== IGNORED).length)).toEqual([2, 2]); // no answer is cut
    }
    expect([...counts.keys()].sort()).toEqual([14, 34]);
    expect(counts.get(14)! + counts.get(34)!).toBe(500);
    expect(counts.get(34)).toBeLessThanOrEqual(25);
    expect([...dataset.validationBatches()][0]!.tokens).toHaveLength(2 * 34);
  });
});

const stubOf = (outputs: Readonly<Record<string, HostArray>>, shape: readonly number[]): Executor =>
  ({ has: (name: string) => name in outputs, shape: () => shape, write: () => {}, run: async () => outputs }) as unknown as Executor;

describe("words as tokens", () => {
  const text = vocabularyText(["jump", "I_JUMP"], true);

  test("the file is one that other programs read alike", () => {
    const library = new Library(JSON.parse(text) as object, {});
    const line = "<bos> jump <sep> I_JUMP I_JUMP <eos>";
    expect([...parseTokenizer("words", text).encode(Buffer.from(line))]).toEqual(library.encode(line, { add_special_tokens: false }).ids);
  });

  test("a closed vocabulary refuses other words", () => {
    const closed = parseTokenizer("words", vocabularyText(["jump"], false));
    expect(closed.vocabSize).toBe(5);
    expect(() => closed.encode(Buffer.from("jump high"))).toThrow(UserError);
    expect(() => closed.encode(Buffer.from("jump high"))).toThrow(/the word "high" is not in this vocabulary/);
  });
});

describe("answers", () => {
  const EOS = 3;
  const options = { eos: EOS, vocabSize: 6, capacity: 20 };

  /** Says token script[row][i] as the i-th of a row; of a row that goes on behind the end, the second choice 5. */
  function scripted(script: readonly (readonly number[])[]): Executor {
    let step = 0;
    const logits = (): HostArray => Float32Array.from(script.flatMap((row) => Array.from({ length: 7 }, (_, token) =>
      (token === 6 ? 99 : token === (row[step] ?? EOS) ? 2 : token === 5 ? 1 : 0))));
    return {
      has: () => false, write: () => {}, shape: (name: string) => (name === "decode/logits" ? [script.length, 1, 7] : [script.length, name === "prefill/tokens" ? 4 : 1]),
      run: async ([entry]: readonly string[]) => {
        if (entry === "decode") step++;
        return { [`${entry}/logits`]: logits() };
      },
    } as unknown as Executor;
  }
  const answer = async (script: readonly number[], target: readonly number[]): Promise<Answer> =>
    (await answerAll(scripted([script]), [{ prompt: [1, 2], length: target.length }], options))[0]!;
  const judged = async (script: readonly number[], target: readonly number[]): Promise<readonly [number, number]> => {
    const { tokens, ended, oracle } = await answer(script, target);
    const { exact, oracle: free } = judge({ source: "", target: target.join(" "), kind: "" }, { answer: tokens.join(" "), ended, oracle: oracle.join(" ") });
    return [exact, free];
  };

  test.each([
    { why: "right, and ends", script: [4, 2, EOS], want: [1, 1] },
    { why: "right, but goes on", script: [4, 2, 2, EOS], want: [0, 1] },
    { why: "right, but never ends", script: [4, 2, 4, 4, 4, 4, 4], want: [0, 1] },
    { why: "ends too early, and would have gone on rightly", script: [4, EOS, EOS], target: [4, 5], want: [0, 1] },
    { why: "ends too early", script: [4, EOS, EOS], want: [0, 0] },
    { why: "wrong", script: [2, 4, EOS], want: [0, 0] },
    { why: "of any length", script: [...Array<number>(600).fill(4), EOS], target: Array<number>(600).fill(4), want: [1, 1] },
  ])("$why", async ({ script, target = [4, 2], want }) => expect(await judged(script, target)).toEqual(want));

  test("each row of a batch has its own end, and is followed one word beyond the right answer at most, however long others are", async () => {
    const script = [[4, EOS], [4, 4, 4, EOS], [2, 2, EOS], [4, 2, EOS], [4, 4, 4, 4]];
    const got = await answerAll(scripted(script), [1, 3, 2, 1, 2].map((length) => ({ prompt: [1, 2], length })), options);
    expect(got.map(({ tokens, ended }) => [tokens, ended]))
      .toEqual([[[4], true], [[4, 4, 4], true], [[2, 2], true], [[4, 2], false], [[4, 4, 4], false]]);
  });

  test("no more is decoded than a judgement needs: an answer that goes on and on costs one step beyond the right one", async () => {
    let steps = 0;
    const executor = scripted([[4, 4, 4, 4, 4, 4, 4]]);
    const counting: Executor = { ...executor, run: (entries, reads) => (steps++, executor.run(entries, reads)) };
    await answerAll(counting, [{ prompt: [1, 2], length: 3 }], options);
    expect(steps).toBe(4); // three right words, and what is in place of the end
  });

  test("shares have standard errors, kinds their own", () => {
    expect(share([1, 0, 1, 1])).toEqual({ value: 0.75, standardError: Math.sqrt((0.75 * 0.25) / 3), items: 4 });
    expect(shareOfTokens([{ right: 1, tokens: 2 }, { right: 4, tokens: 4 }])).toMatchObject({ value: 5 / 6, items: 2 });
    expect(shareOfTokens([1, 0, 1, 1].map((right) => ({ right, tokens: 1 }))).standardError).toBeCloseTo(share([1, 0, 1, 1]).standardError!, 12);
    expect([share([1]), shareOfTokens([{ right: 1, tokens: 2 }])].map(({ standardError }) => standardError)).toEqual([null, null]);
    const pairs = ["pp_recursion", "prim_to_obj", "prim_to_obj", "cp_recursion"].map((kind) => ({ source: "", target: "", kind }));
    expect(byKind(pairs, [0, 1, 1, 1])).toMatchObject({ structural: { value: 0.5 }, lexical: { value: 1, items: 2 }, prim_to_obj: { items: 2 } });
    expect(Object.keys(byKind([{ source: "", target: "", kind: "10" }, { source: "", target: "", kind: "9" }], [0, 1]))).toEqual(["9", "10"]);
  });
});
