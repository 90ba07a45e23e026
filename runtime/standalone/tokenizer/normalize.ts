/**
 * Text as SentencePiece looks at it: characters replaced by compiled rules (NFKC and others), spaces marked and, if it wants, joined. The
 * rules are a double array (Aoe 1989, as darts-clone lays it out) over the bytes of UTF-8, and what each puts in place.
 */
import { createUtf8Decoder } from "../text.ts";
import { PIECE, type PieceModel } from "./piece-model.ts";

/** What comes next in a text: where it ends, and what stands for it. */
interface Replaced {
  readonly end: number;
  readonly by: Uint8Array;
}

type Next = (bytes: Uint8Array, at: number) => Replaced;

const SPACE = 0x20;
const MARK = new TextEncoder().encode("▁");

export function normalizer(model: PieceModel): (text: string) => string {
  const { addsSpace, joinsSpaces, spaceBehind, marksSpaces } = model;
  const next = nextOf(model);
  const mark = marksSpaces ? MARK : Uint8Array.of(SPACE);
  return (text) => {
    const bytes = new TextEncoder().encode(text);
    const start = joinsSpaces ? skipSpaces(bytes, next) : 0;
    if (start === bytes.length) return "";
    const body = createUtf8Decoder().decode(spaced(bytes, start, next, joinsSpaces, mark));
    const space = marksSpaces ? "▁" : " ";
    const whole = addsSpace && !spaceBehind ? space + body : body;
    return (joinsSpaces ? withoutEnd(whole, space) : whole) + (addsSpace && spaceBehind ? space : "");
  };
}

function skipSpaces(bytes: Uint8Array, next: Next): number {
  for (let at = 0; at < bytes.length; ) {
    const { by, end } = next(bytes, at);
    if (by.length !== 1 || by[0] !== SPACE) return at;
    at = end;
  }
  return bytes.length;
}

function spaced(bytes: Uint8Array, start: number, next: Next, joinsSpaces: boolean, mark: Uint8Array): Uint8Array {
  const out = createBytes(bytes.length * 2);
  let behindSpace = joinsSpaces;
  for (let at = start; at < bytes.length; ) {
    const { by, end } = next(bytes, at);
    let from = 0;
    while (behindSpace && by[from] === SPACE) from++;
    for (let i = from; i < by.length; i++) out.add(by[i] === SPACE ? mark : by.subarray(i, i + 1));
    if (from < by.length) behindSpace = joinsSpaces && by.at(-1) === SPACE;
    at = end;
  }
  return out.all();
}

function withoutEnd(text: string, space: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === space) end--;
  return text.slice(0, end);
}

/** Symbols of the user stay as they are, then the longest rule counts, then a character stands for itself. */
function nextOf({ charsmap, pieces }: PieceModel): Next {
  const symbols = symbolsOf(pieces.flatMap(({ type, text }) => (type === PIECE.userDefined ? [text] : [])));
  const ruleAt = charsmap.length === 0 ? () => null : rulesOf(charsmap);
  return (bytes, at) => {
    const symbol = symbols(bytes, at);
    if (symbol !== null) return { end: at + symbol.length, by: symbol };
    const rule = ruleAt(bytes, at);
    if (rule !== null) return rule;
    const end = at + lengthOf(bytes[at]!);
    return { end, by: bytes.subarray(at, end) };
  };
}

/** Of a character, by its first byte. */
const lengthOf = (byte: number): number => (byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4);

/** The longest that begins at a place. */
function symbolsOf(texts: readonly string[]): (bytes: Uint8Array, at: number) => Uint8Array | null {
  const symbols = texts.map((text) => new TextEncoder().encode(text)).sort((a, b) => b.length - a.length);
  const byFirst = new Map(symbols.map(([first]) => [first!, symbols.filter((symbol) => symbol[0] === first)]));
  return (bytes, at) => byFirst.get(bytes[at]!)?.find((symbol) => symbol.every((byte, i) => bytes[at + i] === byte)) ?? null;
}

/** @param charsmap length of the double array in bytes, the array, and replacements that end with 0 */
function rulesOf(charsmap: Uint8Array): (bytes: Uint8Array, at: number) => Replaced | null {
  const view = new DataView(charsmap.buffer, charsmap.byteOffset, charsmap.byteLength);
  const size = charsmap.length < 4 ? Infinity : view.getUint32(0, true);
  if (4 + size > charsmap.length) throw new Error("its rules of normalization are not whole");
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const texts = charsmap.subarray(4 + size);
  return (bytes, at) => {
    let found: Replaced | null = null;
    for (let i = at, node = offsetOf(units[0]!); i < bytes.length; i++) {
      const unit = units[node ^ bytes[i]!];
      if (unit === undefined || labelOf(unit) !== bytes[i]) break;
      node = node ^ bytes[i]! ^ offsetOf(unit);
      if (hasLeaf(unit)) found = { end: i + 1, by: untilZero(texts, units[node]! & 0x7fffffff) };
    }
    return found;
  };
}

const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
const hasLeaf = (unit: number): boolean => ((unit >>> 8) & 1) === 1;
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
const untilZero = (texts: Uint8Array, from: number): Uint8Array => texts.subarray(from, texts.indexOf(0, from));

/** Bytes as they come, in an array that grows. */
function createBytes(room: number): { add(more: Uint8Array): void; all(): Uint8Array } {
  let bytes = new Uint8Array(room);
  let length = 0;
  return {
    add(more) {
      if (length + more.length > bytes.length) {
        const grown = new Uint8Array(2 * (length + more.length));
        grown.set(bytes);
        bytes = grown;
      }
      bytes.set(more, length);
      length += more.length;
    },
    all: () => bytes.subarray(0, length),
  };
}
