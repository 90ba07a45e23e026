/** The most probable segmentation of a text into pieces (Kudo 2018), computed in float32 as SentencePiece does, so that ties fall alike. */
import { PIECE, type PieceModel } from "./piece-model.ts";

/** What a character that no piece covers costs beyond the least probable piece. */
const UNKNOWN_PENALTY = 10;
/** The greatest score where all are negative, which are logarithms: the least float32 above 0. */
const LEAST = 2 ** -126;

/** Pieces by their beginnings: the node behind a node and a character, and the piece that ends in a node. */
interface Trie {
  readonly next: ReadonlyMap<number, number>;
  /** -1 for none. */
  readonly pieceAt: readonly number[];
}

const keyOf = (node: number, codeUnit: number): number => node * 0x10000 + codeUnit;

function trieOf(texts: Iterable<readonly [text: string, piece: number]>): Trie {
  const [next, pieceAt] = [new Map<number, number>(), [-1]];
  for (const [text, piece] of texts) {
    let node = 0;
    for (let i = 0; i < text.length; i++) {
      const key = keyOf(node, text.charCodeAt(i));
      node = next.get(key) ?? pieceAt.push(-1) - 1;
      next.set(key, node);
    }
    pieceAt[node] = piece;
  }
  return { next, pieceAt };
}

/** @returns pieces of a text, -1 for a character that none covers */
export function unigramSegmenter({ pieces }: PieceModel): (text: string) => readonly (readonly [text: string, piece: number])[] {
  const usable = [...pieces.entries()].filter(([, { type }]) => type === PIECE.normal || type === PIECE.userDefined);
  const trie = trieOf(usable.map(([id, { text }]) => [text, id]));
  const normal = pieces.filter(({ type }) => type === PIECE.normal).map(({ score }) => score);
  const least = normal.reduce((a, b) => Math.min(a, b), Infinity);
  const greatest = normal.reduce((a, b) => Math.max(a, b), LEAST);
  const unknown = Math.fround(least - UNKNOWN_PENALTY);
  const scoreOf = (id: number): number => {
    const { type, score, text } = pieces[id]!;
    return type === PIECE.userDefined ? Math.fround(new TextEncoder().encode(text).length * greatest) - 0.1 : score;
  };
  const scores = Float64Array.from(pieces, (_, id) => scoreOf(id));
  return (text) => segments(text, bestPath(text, trie, scores, unknown));
}

/** For each place where a piece may end: the best score up to there, where its last piece begins (-1 for no path yet), and which it is. */
interface Path {
  readonly from: Int32Array;
  readonly piece: Int32Array;
}

function bestPath(text: string, { next, pieceAt }: Trie, scores: Float64Array, unknown: number): Path {
  const best = new Float32Array(text.length + 1);
  const [from, piece] = [new Int32Array(text.length + 1).fill(-1), new Int32Array(text.length + 1)];
  const offer = (start: number, end: number, id: number, score: number): void => {
    const sum = Math.fround(score + best[start]!);
    if (from[end] !== -1 && !(sum > best[end]!)) return;
    best[end] = sum;
    from[end] = start;
    piece[end] = id;
  };
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
    let covered = false;
    let node = next.get(keyOf(0, text.charCodeAt(start)));
    for (let at = start + 1; node !== undefined; at++) {
      const id = pieceAt[node]!;
      if (id >= 0) offer(start, at, id, scores[id]!);
      if (id >= 0 && at === end) covered = true;
      node = at < text.length ? next.get(keyOf(node, text.charCodeAt(at))) : undefined;
    }
    if (!covered) offer(start, end, -1, unknown);
  }
  return { from, piece };
}

function segments(text: string, { from, piece }: Path): readonly (readonly [text: string, piece: number])[] {
  const found: (readonly [string, number])[] = [];
  for (let end = text.length; end > 0; end = from[end]!) found.push([text.slice(from[end], end), piece[end]!]);
  return found.reverse();
}
