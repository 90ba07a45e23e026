/** Documents of text files. */
import type { Document, DocumentOptions, TextPieces } from "./document.ts";

/** A document that is longer is cut into passages: behind the first blank line after SHORT bytes, else behind the last line before LONG. */
const SHORT = 2 ** 14;
const LONG = 2 ** 16;

/** Where the pieces of the text are cut changes nothing. */
export async function* passagesOf(_: string, text: TextPieces, { between }: DocumentOptions): AsyncGenerator<Document> {
  const separator = between === "" ? null : Buffer.from(between);
  const needed = LONG + (separator?.length ?? 0);
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of text()) {
    rest = Buffer.concat([rest, piece]);
    let from = 0;
    for (let cut = cutOf(rest, from, separator); rest.length - from > needed && cut !== null; cut = cutOf(rest, from, separator)) {
      yield cut.document;
      from = cut.next;
    }
    rest = rest.subarray(from);
  }
  for (let cut = cutOf(rest, 0, separator); cut !== null; cut = cutOf(rest, 0, separator)) {
    yield cut.document;
    rest = rest.subarray(cut.next);
  }
  if (rest.length > 0) yield { text: rest, continues: false };
}

interface Cut {
  readonly document: Document;
  readonly next: number;
}

/** The first document or passage from `from` on, if more follows it. */
function cutOf(text: Buffer, from: number, separator: Buffer | null): Cut | null {
  const window = text.subarray(from, from + LONG + (separator?.length ?? 0));
  const end = separator === null ? -1 : window.indexOf(separator);
  if (end >= 0) return { document: { text: window.subarray(0, end), continues: false }, next: from + end + separator!.length };
  const length = passageLength(window);
  if (length >= text.length - from) return null;
  return { document: { text: window.subarray(0, length), continues: true }, next: from + length };
}

function passageLength(window: Buffer): number {
  const blank = window.indexOf("\n\n", SHORT);
  if (blank >= 0 && blank + 2 <= LONG) return blank + 2;
  if (window.length <= LONG) return window.length;
  const line = window.lastIndexOf(0x0a, LONG - 1);
  return line > 0 ? line + 1 : wholeCharacters(window);
}

/** At most LONG bytes; of bytes that are no UTF-8, so many. */
function wholeCharacters(window: Buffer): number {
  for (let at = LONG; at > LONG - 4; at--) if ((window[at]! & 0xc0) !== 0x80) return at;
  return LONG;
}
