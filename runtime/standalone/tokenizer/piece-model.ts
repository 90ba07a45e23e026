/** A SentencePiece `.model` (Kudo and Richardson 2018): pieces, and how text becomes them, as sentencepiece_model.proto lays it out. */
import { createUtf8Decoder } from "../text.ts";

export const PIECE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Piece {
  readonly text: string;
  readonly score: number;
  /** One of PIECE. */
  readonly type: number;
}

export interface PieceModel {
  readonly kind: "unigram" | "bpe";
  readonly pieces: readonly Piece[];
  /** Unknown characters are written byte by byte. */
  readonly byteFallback: boolean;
  /** What an unknown piece reads. */
  readonly unknownText: string;
  /** The space that a text gets stands behind it. */
  readonly spaceBehind: boolean;
  /** Rules of normalization, compiled; empty for none. */
  readonly charsmap: Uint8Array;
  readonly addsSpace: boolean;
  readonly joinsSpaces: boolean;
  readonly marksSpaces: boolean;
}

/** An Error that says what is wrong with it, or that it does something which is not done here. */
export function readPieceModel(file: Uint8Array): PieceModel {
  const { 1: pieces = [], 2: trainer = [], 3: normalizer = [], 5: denormalizer = [] } = fieldsOf(file);
  const training = fieldsOf(bytesOf(trainer));
  const norm = fieldsOf(bytesOf(normalizer));
  const rulesForOutput = bytesOf(fieldsOf(bytesOf(denormalizer))[2]);
  if (rulesForOutput.length > 0) throw new Error("it has rules that change decoded text, which are not supported");
  const model: PieceModel = {
    kind: kindOf(numberOf(training[3], 1)), pieces: pieces.map((field) => pieceOf(fieldsOf(bytesOf([field])))),
    byteFallback: numberOf(training[35], 0) !== 0, unknownText: textOf(training[44], " \u2047 "),
    spaceBehind: numberOf(training[24], 0) !== 0, charsmap: bytesOf(norm[2]), addsSpace: numberOf(norm[3], 1) !== 0,
    joinsSpaces: numberOf(norm[4], 1) !== 0, marksSpaces: numberOf(norm[5], 1) !== 0,
  };
  requireWhole(model);
  return model;
}

function kindOf(number: number): PieceModel["kind"] {
  if (number === 1) return "unigram";
  if (number === 2) return "bpe";
  throw new Error("it is a model of words or characters; unigram and bpe are supported");
}

const pieceOf = ({ 1: text, 2: score, 3: type }: Fields): Piece =>
  ({ text: textOf(text, ""), score: floatOf(score), type: numberOf(type, PIECE.normal) });

function requireWhole({ pieces, byteFallback }: PieceModel): void {
  const textsOf = (type: number): readonly string[] => pieces.flatMap((piece) => (piece.type === type ? [piece.text] : []));
  if (textsOf(PIECE.unknown).length !== 1) throw new Error("it is no SentencePiece model: it has no piece for unknown characters");
  if (pieces.some(({ text }) => text === "")) throw new Error("it has a piece without text");
  const bytes = new Set(textsOf(PIECE.byte).map(byteOf));
  if (bytes.has(-1) || bytes.size !== (byteFallback ? 256 : 0)) throw new Error("it has not one piece for each byte");
}

/** Of a piece "<0x0A>"; -1 for others. */
export const byteOf = (text: string): number => (/^<0x[0-9A-F]{2}>$/.test(text) ? Number(text.slice(1, -1)) : -1);

/** What a field holds: a number, or bytes (texts, messages, and float32 as 4 of them). */
type Value = number | Uint8Array;

/** By number of the field, in the order of the file. */
type Fields = Readonly<Record<number, readonly Value[]>>;

function fieldsOf(bytes: Uint8Array): Fields {
  const fields: Record<number, Value[]> = {};
  for (let at = 0; at < bytes.length; ) {
    const [key, start] = varint(bytes, at);
    const { value, end } = valueAt(bytes, start, key % 8);
    (fields[Math.floor(key / 8)] ??= []).push(value);
    at = end;
  }
  return fields;
}

function valueAt(bytes: Uint8Array, at: number, wireType: number): { readonly value: Value; readonly end: number } {
  if (wireType === 0) {
    const [value, end] = varint(bytes, at);
    return { value, end };
  }
  const [length, start] = wireType === 2 ? varint(bytes, at) : [LENGTHS[wireType] ?? Number.NaN, at];
  if (!(start + length <= bytes.length)) throw new Error("it is no SentencePiece model, or not whole");
  return { value: bytes.subarray(start, start + length), end: start + length };
}

/** Bytes of numbers of fixed size, by wire type. */
const LENGTHS: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

function varint(bytes: Uint8Array, from: number): readonly [value: number, end: number] {
  let value = 0;
  for (let at = from, factor = 1; at < bytes.length && at < from + 10; at++, factor *= 128) {
    value += (bytes[at]! % 128) * factor;
    if (bytes[at]! < 128) return [value, at + 1];
  }
  throw new Error("it is no SentencePiece model, or not whole");
}

// Of a field that is there several times the last counts.
type Field = readonly Value[] | undefined;

function bytesOf(field: Field): Uint8Array {
  const value = field?.at(-1);
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function numberOf(field: Field, otherwise: number): number {
  const value = field?.at(-1);
  return typeof value === "number" ? value : otherwise;
}

const textOf = (field: Field, otherwise: string): string => (field === undefined ? otherwise : createUtf8Decoder().decode(bytesOf(field)));

function floatOf(field: Field): number {
  const { buffer, byteOffset, byteLength } = bytesOf(field);
  return byteLength === 4 ? new DataView(buffer, byteOffset).getFloat32(0, true) : 0;
}
