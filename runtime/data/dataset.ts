import { UserError } from "../errors.ts";
import { permutation } from "./shuffle.ts";
import { splitText, type Blocks } from "./split.ts";
import type { Text } from "./text.ts";
import { scoredTokens, type Windows } from "./windows.ts";

/** B sequences of T tokens; targets[b, t] follows tokens[b, t]. Row-major. */
export interface Batch {
  readonly tokens: Uint32Array; // [B, T]
  readonly targets: Uint32Array; // [B, T]
}

export interface ValidationBatch extends Batch {
  /** For each row that counts, its first position that does. Rows after those are padding (zeros): the last batch may not be full. */
  readonly scoredFrom: readonly number[];
}

export interface Dataset {
  /** See Split. */
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

export interface SplitOptions {
  readonly seqLen: number; // T
  readonly batch: number; // B
  readonly seed: number;
  /** Share of the blocks that is held out where the source does not say itself: 0 to train on all, 1 to hold out all. Default 0.05. */
  readonly validationFraction?: number;
}

/** Splits a text that is read already. UserError if it is too short. */
export function datasetOf(text: Text, { seqLen, batch, seed, validationFraction }: SplitOptions): Dataset {
  const { id, train, validation } = splitText(text, seqLen, validationFraction);
  requireLength(text, train, validation, seqLen, validationFraction);
  const order = epochOrder(train.starts.length, seed);
  const windows = { ...validation, scoredFrom: new Uint32Array(validation.starts.length) };
  return {
    dataId: id,
    nTokens: text.tokens.length + (text.heldOut?.length ?? 0),
    bytesPerToken: text.bytesPerToken,
    trainBlocks: train.starts.length,
    validationBlocks: validation.starts.length,
    batchAt: (step) => gather(train, Array.from({ length: batch }, (_, row) => order(step * batch + row)), seqLen, batch),
    validationBatches: (maxTokens) => windowBatches(windows, seqLen, batch, maxTokens),
  };
}

function requireLength({ name }: Text, train: Blocks, validation: Blocks, seqLen: number, fraction: number | undefined): void {
  const wanted = fraction === 0 ? [train] : fraction === 1 ? [validation] : [train, validation];
  const short = wanted.find(({ starts }) => starts.length === 0);
  if (short === undefined) return;
  const both = wanted.length === 2 && train.tokens === validation.tokens;
  const why = both ? `: ${seqLen + 1} to train on and ${seqLen + 1} to hold out` : "";
  throw new UserError(`${name} is too short: it has ${short.tokens.length} tokens, and seq_len ${seqLen} needs at least ${(both ? 2 : 1) * (seqLen + 1)}${why}`);
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

/** At most about `maxTokens` tokens that count, in windows spread evenly, but at least one window. */
export function* windowBatches(windows: Windows, seqLen: number, batch: number, maxTokens = Infinity): Generator<ValidationBatch> {
  const total = windows.starts.length;
  const count = Math.min(total, Math.max(1, Math.floor((maxTokens * total) / scoredTokens(windows, seqLen))));
  for (let first = 0; first < count; first += batch) {
    const rows = Math.min(batch, count - first);
    const chosen = Array.from({ length: rows }, (_, row) => Math.floor(((first + row) * total) / count));
    yield { ...gather(windows, chosen, seqLen, batch), scoredFrom: chosen.map((window) => windows.scoredFrom[window]!) };
  }
}
