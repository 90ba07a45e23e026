/** Greedy answers to many prompts: those of one length go through the caches together. */
import { decode, prefill } from "../standalone/generate.ts";
import type { Executor } from "../standalone/types.ts";

export interface Question {
  readonly prompt: readonly number[];
  /** Tokens of the right answer. One that is longer is wrong, however it goes on. */
  readonly length: number;
}

/** Tokens in front of the end, at most one more than the right answer has. */
export interface Answer {
  readonly tokens: readonly number[];
  /** The end was chosen behind them. */
  readonly ended: boolean;
  /** What comes out if the end may not be chosen before the length of the right answer, and is then. */
  readonly oracle: readonly number[];
}

interface Row {
  /** Where the end was first chosen. */
  end: number | null;
  readonly tokens: number[];
}

export interface DecodeOptions {
  readonly eos: number;
  /** Of the vocabulary: a model may have room for more. */
  readonly vocabSize: number;
  /** Positions that the caches hold. */
  readonly capacity: number;
}

/**
 * Both kinds of decoding in one go: as long as the end is not chosen they are the same, and behind it only the second goes on.
 * @param questions of one prompt length, at most as many as the plan continues at once
 */
export async function answerAll(executor: Executor, questions: readonly Question[], options: DecodeOptions): Promise<readonly Answer[]> {
  const places = executor.shape("decode/tokens")[0]!;
  const [vocabulary, length] = [executor.shape("decode/logits").at(-1)!, questions[0]!.prompt.length];
  const rows = questions.map((): Row => ({ end: null, tokens: [] }));
  const prompts = Array.from({ length: places }, (_, row) => questions[row]?.prompt ?? questions[0]!.prompt);
  let logits = await prefill(executor, prompts, options.capacity);
  for (let step = 0; ; step++) {
    rows.forEach((row, index) => take(row, logits, index * vocabulary, options));
    if (rows.every(({ end, tokens }, i) => tokens.length >= questions[i]!.length + (end === null ? 1 : 0))) break;
    logits = await decode(executor, prompts.map((_, index) => rows[index]?.tokens.at(-1) ?? 0), length + step);
  }
  return rows.map((row, i) => answerOf(row, questions[i]!));
}

/** On the other rows of its batch an answer does not depend, though they may go on longer. */
function answerOf({ end, tokens }: Row, { length }: Question): Answer {
  const ended = end !== null && end <= length;
  return { tokens: tokens.slice(0, ended ? end : length + 1), ended, oracle: tokens.slice(0, length) };
}

/** Takes the greatest logit but that of the end, and notes where that is greater still. Of equal ones the first counts. */
function take(row: Row, logits: ArrayLike<number>, first: number, { eos, vocabSize }: DecodeOptions): void {
  let best = eos === 0 ? 1 : 0;
  for (let token = 0; token < vocabSize; token++) if (token !== eos && logits[first + token]! > logits[first + best]!) best = token;
  const [end, other] = [logits[first + eos]!, logits[first + best]!];
  if (row.end === null && (end > other || (end === other && eos < best))) row.end = row.tokens.length;
  row.tokens.push(best);
}
