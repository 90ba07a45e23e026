import { BYTES, type TextDecoding } from "../standalone/text.ts";

/** Narrowest array that holds the tokens of a vocabulary. */
export type TokenArray = Uint8Array | Uint16Array | Uint32Array;

/** Text to tokens and back. Text is UTF-8 bytes, and a token may hold part of a character. */
export interface Tokenizer {
  /** Recorded with every run: equal ids mean equal tokens for every text. */
  readonly id: string;
  readonly vocabSize: number;
  /** The token that ends a text, or null for tokenizers without one. */
  readonly endOfText: number | null;
  /** The text of its tokenizer.json, which a run keeps; not of bytes. */
  readonly file?: string;
  encode(text: Uint8Array): TokenArray;
  /** For one text, from its first token on: characters come out whole. */
  decoder(): TextDecoding;
}

/** Every byte is its own token. */
export const byteTokenizer: Tokenizer = { id: "bytes", vocabSize: 256, endOfText: null, encode: (text) => text, decoder: BYTES.decoder };

export const encodeText = (tokenizer: Tokenizer, text: string): TokenArray => tokenizer.encode(Buffer.from(text, "utf8"));

/** Bytes that are not UTF-8 become U+FFFD. */
export function decodeText(tokenizer: Tokenizer, tokens: ArrayLike<number>): string {
  const { next, end } = tokenizer.decoder();
  return Array.from(tokens, next).join("") + end();
}
