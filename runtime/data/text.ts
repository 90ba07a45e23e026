/** A source as tokens, read once: runs of other seeds and contexts split the same text. */
import { UserError } from "../errors.ts";
import type { Data } from "./dataset.ts";
import { readSource } from "./source.ts";
import { splitText } from "./split.ts";
import type { TokenArray, Tokenizer } from "./tokenizer.ts";

export interface TextOptions {
  readonly tokenizer: Tokenizer;
  /** The model's vocabulary (default: the tokenizer's). Greater tokens are refused. */
  readonly vocabSize?: number;
}

export interface Text extends Data {
  readonly tokens: TokenArray;
  /** What the reader should know about the source: files that were skipped, bytes that are not UTF-8. */
  readonly notes: readonly string[];
}

/** Reads and tokenizes a source: see readSource for what it may be. UserError for whatever is wrong with it. */
export async function loadText(source: string | readonly string[], options: TextOptions): Promise<Text> {
  const name = typeof source === "string" ? source : source.join(" ");
  const { text, notes } = await readSource(source);
  const tokens = tokenize(name, text, options);
  const parts = { tokenizer: options.tokenizer.id, tokens };
  return {
    ...parts, name, nTokens: tokens.length, bytesPerToken: text.length / tokens.length, notes,
    heldOutBy: "blocks", split: (seqLen, fraction) => splitText(parts, seqLen, fraction),
  };
}

function tokenize(name: string, text: Uint8Array, { tokenizer, vocabSize = tokenizer.vocabSize }: TextOptions): TokenArray {
  const tokens = tokenizer.encode(text);
  const bad = vocabSize < tokenizer.vocabSize ? tokens.findIndex((token) => token >= vocabSize) : -1;
  if (bad < 0) return tokens;
  throw new UserError(`${name}: token ${bad} is ${tokens[bad]} (tokenizer "${tokenizer.id}"), but the model's vocab_size is ${vocabSize}; `
    + `the data needs vocab_size ${tokenizer.vocabSize}`);
}
