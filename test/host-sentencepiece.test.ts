/** SentencePiece models: the ids and the text of the library `sentencepiece`, from tokenizers/make.py. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { decodeText, encodeText } from "../runtime/data/index.ts";
import { readTokenizer } from "../runtime/tokenizer/file.ts";

interface Expected {
  readonly ids: readonly (readonly number[])[];
  readonly decoded: readonly string[];
  /** Tokens at random. */
  readonly drawn: readonly (readonly number[])[];
  readonly drawnDecoded: readonly string[];
}

const HERE = join(import.meta.dirname, "tokenizers");
const EXPECTED = JSON.parse(readFileSync(join(HERE, "expected.json"), "utf8")) as Readonly<Record<"bpe" | "unigram", Expected>> & {
  readonly texts: readonly string[];
};
const folder = mkdtempSync(join(tmpdir(), "moeut-pieces-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The library has one U+FFFD for each byte that is part of no character, we have one for bytes that might have begun one. */
const withOneMark = (text: string): string => text.replace(/\ufffd+/g, "\ufffd");

describe.each(["bpe", "unigram"] as const)("%s", (kind) => {
  const tokenizer = readTokenizer(join(HERE, `${kind}.model`));
  const { ids, decoded, drawn, drawnDecoded } = EXPECTED[kind];

  test("gives the library's ids, whatever the text", () => {
    for (const [i, text] of EXPECTED.texts.entries()) expect([...encodeText(tokenizer, text)], JSON.stringify(text)).toEqual(ids[i]);
  });

  test("reads as the library writes", () => {
    expect(ids.map((tokens) => decodeText(tokenizer, tokens))).toEqual(decoded);
    expect(drawn.map((tokens) => withOneMark(decodeText(tokenizer, tokens)))).toEqual(drawnDecoded.map(withOneMark));
  });

  test("streams: the pieces are the text, and no character is split", () => fc.assert(fc.property(fc.constantFrom(...ids), (tokens) => {
    const { next, end } = tokenizer.decoder();
    const pieces = tokens.map(next);
    expect(pieces.join("") + end()).toBe(decodeText(tokenizer, tokens));
    for (const piece of pieces) expect(Buffer.from(piece).toString()).toBe(piece); // no half of a surrogate pair
  }), { seed: 1 }));

  test("is the same from the tokenizer.json that a run keeps", () => {
    const path = join(folder, `${kind}.json`);
    writeFileSync(path, tokenizer.file!);
    const again = readTokenizer(path);
    expect([again.id, again.vocabSize, again.endOfText]).toEqual([tokenizer.id, tokenizer.vocabSize, 2]);
    for (const [i, text] of EXPECTED.texts.entries()) expect([...encodeText(again, text)]).toEqual(ids[i]);
  });

  test("long texts are cut where no piece spans the cut", () => {
    const line = "the pipeline reads what the plan wrote, 12 times. ";
    const text = line.repeat(3000);
    const one = [...encodeText(tokenizer, `${line}${line}`)].length - [...encodeText(tokenizer, line)].length;
    const many = [...encodeText(tokenizer, text)];
    expect(decodeText(tokenizer, many).trimEnd()).toBe(text.trimEnd());
    expect(Math.abs(many.length - 3000 * one)).toBeLessThan(10);
  });
});

describe("a file that is none", () => {
  const model = readFileSync(join(HERE, "bpe.model"));
  const messageOf = (bytes: Uint8Array): string => {
    const path = join(folder, "bad.model");
    writeFileSync(path, bytes);
    try {
      encodeText(readTokenizer(path), "a 🙂 text");
      return "it can be read";
    } catch (error) {
      return (error as Error).message;
    }
  };

  test.each([
    ["empty", new Uint8Array(0)], ["text", Buffer.from("a text, not a model")], ["another protocol buffer", Uint8Array.of(8, 1)],
  ])("%s is said", (_, bytes) => expect(messageOf(bytes)).toMatch(/bad\.model is no .* that can be used: it is no SentencePiece model/));

  test("models of words are said to be that", () => {
    const words = Buffer.concat([model, Uint8Array.of(0x12, 2, 0x18, 3)]); // the last trainer_spec counts: model_type 3
    expect(messageOf(words)).toMatch(/models? of words or characters; unigram and bpe are supported/);
  });

  test("one that is cut off or changed is refused or read, and never crashes", () => fc.assert(fc.property(
    fc.nat(model.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
      const bytes = Buffer.from(cut ? model.subarray(0, at) : model);
      if (!cut) bytes[at] = byte;
      expect(messageOf(bytes)).toMatch(/^it can be read$|bad\.model is no SentencePiece model that can be used: it /);
    }), { seed: 1, numRuns: 100 }));
});
