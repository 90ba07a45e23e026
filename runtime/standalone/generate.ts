/** Text as tokens: a prompt is read in chunks into the caches, then one token follows the other. */
import { NO_NOISE, writeNoise } from "./noise.ts";
import { writePositions } from "./positions.ts";
import type { Sampler } from "./sampler.ts";
import type { Executor } from "./types.ts";

export interface GenerateOptions {
  readonly maxTokens: number;
  /** Positions that the caches hold. */
  readonly seqLen: number;
  readonly sample: Sampler;
  /** Called each time the text outgrows the caches and its older half is dropped. */
  readonly onSlide?: () => void;
}

/** A text of 1 to seqLen tokens → logits [V] after its last one. */
export type LogitsAfter = (text: readonly number[]) => Promise<ArrayLike<number>>;

export interface Reader {
  readonly logitsAfter: LogitsAfter;
  /** To be called when the weights have changed: what the caches hold comes from the old ones. */
  forget(): void;
}

/**
 * Reads texts through the caches, which only save work: a text that is not what they hold and one token more is read from its start. One
 * text must have been read before the next is begun.
 */
export function createReader(executor: Executor, seqLen: number): Reader {
  let held: readonly number[] = [];
  return {
    forget: () => void (held = []),
    logitsAfter: async (text) => {
      const goesOn = held.length > 0 && held.length + 1 === text.length && held.every((token, i) => token === text[i]);
      held = [];
      const logits = goesOn ? await decode(executor, [text.at(-1)!], text.length - 1) : await prefill(executor, [text], seqLen);
      held = text;
      return logits;
    },
  };
}

/** As continueText, for an executor that is used by nothing else meanwhile. */
export const generateTokens = (executor: Executor, prompt: readonly number[], options: GenerateOptions): AsyncGenerator<number> =>
  continueText(createReader(executor, options.seqLen).logitsAfter, prompt, options);

/**
 * Yields tokens one by one.
 * @param prompt at least one token; of a longer one than the context, the last seqLen tokens are read
 * Where the context is full, its latest half is read again and generation goes on from there.
 */
export async function* continueText(logitsAfter: LogitsAfter, prompt: readonly number[], options: GenerateOptions): AsyncGenerator<number> {
  const { maxTokens, seqLen, sample, onSlide } = options;
  let context = prompt.slice(-seqLen);
  for (let i = 0; i < maxTokens; i++) {
    const next = sample(await logitsAfter(context), i);
    yield next;
    if (context.length < seqLen) context = [...context, next];
    else if (i + 1 < maxTokens) {
      onSlide?.();
      context = [...context, next].slice(-Math.max(1, Math.floor(seqLen / 2)));
    }
  }
}

/**
 * Reads texts into the caches, starting at position 0.
 * @param texts of one length, as many as the plan continues at once @returns logits [B, V] after their last tokens
 */
export async function prefill(executor: Executor, texts: readonly (readonly number[])[], seqLen: number): Promise<ArrayLike<number>> {
  const chunk = executor.shape("prefill/tokens").at(-1)!;
  const { length } = texts[0]!;
  let logits: ArrayLike<number> = [];
  for (let first = 0; first < length; first += chunk) {
    // A chunk that would pass the end of the caches starts earlier, and computes some positions again.
    const start = Math.min(first, seqLen - chunk);
    const last = Math.min(length - start, chunk) - 1;
    const rows = texts.map((text) => Array.from({ length: chunk }, (_, i) => text[start + i] ?? 0));
    executor.write("prefill/tokens", Uint32Array.from(rows.flat()));
    executor.write("prefill/last", Uint32Array.from(texts, (_, row) => row * chunk + last));
    writePositions(executor, "prefill", start);
    writeNoise(executor, "prefill", NO_NOISE);
    logits = (await executor.run(["prefill"], ["prefill/logits"]))["prefill/logits"]!;
  }
  return logits;
}

/** Adds one token to each text, at a position. @returns logits [B, V] after them */
export async function decode(executor: Executor, tokens: readonly number[], position: number): Promise<ArrayLike<number>> {
  executor.write("decode/tokens", Uint32Array.from(tokens));
  executor.write("decode/last", Uint32Array.from(tokens.keys()));
  writePositions(executor, "decode", position);
  writeNoise(executor, "decode", NO_NOISE);
  return (await executor.run(["decode"], ["decode/logits"]))["decode/logits"]!;
}
