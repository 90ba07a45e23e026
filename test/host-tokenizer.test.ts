/** Tokenizers: trained as the library `tokenizers` trains them, written as it writes them, and exact both ways. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { byteTokenizer, decodeText, encodeText } from "../runtime/data/index.ts";
import { ALPHABET, CHARACTER_OF, createCutter, wordsOf } from "../runtime/standalone/tokenizer/byte-level.ts";
import { readTokenizer, tokenizerText } from "../runtime/tokenizer/file.ts";
import { trainMerges } from "../runtime/tokenizer/train.ts";
import { countWords, textPieces } from "../runtime/tokenizer/words.ts";
import { moeut, moeutHere, moeutStopped, ROOT, type CliResult } from "./support/cli.ts";
import { pythonProgram } from "./support/torch/python.ts";

const folder = mkdtempSync(join(tmpdir(), "moeut-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const END_OF_TEXT = "<|endoftext|>";
const TEXT = `Zürich 日本語 naïve 🙂🙂 ab   cd\t\tx\r\n\n\n 1234 !!! don't they'll aaaaa aaaa
low low low lower lower newest newest newest newest widest widest widest  the rest of it is the rest of the test.\n`.repeat(3);

const wordCounts = (text: string): Promise<ReadonlyMap<string, number>> =>
  countWords(ReadableStream.from([Buffer.from(text)]));

async function trained(text: string, vocabSize: number): Promise<string> {
  const path = join(folder, `${createHash("sha256").update(`${vocabSize} ${text}`).digest("hex").slice(0, 12)}.json`);
  writeFileSync(path, tokenizerText(trainMerges(await wordCounts(text), { vocabSize, special: 1 })));
  return path;
}

/** The definition, by looking at everything again for every merge: the most frequent pair, of equals the lowest. */
async function plainMerges(text: string, count: number): Promise<readonly (readonly [number, number])[]> {
  const tokensOf = (word: string): number[] => [...Buffer.from(word)].map((byte) => 1 + ALPHABET.indexOf(byte));
  const words = [...await wordCounts(text)].map(([word, n]) => ({ tokens: tokensOf(word), n }));
  const merges: (readonly [number, number])[] = [];
  for (let made = 257; merges.length < count; made++) {
    const pairs = new Map<string, number>();
    for (const { tokens, n } of words) for (let i = 0; i + 1 < tokens.length; i++) {
      const pair = `${tokens[i]} ${tokens[i + 1]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + n);
    }
    const numbers = (pair: string): readonly [number, number] => pair.split(" ").map(Number) as [number, number];
    const [best] = [...pairs].sort(([p, a], [q, b]) => b - a || numbers(p)[0] - numbers(q)[0] || numbers(p)[1] - numbers(q)[1]);
    if (best === undefined) break;
    const [left, right] = numbers(best[0]);
    merges.push([left, right]);
    for (const { tokens } of words) {
      for (let i = 0; i + 1 < tokens.length; i++) if (tokens[i] === left && tokens[i + 1] === right) tokens.splice(i, 2, made);
    }
  }
  return merges;
}

describe("training", () => {
  const texts = [["a text with everything", TEXT], ["overlapping pairs", "aaaaaaa aaa aaaab baaaa abab ababab"]] as const;
  test.each(texts)("%s: the merges of the definition", async (_, text) => {
    const merges = trainMerges(await wordCounts(text), { vocabSize: 400, special: 1 });
    expect(merges.map(({ left, right }) => [left, right])).toEqual(await plainMerges(text, 400 - 257));
  });

  test("where a text is cut into pieces changes nothing", () => fc.assert(fc.property(fc.array(fc.nat(40), { minLength: 1 }), (lengths) => {
    const pieces: string[] = [];
    for (let at = 0, i = 0; at < TEXT.length; at += Math.max(1, lengths[i++ % lengths.length]!)) {
      pieces.push(TEXT.slice(at, at + Math.max(1, lengths[i % lengths.length]!)));
    }
    const whole = pieces.join("");
    const { next, end } = createCutter();
    const words = [...pieces.map(next), end()].flatMap((part) => [...wordsOf(part)]);
    expect(words).toEqual([...wordsOf(whole)]);
    expect(words.join("")).toBe(whole);
  }), { seed: 1, numRuns: 100 }));

  test("of more different words than may be kept, the frequent ones are found, wherever the text is cut", async () => {
    const letter = (n: number): string => String.fromCharCode(97 + (n % 10));
    const rare = Array.from({ length: 300 }, (_, i) => ` ${letter(i)}${letter(i / 10)}${letter(i / 100)}`);
    const text = Buffer.from(rare.map((word) => `${word} often often`).join(""));
    let forgot = 0;
    const counted = (size: number): ReturnType<typeof countWords> => {
      const parts = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.subarray(i * size, (i + 1) * size));
      return countWords(ReadableStream.from(parts), 64, () => void forgot++);
    };
    const whole = await counted(text.length);
    const parts = await counted(7);
    expect(whole.get(" often")).toBe(600);
    expect(whole.size).toBeLessThanOrEqual(64);
    expect([...parts]).toEqual([...whole]);
    expect(forgot).toBeGreaterThan(4);
  });

  test("pieces of bytes are cut between characters, and a mark at the beginning stays", () => {
    const text = `\ufeff${"é🙂".repeat(1_500_000)}`;
    expect([...textPieces(Buffer.from(text))].join("")).toBe(text);
  });
});

/** What is hard to read back: parts of characters, spaces of all kinds, line breaks, ends of texts. */
const PARTS = [
  " ", "  ", "\t", "\r\n", "\n", "\0", "\ufeff", "\u0085", "\u3000", "é", "e\u0301", "日本", "🙂", "👨‍👩‍👧", "'s", "'LL", "12", "!?",
  "low", " newest", END_OF_TEXT, "<|end",
];
const ODD_TEXTS = fc.array(fc.oneof(fc.constantFrom(...PARTS), fc.string({ unit: "grapheme", maxLength: 5 })), { maxLength: 20 })
  .map((parts) => parts.join(""));
/** With halves of characters that stand alone. */
const ANY_TEXT = fc.oneof(ODD_TEXTS, fc.array(fc.nat(0xffff), { maxLength: 30 }).map((units) => String.fromCharCode(...units)));

const PYTHON = `
import json, sys
from tokenizers import Tokenizer, models, trainers, pre_tokenizers, decoders
text = open(sys.argv[1], newline="", encoding="utf8").read()
t = Tokenizer(models.BPE()); t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False); t.decoder = decoders.ByteLevel()
settings = {"special_tokens": ["<|endoftext|>"], "initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}
t.train_from_iterator([text], trainers.BpeTrainer(vocab_size=int(sys.argv[2]), **settings))
t.save(sys.argv[3])
ours = Tokenizer.from_file(sys.argv[4])
print([ours.encode(text).ids for text in json.load(open(sys.argv[5]))])
`;

/** What a Python says that has the library. */
async function python(...values: readonly string[]): Promise<string | null> {
  const program = await pythonProgram();
  try {
    return execFileSync(program, ["-c", PYTHON, ...values], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return null;
  }
}

describe("the library", async () => {
  const [text, ours, theirs] = [join(folder, "text.txt"), await trained(TEXT, 380), join(folder, "theirs.json")];
  writeFileSync(text, TEXT);
  const texts = [`${TEXT}${END_OF_TEXT}`, ...fc.sample(ODD_TEXTS, { seed: 2, numRuns: 300 })];
  writeFileSync(join(folder, "texts.json"), JSON.stringify(texts));
  const ids = await python(text, "380", theirs, ours, join(folder, "texts.json"));
  if (ids === null) console.log("not compared with the library: this Python cannot import tokenizers");

  test.skipIf(ids === null)("trains the same file, and reads ours as we do", () => {
    const [a, b] = [ours, theirs].map((path) => JSON.parse(readFileSync(path, "utf8")) as { readonly model: { readonly merges: unknown } });
    expect(a).toEqual(b);
    const tokenizer = readTokenizer(ours);
    expect(texts.map((each) => [...encodeText(tokenizer, each)])).toEqual(JSON.parse(ids!));
  });

  test("that is written in JavaScript gives the same tokens, but for spaces that only JavaScript knows", () => {
    const [tokenizer, library] = [readTokenizer(ours), new Library(JSON.parse(readFileSync(ours, "utf8")) as object, {})];
    for (const each of texts.map((odd) => odd.replace(/[\ufeff\u0085]/g, ""))) {
      expect([...encodeText(tokenizer, each)], JSON.stringify(each)).toEqual(library.encode(each, { add_special_tokens: false }).ids);
    }
  });
});

describe("encoding", async () => {
  const tokenizer = readTokenizer(await trained(TEXT, 380));
  const encode = (text: string): readonly number[] => [...tokenizer.encode(Buffer.from(text))];

  test.each([["our own", tokenizer], ["bytes", byteTokenizer]])("of %s is undone by decoding, whatever the text", (_, tokenizer) => {
    fc.assert(fc.property(ANY_TEXT, (text) => {
      const written = Buffer.from(text).toString(); // halves of characters cannot be written
      expect(decodeText(tokenizer, encodeText(tokenizer, text))).toBe(written);
    }), { seed: 1, numRuns: 500 });
  });

  test("of one very long word does not take the square of its length", () => { // which would be an hour
    for (const word of ["ab".repeat(100_000), " ".repeat(100_000)]) expect(decodeText(tokenizer, encode(word))).toBe(word);
  });

  test("a character comes out whole, and with it whatever waited", () => {
    const text = "naïve 🙂👨‍👩‍👧 語";
    const { next, end } = tokenizer.decoder();
    const pieces = [...encode(text)].map(next);
    expect(pieces.join("") + end()).toBe(text);
    expect(pieces.join("")).not.toContain("\ufffd");
    expect(pieces).toContain("");
  });

  test("takes merges in their order, and the special token where it is spelled out", () => {
    const texts = encode("the newest test").map((token) => decodeText(tokenizer, [token]));
    expect(texts.join("|")).toBe("t|he| newest| test");
    expect(encode(`a${END_OF_TEXT}${END_OF_TEXT}b`)).toEqual([...encode("a"), 0, 0, ...encode("b")]);
    expect(encode("<|endoftext")).not.toContain(0);
  });

  test("a token may be part of a character", () => {
    const tokens = encode("語");
    expect(tokens.map((token) => decodeText(tokenizer, [token]))).not.toContain("語");
    expect(decodeText(tokenizer, tokens)).toBe("語");
    expect(CHARACTER_OF[0x20]).toBe("Ġ");
  });

  test("tokenizers of other kinds are read by the library", () => {
    const path = join(folder, "unigram.json");
    const vocab = [["<unk>", 0], ["▁", -2], ["▁ab", -1], ["a", -3], ["b", -3.5], ["c", -4]];
    writeFileSync(path, JSON.stringify({
      version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, post_processor: null,
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
      decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true }, model: { type: "Unigram", unk_id: 0, vocab },
    }));
    const unigram = readTokenizer(path);
    expect([...unigram.encode(Buffer.from("ab cab"))]).toEqual([2, 1, 5, 3, 4]);
    expect(decodeText(unigram, [2, 1, 5, 3, 4])).toBe("ab cab");
    expect(unigram.vocabSize).toBe(6);
    const { next, end } = unigram.decoder();
    expect([[2, 1, 5, 3, 4].map(next), end()]).toEqual([["ab", " ", "c", "a", "b"], ""]);
  });

  test.each([
    ["not JSON", "{"], ["no model", "{}"], ["an unknown model", '{"model":{"type":"Magic","vocab":{}}}'],
    ["a list", "[]"], ["null", "null"],
  ])("%s is refused", (_, text) => {
    const path = join(folder, "bad.json");
    writeFileSync(path, text);
    expect(() => readTokenizer(path)).toThrow(/bad\.json is no tokenizer\.json that can be used: /);
  });
});

describe("moeut tokenizer train", () => {
  test("writes the same file each time, and says when text is too short for its vocabulary", async () => {
    const text = join(folder, "short.txt");
    writeFileSync(text, "low low lower");
    const [a, b] = [join(folder, "a.json"), join(folder, "b.json")];
    const first = await moeutHere(["tokenizer", "train", text, "--vocab-size", "300", "--out", a]);
    const second = await moeutHere(["tokenizer", "train", text, "--vocab-size", "300", "--out", b]);
    expect(first.stdout).toMatch(/only 26\d tokens, because no pair of them is left to merge/);
    expect(second.status).toBe(0);
    expect(readFileSync(a, "utf8")).toBe(readFileSync(b, "utf8"));
  });

  test("killed, it leaves no file or the whole one, and run again it writes the same", async () => {
    const text = join(folder, "long.txt");
    writeFileSync(text, Array.from({ length: 20_000 }, (_, i) => `${(i * 7919).toString(36)} ${(i * 104_729).toString(27)}`).join(" "));
    const command = (out: string): readonly string[] => ["tokenizer", "train", text, "--vocab-size", "2000", "--out", out];
    const [out, undisturbed] = [join(folder, "killed.json"), join(folder, "undisturbed.json")];
    const atRename = (moment: string): Promise<CliResult> => moeut(
      command(out), () => {}, ["--import", join(ROOT, "test", "support", "kill-at-rename.mjs")],
      { MOEUT_TEST_KILL: moment, MOEUT_TEST_FOLDER: folder },
    );
    const counting = moeutStopped(command(out), /different words/, "SIGKILL");
    for (const killed of [await counting, await atRename("1 before"), await atRename("1 after")]) expect(killed.status).toBeNull();
    await moeutHere(command(undisturbed));
    const whole = readFileSync(undisturbed, "utf8");
    if (existsSync(out)) expect(readFileSync(out, "utf8")).toBe(whole);
    expect((await moeutHere(command(out))).status).toBe(0);
    expect(readFileSync(out, "utf8")).toBe(whole);
    expect(readdirSync(folder).filter((name) => name.includes(".tmp-"))).toEqual([]);
  });

  test("a vocabulary smaller than the alphabet, and a missing text, are mistakes", async () => {
    const out = join(folder, "c.json");
    expect((await moeutHere(["tokenizer", "train", "x.txt", "--vocab-size", "256", "--out", out])).status).toBe(1);
    expect((await moeutHere(["tokenizer", "train", join(folder, "none.txt"), "--vocab-size", "300", "--out", out])).status).toBe(1);
  });
});

describe("a model and a tokenizer of different sizes", () => {
  const [tiny, demo] = ["tiny", "demo"].map((name) => join(ROOT, "specs", `${name}.moeut`)) as [string, string];
  const [none, run] = [join(folder, "none.txt"), join(folder, "run")];
  const train = (...more: readonly string[]): Promise<CliResult> => moeutHere(["train", tiny, "--data", none, "--out", run, ...more]);
  const compare = (...more: readonly string[]): Promise<CliResult> => moeutHere(["compare", demo, "--data", none, "--out", run, ...more]);

  test("more tokens than the model has room for are refused before the data is read", async () => {
    const path = await trained(TEXT, 300);
    for (const { status, stderr } of [await train("--tokenizer", path), await compare("--tokenizer", path)]) {
      expect(stderr).toMatch(/\.json has 300 tokens, and model \w+ a vocab_size of 256: give it `vocab_size 300` in the spec, or --set/);
      expect(status).toBe(1);
    }
  });

  test("fewer are said", async () => {
    const ofBytes = (await train("--set", "vocab_size=8000")).stderr;
    expect(ofBytes).toMatch(/note: model tiny has a vocab_size of 8,000, of which bytes use the first 256/);
    const { stderr } = await train("--set", "vocab_size=8000", "--tokenizer", await trained(TEXT, 300));
    expect(stderr).toMatch(/note: model tiny has a vocab_size of 8,000, of which .*\.json uses the first 300\n/);
    expect((await train()).stderr).not.toContain("vocab_size");
  });
});
