/** SentencePiece: text to tokens and back with the ids and the text of the library `sentencepiece`. */
import { createUtf8Decoder, type TextCode, type TextDecoding } from "../text.ts";
import { addedPattern } from "./json.ts";
import { mergeAll } from "./merge.ts";
import { normalizer } from "./normalize.ts";
import { byteOf, PIECE, readPieceModel, type Piece, type PieceModel } from "./piece-model.ts";
import { remembered } from "./remembered.ts";
import { unigramSegmenter } from "./unigram.ts";

/** A text in which each piece begins, and the piece: -1 for unknown characters. */
type Segments = readonly (readonly [text: string, piece: number])[];

export function pieceCode(file: Uint8Array): TextCode {
  const model = readPieceModel(file);
  const normalize = normalizer(model);
  const segment = model.kind === "bpe" ? mergeSegmenter(model) : stretchSegmenter(model);
  const tokensOf = tokenizer(model);
  return {
    vocabSize: model.pieces.length, isWhole: true,
    // A text is looked at as a whole: it gets a space in front, and spaces at its end may be dropped.
    encode: (pieces) => tokensOf(segment(normalize(Array.from(pieces).join("")))),
    decoder: () => decoding(model),
  };
}

const MERGED: readonly number[] = [PIECE.normal, PIECE.userDefined, PIECE.unused];

/** By merges within words; symbols of the user are never part of one. */
function mergeSegmenter({ pieces }: PieceModel): (text: string) => Iterable<Segments> {
  const usable = [...pieces.entries()].filter(([, { type }]) => MERGED.includes(type));
  const idOf = new Map(usable.map(([id, { text }]) => [text, id]));
  const rankOf = (left: string, right: string): number | undefined => {
    const id = idOf.get(left + right);
    return id === undefined ? undefined : -pieces[id]!.score;
  };
  const segmentsOf = remembered((word) => mergeAll([...word], rankOf).map((text) => [text, idOf.get(text) ?? -1] as const));
  const symbols = addedPattern(pieces.flatMap(({ type, text }) => (type === PIECE.userDefined ? [text] : [])));
  const isEnd = endsOf(pieces.map(({ text }) => text));
  return function* (text) {
    for (const [i, part] of text.split(symbols).entries()) {
      if (i % 2 === 1) yield [[part, idOf.get(part)!]];
      else for (const word of cutAt(part, isEnd, 1)) yield segmentsOf(word);
    }
  };
}

/** Sums of float32 lose their meaning in texts of millions of characters: each stretch is as if it stood alone. */
const STRETCH = 2 ** 16;

function stretchSegmenter(model: PieceModel): (text: string) => Iterable<Segments> {
  const segmentsOf = unigramSegmenter(model);
  const isEnd = endsOf(model.pieces.map(({ text }) => text));
  return function* (text) {
    for (const stretch of cutAt(text, isEnd, STRETCH)) yield segmentsOf(stretch);
  };
}

/** Whether a text may be cut between two code units, because no piece has them side by side. */
type IsEnd = (left: number, right: number) => boolean;

function endsOf(texts: readonly string[]): IsEnd {
  const together = new Set<number>();
  for (const text of texts) for (let i = 1; i < text.length; i++) together.add(text.charCodeAt(i - 1) * 0x10000 + text.charCodeAt(i));
  const isSecondHalf = (codeUnit: number): boolean => codeUnit >= 0xdc00 && codeUnit <= 0xdfff;
  return (left, right) => !isSecondHalf(right) && !together.has(left * 0x10000 + right);
}

/** Parts of at least that many code units, but for the last. */
function* cutAt(text: string, isEnd: IsEnd, least: number): Generator<string> {
  let from = 0;
  for (let at = least; at < text.length; at++) {
    if (!isEnd(text.charCodeAt(at - 1), text.charCodeAt(at))) continue;
    yield text.slice(from, at);
    from = at;
    at += least - 1;
  }
  if (from < text.length) yield text.slice(from);
}

/** Unknown characters become bytes if the model has them, and else one token however many stand together. */
function tokenizer({ pieces, byteFallback }: PieceModel): (parts: Iterable<Segments>) => Iterable<readonly number[]> {
  const unknown = pieces.findIndex(({ type }) => type === PIECE.unknown);
  const bytePieces = [...pieces.entries()].filter(([, { type }]) => type === PIECE.byte);
  const idOfByte = new Map(bytePieces.map(([id, { text }]) => [byteOf(text), id]));
  const bytesOf = (text: string): readonly number[] => Array.from(new TextEncoder().encode(text), (byte) => idOfByte.get(byte)!);
  return function* (parts) {
    let behindUnknown = false;
    for (const segments of parts) {
      yield segments.flatMap(([text, piece]) => {
        const isAgain = behindUnknown;
        behindUnknown = piece < 0;
        if (piece >= 0) return piece;
        return byteFallback ? bytesOf(text) : isAgain ? [] : unknown;
      });
    }
  };
}

function decoding({ pieces, unknownText, addsSpace, joinsSpaces }: PieceModel): TextDecoding {
  const utf8 = createUtf8Decoder();
  let [begun, spaceSeen] = [false, false];
  const textOf = ({ type, text }: Piece): string => {
    if (type === PIECE.control) return "";
    if (type === PIECE.unknown) return unknownText;
    const dropsSpace = !begun && !spaceSeen && (addsSpace || joinsSpaces) && text.startsWith("▁");
    if (dropsSpace) spaceSeen = !joinsSpaces; // a second one is text, unless spaces were joined
    return (dropsSpace ? text.slice(1) : text).replaceAll("▁", " ");
  };
  const said = (text: string): string => {
    begun ||= text !== "";
    return text;
  };
  const next = (token: number): string => {
    const piece = pieces[token];
    if (piece?.type === PIECE.byte) return said(utf8.decode(Uint8Array.of(byteOf(piece.text)), { stream: true }));
    return said(utf8.decode()) + said(piece === undefined ? "" : textOf(piece));
  };
  return { next, end: () => utf8.decode() };
}
