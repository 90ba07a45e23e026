/** How much of a text also occurs in another. */
import type { TokenArray } from "./tokenizer.ts";

/** Shorter passages that two texts have in common are chance; half of a text that is itself not twice as long. */
const SHORTEST = 32;
/** Chunks that are remembered at most: of longer texts they are longer. */
const MOST_CHUNKS = 2 ** 20;

/**
 * Tokens of `text` in passages that `known` holds as well. Every common passage of at least 63 tokens is found (of more, where `known`
 * is longer than 32 million tokens), and none of less than 32. Works like rsync: chunks of `known` are looked for at every position.
 */
export function sharedTokens(text: TokenArray, known: TokenArray): number {
  const length = Math.max(1, Math.min(SHORTEST, text.length >> 1), Math.ceil(known.length / MOST_CHUNKS));
  const chunks = chunksOf(known, length);
  const leading = power(length - 1);
  let shared = 0;
  let covered = 0; // every token before this one is decided
  let hash = hashOf(text, 0, length);
  for (let at = 0; at + length <= text.length; at++) {
    const found = at + length <= covered ? undefined : chunks.get(hash);
    if (found !== undefined && equalFrom(text, at, known, found, length) === length) {
      const start = at < covered ? covered : at - equalBefore(text, at, known, found, at - covered);
      covered = at + length + equalFrom(text, at + length, known, found + length);
      shared += covered - start;
    }
    hash = (Math.imul(hash - Math.imul(text[at]!, leading), BASE) + (text[at + length] ?? 0)) | 0;
  }
  return shared;
}

const BASE = 0x01000193;

/** Σ token[i] · BASE^(length − 1 − i), modulo 2³². */
function hashOf(tokens: TokenArray, start: number, length: number): number {
  let hash = 0;
  for (let i = start; i < start + length; i++) hash = (Math.imul(hash, BASE) + (tokens[i] ?? 0)) | 0;
  return hash;
}

function power(exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, BASE);
  return result;
}

/** Where each chunk begins first, by its hash. First, so that repetitive texts have the longest passages in common. */
function chunksOf(tokens: TokenArray, length: number): ReadonlyMap<number, number> {
  const chunks = new Map<number, number>();
  for (let start = 0; start + length <= tokens.length; start += length) {
    const hash = hashOf(tokens, start, length);
    if (!chunks.has(hash)) chunks.set(hash, start);
  }
  return chunks;
}

/** Equal tokens from a[i] and b[j] on, at most `limit`. */
function equalFrom(a: TokenArray, i: number, b: TokenArray, j: number, limit = Infinity): number {
  let n = 0;
  while (n < limit && i + n < a.length && j + n < b.length && a[i + n] === b[j + n]) n++;
  return n;
}

/** Equal tokens that end before a[i] and b[j], at most `limit`. */
function equalBefore(a: TokenArray, i: number, b: TokenArray, j: number, limit: number): number {
  let n = 0;
  while (n < limit && n < j && a[i - n - 1] === b[j - n - 1]) n++;
  return n;
}
