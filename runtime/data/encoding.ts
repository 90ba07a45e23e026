/** From the bytes of a file to its text: encoded text is recognised by how it begins, and what is no text is refused by name. */
import { isUtf8 } from "node:buffer";
import { messageOf, UserError } from "../errors.ts";

/** How files that people take for text begin, as Latin-1, and where that is not at the start. */
const FORMATS: readonly (readonly [begin: string, what: string, at?: number])[] = [
  ["\x1f\x8b", "gzip within gzip"], ["\x28\xb5\x2f\xfd", "Zstandard"], ["BZh", "bzip2"], ["\xfd7zXZ\0", "xz"], ["\x04\x22\x4d\x18", "LZ4"],
  ["PK\x03\x04", "a zip archive (or a document or workbook, which is one)"], ["PK\x05\x06", "an empty zip archive"],
  ["7z\xbc\xaf\x27\x1c", "a 7z archive"], ["Rar!\x1a\x07", "a RAR archive"], ["ustar", "a tar archive", 257],
  ["PAR1", "Parquet"], ["ARROW1\0", "Arrow"], ["ORC", "ORC"], ["Obj\x01", "Avro"], ["SQLite format 3\0", "an SQLite database"],
  ["\x89HDF\r\n", "HDF5"], ["\x93NUMPY", "a NumPy array"], ["GGUF", "GGUF weights"],
  ["%PDF-", "a PDF"], ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"],
  ["\x89PNG\r\n", "a PNG image"], ["\xff\xd8\xff", "a JPEG image"], ["GIF8", "a GIF image"],
  ["RIFF", "a RIFF file (sound, video or WebP)"], ["ID3", "MP3 sound"], ["OggS", "Ogg sound"], ["fLaC", "FLAC sound"],
  ["ftyp", "MP4 video", 4], ["\x7fELF", "a program"], ["\0asm", "WebAssembly"],
];

