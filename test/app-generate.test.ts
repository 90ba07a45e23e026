import { describe, expect, test } from "vitest";
import { byteTokenizer, type Tokenizer } from "../runtime/data/index.ts";
import { evaluate } from "../runtime/evaluate/index.ts";
import { generateText } from "../runtime/generate/index.ts";
import { byteDecoding } from "../runtime/standalone/text.ts";
import { generateTokens } from "../runtime/standalone/generate.ts";
import { createSampler, type SamplerOptions } from "../runtime/standalone/sampler.ts";
import { createBigram, type BigramExecutor } from "./support/bigram-executor.ts";

const OPTIONS: SamplerOptions = { temperature: 1, topK: null, topP: null, seed: 3 };
const LOGITS = [Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)];

/** How often each token comes in `n` draws. */
function frequencies(options: Partial<SamplerOptions>, n = 20_000): readonly number[] {
  const sample = createSampler({ ...OPTIONS, ...options });
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) counts[sample(LOGITS, i)]! += 1 / n;
  return counts;
}

describe("sampler", () => {
  test.each([
    { why: "temperature 1: the softmax", options: {}, want: [0.5, 0.3, 0.15, 0.05] },
    { why: "temperature 2: square roots", options: { temperature: 2 }, want: [0.5, 0.3, 0.15, 0.05].map(Math.sqrt) },
    { why: "top-k keeps the k greatest", options: { topK: 2 }, want: [0.5, 0.3, 0, 0] },
    { why: "top-k beyond the vocabulary keeps all", options: { topK: 9 }, want: [0.5, 0.3, 0.15, 0.05] },
    { why: "top-p keeps what reaches p", options: { topP: 0.7 }, want: [0.5, 0.3, 0, 0] },
    { why: "top-p 0 keeps the greatest", options: { topP: 0 }, want: [1, 0, 0, 0] },
    { why: "top-p counts after top-k: 0.5 of 0.8 is 0.625", options: { topK: 2, topP: 0.6 }, want: [1, 0, 0, 0] },
  ])("$why", ({ options, want }) => {
    const total = want.reduce((a, b) => a + b, 0);
    frequencies(options).forEach((share, i) => expect(share).toBeCloseTo(want[i]! / total, 1.7));
  });
  test("temperature 0 takes the greatest, the first of equals", () => {
    const sample = createSampler({ ...OPTIONS, temperature: 0 });
    expect(sample([1, 3, 3, 2], 0)).toBe(1);
  });
  test("equal logits at top-k: the lower token stays", () => {
    const sample = createSampler({ ...OPTIONS, topK: 1 });
    expect(Array.from({ length: 20 }, (_, i) => sample([1, 2, 2], i))).toEqual(new Array(20).fill(1));
  });
  test("a draw depends on seed and index only", () => {
    const [a, b] = [createSampler(OPTIONS), createSampler(OPTIONS)];
    const forwards = Array.from({ length: 50 }, (_, i) => a(LOGITS, i));
    const backwards = Array.from({ length: 50 }, (_, i) => b(LOGITS, 49 - i)).reverse();
    expect(backwards).toEqual(forwards);
    const other = createSampler({ ...OPTIONS, seed: 4 });
    expect(Array.from({ length: 50 }, (_, i) => other(LOGITS, i))).not.toEqual(forwards);
  });
  test.each([[[0, Number.NaN]], [[Infinity, 0]]])("logits that are not numbers are refused: %s", (logits) => {
    expect(() => createSampler(OPTIONS)(logits, 0)).toThrow(RangeError);
  });
  test("−∞ is a token that never comes", () => {
    const sample = createSampler(OPTIONS);
    expect(Array.from({ length: 100 }, (_, i) => sample([-Infinity, 0], i))).not.toContain(0);
  });
});

/** Always continues with the next token. */
function counting(vocabSize: number, seqLen: number, chunk: number): BigramExecutor {
  const executor = createBigram({ vocabSize, batch: 1, seqLen, chunk });
  const half = vocabSize / 2;
  for (const [name, first] of [["low", 0], ["high", half]] as const) {
    executor.write(`param/table.${name}`, Float32Array.from({ length: half * vocabSize }, (_, i) => (i % vocabSize === (Math.floor(i / vocabSize) + first + 1) % vocabSize ? 50 : 0)));
  }
  return executor;
}

