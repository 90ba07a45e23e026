/** What is measured of a text, and how: without a device. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { readEvalText } from "../cli/eval/text.ts";
import type { TrainedRun } from "../cli/trained-run.ts";
import {
  byteTokenizer, datasetOf, loadText, measuredText, scoredTokens, sharedTokens, windowBatches, windowsOf, type Text,
} from "../runtime/data/index.ts";
import { readSource } from "../runtime/data/source.ts";
import { inMemory, type Tokens } from "../runtime/data/tokens.ts";
import { UserError } from "../runtime/errors.ts";
import { coveredBy, coveredText } from "../runtime/evaluate/covered.ts";
import { evaluate, nonFinite } from "../runtime/evaluate/index.ts";
import { protocolOf, protocolWords } from "../runtime/evaluate/protocol.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import type { DataInfo, RunInfo } from "../runtime/train/index.ts";
import { loadData } from "./support/data.ts";
import { createBigram } from "./support/bigram-executor.ts";

const root = mkdtempSync(join(tmpdir(), "moeut-eval-"));
afterAll(() => rmSync(root, { recursive: true }));
const file = (name: string, content: string | Uint8Array): string => (writeFileSync(join(root, name), content), join(root, name));

const random = createRandom(1, "eval test");
/** Letters without repetitions worth the name. */
const letters = (length: number, from = 0): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(97 + Math.floor(random.uniform(from + i) * 26))).join("");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
function textIn(tokens: Tokens, start: number, end: number): string {
  const into = new Uint32Array(end - start);
  tokens.read(start, into);
  return Buffer.from(into).toString();
}
const textOf = (...source: readonly string[]): Promise<Text> => loadText(source, { tokenizer: byteTokenizer });

describe("held-out text stays held out", async () => {
  const SEQ_LEN = 8;
  const content = `${letters(1000)}\n`;
  const [head, tail] = [content.slice(0, 500), content.slice(500)];
  const path = file("corpus.txt", content);
  const trained = { id: datasetOf(await textOf(path), { seqLen: SEQ_LEN, batch: 2, seed: 3 }).dataId, seqLen: SEQ_LEN };

  test("at any context, the pieces are those of training, and no token of them was trained on", async () => {
    const { heldOut, tokens, spans } = measuredText(await textOf(path), trained);
    const data = await loadData(path, { tokenizer: byteTokenizer, seqLen: SEQ_LEN, batch: 1, seed: 0 });
    const pieces = spans.map(({ start, end }) => textIn(tokens, start, end));
    expect(heldOut).toBe(true);
    expect([...data.validationBatches()].map((batch) => Buffer.from(batch.tokens).toString()))
      .toEqual(pieces.map((piece) => piece.slice(0, SEQ_LEN)));
    const trainedOn = Array.from({ length: data.trainBlocks }, (_, i) => Buffer.from(data.batchAt(i).tokens).toString());
    expect(trainedOn.filter((block) => pieces.some((piece) => piece.startsWith(block)))).toEqual([]);
    for (const [seqLen, rule, stride] of [[4, "blocks", 4], [4, "strided", 1], [8, "moeut", 8], [8, "strided", 3], [64, "blocks", 64], [64, "strided", 5]] as const) {
      const { windows: { starts, scoredTo } } = protocolOf({ tokens, spans }, seqLen, rule, stride);
      starts.forEach((start, i) => expect(spans.some((span) => span.start <= start && start + scoredTo[i]! + 1 <= span.end)).toBe(true));
    }
  });

  test.each([
    { why: "by another path", source: () => [join(root, ".", "..", root.split("/").at(-1)!, "corpus.txt")], heldOut: true },
    { why: "packed", source: () => [file("corpus.txt.gz", Buffer.from(""))], heldOut: true },
    { why: "in two files", source: () => [file("1.txt", `${head}`), file("2.txt", tail)], heldOut: false },
    { why: "a copy", source: () => [file("copy.md", content)], heldOut: true },
    { why: "one letter more", source: () => [file("more.txt", `${content}!`)], heldOut: false },
    { why: "a part", source: () => [file("part.txt", head)], heldOut: false },
    { why: "too short to be split", source: () => [file("short.txt", "abc")], heldOut: false },
  ])("$why: $heldOut", async ({ source, heldOut }) => {
    const words = source();
    if (words[0]!.endsWith(".gz")) writeFileSync(words[0]!, gzipSync(content));
    const text = await textOf(...words);
    const measured = measuredText(text, trained);
    expect(measured.heldOut).toBe(heldOut);
    if (!heldOut) expect(measured.spans).toEqual([{ start: 0, end: text.tokens.length }]);
  });

  test("files in another order are another text", async () => {
    const [a, b] = [file("a.txt", letters(200, 5000)), file("b.txt", letters(200, 6000))];
    const order = { id: datasetOf(await textOf(a, b), { seqLen: SEQ_LEN, batch: 2, seed: 3 }).dataId, seqLen: SEQ_LEN };
    expect([measuredText(await textOf(a, b), order).heldOut, measuredText(await textOf(b, a), order).heldOut]).toEqual([true, false]);
  });

  test("identities are those of runs that exist", async () => {
    const fixed = file("fixed.txt", "abcdefghijklmnopqrstuvwxyz\n".repeat(40));
    expect((await loadData(fixed, { tokenizer: byteTokenizer, seqLen: 16, batch: 2, seed: 1 })).dataId)
      .toBe("ac8ccb43a975390bb8380caf59f88924");
  });
});

