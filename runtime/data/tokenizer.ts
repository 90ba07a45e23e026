/** Narrowest array that holds the tokens of a vocabulary. */
export type TokenArray = Uint8Array | Uint16Array | Uint32Array;

/** Text to tokens and back. Text is UTF-8 bytes, so that a token may hold part of a character and no byte is ever lost. */
export interface Tokenizer {
  /** Recorded with every run: equal ids mean equal tokens for every text. */
  readonly id: string;
  readonly vocabSize: number;
  /** The text of its tokenizer.json, which a run keeps; not of bytes. */
  readonly file?: string;
  encode(text: Uint8Array): TokenArray;
  decode(tokens: ArrayLike<number>): Uint8Array;
}

/** Every byte is its own token. */
export const byteTokenizer: Tokenizer = {
  id: "bytes",
  vocabSize: 256,
  encode: (text) => text,
  decode: (tokens) => Uint8Array.from(tokens),
};

export const encodeText = (tokenizer: Tokenizer, text: string): TokenArray => tokenizer.encode(Buffer.from(text, "utf8"));

/** Bytes that are not UTF-8 become U+FFFD. For streams, feed `decode` to a TextDecoder with { stream: true } instead. */
export const decodeText = (tokenizer: Tokenizer, tokens: ArrayLike<number>): string =>
  Buffer.from(tokenizer.decode(tokens)).toString("utf8");
