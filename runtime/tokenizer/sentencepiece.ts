/** A SentencePiece model as a tokenizer.json, which holds the model itself too: other tools read the one, we the other. */
import { PIECE, readPieceModel, type PieceModel } from "../standalone/tokenizer/piece-model.ts";
import { addedToken } from "./added-token.ts";

const ADDED: readonly number[] = [PIECE.unknown, PIECE.control, PIECE.userDefined];

/** Texts of other tools may differ where their rules do: Unicode normalization by characters that belong together, say. */
export function tokenizerOfPieces(file: Uint8Array): string {
  const model = readPieceModel(file);
  const added = [...model.pieces.entries()].filter(([, { type }]) => ADDED.includes(type));
  return `${JSON.stringify({
    version: "1.0", truncation: null, padding: null,
    added_tokens: added.map(([id, { text, type }]) => addedToken(id, text, type !== PIECE.userDefined)),
    normalizer: { type: "Sequence", normalizers: normalizersOf(model) }, pre_tokenizer: null, post_processor: null,
    decoder: { type: "Sequence", decoders: decodersOf(model) },
    model: { ...modelOf(model), sentencepiece: Buffer.from(file).toString("base64") },
  }, null, 1)}\n`;
}

const replace = (pattern: object, content: string): object => ({ type: "Replace", pattern, content });

function normalizersOf({ charsmap, joinsSpaces, addsSpace }: PieceModel): readonly object[] {
  return [
    ...(charsmap.length === 0 ? [] : [{ type: "Precompiled", precompiled_charsmap: Buffer.from(charsmap).toString("base64") }]),
    ...(joinsSpaces ? [replace({ Regex: "^ +| +$" }, ""), replace({ Regex: " {2,}" }, " ")] : []),
    ...(addsSpace ? [{ type: "Prepend", prepend: "▁" }] : []), replace({ String: " " }, "▁"),
  ];
}

const decodersOf = ({ addsSpace, joinsSpaces }: PieceModel): readonly object[] => [
  replace({ String: "▁" }, " "), { type: "ByteFallback" }, { type: "Fuse" },
  ...(addsSpace || joinsSpaces ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
];

function modelOf({ kind, pieces, byteFallback }: PieceModel): object {
  const unknown = pieces.findIndex(({ type }) => type === PIECE.unknown);
  if (kind === "unigram") {
    return { type: "Unigram", unk_id: unknown, vocab: pieces.map(({ text, score }) => [text, score]), byte_fallback: byteFallback };
  }
  return {
    type: "BPE", dropout: null, unk_token: pieces[unknown]!.text, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true,
    byte_fallback: byteFallback, ignore_merges: false, vocab: Object.fromEntries(pieces.map(({ text }, id) => [text, id])),
    merges: mergesOf(pieces),
  };
}

/** Every way to make a piece of two others, in the order in which the pieces are made. */
function mergesOf(pieces: PieceModel["pieces"]): readonly (readonly [string, string])[] {
  const normal = pieces.filter(({ type }) => type === PIECE.normal);
  const known = new Set(normal.map(({ text }) => text));
  const sorted = [...normal].sort((a, b) => b.score - a.score);
  return sorted.flatMap(({ text }) => {
    const ends = Array.from(text, (character) => character.length);
    const cuts = ends.slice(0, -1).map((_, i) => ends.slice(0, i + 1).reduce((a, b) => a + b, 0));
    return cuts.map((cut) => [text.slice(0, cut), text.slice(cut)] as const).filter((halves) => halves.every((half) => known.has(half)));
  });
}
