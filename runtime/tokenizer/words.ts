/** Text in pieces, and how often each word occurs in it. */
import { createUtf8Decoder } from "../standalone/text.ts";
import { createCutter, wordsOf } from "../standalone/tokenizer/byte-level.ts";
import { ownCopy } from "../standalone/tokenizer/remembered.ts";

const PIECE = 2 ** 22; // bytes

/** UTF-8 as strings, cut between characters. Bytes that are none become U+FFFD. */
export function* textPieces(bytes: Uint8Array): Generator<string> {
  const decoder = createUtf8Decoder();
  for (let at = 0; at < bytes.length; at += PIECE) yield decoder.decode(bytes.subarray(at, at + PIECE), { stream: true });
  yield decoder.decode();
}

/** What is counted apart: memory does not grow with the text. */
export const MOST_WORDS = 2 ** 20;

/**
 * Where the texts are cut changes nothing. Where there are more different words than `most`, those that came least often so far are
 * forgotten, until half as many are left (as in lossy counting, Manku and Motwani 2002): what is frequent is found whatever else there is.
 * @param onForget told each time
 */
export async function countWords(
  texts: AsyncIterable<Uint8Array>, most = MOST_WORDS, onForget: () => void = () => {},
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const [decoder, cutter] = [createUtf8Decoder(), createCutter()];
  const count = (text: string): void => {
    for (const word of wordsOf(text)) {
      const known = counts.get(word);
      counts.set(known === undefined ? ownCopy(word) : word, (known ?? 0) + 1);
      if (counts.size <= most) continue;
      forgetRare(counts, most / 2);
      onForget();
    }
  };
  for await (const bytes of texts) count(cutter.next(decoder.decode(bytes, { stream: true })));
  count(cutter.next(decoder.decode()) + cutter.end());
  return counts;
}

function forgetRare(counts: Map<string, number>, most: number): void {
  for (let rare = 1; counts.size > most; rare++) {
    for (const [word, count] of counts) if (count <= rare) counts.delete(word);
  }
}
