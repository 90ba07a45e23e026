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

/** Where the texts are cut changes nothing. */
export async function countWords(texts: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const [decoder, cutter] = [createUtf8Decoder(), createCutter()];
  const count = (text: string): void => {
    for (const word of wordsOf(text)) {
      const known = counts.get(word);
      counts.set(known === undefined ? ownCopy(word) : word, (known ?? 0) + 1);
    }
  };
  for await (const bytes of texts) count(cutter.next(decoder.decode(bytes, { stream: true })));
  count(cutter.next(decoder.decode()) + cutter.end());
  return counts;
}
