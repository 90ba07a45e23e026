/** tokenizer.json, the file format of Hugging Face's `tokenizers`: what we train is written so, and whatever is written so can be used. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { readFileSync } from "node:fs";
import { cannotRead, messageOf, UserError } from "../errors.ts";
import type { TokenArray, Tokenizer } from "../data/index.ts";
import { sha256 } from "../files/sha256.ts";
import { ALPHABET, CHARACTER_OF } from "./byte-level.ts";
import type { Merge } from "./train.ts";
import { textPieces, wordsOf } from "./words.ts";

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** Numbers of tokens; Unigram has a list of tokens with their scores. */
type Vocabulary = Readonly<Record<string, number>> | readonly (readonly [string, number])[];

/** The parts that are looked at here; the library reads the rest. */
interface TokenizerJson {
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: { readonly type: string; readonly add_prefix_space?: boolean; readonly use_regex?: boolean } | null;
  readonly post_processor: { readonly type: string } | null;
  readonly decoder: { readonly type: string } | null;
  readonly model: { readonly type: string; readonly vocab: Vocabulary };
}

/** Between documents; no text that was not meant so contains it. */
export const END_OF_TEXT = "<|endoftext|>";

const LONGEST_WHOLE = 2 ** 28; // bytes
/** Added tokens that are looked for one by one. */
const MOST_ADDED = 16;

/** The file of byte-level merges behind one special token, END_OF_TEXT. The same merges give the same bytes. */
export function tokenizerText(merges: readonly Merge[]): string {
  const tokens = [END_OF_TEXT, ...ALPHABET.map((byte) => CHARACTER_OF[byte]!)];
  for (const { left, right } of merges) tokens.push(tokens[left]! + tokens[right]!);
  const pairs = merges.map(({ left, right }) => [tokens[left]!, tokens[right]!]);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return `${JSON.stringify({
    version: "1.0", truncation: null, padding: null,
    added_tokens: [{ id: 0, content: END_OF_TEXT, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }],
    normalizer: null, pre_tokenizer: byteLevel, post_processor: null, decoder: { ...byteLevel, add_prefix_space: true },
    model: {
      type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
      byte_fallback: false, ignore_merges: false, vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: pairs,
    },
  }, null, 1)}\n`;
}

/** UserError for what is no tokenizer.json or has a part that is not known. */
export function readTokenizer(path: string): Tokenizer {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw cannotRead(path, error);
  }
  try {
    return parseTokenizer(text);
  } catch (error) {
    throw new UserError(`${path} is no tokenizer.json that can be used: ${messageOf(error)}`);
  }
}

const isList = (vocabulary: Vocabulary): vocabulary is readonly (readonly [string, number])[] => Array.isArray(vocabulary);

function parseTokenizer(text: string): Tokenizer {
  const json = JSON.parse(text) as TokenizerJson;
  if (typeof json.model !== "object" || typeof json.model?.type !== "string") throw new Error("it has no model");
  const library = new Library(json, { clean_up_tokenization_spaces: false });
  const added = json.added_tokens ?? [];
  const { vocab } = json.model;
  const ids = [...(isList(vocab) ? vocab.keys() : Object.values(vocab)), ...added.map(({ id }) => id)];
  const vocabSize = ids.reduce((most, id) => Math.max(most, id + 1), 0);
  const decodePlain = (tokens: number[]): string => (tokens.length === 0 ? "" : library.decode(tokens, { skip_special_tokens: false }));
  const encodePlain = (piece: string): readonly number[] => library.encode(piece, { add_special_tokens: false }).ids;
  return {
    id: `json:${sha256([text]).slice(0, 32)}`, vocabSize, file: text,
    encode: isPlainByteLevel(json) ? byWords(added, encodePlain, vocabSize) : (bytes) => tokenArray(encodePlain(whole(bytes)), vocabSize),
    decode: json.decoder?.type === "ByteLevel" ? byteLevelDecoder(json) : (tokens) => Buffer.from(decodePlain(Array.from(tokens))),
  };
}

