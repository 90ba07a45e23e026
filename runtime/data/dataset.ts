import { createHash } from "node:crypto";
import { UserError } from "../errors.ts";
import { permutation } from "./shuffle.ts";
import { readSource } from "./source.ts";
import type { TokenArray, Tokenizer } from "./tokenizer.ts";

/** B sequences of T tokens; targets[b, t] follows tokens[b, t]. Row-major. */
export interface Batch {
  readonly tokens: Uint32Array; // [B, T]
  readonly targets: Uint32Array; // [B, T]
}

export interface ValidationBatch extends Batch {
  /** Rows that count; those after are padding (zeros) because the last batch may not be full. */
  readonly rows: number;
}

export interface Dataset {
  /** Hash of the tokens, of how they are split and of the tokenizer: another dataset has another id. */
  readonly dataId: string;
  readonly nTokens: number;
  /** Bytes of text per token, for bits per byte. */
  readonly bytesPerToken: number;
  readonly trainBlocks: number;
  readonly validationBlocks: number;
  /** Depends on nothing but the data, the seed and the step: every epoch visits each block once, in its own order. */
  batchAt(step: number): Batch;
  /** The same blocks in the same order for every seed. At most `maxTokens` predicted tokens, spread evenly, but at least one block. */
  validationBatches(maxTokens?: number): Generator<ValidationBatch>;
}

export interface DataOptions {
  readonly tokenizer: Tokenizer;
  /** The model's vocabulary (default: the tokenizer's). Greater tokens are refused. */
  readonly vocabSize?: number;
  readonly seqLen: number; // T
  readonly batch: number; // B
  readonly seed: number;
  /** Share of the blocks that is held out where the source does not say itself: 0 to train on all, 1 to evaluate all. Default 0.05. */
  readonly validationFraction?: number;
}

/** Reads, tokenizes and splits a source: see readSource for what it may be. UserError for whatever is wrong with it. */
export async function loadData(source: string | readonly string[], options: DataOptions): Promise<Dataset> {
  const name = typeof source === "string" ? source : source.join(" ");
  const { text, heldOut } = readSource(source);
  const train = tokenize(name, text, options);
  if (heldOut === null) return splitDataset(name, train, text.length, options);
  const validation = tokenize(name, heldOut, options);
  const parts = [blocksOf(train, options.seqLen), blocksOf(validation, options.seqLen)] as const;
  const short = parts.find(({ starts }) => starts.length === 0);
  if (short !== undefined) throw tooShort(name, short.tokens.length, options.seqLen, 1);
  return datasetOf(parts, text.length / train.length, options);
}

function tokenize(name: string, text: Uint8Array, { tokenizer, vocabSize = tokenizer.vocabSize }: DataOptions): TokenArray {
  const tokens = tokenizer.encode(text);
  const bad = vocabSize < tokenizer.vocabSize ? tokens.findIndex((token) => token >= vocabSize) : -1;
  if (bad < 0) return tokens;
  throw new UserError(`${name}: token ${bad} is ${tokens[bad]} (tokenizer "${tokenizer.id}"), but the model's vocab_size is ${vocabSize}; the data needs vocab_size ${tokenizer.vocabSize}`);
}

/** Blocks of T + 1 tokens that share no token. */
interface Blocks {
  readonly tokens: TokenArray;
  readonly starts: Uint32Array;
}

function blocksOf(tokens: TokenArray, seqLen: number): Blocks {
  const count = Math.floor(tokens.length / (seqLen + 1));
  return { tokens, starts: Uint32Array.from({ length: count }, (_, block) => block * (seqLen + 1)) };
}

