import { UserError } from "../errors.ts";
import { IGNORED } from "../standalone/train-step.ts";
import { permutation } from "./shuffle.ts";
import type { Blocks, Split } from "./split.ts";
import type { Tokens } from "./tokens.ts";
import { scoredTokens, type Windows } from "./windows.ts";

/** B sequences of T tokens; targets[b, t] follows tokens[b, t]. Row-major. */
export interface Batch {
  readonly tokens: Uint32Array; // [B, T]
  readonly targets: Uint32Array; // [B, T]
}

export interface ValidationBatch extends Batch {
  /**
   * For each row that counts, its first position that does; from there on, those with a target do. Rows after those are padding (zeros):
   * the last batch may not be full.
   */
  readonly scoredFrom: readonly number[];
}

export interface Dataset {
  /** See Split. */
  readonly dataId: string;
  readonly nTokens: number;
  /** T of its batches. */
  readonly seqLen: number;
  /** Of batches to train on, T may be one of these too, which are smaller. */
  readonly lengths: readonly number[];
  /** Some targets are IGNORED: the model is to be compiled for that. */
  readonly masked: boolean;
  /** Bytes of text per token, for bits per byte. */
  readonly bytesPerToken: number;
  readonly trainBlocks: number;
  /** Targets that count, of one sequence to train on, on average. */
  readonly targetsPerBlock: number;
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
  /** Share of the blocks that is held out: 0 to train on all, 1 to hold out all. Default 0.05. */
  readonly validationFraction?: number;
}

/** What a run learns from: a text in memory, or a prepared corpus on disk. */
export interface Data {
  /** The source as given, for messages. */
  readonly name: string;
  /** Id of its tokenizer. */
  readonly tokenizer: string;
  readonly nTokens: number;
  /** Of text, for bits per byte. */
  readonly bytesPerToken: number;
  /** What decides what is held out: a hash of each document, or our choice of blocks at even distances. */
  readonly heldOutBy: "documents" | "blocks";
  /** @param fraction of the blocks that is held out, where these are ours to choose */
  split(seqLen: number, fraction?: number): Split;
}

/** UserError if there is too little of it. */
export function datasetOf(data: Data, { seqLen, batch, seed, validationFraction }: SplitOptions): Dataset {
  const { id, train, validation } = data.split(seqLen, validationFraction);
  requireLength(data, train, validation, seqLen, validationFraction);
  const order = epochOrder(train.count, seed);
  const windows: Windows = {
    tokens: validation.tokens, starts: Float64Array.from({ length: validation.count }, (_, block) => validation.startOf(block)),
    scoredFrom: new Uint32Array(validation.count), scoredTo: new Uint32Array(validation.count).fill(seqLen),
  };
  return {
    dataId: id, nTokens: data.nTokens, seqLen, lengths: [], masked: false, bytesPerToken: data.bytesPerToken,
    trainBlocks: train.count, targetsPerBlock: seqLen, validationBlocks: validation.count,
    batchAt: (step) => {
      const blocks = Array.from({ length: batch }, (_, row) => order(step * batch + row));
      return gather(train.tokens, blocks.map(train.startOf), seqLen, batch);
    },
    validationBatches: (maxTokens) => windowBatches(windows, seqLen, batch, maxTokens),
  };
}

function requireLength({ name }: Data, train: Blocks, validation: Blocks, seqLen: number, fraction: number | undefined): void {
  const wanted = fraction === 0 ? [train] : fraction === 1 ? [validation] : [train, validation];
  const short = wanted.find(({ count }) => count === 0);
  if (short === undefined) return;
  const both = wanted.length === 2 && train.tokens === validation.tokens;
  const why = both ? `: ${seqLen + 1} to train on and ${seqLen + 1} to hold out` : "";
  const what = both || wanted.length === 1 ? `it has ${short.tokens.length} tokens`
    : `${short.tokens.length} of its tokens are ${short === train ? "to train on" : "held out"}`;
  const needed = (both ? 2 : 1) * (seqLen + 1);
  throw new UserError(`${name} is too short: ${what}, and seq_len ${seqLen} needs at least ${needed}${why}`);
}

/** Block of the n-th drawn sequence. The order of the current epoch is kept, because it is asked for again and again. */
export function epochOrder(blocks: number, seed: number): (drawn: number) => number {
  let kept: { epoch: number; order: Uint32Array } = { epoch: -1, order: new Uint32Array(0) };
  return (drawn) => {
    if (blocks === 0) throw new Error("all data is held out, none is there to train on");
    const epoch = Math.floor(drawn / blocks);
    if (kept.epoch !== epoch) kept = { epoch, order: permutation(blocks, seed, `data epoch ${epoch}`) };
    return kept.order[drawn % blocks]!;
  };
}

/** @param lengths of the rows: positions without a target follow */
function gather(
  tokens: Tokens, starts: readonly number[], seqLen: number, batch: number, lengths: readonly number[] = starts.map(() => seqLen),
): Batch {
  const result = { tokens: new Uint32Array(batch * seqLen), targets: new Uint32Array(batch * seqLen) };
  const room = new Uint32Array(seqLen + 1);
  for (const [row, start] of starts.entries()) {
    const block = room.subarray(0, lengths[row]! + 1);
    tokens.read(start, block);
    result.tokens.set(block.subarray(0, -1), row * seqLen);
    result.targets.set(block.subarray(1), row * seqLen);
    result.targets.fill(IGNORED, row * seqLen + lengths[row]!, (row + 1) * seqLen);
  }
  return result;
}

/** At most about `maxTokens` tokens that count, in windows spread evenly, but at least one window. */
export function* windowBatches(windows: Windows, seqLen: number, batch: number, maxTokens = Infinity): Generator<ValidationBatch> {
  const { tokens, starts, scoredFrom, scoredTo } = windows;
  const all = chosenWindows(windows, maxTokens);
  for (let row = 0; row < all.length; row += batch) {
    const chosen = all.slice(row, row + batch);
    const of = (values: ArrayLike<number>): readonly number[] => chosen.map((window) => values[window]!);
    yield { ...gather(tokens, of(starts), seqLen, batch, of(scoredTo)), scoredFrom: of(scoredFrom) };
  }
}

/** Their numbers, in order. */
export function chosenWindows(windows: Windows, maxTokens = Infinity): readonly number[] {
  const total = windows.starts.length;
  const count = Math.min(total, Math.max(1, Math.floor((maxTokens * total) / scoredTokens(windows))));
  return Array.from({ length: count }, (_, i) => Math.floor((i * total) / count));
}
