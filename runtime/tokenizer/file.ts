/** tokenizer.json, the file format of Hugging Face's `tokenizers`: what we train is written so, and whatever is written so can be used. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { readFileSync } from "node:fs";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { cannotRead, messageOf, UserError } from "../errors.ts";
import type { TokenArray, Tokenizer } from "../data/index.ts";
import { sha256 } from "../files/sha256.ts";
import { ALPHABET, CHARACTER_OF } from "../standalone/tokenizer/byte-level.ts";
import type { TokenizerJson } from "../standalone/tokenizer/json.ts";
import { libraryCode } from "../standalone/tokenizer/library.ts";
import { textCodeOf } from "../standalone/tokenizer/read.ts";
import { addedToken } from "./added-token.ts";
import { tokenizerOfPieces } from "./sentencepiece.ts";
import type { Merge } from "./train.ts";
import { textPieces } from "./words.ts";

/** Between documents; no text that was not meant so contains it. */
const END_OF_TEXT = "<|endoftext|>";

/** What others call it. */
const ENDS: readonly string[] = [END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "[SEP]"];

/** The file of byte-level merges behind one special token, END_OF_TEXT. The same merges give the same bytes. */
export function tokenizerText(merges: readonly Merge[]): string {
  const tokens = [END_OF_TEXT, ...ALPHABET.map((byte) => CHARACTER_OF[byte]!)];
  for (const { left, right } of merges) tokens.push(tokens[left]! + tokens[right]!);
  const pairs = merges.map(({ left, right }) => [tokens[left]!, tokens[right]!]);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return `${JSON.stringify({
    version: "1.0", truncation: null, padding: null, added_tokens: [addedToken(0, END_OF_TEXT, true)],
    normalizer: null, pre_tokenizer: byteLevel, post_processor: null, decoder: { ...byteLevel, add_prefix_space: true },
    model: {
      type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
      byte_fallback: false, ignore_merges: false, vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: pairs,
    },
  }, null, 1)}\n`;
}

/** A tokenizer.json, or a SentencePiece `.model`. UserError for what is neither or has a part that is not known. */
export function readTokenizer(path: string): Tokenizer {
  const bytes = readWhole(path);
  const isPieces = /\.model$/i.test(path) && !/^\s*[[{]/.test(bytes.toString("latin1", 0, 100));
  if (!isPieces) return parseTokenizer(path, bytes.toString("utf8"));
  return parseTokenizer(path, usable(`${path} is no SentencePiece model`, () => tokenizerOfPieces(bytes)));
}

/** UserError if a model has no room for all tokens. @param what has them */
export function requireRoom(what: string, { vocabSize }: Tokenizer, models: readonly Pick<ModelSpec, "name" | "vocabSize">[]): void {
  const small = models.find((model) => model.vocabSize < vocabSize);
  if (small === undefined) return;
  throw new UserError(`${what} has ${vocabSize} tokens, and model ${small.name} a vocab_size of ${small.vocabSize}: `
    + `give it \`vocab_size ${vocabSize}\` in the spec, or --set vocab_size=${vocabSize}`);
}

function usable<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new UserError(`${what} that can be used: ${messageOf(error)}`);
  }
}

function readWhole(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** The text of a tokenizer.json. UserError as above. @param name in messages */
export const parseTokenizer = (name: string, text: string): Tokenizer => usable(`${name} is no tokenizer.json`, () => tokenizerOf(text));

function tokenizerOf(text: string): Tokenizer {
  const json = JSON.parse(text) as TokenizerJson;
  if (typeof json?.model !== "object" || typeof json.model?.type !== "string") throw new Error("it has no model");
  const { vocabSize, encode, decoder, isWhole = false } = textCodeOf(json) ?? libraryCode(json, Library);
  const ends = ENDS.flatMap((end) => (json.added_tokens ?? []).filter(({ content }) => content === end));
  return {
    id: `json:${sha256([text]).slice(0, 32)}`, vocabSize, endOfText: ends[0]?.id ?? null, file: text, decoder,
    encode: (bytes) => encodable(() => collected(encode(textPieces(isWhole ? notTooLong(bytes) : bytes)), vocabSize)),
  };
}

/** A text may hold what a closed vocabulary has no token for. */
function encodable<T>(encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    throw error instanceof RangeError ? new UserError(error.message) : error;
  }
}

const LONGEST_WHOLE = 2 ** 28; // bytes

function notTooLong(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= LONGEST_WHOLE) return bytes;
  throw new UserError(`this tokenizer reads a text as a whole, and ${bytes.length} bytes are too many; byte-level ones read any`);
}

/** Tokens as they come, in an array that grows. */
function collected(parts: Iterable<ArrayLike<number>>, vocabSize: number): TokenArray {
  let tokens = tokenArray(1024, vocabSize);
  let length = 0;
  for (const part of parts) {
    if (length + part.length > tokens.length) {
      const grown = tokenArray(2 * (length + part.length), vocabSize);
      grown.set(tokens);
      tokens = grown;
    }
    tokens.set(part, length);
    length += part.length;
  }
  return tokens.slice(0, length);
}

const tokenArray = (room: number, vocabSize: number): TokenArray =>
  (vocabSize <= 256 ? new Uint8Array(room) : vocabSize <= 65536 ? new Uint16Array(room) : new Uint32Array(room));