describe("what is said about a text", () => {
  const corpus = file("said.txt", letters(2000, 30_000));
  const runOf = async (data: Partial<DataInfo>): Promise<TrainedRun> => {
    const id = datasetOf(await textOf(corpus), { seqLen: 16, batch: 2, seed: 3 }).dataId;
    const info = { data: { source: [corpus], id, tokenizer: "bytes", tokens: 2001, ...data } } as RunInfo;
    return { info, tokenizer: byteTokenizer, trainedSeqLen: 16, model: { vocabSize: 256 } } as TrainedRun;
  };
  const said = async (source: string, data: Partial<DataInfo> = {}) => {
    const { words, seen, heldOut } = await readEvalText(await runOf(data), [source]);
    return { words, seen, heldOut };
  };

  test.each([
    { why: "the text of training", source: () => corpus, words: /^held out from training: 6 pieces of 17 tokens$/, seen: null },
    { why: "half of it", source: () => file("half.txt", readFileSync(corpus).subarray(0, 1000)), words: /^NOT HELD OUT: 99\.9 % of it also occurs in the text of training$/, seen: expect.closeTo(1, 2) },
    { why: "much more than it", source: () => file("much.txt", readFileSync(corpus, "utf8") + letters(2000, 40_000)), words: /^NOT HELD OUT: (49|50)\.\d % of it also occurs/, seen: expect.closeTo(0.5, 2) },
    { why: "another text", source: () => file("unlike.txt", letters(500, 50_000)), words: /^all of it; it shares no passage with the text of training$/, seen: 0 },
  ])("$why", async ({ source, words, seen }) => {
    expect(await said(source())).toMatchObject({ words: expect.stringMatching(words), seen });
  });

  test("a text that changed since training", async () => {
    const changed = file("changed.txt", letters(300, 60_000));
    expect(await said(changed, { source: [changed] })).toMatchObject({
      heldOut: false, seen: null,
      words: expect.stringMatching(/^NOT HELD OUT: .*changed\.txt changed since training \(2,001 tokens then, 301 now\)/),
    });
  });

  test.each([
    { why: "the text of training came from a pipe", data: { source: ["/dev/stdin"] }, words: /text of training \(\/dev\/stdin\) cannot be read again/ },
    { why: "it is gone", data: { source: [join(root, "gone.txt")] }, words: /gone\.txt\) cannot be read again/ },
    { why: "weights were imported", data: { source: ["weights of w.safetensors"], id: "" }, words: /what the weights were trained on is not known/ },
  ])("nothing is claimed where $why", async ({ data, words }) => {
    expect(await said(file("any.txt", letters(100, 70_000)), data)).toMatchObject({
      heldOut: false, seen: null, words: expect.stringMatching(words),
    });
  });
});