/** Those that may be valid UTF-8 all the same. */
const WRITTEN_IN_LETTERS = /^(%PDF-|\{\\rtf1)/;

const UNPACK: Readonly<Record<string, string>> = { Zstandard: "zstd -d", bzip2: "bunzip2", xz: "unxz", LZ4: "lz4 -d" };

/** Marks in front of text that is not UTF-8; longer ones first. */
const MARKS = [["\xff\xfe\0\0", "UTF-32LE"], ["\0\0\xfe\xff", "UTF-32BE"], ["\xff\xfe", "UTF-16LE"], ["\xfe\xff", "UTF-16BE"]] as const;

type Encoding = (typeof MARKS)[number][1];

/** null for UTF-8; else what a mark says, and the text is UTF-8 now; or "unknown", and its bytes are as they were. */
export type Found = Encoding | "unknown" | null;

/** Bytes become UTF-8 piece by piece; a piece of sound text ends with a whole character. UserError for what is not text. */
export interface TextDecoding {
  push(bytes: Uint8Array): Uint8Array;
  /** What was held back. */
  end(): Uint8Array;
  /** Known at the end. */
  found(): Found;
}

/** Enough to know any format by its beginning. */
const HEAD = 512;

/** @param path for messages */
export function createTextDecoding(path: string): TextDecoding {
  let head: Uint8Array = new Uint8Array(0);
  let inner: TextDecoding | null = null;
  const begin = (bytes: Uint8Array): Uint8Array => {
    const mark = MARKS.find(([start]) => beginsWith(bytes, start));
    inner = withoutZeros(path, mark === undefined ? utf8(path) : marked(path, mark[1]));
    return inner.push(mark === undefined ? bytes : bytes.subarray(mark[0].length));
  };
  return {
    push(bytes) {
      if (inner !== null) return inner.push(bytes);
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      return head.length < HEAD ? new Uint8Array(0) : begin(head);
    },
    end: () => (inner === null ? Buffer.concat([begin(head), inner!.end()]) : inner.end()),
    found: () => inner?.found() ?? null,
  };
}

/** Its first piece is looked at for what is not text. */
function utf8(path: string): TextDecoding {
  let [isFirst, isSound] = [true, true];
  let held: Uint8Array = new Uint8Array(0);
  const next = (bytes: Uint8Array, whole: Uint8Array): Uint8Array => {
    isSound &&= isUtf8(whole);
    if (isFirst) requireNoFormat(path, bytes, isSound);
    const text = isFirst && beginsWith(whole, "\xef\xbb\xbf") ? whole.subarray(3) : whole;
    isFirst = false;
    return text;
  };
  return {
    push(bytes) {
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const cut = isSound ? all.length - unfinished(all) : all.length;
      held = all.subarray(cut);
      return next(all, all.subarray(0, cut));
    },
    end: () => next(held, held),
    found: () => (isSound ? null : "unknown"),
  };
}

/** Bytes at the end that begin a character and do not finish it. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

function requireNoFormat(path: string, bytes: Uint8Array, isSound: boolean): void {
  if (isSound && !bytes.includes(0) && !WRITTEN_IN_LETTERS.test(latin1(bytes, 0, 8))) return; // a text about PAR1 may begin with it
  const format = beginsWith(bytes, "{\\rtf1") ? "a document in rich text format"
    : FORMATS.find(([begin, , at]) => beginsWith(bytes, begin, at))?.[1];
  if (format === undefined) return;
  const tool = UNPACK[format];
  const hint = tool === undefined ? "give its text, as it is, as JSONL or packed with gzip" : `unpack it first, for instance with ${tool}`;
  throw new UserError(`${path} is not text but ${format}; ${hint}`);
}

const latin1 = (bytes: Uint8Array, start: number, end: number): string => Buffer.from(bytes.subarray(start, end)).toString("latin1");
export const beginsWith = (bytes: Uint8Array, begin: string, at = 0): boolean => latin1(bytes, at, at + begin.length) === begin;

const convert = (encoding: Encoding): string => `convert it, for instance with iconv -f ${encoding} -t UTF-8`;

function marked(path: string, encoding: Encoding): TextDecoding {
  const { push, end } = encoding.startsWith("UTF-32") ? utf32(encoding === "UTF-32LE") : utf16(encoding);
  const attempt = (decode: () => string): Uint8Array => {
    try {
      return Buffer.from(decode(), "utf8");
    } catch (error) {
      const why = messageOf(error);
      throw new UserError(`${path} begins with the mark of ${encoding} and cannot be read as such (${why}); ${convert(encoding)}`);
    }
  };
  return { push: (bytes) => attempt(() => push(bytes)), end: () => attempt(end), found: () => encoding };
}

/** Its functions throw if a unit is no character. */
interface Units {
  push(bytes: Uint8Array): string;
  end(): string;
}

function utf16(encoding: Encoding): Units {
  const decoder = new TextDecoder(encoding.toLowerCase(), { fatal: true });
  return { push: (bytes) => decoder.decode(bytes, { stream: true }), end: () => decoder.decode() };
}

function utf32(littleEndian: boolean): Units {
  let held: Uint8Array = new Uint8Array(0);
  return {
    push(bytes) {
      const all = Buffer.concat([held, bytes]);
      held = all.subarray(all.length - (all.length % 4));
      const parts: string[] = [];
      const unit = (at: number): number => (littleEndian ? all.readUInt32LE(at) : all.readUInt32BE(at));
      for (let at = 0; at + 4 <= all.length; at += 4) parts.push(String.fromCodePoint(unit(at)));
      return parts.join("");
    },
    end() {
      if (held.length > 0) throw new RangeError("its last character is cut off");
      return "";
    },
  };
}

/** Text holds no 0. Where every second byte or three of four are 0, it is UTF-16 or UTF-32 of a Latin script, without its mark. */
function withoutZeros(path: string, { push, end, found }: TextDecoding): TextDecoding {
  let length = 0;
  const check = (bytes: Uint8Array): Uint8Array => {
    const zero = bytes.indexOf(0);
    const encoding = zero < 0 || length > 0 ? null : unmarked(bytes.subarray(0, 4096));
    if (encoding !== null) throw unmarkedText(path, encoding);
    if (zero >= 0) throw new UserError(`${path} is not text: byte ${length + zero} is 0, as in binary or UTF-16 files`);
    length += bytes.length;
    return bytes;
  };
  return { push: (bytes) => check(push(bytes)), end: () => check(end()), found };
}

const unmarkedText = (path: string, encoding: Encoding): UserError =>
  new UserError(`${path} is not text as it is: it seems to be ${encoding} without a byte order mark; ${convert(encoding)}`);

function unmarked(bytes: Uint8Array): Encoding | null {
  const share = (every: number, at: number): number => {
    const places = bytes.filter((_, i) => i % every === at);
    return places.filter((byte) => byte === 0).length / Math.max(1, places.length);
  };
  const isText = (every: number, letters: number): boolean =>
    Array.from({ length: every }, (_, at) => share(every, at)).every((zeros, at) => (at === letters ? zeros < 0.05 : zeros > 0.6));
  if (isText(4, 0)) return "UTF-32LE";
  if (isText(4, 3)) return "UTF-32BE";
  if (isText(2, 0)) return "UTF-16LE";
  return isText(2, 1) ? "UTF-16BE" : null;
}
