/** The files of one shard: written at once, and known by their hashes. */
import { closeSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { makeDirectory } from "../files/folder.ts";
import { sha256 } from "../files/sha256.ts";
import { writeAtomicChunks } from "../files/write-atomic.ts";
import type { Encoded, EncodedPart } from "./encode.ts";
import { documentsPath, PARTS, tokensPath, type Part, type PartName, type Shard } from "./index-file.ts";

/** @param encoded its batches in order */
export function writeShard(folder: string, name: string, textSha256: string, encoded: readonly Encoded[]): Shard {
  const [train, validation] = PARTS.map((part) => writePart(folder, part, name, encoded.map((batch) => batch[part])));
  return { name, text_sha256: textSha256, train: train!, validation: validation! };
}

function writePart(folder: string, part: PartName, name: string, pieces: readonly EncodedPart[]): Part {
  const tokens = pieces.map((piece) => bytesOf(piece.tokens));
  const documents = shiftedStarts(pieces).map(bytesOf);
  const [tokensAt, documentsAt] = [tokensPath(folder, part, name), documentsPath(folder, part, name)];
  const sum = (count: (piece: EncodedPart) => number): number => pieces.reduce((total, piece) => total + count(piece), 0);
  const described: Part = {
    tokens: sum((piece) => piece.tokens.length), documents: sum(({ starts }) => starts.length), bytes: sum(({ bytes }) => bytes),
    tokens_sha256: sha256(tokens), documents_sha256: sha256(documents),
  };
  for (const [path, chunks] of [[tokensAt, tokens], [documentsAt, documents]] as const) {
    if (described.tokens === 0) rmSync(path, { force: true });
    else {
      makeDirectory(dirname(path));
      writeAtomicChunks(path, chunks);
    }
  }
  return described;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array | Uint32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Where documents begin in the tokens of all pieces together. */
function shiftedStarts(pieces: readonly EncodedPart[]): readonly Uint32Array[] {
  let before = 0;
  return pieces.map(({ starts, tokens }) => {
    const shifted = starts.map((start) => before + start);
    before += tokens.length;
    return shifted;
  });
}

/** Why a part is not as it was written, or null. */
export function damageOf(folder: string, part: PartName, shard: Shard): string | null {
  const { tokens, tokens_sha256: ofTokens, documents_sha256: ofDocuments } = shard[part];
  if (tokens === 0) return null;
  const files = [[tokensPath(folder, part, shard.name), ofTokens], [documentsPath(folder, part, shard.name), ofDocuments]] as const;
  for (const [path, hash] of files) {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return `${path} is missing`;
    if (sha256(chunksOf(path)) !== hash) return `${path} is damaged: its SHA-256 is not that of the index`;
  }
  return null;
}

function* chunksOf(path: string): Generator<Uint8Array> {
  const file = openSync(path, "r");
  const chunk = new Uint8Array(2 ** 20);
  try {
    for (let n = readSync(file, chunk); n > 0; n = readSync(file, chunk)) yield chunk.subarray(0, n);
  } finally {
    closeSync(file);
  }
}