describe("windows", () => {
  const tokens = inMemory(new Uint8Array(10_000));
  /** How often each token is predicted, and the fewest tokens of its span before it that a prediction saw. */
  const coverage = (
    { starts, scoredFrom, scoredTo }: ReturnType<typeof windowsOf>, end: number,
  ): { readonly times: readonly number[]; readonly context: readonly number[] } => {
    const [times, context] = [new Array<number>(end).fill(0), new Array<number>(end).fill(Infinity)];
    starts.forEach((start, i) => {
      for (let position = scoredFrom[i]!; position < scoredTo[i]!; position++) {
        times[start + position + 1]!++;
        context[start + position + 1] = Math.min(context[start + position + 1]!, position + 1);
      }
    });
    return { times, context };
  };
  const sizes = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 2, max: 200 }), fc.integer({ min: 0, max: 50 }));

  test("overlapping: every token but the first once, with all the context that the stride promises", () => {
    fc.assert(fc.property(sizes, fc.integer({ min: 1, max: 20 }), ([seqLen, length, start], some) => {
      const [T, stride, end] = [Math.min(seqLen, length - 1), Math.min(some, seqLen, length - 1), start + length];
      const windows = windowsOf(tokens, [{ start, end }], T, stride, "moved");
      const { times, context } = coverage(windows, end);
      expect(times.slice(start + 1)).toEqual(new Array(length - 1).fill(1));
      expect(times.slice(0, start + 1).every((n) => n === 0)).toBe(true);
      for (let token = start + 1; token < end; token++) expect(context[token]).toBeGreaterThanOrEqual(Math.min(token - start, T - stride));
      expect(scoredTokens(windows)).toBe(length - 1);
    }), { seed: 1 });
  });

  test("blocks: every token but the first once; without a partial block, those of whole ones", () => {
    fc.assert(fc.property(sizes, ([T, length, start]) => {
      const span = { start, end: start + length };
      const { times } = coverage(windowsOf(tokens, [span], T, T, "short"), span.end);
      expect(times.slice(start + 1)).toEqual(new Array(length - 1).fill(1));
      const whole = windowsOf(tokens, [span], T, T, "dropped");
      expect(scoredTokens(whole)).toBe(Math.floor((length - 1) / T) * T);
      expect([...whole.starts]).toEqual(Array.from({ length: Math.floor((length - 1) / T) }, (_, i) => start + i * T));
    }), { seed: 1 });
  });

  test("pieces are read one by one", () => {
    const spans = [{ start: 5, end: 15 }, { start: 20, end: 24 }, { start: 30, end: 42 }];
    const windows = windowsOf(tokens, spans, 6, 2, "moved");
    expect([...windows.starts]).toEqual([5, 7, 8, 20, 30, 32, 34, 35]);
    expect([...windows.scoredFrom]).toEqual([0, 4, 5, 0, 0, 4, 4, 5]);
    expect([...windows.scoredTo]).toEqual([6, 6, 6, 3, 6, 6, 6, 6]);
  });

  test("a limit spreads over the text and is kept to", () => {
    const windows = windowsOf(tokens, [{ start: 0, end: 1001 }], 10, 10, "moved");
    const batches = [...windowBatches(windows, 10, 4, 50)];
    expect(batches.map(({ scoredFrom }) => scoredFrom)).toEqual([[0, 0, 0, 0], [0]]);
    expect([...windowBatches(windows, 10, 4, 1)].map(({ scoredFrom }) => scoredFrom.length)).toEqual([1]);
  });
});

