/** Which part of a text is trained on and which is held out. */
import { createHash } from "node:crypto";
import type { Text } from "./text.ts";
import type { TokenArray } from "./tokenizer.ts";

/** Blocks of T + 1 tokens that share no token. */
export interface Blocks {
  readonly tokens: TokenArray;
  readonly starts: Uint32Array;
}

export interface Split {
  /** Hash of the tokens, of how they are split and of the tokenizer: another text, or another T, has another id. */
  readonly id: string;
  readonly train: Blocks;
  readonly validation: Blocks;
}

/**
 * @param fraction of the blocks that is held out where the source does not say itself. Parts of a text that is too short have no blocks.
 */
export function splitText(text: Text, seqLen: number, fraction = 0.05): Split {
  const { tokens, heldOut } = text;
  const [train, validation] = heldOut === null ? spread(tokens, seqLen, fraction) : [blocksOf(tokens, seqLen), blocksOf(heldOut, seqLen)];
  return { id: idOf([train, validation], text.tokenizer, seqLen), train, validation };
}

function blocksOf(tokens: TokenArray, seqLen: number): Blocks {
  const count = Math.floor(tokens.length / (seqLen + 1));
  return { tokens, starts: Uint32Array.from({ length: count }, (_, block) => block * (seqLen + 1)) };
}

/** Holds out blocks at even distances, so that the held-out text is like the rest, whatever the seed. */
function spread(tokens: TokenArray, seqLen: number, fraction: number): readonly [Blocks, Blocks] {
  const { starts } = blocksOf(tokens, seqLen);
  const isWhole = fraction === 0 || fraction === 1 || starts.length === 0;
  const nHeldOut = isWhole ? starts.length * fraction : Math.min(starts.length - 1, Math.max(1, Math.round(starts.length * fraction)));
  const isHeldOut = (block: number): boolean =>
    Math.floor(((block + 1) * nHeldOut) / starts.length) > Math.floor((block * nHeldOut) / starts.length);
  const pick = (heldOut: boolean): Blocks => ({ tokens, starts: starts.filter((_, block) => isHeldOut(block) === heldOut) });
  return [pick(false), pick(true)];
}

function idOf(parts: readonly Blocks[], tokenizer: string, seqLen: number): string {
  const hash = createHash("sha256").update(`${tokenizer} ${seqLen}`);
  for (const { tokens, starts } of parts) {
    hash.update(` ${tokens.length} ${starts.length} `).update(bytesOf(starts)).update(bytesOf(tokens));
  }
  return hash.digest("hex").slice(0, 32);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TokenArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
