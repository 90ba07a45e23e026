/** A batch of documents as tokens: what a thread does. */
import { createHash } from "node:crypto";
import { closed } from "../data/document.ts";
import type { TokenArray, Tokenizer } from "../data/index.ts";
import type { Batch } from "./batches.ts";
import { PARTS, type PartName } from "./index-file.ts";

/** Tokens as they lie on disk. */
export type WideTokens = Uint16Array | Uint32Array;

export interface EncodedPart {
  readonly tokens: WideTokens;
  /** Where in them each document begins. */
  readonly starts: Uint32Array;
  /** Of text. */
  readonly bytes: number;
}

export type Encoded = Readonly<Record<PartName, EncodedPart>>;

/** Each document by itself. Its end is the tokenizer's end of text, or a newline where it has none. */
export function encodeBatch(tokenizer: Tokenizer, validation: number, batch: Pick<Batch, "text" | "ends" | "continues">): Encoded {
  const { text, ends, continues } = batch;
  const parts = { train: createPart(tokenizer.vocabSize), validation: createPart(tokenizer.vocabSize) };
  ends.forEach((to, i) => {
    const document = { text: text.subarray(i === 0 ? 0 : ends[i - 1], to), continues: continues[i] === 1 };
    const part = parts[isHeldOut(document.text, validation) ? "validation" : "train"];
    const content = tokenizer.endOfText === null ? closed(document) : document.text;
    const end = tokenizer.endOfText === null || document.continues ? [] : [tokenizer.endOfText];
    part.add(content.length, [tokenizer.encode(content), end]);
  });
  return Object.fromEntries(PARTS.map((name) => [name, parts[name].all()])) as unknown as Encoded;
}

/** The same for the same text, wherever it stands: the first four bytes of its SHA-256, as a share of 1, are below the share. */
const isHeldOut = (text: Uint8Array, share: number): boolean =>
  createHash("sha256").update(text).digest().readUInt32BE() / 2 ** 32 < share;

export const tokenBytes = (vocabSize: number): 2 | 4 => (vocabSize <= 65536 ? 2 : 4);

type Piece = TokenArray | readonly number[];

function createPart(vocabSize: number): { add(bytes: number, tokens: readonly Piece[]): void; all(): EncodedPart } {
  const [pieces, starts]: [Piece[], number[]] = [[], []];
  let [length, bytes] = [0, 0];
  return {
    add(more, tokens) {
      starts.push(length);
      bytes += more;
      for (const piece of tokens) {
        pieces.push(piece);
        length += piece.length;
      }
    },
    all() {
      const tokens = tokenBytes(vocabSize) === 2 ? new Uint16Array(length) : new Uint32Array(length);
      pieces.reduce((at, piece) => (tokens.set(piece, at), at + piece.length), 0);
      return { tokens, starts: Uint32Array.from(starts), bytes };
    },
  };
}