async function tokensAfter(
  executor: BigramExecutor, prompt: readonly number[], maxTokens: number, seqLen: number,
): Promise<{ readonly tokens: readonly number[]; readonly slides: number }> {
  const tokens: number[] = [];
  let slides = 0;
  const sample = createSampler({ ...OPTIONS, temperature: 0 });
  for await (const token of generateTokens(executor, prompt, { maxTokens, seqLen, sample, onSlide: () => void slides++ })) tokens.push(token);
  return { tokens, slides };
}

describe("generation", () => {
  test.each([
    { why: "prompt shorter than a chunk", prompt: [3], seqLen: 12, chunk: 4 },
    { why: "prompt of several chunks", prompt: [3, 4, 5, 6, 7, 8, 9], seqLen: 12, chunk: 4 },
    { why: "context not a multiple of the chunk: the last one starts earlier", prompt: [0, 1, 2, 3, 4, 5, 6, 7, 8], seqLen: 10, chunk: 4 },
    { why: "prompt that fills the context", prompt: [0, 1, 2, 3, 4, 5], seqLen: 6, chunk: 4 },
    { why: "prompt longer than the context", prompt: [9, 9, 9, 0, 1, 2, 3, 4, 5], seqLen: 6, chunk: 4 },
  ])("$why: counts on, with the cache as if read in one go", async ({ prompt, seqLen, chunk }) => {
    const executor = counting(16, seqLen, chunk);
    const { tokens } = await tokensAfter(executor, prompt, 1, seqLen);
    const context = prompt.slice(-seqLen);
    expect(tokens).toEqual([(prompt.at(-1)! + 1) % 16]);
    expect(Array.from(executor.cache.subarray(0, context.length))).toEqual(context);
  });

  test("a full context keeps its latest half and goes on", async () => {
    const { tokens, slides } = await tokensAfter(counting(16, 8, 4), [0], 30, 8);
    expect(tokens).toEqual(Array.from({ length: 30 }, (_, i) => (i + 1) % 16));
    expect(slides).toBe(5);
  });

  test("characters of several tokens come out whole", async () => {
    const bytes = Buffer.from("aé→😀z");
    const tokenizer: Tokenizer = {
      ...byteTokenizer, vocabSize: 16, encode: () => Uint8Array.of(0),
      decoder: () => byteDecoding((token) => Uint8Array.of(bytes[token - 1]!)),
    };
    const pieces: string[] = [];
    for await (const piece of generateText(counting(16, 16, 4), tokenizer, "x", { ...OPTIONS, temperature: 0, maxTokens: bytes.length, seqLen: 16 })) pieces.push(piece);
    expect(pieces).toEqual(["a", "é", "→", "😀", "z"]);
  });

  test("tokens that the tokenizer does not have are never drawn", async () => {
    const tokenizer = { ...byteTokenizer, vocabSize: 3, encode: () => Uint8Array.of(2) };
    const pieces: string[] = [];
    for await (const piece of generateText(counting(16, 16, 4), tokenizer, "x", { ...OPTIONS, maxTokens: 20, seqLen: 16 })) pieces.push(piece);
    expect([...pieces.join("")].every((c) => c.charCodeAt(0) < 3)).toBe(true);
  });

  test.each([
    { why: "an empty prompt", prompt: "", message: /prompt is empty/ },
    { why: "a prompt outside the vocabulary", prompt: "~", message: /token 126, but the model's vocab_size is 16/ },
  ])("$why is refused", async ({ prompt, message }) => {
    await expect(generateText(counting(16, 8, 4), byteTokenizer, prompt, { ...OPTIONS, maxTokens: 1, seqLen: 8 }).next()).rejects.toThrow(message);
  });
});

test("evaluation: means over the rows that count", async () => {
  const executor = counting(4, 2, 2);
  const row = (tokens: readonly number[], targets: readonly number[]) =>
    ({ tokens: Uint32Array.from(tokens), targets: Uint32Array.from(targets) });
  const batches = [
    { ...row([0, 1], [1, 2]), scoredFrom: [0] }, { ...row([0, 0], [3, 1]), scoredFrom: [0] }, { ...row([0, 0], [0, 0]), scoredFrom: [] },
  ];
  const result = await evaluate(executor, batches);
  expect(result.tokens).toBe(4);
  expect(result.sequences).toHaveLength(2);
  expect(result.sequences[0]).toBeCloseTo(0, 6);
  expect(result.sequences[1]).toBeCloseTo(25, 5); // one of two tokens has a logit 50 below
  expect(result.loss).toBeCloseTo(12.5, 5);
  expect(result.perplexity).toBeCloseTo(Math.exp(12.5), 0);
});
