/** Tokens of a text that are read by ranges: it may lie in memory or on disk. */
import type { TokenArray } from "./tokenizer.ts";

export interface Tokens {
  readonly length: number;
  /** Fills `into` with the tokens from `start` on. */
  read(start: number, into: Uint32Array): void;
}

export const inMemory = (tokens: TokenArray): Tokens => ({
  length: tokens.length,
  read: (start, into) => into.set(tokens.subarray(start, start + into.length)),
});
