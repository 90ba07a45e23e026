/** Pairs as what a model trains on: rows that begin with a source, and of which the target and its end are scored. */
import { createHash } from "node:crypto";
import { UserError } from "../errors.ts";
import { epochOrder, type Dataset, type SplitOptions, type ValidationBatch } from "../data/dataset.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { IGNORED, type MicroBatch } from "../standalone/train-step.ts";
import { parseTokenizer } from "../tokenizer/file.ts";
import { BOS, EOS, SEP, vocabularyText } from "./vocabulary.ts";
import { holdBack, wordsOf, type Pair, type PairTask } from "./pair.ts";

export interface PairData {
  readonly tokenizer: Tokenizer;
  readonly train: readonly Sequence[];
  readonly validation: readonly Sequence[];
  /** Of held-out answers, a byte for the end of each word. */
  readonly bytesPerToken: number;
}

/** `<bos> source <sep> target <eos>`. */
export interface Sequence {
  readonly tokens: readonly number[];
  /** Where the target begins: the first token that is scored. */
  readonly from: number;
}

export function pairData(task: PairTask): PairData {
  const [all, held] = [task.train(), task.validation()];
  const { train, validation } = held === null ? holdBack(all) : { train: all, validation: held };
  if (train.length === 0) throw new UserError("pairs to train on need at least two different questions: one of them is held back");
  const tokenizer = tokenizerOf(task, all);
  const code = sequences(tokenizer);
  return { tokenizer, train: train.map(code), validation: validation.map(code), bytesPerToken: bytesPerToken(validation) };
}

function bytesPerToken(pairs: readonly Pair[]): number {
  const [bytes, tokens] = [(target: string) => Buffer.byteLength(target) + 1, (target: string) => wordsOf(target).length + 1];
  const total = (of: (target: string) => number): number => pairs.reduce((sum, { target }) => sum + of(target), 0);
  return total(bytes) / total(tokens);
}

/** The words of a task; where it does not say them, those of its training, sorted. */
function tokenizerOf({ words, more }: PairTask, train: readonly Pair[]): Tokenizer {
  const seen = words ?? [...new Set([...more, ...train.flatMap(({ source, target }) => [...wordsOf(source), ...wordsOf(target)])])].sort();
  return parseTokenizer("the vocabulary", vocabularyText(seen, words === null));
}

/** Pairs by the words of a tokenizer. */
export function sequences(tokenizer: Tokenizer): (pair: Pick<Pair, "source" | "target">) => Sequence {
  const encode = (text: string): readonly number[] => Array.from(tokenizer.encode(Buffer.from(text)));
  return ({ source, target }) => {
    const tokens = encode(`${BOS} ${source} ${SEP} ${target} ${EOS}`);
    return { tokens, from: wordsOf(source).length + 2 };
  };
}

/** What is scored of them. */
const targetsIn = (all: readonly Sequence[]): number => all.reduce((sum, { tokens, from }) => sum + tokens.length - from, 0);

/** Positions that the longest of them takes. */
const longest = (all: readonly Sequence[]): number => all.reduce((most, { tokens }) => Math.max(most, tokens.length - 1), 0);

/** So many pairs are no longer than a length: it holds half of all batches of 16, and nine of ten. */
const SHARES = [0.96, 0.994];
/** Of the longest pair of all: a length near it would spare nothing. */
const NEAR = 0.9;

/** Lengths of rows that spare batches most of the padding which the longest pair of all asks for. The same for batches of any size. */
function shorterLengths(train: readonly Sequence[], seqLen: number): readonly number[] {
  const sorted = train.map(({ tokens }) => tokens.length - 1).sort((a, b) => a - b);
  const lengths = SHARES.map((share) => sorted[Math.ceil(share * sorted.length) - 1]!);
  return [...new Set(lengths)].filter((length) => length <= NEAR * seqLen);
}

/** UserError if a sequence is longer than the model's context. */
export function pairDataset(data: PairData, { seqLen: most, batch, seed }: Pick<SplitOptions, "seqLen" | "batch" | "seed">): Dataset {
  const { tokenizer, train, validation, bytesPerToken } = data;
  const seqLen = longest([...train, ...validation]);
  if (seqLen > most) {
    const more = `give it \`seq_len ${seqLen}\` or more, or --set seq_len=${seqLen}`;
    throw new UserError(`the longest pair takes ${seqLen} positions, and seq_len is ${most}: ${more}`);
  }
  const order = epochOrder(train.length, seed);
  const lengths = shorterLengths(train, seqLen);
  const rowLength = (chosen: readonly Sequence[]): number => lengths.find((length) => length >= longest(chosen)) ?? seqLen;
  return {
    dataId: idOf(tokenizer, [train, validation]), nTokens: [...train, ...validation].reduce((sum, { tokens }) => sum + tokens.length, 0),
    seqLen, lengths, masked: true, bytesPerToken, trainBlocks: train.length, targetsPerBlock: targetsIn(train) / train.length,
    validationBlocks: validation.length,
    batchAt: (step) => {
      const chosen = Array.from({ length: batch }, (_, row) => train[order(step * batch + row)]!);
      return rows(chosen, rowLength(chosen), batch);
    },
    validationBatches: (maxTokens) => validationBatches(validation, seqLen, batch, maxTokens),
  };
}

/** At most about `maxTokens` targets, in pairs spread evenly, but at least one pair. */
function* validationBatches(all: readonly Sequence[], seqLen: number, batch: number, maxTokens = Infinity): Generator<ValidationBatch> {
  const count = Math.min(all.length, Math.max(1, Math.floor((maxTokens * all.length) / targetsIn(all))));
  const spread = (i: number): Sequence => all[Math.floor((i * all.length) / count)]!;
  for (let first = 0; first < count; first += batch) {
    const chosen = Array.from({ length: Math.min(batch, count - first) }, (_, row) => spread(first + row));
    yield { ...rows(chosen, seqLen, batch), scoredFrom: chosen.map(() => 0) };
  }
}

/** Rows of one sequence each, padded behind it. */
function rows(chosen: readonly Sequence[], seqLen: number, batch: number): MicroBatch {
  const [tokens, targets] = [new Uint32Array(batch * seqLen), new Uint32Array(batch * seqLen).fill(IGNORED)];
  for (const [row, { tokens: sequence, from }] of chosen.entries()) {
    tokens.set(sequence.slice(0, -1), row * seqLen);
    targets.set(sequence.slice(from), row * seqLen + from - 1);
  }
  return { tokens, targets };
}

function idOf({ id }: Tokenizer, parts: readonly (readonly Sequence[])[]): string {
  const hash = createHash("sha256").update(`${id} pairs`);
  for (const part of parts) for (const { tokens, from } of part) hash.update(` ${from} ${tokens.join(" ")}`);
  return hash.digest("hex").slice(0, 32);
}
