/** The tokenizer that a command is given. */
import { Option } from "commander";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { byteTokenizer, type Tokenizer } from "../runtime/data/index.ts";
import { BYTE_TOKENIZER } from "../runtime/tokenizer/bytes.ts";
import { readTokenizer, requireRoom } from "../runtime/tokenizer/file.ts";
import { grouped } from "../runtime/units.ts";
import { say } from "./terminal.ts";

const FILES = "a tokenizer.json, of `moeut tokenizer train` or Hugging Face, or a SentencePiece .model";

export const tokenizerOption = (): Option => new Option("--tokenizer <file>", `${FILES} (default: every byte is a token)`);

export function tokenizerFor({ tokenizer: path }: { readonly tokenizer?: string }, models: readonly ModelSpec[]): Tokenizer {
  const tokenizer = path === undefined ? byteTokenizer : fileTokenizer(path);
  requireFit(path, tokenizer, models);
  return tokenizer;
}

/** Bytes are bytes, also where an exported model names them. */
export function fileTokenizer(path: string): Tokenizer {
  const tokenizer = readTokenizer(path);
  return tokenizer.file === BYTE_TOKENIZER ? byteTokenizer : tokenizer;
}

/**
 * UserError if a model has no room for all tokens. Room for more is no mistake, and is said.
 * @param path what brings the tokenizer; without one, a text of bytes may do with fewer tokens
 */
export function requireFit(path: string | undefined, tokenizer: Tokenizer, models: readonly ModelSpec[]): void {
  if (path !== undefined) requireRoom(path, tokenizer, models);
  const large = models.find(({ vocabSize }) => vocabSize > tokenizer.vocabSize);
  if (large === undefined) return;
  say(`note: model ${large.name} has a vocab_size of ${grouped(large.vocabSize)}, of which ${usedOf(path, tokenizer)}`);
}

const usedOf = (path: string | undefined, { vocabSize }: Tokenizer): string =>
  (path === undefined ? "bytes use the first 256; --tokenizer has more" : `${path} uses the first ${grouped(vocabSize)}`);
