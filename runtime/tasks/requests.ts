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

/**
 * moeut: context and continuation are encoded apart, no token stands in front, and a first token is never scored.
 * harness: they are encoded together and cut where the context ends; sentences follow a start token and a space.
 * @param start the token in front of sentences  @param seqLen tokens that the model reads at most
 */
export function requestsOf(item: Item, protocol: TaskProtocol, tokenizer: Tokenizer, start: number, seqLen: number): readonly Request[] {
  return item.choices.map((choice) => {
    const { context } = item;
    const { tokens, from } = protocol === "moeut" ? apart(context, choice, tokenizer) : together(context, choice, tokenizer, start);
    if (tokens.length <= from) throw new UserError(`${item.id}: the choice "${choice}" has no token that could be scored`);
    return fitted(tokens, from, seqLen, item);
  });
}

type Sequence = Pick<Request, "tokens" | "from">;

const encode = (tokenizer: Tokenizer, text: string): readonly number[] => [...tokenizer.encode(Buffer.from(text))];

function apart(context: string, choice: string, tokenizer: Tokenizer): Sequence {
  if (context === "") return { tokens: encode(tokenizer, choice), from: 1 };
  const before = encode(tokenizer, context);
  return { tokens: [...before, ...encode(tokenizer, ` ${choice}`)], from: before.length };
}

function together(context: string, choice: string, tokenizer: Tokenizer, start: number): Sequence {
  if (context === "") return { tokens: [start, ...encode(tokenizer, ` ${choice}`)], from: 1 };
  const trimmed = context.trimEnd();
  const before = encode(tokenizer, trimmed);
  const tokens = encode(tokenizer, `${trimmed}${context.slice(trimmed.length)} ${choice}`);
  return { tokens, from: Math.max(1, Math.min(before.length, tokens.length - 1)) };
}

/** What does not fit is left out at the beginning of the context, never of what is scored. */
function fitted(tokens: readonly number[], from: number, seqLen: number, { id }: Item): Request {
  const cut = Math.max(0, tokens.length - 1 - seqLen);
  if (from - cut >= 1) return { tokens: tokens.slice(cut), from: from - cut, cut };
  throw new UserError(`${id}: ${tokens.length - from} tokens are to be scored, and the model's context is only ${seqLen}`);
}
