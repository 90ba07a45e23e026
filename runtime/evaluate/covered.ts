/** The text behind tokens: figures by bytes and by words can be compared between tokenizers. */
import { byteTokenizer, type Tokenizer, type Windows } from "../data/index.ts";

export interface Covered {
  /** UTF-8. */
  readonly bytes: number;
  /** Between runs of white space. */
  readonly words: number;
}

/** Of the tokens that count in some of the windows. Marks of the tokenizer are no text. @param chosen numbers of windows, in order */
export function coveredBy(tokenizer: Tokenizer, { tokens, starts, scoredFrom, scoredTo }: Windows, chosen: readonly number[]): Covered {
  const counter = createCounter();
  const isBytes = tokenizer.id === byteTokenizer.id; // of any encoding, while a decoder makes characters of them
  let [decoding, end] = [tokenizer.decoder(), NaN];
  const finish = (): void => counter.add(`${decoding.end()}\n`, 0);
  for (const window of chosen) {
    const first = starts[window]! + scoredFrom[window]! + 1;
    if (first !== end) [decoding] = [tokenizer.decoder(), finish()];
    const range = new Uint32Array(scoredTo[window]! - scoredFrom[window]!);
    tokens.read(first, range);
    for (const token of range) if (token !== tokenizer.endOfText) counter.add(decoding.next(token), isBytes ? 1 : null);
    end = first + range.length;
  }
  finish();
  return counter.total();
}

/** Of a text, as lm-evaluation-harness counts: what stands between runs of white space, and nothing in front of one at the beginning. */
export const coveredText = (text: Uint8Array): Covered =>
  ({ bytes: text.length, words: Buffer.from(text).toString("utf8").split(/\s+/u).length });

/** A word that pieces are cut within is one. A piece has as many bytes as is said, or its own. */
function createCounter(): { add(piece: string, length: number | null): void; total(): Covered } {
  let [bytes, words, isInWord] = [0, 0, false];
  return {
    add(piece, length) {
      bytes += length ?? Buffer.byteLength(piece);
      words += (piece.match(/\S+/gu)?.length ?? 0) - (isInWord && /^\S/u.test(piece) ? 1 : 0);
      if (piece !== "") isInWord = /\S$/u.test(piece);
    },
    total: () => ({ bytes, words }),
  };
}
