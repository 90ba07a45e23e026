/** Between text and tokens. */

export interface TextCode {
  /** Tokens are below this. */
  readonly vocabSize: number;
  /** It looks at a text as a whole, which has to fit into memory. */
  readonly isWhole?: boolean;
  /** @param pieces of a text, cut between characters: where they are cut makes no difference */
  encode(pieces: Iterable<string>): Iterable<ArrayLike<number>>;
  /** For one text, from its first token on. */
  decoder(): TextDecoding;
}

export interface TextDecoding {
  /** What the token completes: whole characters, or "". */
  next(token: number): string;
  /** What is left behind the last token: U+FFFD for a part of a character, or "". */
  end(): string;
}

export const tokensOf = ({ encode }: TextCode, text: string): readonly number[] =>
  Array.from(encode([text]), (part) => Array.from(part)).flat();

/** Text of tokens that are bytes of UTF-8. Bytes that are none become U+FFFD, and a mark at the beginning stays. */
export function byteDecoding(bytesOf: (token: number) => Uint8Array): TextDecoding {
  const decoder = createUtf8Decoder();
  return { next: (token) => decoder.decode(bytesOf(token), { stream: true }), end: () => decoder.decode() };
}

export const createUtf8Decoder = (): InstanceType<typeof TextDecoder> => new TextDecoder("utf-8", { ignoreBOM: true });

/** Every byte of UTF-8 is a token. */
export const BYTES: TextCode = {
  vocabSize: 256,
  *encode(pieces) {
    for (const piece of pieces) yield new TextEncoder().encode(piece);
  },
  decoder: () => byteDecoding((token) => Uint8Array.of(token)),
};

/** Pieces of text as their tokens come. */
export async function* decodeTokens(tokens: AsyncIterable<number>, { next, end }: TextDecoding): AsyncGenerator<string> {
  for await (const token of tokens) {
    const text = next(token);
    if (text !== "") yield text;
  }
  const rest = end();
  if (rest !== "") yield rest;
}
