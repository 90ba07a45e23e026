/** A prepared corpus as training and evaluation read it: by ranges, so that memory holds what a batch needs. */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { consecutive } from "../data/split.ts";
import type { Data, Tokenizer } from "../data/index.ts";
import { byteTokenizer } from "../data/index.ts";
import type { Tokens } from "../data/tokens.ts";
import { cannotRead, UserError } from "../errors.ts";
import { sha256 } from "../files/sha256.ts";
import { readTokenizer } from "../tokenizer/file.ts";
import { PARTS, readIndex, tokenizerPath, tokensPath, type CorpusIndex, type Part, type PartName, type Shard } from "./index-file.ts";
import { damageOf } from "./shard.ts";

export interface Corpus extends Data {
  readonly index: CorpusIndex;
  readonly tokenizerOf: Tokenizer;
  /** All of it that is held out. */
  readonly validation: Tokens;
}

/** UserError for a corpus that is not finished, or whose files are not all there in their full length. */
export function openCorpus(folder: string): Corpus {
  const index = readIndex(folder);
  if (!index.complete) throw new UserError(`${folder} is not finished: the same \`moeut data prepare\` again goes on with it`);
  for (const part of PARTS) for (const shard of index.shards) requireLength(folder, part, shard, index);
  const tokenizerOf = tokenizerIn(folder, index);
  const [train, validation] = [tokensIn(folder, "train", index), tokensIn(folder, "validation", index)];
  return {
    index, tokenizerOf, validation, name: folder, tokenizer: index.tokenizer.id, nTokens: train.length + validation.length,
    bytesPerToken: bytesPerToken(index), heldOutBy: "documents",
    split: (seqLen) => ({
      id: idOf(index, seqLen), train: consecutive(train, seqLen), validation: consecutive(validation, seqLen),
    }),
  };
}

export const total = ({ shards }: CorpusIndex, part: PartName, of: (part: Part) => number): number =>
  shards.reduce((sum, shard) => sum + of(shard[part]), 0);

/** Of what is held out, whose bits per byte are measured; of the rest where nothing is. */
function bytesPerToken(index: CorpusIndex): number {
  const part = total(index, "validation", ({ tokens }) => tokens) > 0 ? "validation" : "train";
  return total(index, part, ({ bytes }) => bytes) / total(index, part, ({ tokens }) => tokens);
}

/** Known without reading a token: the index has the hashes of all of them. */
function idOf({ tokenizer, shards }: CorpusIndex, seqLen: number): string {
  const hashes = shards.flatMap((shard) => PARTS.map((part) => `${shard[part].tokens} ${shard[part].tokens_sha256}`));
  return sha256([`prepared ${tokenizer.id} ${seqLen}\n`, hashes.join("\n")]).slice(0, 32);
}

function tokenizerIn(folder: string, { tokenizer: { id } }: CorpusIndex): Tokenizer {
  if (id === byteTokenizer.id) return byteTokenizer;
  const tokenizer = readTokenizer(tokenizerPath(folder));
  if (tokenizer.id === id) return tokenizer;
  throw new UserError(`${tokenizerPath(folder)} was changed after the corpus was prepared, and its tokens are of the one before`);
}

const REMEDY = "the same `moeut data prepare` again makes it anew";

function requireLength(folder: string, part: PartName, shard: Shard, { token_bytes: width }: CorpusIndex): void {
  const wanted = shard[part].tokens * width;
  const path = tokensPath(folder, part, shard.name);
  const size = existsSync(path) ? statSync(path).size : 0;
  if (wanted === 0 || size === wanted) return;
  throw new UserError(existsSync(path) ? `${path} has ${size} of ${wanted} bytes; ${REMEDY}` : `${path} is missing; ${REMEDY}`);
}

/** The shards of a part one behind the other. Each is held against its hash before the first of its tokens is used. */
function tokensIn(folder: string, part: PartName, { shards, token_bytes: width }: CorpusIndex): Tokens {
  const starts = [0];
  for (const shard of shards) starts.push(starts.at(-1)! + shard[part].tokens);
  const checked = new Set<number>();
  const check = (i: number): void => {
    const damage = checked.has(i) ? null : damageOf(folder, part, shards[i]!);
    if (damage !== null) throw new UserError(`${damage}; ${REMEDY}`);
    checked.add(i);
  };
  return {
    length: starts.at(-1)!,
    read(start, into) {
      for (let at = 0; at < into.length; ) {
        const i = lastAtMost(starts, start + at);
        const from = start + at - starts[i]!;
        const count = Math.min(into.length - at, shards[i]![part].tokens - from);
        check(i);
        readTokens(tokensPath(folder, part, shards[i]!.name), from, width, into.subarray(at, at + count));
        at += count;
      }
    },
  };
}

/** The last place whose number is at most `value`: of equal ones, that is the one behind empty shards. */
function lastAtMost(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (sorted[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** UserError if the file is not there any more, or shorter. */
function readTokens(path: string, start: number, width: 2 | 4, into: Uint32Array): void {
  const tokens = width === 2 ? new Uint16Array(into.length) : into;
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  try {
    const file = openSync(path, "r");
    try {
      for (let at = 0; at < bytes.length; ) {
        const n = readSync(file, bytes, at, bytes.length - at, start * width + at);
        if (n === 0) throw new UserError(`${path} became shorter; ${REMEDY}`);
        at += n;
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw error instanceof UserError ? error : cannotRead(path, error);
  }
  if (tokens !== into) into.set(tokens);
}