/** A text for tokenizers that look at it as a whole. */
function whole(bytes: Uint8Array): string {
  if (bytes.length <= LONGEST_WHOLE) return [...textPieces(bytes)].join("");
  throw new UserError(`this tokenizer reads a text as a whole, and ${bytes.length} bytes are too many; byte-level ones read any`);
}

/** Words are independent of each other: each different one is encoded once. */
function isPlainByteLevel(json: TokenizerJson): boolean {
  const { model, normalizer, pre_tokenizer: pre, post_processor: post, added_tokens: added = [] } = json;
  const splits = pre?.type === "ByteLevel" && pre.use_regex !== false && pre.add_prefix_space === false;
  return model.type === "BPE" && normalizer === null && splits && (post === null || post.type === "ByteLevel")
    && added.length <= MOST_ADDED && added.every((token) => !token.lstrip && !token.rstrip && !token.single_word && !token.normalized);
}

function byWords(added: readonly AddedToken[], encodePlain: (word: string) => readonly number[], vocabSize: number): Tokenizer["encode"] {
  const known = new Map<string, readonly number[]>();
  const tokensOf = (word: string): readonly number[] => {
    const tokens = known.get(word) ?? encodePlain(word);
    known.set(word, tokens);
    return tokens;
  };
  return (bytes) => {
    const tokens = createTokens(vocabSize);
    for (const { text, then } of betweenAdded(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), added)) {
      for (const word of wordsOf(textPieces(text))) tokens.add(tokensOf(word));
      if (then !== null) tokens.add([then]);
    }
    return tokens.all();
  };
}

/** A text cut at the added tokens that it spells out: at the first there is, of those that begin there the longest. */
function* betweenAdded(text: Buffer, added: readonly AddedToken[]): Generator<{ readonly text: Buffer; readonly then: number | null }> {
  const waiting = added.map(({ content, id }) => ({ bytes: Buffer.from(content), id, at: text.indexOf(content) }));
  let from = 0;
  for (;;) {
    for (const token of waiting) if (token.at >= 0 && token.at < from) token.at = text.indexOf(token.bytes, from);
    const [next] = waiting.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at || b.bytes.length - a.bytes.length);
    yield { text: text.subarray(from, next?.at), then: next?.id ?? null };
    if (next === undefined) return;
    from = next.at + next.bytes.length;
  }
}

/** Tokens as they come, in an array that grows. */
function createTokens(vocabSize: number): { add(more: readonly number[]): void; all(): TokenArray } {
  let tokens = tokenArray([], vocabSize, 1024);
  let length = 0;
  return {
    add(more) {
      if (length + more.length > tokens.length) {
        const grown = tokenArray([], vocabSize, 2 * (length + more.length));
        grown.set(tokens);
        tokens = grown;
      }
      tokens.set(more, length);
      length += more.length;
    },
    all: () => tokens.slice(0, length),
  };
}

function tokenArray(tokens: readonly number[], vocabSize: number, room = tokens.length): TokenArray {
  const array = vocabSize <= 256 ? new Uint8Array(room) : vocabSize <= 65536 ? new Uint16Array(room) : new Uint32Array(room);
  array.set(tokens);
  return array;
}

/** Token by token, so that a token may end within a character and no byte is lost. */
function byteLevelDecoder({ model, added_tokens: added = [] }: TokenizerJson): Tokenizer["decode"] {
  const byteOf = new Map(CHARACTER_OF.map((character, byte) => [character, byte]));
  const bytesOf = (token: string): Uint8Array => Uint8Array.from(token, (character) => byteOf.get(character) ?? 0xfffd);
  const texts = new Map<number, Uint8Array>(Object.entries(model.vocab).map(([token, id]) => [id, bytesOf(token)]));
  for (const { id, content } of added) texts.set(id, Buffer.from(content));
  return (tokens) => Buffer.concat(Array.from(tokens, (token) => texts.get(token) ?? new Uint8Array(0)));
}
