/** Text from a model: tokenizes the prompt, samples, and gives text back as soon as its characters are complete. */
import { encodeText, type Tokenizer } from "../data/index.ts";
import { UserError } from "../errors.ts";
import { generateTokens } from "../standalone/generate.ts";
import { amongFirst, createSampler, type Sampler, type SamplerOptions } from "../standalone/sampler.ts";
import { decodeTokens } from "../standalone/text.ts";
import type { Executor } from "../standalone/types.ts";

export interface TextOptions extends SamplerOptions {
  readonly maxTokens: number;
  /** Positions of the context. */
  readonly seqLen: number;
  readonly onSlide?: () => void;
}

/** Yields pieces of text, the prompt not included. UserError for a prompt that is empty and for logits that are not finite. */
export async function* generateText(
  executor: Executor, tokenizer: Tokenizer, prompt: string, options: TextOptions,
): AsyncGenerator<string> {
  const tokens = Array.from(encodeText(tokenizer, prompt));
  if (tokens.length === 0) throw new UserError("the prompt is empty; a model needs at least one token to continue");
  const vocabSize = executor.shape("decode/logits").at(-1)!;
  const foreign = tokens.find((token) => token >= vocabSize);
  if (foreign !== undefined) throw new UserError(`the prompt holds token ${foreign}, but the model's vocab_size is ${vocabSize}`);
  const { maxTokens, seqLen, onSlide } = options;
  const sample = checked(amongFirst(createSampler(options), tokenizer.vocabSize));
  const more = generateTokens(executor, tokens, { maxTokens, seqLen, sample, ...(onSlide && { onSlide }) });
  yield* decodeTokens(more, tokenizer.decoder());
}

/** UserError for logits that are not numbers. */
const checked = (sample: Sampler): Sampler => (logits, index) => {
  try {
    return sample(logits, index);
  } catch (error) {
    if (error instanceof RangeError)
      throw new UserError(`the model gives no usable numbers (${error.message}); it was damaged or has diverged`);
    throw error;
  }
};