/** Holds out blocks at even distances, so that the held-out text is like the rest, whatever the seed. */
function splitDataset(name: string, tokens: TokenArray, bytes: number, options: DataOptions): Dataset {
  const { seqLen, validationFraction: fraction = 0.05 } = options;
  const { starts } = blocksOf(tokens, seqLen);
  const needed = fraction > 0 && fraction < 1 ? 2 : 1;
  if (starts.length < needed) throw tooShort(name, tokens.length, seqLen, needed);
  const nHeldOut = fraction > 0 && fraction < 1 ? Math.min(starts.length - 1, Math.max(1, Math.round(starts.length * fraction))) : starts.length * fraction;
  const isHeldOut = (block: number): boolean => Math.floor(((block + 1) * nHeldOut) / starts.length) > Math.floor((block * nHeldOut) / starts.length);
  const pick = (heldOut: boolean): Blocks => ({ tokens, starts: starts.filter((_, block) => isHeldOut(block) === heldOut) });
  return datasetOf([pick(false), pick(true)], bytes / tokens.length, options);
}

function tooShort(name: string, nTokens: number, seqLen: number, blocks: number): UserError {
  const why = blocks === 2 ? `: ${seqLen + 1} to train on and ${seqLen + 1} to hold out` : "";
  return new UserError(`${name} is too short: it has ${nTokens} tokens, and seq_len ${seqLen} needs at least ${blocks * (seqLen + 1)}${why}`);
}

function datasetOf([train, validation]: readonly [Blocks, Blocks], bytesPerToken: number, options: DataOptions): Dataset {
  const { seqLen, batch, seed } = options;
  const order = epochOrder(train.starts.length, seed);
  return {
    dataId: idOf([train, validation], options),
    nTokens: train.tokens === validation.tokens ? train.tokens.length : train.tokens.length + validation.tokens.length,
    bytesPerToken,
    trainBlocks: train.starts.length,
    validationBlocks: validation.starts.length,
    batchAt: (step) => gather(train, Array.from({ length: batch }, (_, row) => order(step * batch + row)), seqLen, batch),
    validationBatches: (maxTokens = Infinity) => validationBatches(validation, Math.floor(maxTokens / seqLen), seqLen, batch),
  };
}

/** Block of the n-th drawn sequence. The order of the current epoch is kept, because it is asked for again and again. */
function epochOrder(blocks: number, seed: number): (drawn: number) => number {
  let kept: { epoch: number; order: Uint32Array } = { epoch: -1, order: new Uint32Array(0) };
  return (drawn) => {
    if (blocks === 0) throw new Error("all data is held out, none is there to train on");
    const epoch = Math.floor(drawn / blocks);
    if (kept.epoch !== epoch) kept = { epoch, order: permutation(blocks, seed, `data epoch ${epoch}`) };
    return kept.order[drawn % blocks]!;
  };
}

function gather({ tokens, starts }: Blocks, chosen: readonly number[], seqLen: number, batch: number): Batch {
  const result = { tokens: new Uint32Array(batch * seqLen), targets: new Uint32Array(batch * seqLen) };
  for (const [row, block] of chosen.entries()) {
    const start = starts[block]!;
    result.tokens.set(tokens.subarray(start, start + seqLen), row * seqLen);
    result.targets.set(tokens.subarray(start + 1, start + seqLen + 1), row * seqLen);
  }
  return result;
}

function* validationBatches(blocks: Blocks, maxBlocks: number, seqLen: number, batch: number): Generator<ValidationBatch> {
  const total = blocks.starts.length;
  const count = Math.min(total, Math.max(1, maxBlocks));
  for (let first = 0; first < count; first += batch) {
    const rows = Math.min(batch, count - first);
    const chosen = Array.from({ length: rows }, (_, row) => Math.floor(((first + row) * total) / count));
    yield { ...gather(blocks, chosen, seqLen, batch), rows };
  }
}

function idOf(parts: readonly Blocks[], { tokenizer, seqLen }: DataOptions): string {
  const hash = createHash("sha256").update(`${tokenizer.id} ${seqLen}`);
  for (const { tokens, starts } of parts) {
    hash.update(` ${tokens.length} ${starts.length} `).update(bytesOf(starts)).update(bytesOf(tokens));
  }
  return hash.digest("hex").slice(0, 32);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TokenArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
