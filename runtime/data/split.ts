/** Which part of a text is trained on and which is held out. */
import { createHash } from "node:crypto";
import { inMemory, type Tokens } from "./tokens.ts";
import type { TokenArray } from "./tokenizer.ts";

/** Blocks of T + 1 tokens that share no token. */
export interface Blocks {
  readonly tokens: Tokens;
  readonly count: number;
  /** The first token of a block. */
  startOf(block: number): number;
}

export interface Split {
  /** Hash of the tokens, of how they are split and of the tokenizer: another text, or another T, has another id. */
  readonly id: string;
  readonly train: Blocks;
  readonly validation: Blocks;
}

/** What of a text decides how it is split. */
interface SplitText {
  readonly tokens: TokenArray;
  /** Its id. */
  readonly tokenizer: string;
}

/** Blocks whose tokens are in memory. */
interface Part {
  readonly tokens: TokenArray;
  readonly starts: Uint32Array;
}

/**
 * @param fraction of the blocks that is held out. Parts of a text that is too short have no blocks.
 */
export function splitText(text: SplitText, seqLen: number, fraction = 0.05): Split {
  const [train, validation] = spread(text.tokens, seqLen, fraction);
  const [id, tokens] = [idOf([train, validation], text.tokenizer, seqLen), inMemory(text.tokens)];
  return { id, train: asBlocks(train, tokens), validation: asBlocks(validation, tokens) };
}

const asBlocks = ({ starts }: Part, tokens: Tokens): Blocks => ({ tokens, count: starts.length, startOf: (block) => starts[block]! });

/** All blocks that follow each other from the beginning; what remains behind the last is left out. */
export const consecutive = (tokens: Tokens, seqLen: number): Blocks =>
  ({ tokens, count: Math.floor(tokens.length / (seqLen + 1)), startOf: (block) => block * (seqLen + 1) });

function blocksOf(tokens: TokenArray, seqLen: number): Part {
  const count = Math.floor(tokens.length / (seqLen + 1));
  return { tokens, starts: Uint32Array.from({ length: count }, (_, block) => block * (seqLen + 1)) };
}

/** Holds out blocks at even distances, so that the held-out text is like the rest, whatever the seed. */
function spread(tokens: TokenArray, seqLen: number, fraction: number): readonly [Part, Part] {
  const { starts } = blocksOf(tokens, seqLen);
  const isWhole = fraction === 0 || fraction === 1 || starts.length === 0;
  const nHeldOut = isWhole ? starts.length * fraction : Math.min(starts.length - 1, Math.max(1, Math.round(starts.length * fraction)));
  const isHeldOut = (block: number): boolean =>
    Math.floor(((block + 1) * nHeldOut) / starts.length) > Math.floor((block * nHeldOut) / starts.length);
  const pick = (heldOut: boolean): Part => ({ tokens, starts: starts.filter((_, block) => isHeldOut(block) === heldOut) });
  return [pick(false), pick(true)];
}

function idOf(parts: readonly Part[], tokenizer: string, seqLen: number): string {
  const hash = createHash("sha256").update(`${tokenizer} ${seqLen}`);
  for (const { tokens, starts } of parts) {
    hash.update(` ${tokens.length} ${starts.length} `).update(bytesOf(starts)).update(bytesOf(tokens));
  }
  return hash.digest("hex").slice(0, 32);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TokenArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
