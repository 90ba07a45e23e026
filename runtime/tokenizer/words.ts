/** A text as the words that merges stay within, piece by piece: memory holds a piece, however long the text. */
import { WORDS } from "./byte-level.ts";

const PIECE = 2 ** 22; // bytes

/** UTF-8 as strings, cut between characters. Bytes that are none become U+FFFD. */
export function* textPieces(bytes: Uint8Array): Generator<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let at = 0; at < bytes.length; at += PIECE) yield decoder.decode(bytes.subarray(at, at + PIECE), { stream: true });
  yield decoder.decode();
}

/** Where pieces are cut changes nothing. */
export function* wordsOf(pieces: Iterable<string>): Generator<string> {
  let rest = "";
  for (const piece of pieces) {
    const text = rest + piece;
    const cut = lastCut(text);
    for (const [word] of text.slice(0, cut).matchAll(WORDS)) yield word;
    rest = text.slice(cut);
  }
  for (const [word] of rest.matchAll(WORDS)) yield word;
}

/** The last place where a word ends whatever follows: in front of a space behind something else. */
function lastCut(text: string): number {
  for (let at = text.length - 1; at > 0; at--) if (isSpace(text, at) && !isSpace(text, at - 1)) return at;
  return 0;
}

const isSpace = (text: string, at: number): boolean => /\s/u.test(text[at]!);

/** Where the texts are cut changes nothing. */
export async function countWords(texts: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const count = (text: string): void => {
    for (const [word] of text.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + 1);
  };
  let rest = "";
  for await (const bytes of texts) {
    const text = rest + decoder.decode(bytes, { stream: true });
    const cut = lastCut(text);
    count(text.slice(0, cut));
    rest = text.slice(cut);
  }
  count(rest + decoder.decode());
  return counts;
}
