/** Between text and tokens. */

export interface TextCode {
  encode(text: string): readonly number[];
  /** For one text, from its first token on. */
  decoder(): TextDecoding;
}

export interface TextDecoding {
  /** What the token completes: whole characters, or "". */
  next(token: number): string;
  /** What is left behind the last token: U+FFFD for a part of a character, or "". */
  end(): string;
}

/** Every byte of UTF-8 is a token. */
export const BYTES: TextCode = {
  encode: (text) => [...new TextEncoder().encode(text)],
  decoder: () => {
    const decoder = new TextDecoder();
    return { next: (token) => decoder.decode(Uint8Array.of(token), { stream: true }), end: () => decoder.decode() };
  },
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
