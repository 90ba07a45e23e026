/** From the bytes of a file to its text: packed and encoded text is recognised by how it begins, and what is no text is refused by name. */
import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { messageOf, systemCode, UserError } from "../errors.ts";
import { MOST_BYTES, tooLarge } from "./read.ts";

/** How files that people take for text begin, as Latin-1, and where that is not at the start. */
const FORMATS: readonly (readonly [begin: string, what: string, at?: number])[] = [
  ["\x1f\x8b", "gzip within gzip"], ["PK\x03\x04", "a zip archive (or a document or workbook, which is one)"], ["PK\x05\x06", "an empty zip archive"], ["\x28\xb5\x2f\xfd", "Zstandard"],
  ["BZh", "bzip2"], ["\xfd7zXZ\0", "xz"], ["\x04\x22\x4d\x18", "LZ4"], ["7z\xbc\xaf\x27\x1c", "a 7z archive"], ["Rar!\x1a\x07", "a RAR archive"], ["ustar", "a tar archive", 257],
  ["PAR1", "Parquet"], ["ARROW1\0", "Arrow"], ["ORC", "ORC"], ["Obj\x01", "Avro"], ["SQLite format 3\0", "an SQLite database"], ["\x89HDF\r\n", "HDF5"], ["\x93NUMPY", "a NumPy array"], ["GGUF", "GGUF weights"],
  ["%PDF-", "a PDF"], ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"], ["\x89PNG\r\n", "a PNG image"], ["\xff\xd8\xff", "a JPEG image"], ["GIF8", "a GIF image"],
  ["RIFF", "a RIFF file (sound, video or WebP)"], ["ID3", "MP3 sound"], ["OggS", "Ogg sound"], ["fLaC", "FLAC sound"], ["ftyp", "MP4 video", 4], ["\x7fELF", "a program"], ["\0asm", "WebAssembly"],
];

/** Those that may be valid UTF-8 all the same. */
const WRITTEN_IN_LETTERS = /^(%PDF-|\{\\rtf1)/;

const UNPACK: Readonly<Record<string, string>> = { Zstandard: "zstd -d", bzip2: "bunzip2", xz: "unxz", LZ4: "lz4 -d" };

/** Marks in front of text that is not UTF-8; longer ones first. */
const MARKS = [["\xff\xfe\0\0", "UTF-32LE"], ["\0\0\xfe\xff", "UTF-32BE"], ["\xff\xfe", "UTF-16LE"], ["\xfe\xff", "UTF-16BE"]] as const;

type Encoding = (typeof MARKS)[number][1];

export interface Decoded {
  readonly text: Uint8Array;
  /** null for UTF-8; else what its mark says, and the text is UTF-8 now; or "unknown", and its bytes are as they were. */
  readonly encoding: Encoding | "unknown" | null;
}

/** Without packing and marks. UserError for what is not text. */
export function toText(path: string, packed: Uint8Array): Decoded {
  const bytes = unpack(path, packed);
  const mark = MARKS.find(([begin]) => beginsWith(bytes, begin));
  if (mark !== undefined) return { text: withoutZeros(path, decode(path, bytes.subarray(mark[0].length), mark[1])), encoding: mark[1] };
  const isSound = isUtf8(bytes);
  requireNoFormat(path, bytes, isSound);
  const text = beginsWith(bytes, "\xef\xbb\xbf") ? bytes.subarray(3) : bytes;
  return { text: withoutZeros(path, text), encoding: isSound ? null : "unknown" };
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
const beginsWith = (bytes: Uint8Array, begin: string, at = 0): boolean => latin1(bytes, at, at + begin.length) === begin;

function unpack(path: string, bytes: Uint8Array): Uint8Array {
  if (!beginsWith(bytes, "\x1f\x8b") && !(/\.gz$/i.test(path) && bytes.length > 0)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    if (systemCode(error) === "ERR_BUFFER_TOO_LARGE") throw tooLarge(`${path}, unpacked,`);
    throw new UserError(`${path} is not a sound gzip file: ${messageOf(error)}`);
  }
}

const convert = (encoding: Encoding): string => `convert it, for instance with iconv -f ${encoding} -t UTF-8`;

function decode(path: string, bytes: Uint8Array, encoding: Encoding): Uint8Array {
  try {
    if (encoding.startsWith("UTF-32")) return decode32(bytes, encoding === "UTF-32LE");
    return Buffer.from(new TextDecoder(encoding.toLowerCase(), { fatal: true }).decode(bytes), "utf8");
  } catch (error) {
    throw new UserError(`${path} begins with the mark of ${encoding} and cannot be read as such (${messageOf(error)}); ${convert(encoding)}`);
  }
}

/** Throws if a unit is no character. */
function decode32(bytes: Uint8Array, littleEndian: boolean): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) parts.push(String.fromCodePoint(view.getUint32(at, littleEndian)));
  return Buffer.from(parts.join(""), "utf8");
}

/** Text holds no 0. Where every second byte or three of four are 0, it is UTF-16 or UTF-32 of a Latin script, without its mark. */
function withoutZeros(path: string, bytes: Uint8Array): Uint8Array {
  const zero = bytes.indexOf(0);
  if (zero < 0) return bytes;
  const encoding = unmarked(bytes.subarray(0, 4096));
  if (encoding === null) throw new UserError(`${path} is not text: byte ${zero} is 0, as in binary or UTF-16 files`);
  throw new UserError(`${path} is not text as it is: it seems to be ${encoding} without a byte order mark; ${convert(encoding)}`);
}

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
