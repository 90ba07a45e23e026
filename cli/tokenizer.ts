/** The tokenizer that a command is given. */
import { Option } from "commander";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { byteTokenizer, type Tokenizer } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { readTokenizer } from "../runtime/tokenizer/file.ts";

export const tokenizerOption = (): Option =>
  new Option("--tokenizer <file>", "a tokenizer.json, of `moeut tokenizer train` or Hugging Face (default: every byte is a token)");

/** UserError if a model has no room for all of its tokens. */
export function tokenizerFor({ tokenizer: path }: { readonly tokenizer?: string }, models: readonly ModelSpec[]): Tokenizer {
  if (path === undefined) return byteTokenizer;
  const tokenizer = readTokenizer(path);
  requireRoom(path, tokenizer, models);
  return tokenizer;
}

/** UserError if a model has no room for all tokens. @param what has them */
export function requireRoom(what: string, tokenizer: Tokenizer, models: readonly ModelSpec[]): void {
  const small = models.find(({ vocabSize }) => vocabSize < tokenizer.vocabSize);
  if (small === undefined) return;
  throw new UserError(`${what} has ${tokenizer.vocabSize} tokens, and model ${small.name} a vocab_size of ${small.vocabSize}: `
    + `give it \`vocab_size ${tokenizer.vocabSize}\` in the spec, or --set vocab_size=${tokenizer.vocabSize}`);
}
