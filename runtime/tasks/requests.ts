/** An item as token sequences, by protocol: what the model reads, and from where on it is scored. */
import type { Tokenizer } from "../data/index.ts";
import { UserError } from "../errors.ts";
import type { Item, TaskProtocol } from "./items.ts";

export interface Request {
  /** The model reads all but the last. */
  readonly tokens: readonly number[];
  /** First token that is scored; at least 1. */
  readonly from: number;
  /** Tokens of the context that were left out at its beginning, because the model's context is too short. */
  readonly cut: number;
}

/** A text before it is fitted into the model's context. */
export interface Sequence {
  readonly tokens: readonly number[];
  /** First token that is scored; at least 1. */
  readonly from: number;
  /** First token that must not be left out. */
  readonly kept: number;
}

/** How texts become tokens. */
export interface Reading {
  readonly protocol: TaskProtocol;
  readonly tokenizer: Tokenizer;
  /** The token in front of whole texts, by harness. */
  readonly start: number;
}

/** The token in front of whole texts by harness: the tokenizer's own, or a line break where it has none, as bytes. */
export const startToken = (tokenizer: Tokenizer): number => tokenizer.endOfText ?? tokenizer.encode(Buffer.from("\n"))[0]!;

export const encode = ({ tokenizer }: Reading, text: string): readonly number[] => [...tokenizer.encode(Buffer.from(text))];

/**
 * A sequence for each choice.
 * moeut: context and continuation are encoded apart, no token stands in front, and a first token is never scored.
 * harness: they are encoded together and cut where the context ends; whole texts follow a start token.
 */
export function sequencesOf(item: Item, reading: Reading): readonly Sequence[] {
  return item.choices.map((choice) => {
    const { tokens, from } = reading.protocol === "moeut" ? apart(item, choice, reading) : together(item, choice, reading);
    if (tokens.length <= from) throw new UserError(`${item.id}: the choice "${choice}" has no token that could be scored`);
    return { tokens, from, kept: from };
  });
}

type Cut = Pick<Sequence, "tokens" | "from">;

const leadOf = ({ glued, context }: Item, { protocol }: Reading): string =>
  (glued === true || (protocol === "moeut" && context === "") ? "" : " ");

function apart(item: Item, choice: string, reading: Reading): Cut {
  const [before, after] = [encode(reading, item.context), encode(reading, leadOf(item, reading) + choice)];
  return { tokens: [...before, ...after], from: Math.max(1, before.length) };
}

function together(item: Item, choice: string, reading: Reading): Cut {
  const continuation = leadOf(item, reading) + choice;
  if (item.context === "") return { tokens: [reading.start, ...encode(reading, continuation)], from: 1 };
  const tokens = encode(reading, item.context + continuation);
  const before = encode(reading, item.context.trimEnd());
  return { tokens, from: Math.max(1, Math.min(before.length, tokens.length - 1)) };
}

/**
 * Into a context of seqLen tokens: what does not fit is left out at the beginning, never of what must be kept.
 * @param task for the UserError where that alone is too long
 */
export function fitAll(sequences: readonly Sequence[], seqLen: number, task: string): readonly Request[] {
  const needed = sequences.reduce((most, { tokens, kept }) => Math.max(most, tokens.length - kept), 0);
  if (needed > seqLen) {
    const more = `give it more with --set seq_len=${needed}`;
    throw new UserError(`${task} has texts of which ${needed} tokens are scored, and the model's context is only ${seqLen}: ${more}`);
  }
  return sequences.map(({ tokens, from }) => {
    const cut = Math.max(0, tokens.length - 1 - seqLen);
    return { tokens: tokens.slice(cut), from: Math.max(1, from - cut), cut };
  });
}