describe("protocol", () => {
  const measured = (length: number) => ({ tokens: inMemory(new Uint8Array(length)), spans: [{ start: 0, end: length }] });
  const ALONE = "each read with nothing before it";
  const SHORT = " (no piece of the text fills seq_len 64)";
  test.each([
    { why: "blocks, and a tail", length: 50, seqLen: 7, rule: "blocks", context: 7, scored: 49, words: `disjoint blocks of 7 predicted tokens, ${ALONE}` },
    { why: "blocks of moeut", length: 51, seqLen: 7, rule: "moeut", context: 7, scored: 49, words: `moeut: disjoint blocks of 7 predicted tokens, ${ALONE}, and no partial block` },
    { why: "a stride", length: 50, seqLen: 8, rule: "strided", stride: 2, context: 8, scored: 49, words: "windows of 8 tokens, 2 apart: each token once, with at least 6 before it where the text has them" },
    { why: "a stride of the whole context", length: 49, seqLen: 8, rule: "strided", stride: 8, context: 8, scored: 48, words: `windows of 8 tokens, ${ALONE}` },
    { why: "documents", length: 50, seqLen: 8, rule: "harness", context: 8, scored: 49, words: "harness: each document alone, behind a start token, in windows of 8 tokens, the last of which ends with it" },
    { why: "a text shorter than the context", length: 5, seqLen: 64, rule: "blocks", context: 4, scored: 4, words: `disjoint blocks of 4 predicted tokens, ${ALONE}${SHORT}` },
    { why: "the same with a stride", length: 5, seqLen: 64, rule: "strided", stride: 32, context: 4, scored: 4, words: `windows of 4 tokens, ${ALONE}${SHORT}` },
    { why: "two tokens", length: 2, seqLen: 64, rule: "blocks", context: 1, scored: 1, words: `disjoint blocks of 1 predicted tokens, ${ALONE}${SHORT}` },
  ] as const)("$why", ({ length, seqLen, rule, context, scored, words, ...given }) => {
    const protocol = protocolOf(measured(length), seqLen, rule, "stride" in given ? given.stride : undefined);
    expect(protocol).toMatchObject({ context, tokens: length });
    expect(scoredTokens(protocol.windows)).toBe(scored);
    expect(protocolWords(protocol)).toBe(words);
  });

  test.each([
    { why: "a stride beyond the context", length: 50, rule: "strided", stride: 9, message: /--stride 9 is more than seq_len 8: tokens between two/ },
    { why: "one token", length: 1, rule: "blocks", stride: 8, message: /only 1 token, and predicting needs at least 2/ },
    { why: "no whole block", length: 8, rule: "moeut", stride: 8, message: /no piece of the text fills a block of seq_len 8/ },
  ] as const)("$why is refused", ({ length, rule, stride, message }) => {
    expect(() => protocolOf(measured(length), 8, rule, stride)).toThrow(UserError);
    expect(() => protocolOf(measured(length), 8, rule, stride)).toThrow(message);
  });
});

describe("the text behind tokens", () => {
  const covered = (text: string, windows: readonly (readonly [start: number, from: number, to: number])[]) => {
    const [starts, scoredFrom, scoredTo] = [0, 1, 2].map((i) => windows.map((window) => window[i]!)) as [number[], number[], number[]];
    const tokens = inMemory(bytes(text));
    return coveredBy(byteTokenizer, {
      tokens, starts: Float64Array.from(starts), scoredFrom: Uint32Array.from(scoredFrom), scoredTo: Uint32Array.from(scoredTo),
    }, [...windows.keys()]);
  };

  test("bytes are those of scored tokens; a word is counted once, wherever windows cut it", () => {
    expect(covered("one two  three\nfour", [[0, 0, 18]])).toEqual({ bytes: 18, words: 4 });
    expect(covered("one two  three\nfour", [[0, 0, 5], [5, 0, 3], [3, 5, 15]])).toEqual({ bytes: 18, words: 4 });
    expect(covered("one two  three\nfour", [[0, 0, 2], [9, 0, 3]])).toEqual({ bytes: 5, words: 2 });
    expect(covered("ä ö é", [[0, 0, 7]])).toEqual({ bytes: 7, words: 3 }); // 2 bytes each, and the first is not scored
  });

  test("of a document, as Python's re.split counts", () => {
    expect(coveredText(bytes("one two\n three"))).toEqual({ bytes: 14, words: 3 });
    expect(coveredText(bytes("\none\n"))).toEqual({ bytes: 5, words: 3 });
  });
});

