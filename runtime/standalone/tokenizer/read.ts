/** What is done with a tokenizer.json here, without any library. */
import type { TextCode } from "../text.ts";
import { bytePairCode, isBytePair } from "./byte-pair.ts";
import type { TokenizerJson } from "./json.ts";
import { pieceCode } from "./pieces.ts";
import { wordLevelCode } from "./word-level.ts";

/** Byte-level BPE as `moeut tokenizer train` makes it, and SentencePiece models. */
export const isKnown = (json: TokenizerJson): boolean => json.model.sentencepiece !== undefined || isBytePair(json);

/** @returns null for kinds that are not known here. An Error for a file that is not whole. */
export function textCodeOf(json: TokenizerJson): TextCode | null {
  const { sentencepiece } = json.model;
  if (sentencepiece !== undefined) return pieceCode(Uint8Array.from(atob(sentencepiece), (c) => c.charCodeAt(0)));
  return bytePairCode(json) ?? wordLevelCode(json);
}
