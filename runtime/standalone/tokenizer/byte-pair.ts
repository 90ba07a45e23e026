/** Byte-level BPE of a tokenizer.json, as GPT-2's: the ids of Hugging Face's library `tokenizers`. */
import { byteDecoding, type TextCode } from "../text.ts";
import { CHARACTER_OF, createCutter, wordsOf } from "./byte-level.ts";
import { addedPattern, type AddedToken, type TokenizerJson } from "./json.ts";
import { mergeAll, type RankOf } from "./merge.ts";
import { remembered } from "./remembered.ts";

/** @returns null for every other kind of file */
export function bytePairCode(json: TokenizerJson): TextCode | null {
  if (!isBytePair(json)) return null;
  const { model } = json;
  const added = json.added_tokens ?? [];
  const vocabulary = model.vocab as Readonly<Record<string, number>>;
  const texts = bytesOfTokens(vocabulary, added);
  return {
    vocabSize: Math.max(...texts.keys()) + 1,
    encode: encoder(new Map(Object.entries(vocabulary)), ranks(model.merges!), added),
    decoder: () => byteDecoding((token) => texts.get(token) ?? NOTHING),
  };
}

const NOTHING = new Uint8Array(0);

/** Words are independent of each other, and added tokens stand wherever they are spelled out. */
export function isBytePair(json: TokenizerJson): boolean {
  const { model, normalizer, pre_tokenizer: pre, post_processor: post, decoder, added_tokens: added } = json;
  const isPlain = model.type === "BPE" && !model.dropout && !model.ignore_merges && !model.byte_fallback && !model.unk_token
    && !model.continuing_subword_prefix && !model.end_of_word_suffix && Array.isArray(model.merges);
  const splits = pre?.type === "ByteLevel" && pre.use_regex !== false && pre.add_prefix_space === false;
  const isWhole = !normalizer && (!post || post.type === "ByteLevel") && decoder?.type === "ByteLevel";
  return isPlain && splits && isWhole && (added ?? []).every(isPlainToken);
}

/** Spaces around it stay, and no end of a word is inside. */
const isPlainToken = ({ lstrip, rstrip, single_word, normalized, content }: AddedToken): boolean =>
  !lstrip && !rstrip && !single_word && !normalized && content !== "" && !/\p{White_Space}/u.test(content);

function ranks(merges: NonNullable<TokenizerJson["model"]["merges"]>): RankOf {
  const pairs = merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  const rankOfPair = new Map(pairs.map((pair, rank) => [pair, rank]));
  return (left, right) => rankOfPair.get(`${left} ${right}`);
}

function encoder(vocabulary: ReadonlyMap<string, number>, rankOf: RankOf, added: readonly AddedToken[]): TextCode["encode"] {
  const utf8 = new TextEncoder();
  const tokensOfWord = remembered((word) => {
    const symbols = Array.from(utf8.encode(word), (byte) => CHARACTER_OF[byte]!);
    return mergeAll(symbols, rankOf).flatMap((symbol) => vocabulary.get(symbol) ?? []);
  });
  const pattern = addedPattern(added.map(({ content }) => content));
  const idOf = new Map(added.map(({ content, id }) => [content, id]));
  function* tokensOf(text: string): Generator<readonly number[]> {
    for (const [i, part] of text.split(pattern).entries()) {
      if (i % 2 === 1) yield [idOf.get(part)!];
      else for (const word of wordsOf(part)) yield tokensOfWord(word);
    }
  }
  return function* (pieces) {
    const cutter = createCutter();
    for (const piece of pieces) yield* tokensOf(cutter.next(piece));
    yield* tokensOf(cutter.end());
  };
}

function bytesOfTokens(vocabulary: Readonly<Record<string, number>>, added: readonly AddedToken[]): ReadonlyMap<number, Uint8Array> {
  const byteOf = new Map(CHARACTER_OF.map((character, byte) => [character, byte]));
  const bytesOf = (token: string): Uint8Array => Uint8Array.from([...token].flatMap((character) => byteOf.get(character) ?? []));
  const texts = new Map(Object.entries(vocabulary).map(([token, id]) => [id, bytesOf(token)]));
  for (const { id, content } of added) texts.set(id, new TextEncoder().encode(content));
  return texts;
}