describe("evaluation", () => {
  /** A bigram model has no memory, so its loss is the same however the text is cut: the mean over its pairs. */
  test("a stride gives the loss over all pairs of a text", async () => {
    const [V, T, batch] = [16, 6, 4];
    const tokens = inMemory(Uint8Array.from({ length: 101 }, (_, i) => Math.floor(random.uniform(i) * V)));
    const executor = createBigram({ vocabSize: V, batch, seqLen: T });
    for (const part of ["low", "high"]) executor.write(
      `param/table.${part}`, Float32Array.from({ length: (V / 2) * V }, (_, i) => random.uniform(1000 + i)),
    );
    const lossOf = async (stride: number) => {
      const result = await evaluate(executor, windowBatches(windowsOf(tokens, [{ start: 0, end: 101 }], T, stride, "moved"), T, batch));
      expect(result.tokens).toBe(100);
      return result.loss;
    };
    const losses = [await lossOf(1), await lossOf(2), await lossOf(5), await lossOf(6)];
    for (const loss of losses) expect(loss).toBeCloseTo(losses[0]!, 6);
  });

  test("what does not count is not looked at", async () => {
    const executor = createBigram({ vocabSize: 4, batch: 2, seqLen: 3 });
    executor.write("param/table.high", Float32Array.of(Number.NaN, 0, 0, 0, 0, 0, 0, 0)); // token 2
    const row = Uint32Array.of(2, 0, 1, 2, 2, 2);
    const result = await evaluate(executor, [{ tokens: row, targets: Uint32Array.of(0, 0, 0, 0, 0, 0), scoredFrom: [1] }]);
    expect(result).toMatchObject({ tokens: 2, loss: expect.closeTo(Math.log(4), 5) });
    expect(nonFinite(result)).toBeNull();
    const bad = await evaluate(executor, [{ tokens: row, targets: row.map(() => 0), scoredFrom: [0, 0] }]);
    expect(bad.loss).toBeNaN();
    expect(nonFinite(bad)).toMatch(/the loss is not finite \(NaN or infinite in 2 of 2 windows\)/);
  });
});

describe("what two texts share", () => {
  const known = bytes(letters(5000));
  const other = letters(1000, 10_000);
  const part = Buffer.from(known).toString();
  test.each([
    { why: "nothing", text: other, want: 0 },
    { why: "all", text: part, want: 5000 },
    { why: "a part at an odd place", text: part.slice(1237, 2000), want: 763 },
    { why: "a part within another text", text: other + part.slice(100, 300) + other, want: 200 },
    { why: "two parts", text: part.slice(3000, 3200) + other + part.slice(100, 300), want: 400 },
    { why: "a passage too short to matter", text: other + part.slice(100, 120) + other, want: 0 },
    { why: "a short text", text: part.slice(777, 800), want: 23 },
    { why: "one letter", text: part[9]!, want: 1 },
    { why: "no text", text: "", want: 0 },
  ])("$why", ({ text, want }) => {
    const shared = sharedTokens(bytes(text), known);
    expect(shared).toBeGreaterThanOrEqual(want);
    expect(shared).toBeLessThanOrEqual(want + 2); // letters that go on alike by chance
  });

  test("a text that repeats itself takes no longer than its length", async () => {
    const same = new Uint8Array(300_000).fill(120);
    expect(sharedTokens(same, same)).toBe(300_000);
    expect(sharedTokens((await readSource("scan")).text.subarray(0, 100_000), (await readSource("scan")).text)).toBe(100_000);
  });
});
