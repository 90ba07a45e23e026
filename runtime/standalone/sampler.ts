/** Choosing the next token. Counter-based: token i of a text depends on the seed and i, not on what was drawn before. */
import { createRandom } from "./random.ts";

export interface SamplerOptions {
  /** Divides the logits; 0 always takes the greatest. */
  readonly temperature: number;
  /** Only the k most probable tokens, or null for all. */
  readonly topK: number | null;
  /** Only the fewest most probable tokens that together reach this probability, or null for all. */
  readonly topP: number | null;
  readonly seed: number;
}

/**
 * @param index of the token in the generated text @returns a token; ties go to the lower one. Throws a RangeError for logits with NaN or
 * +Infinity.
 */
export type Sampler = (logits: ArrayLike<number>, index: number) => number;

export function createSampler({ temperature, topK, topP, seed }: SamplerOptions): Sampler {
  const random = createRandom(seed, "sample");
  return (logits, index) => {
    const best = greatest(logits);
    if (temperature === 0) return best;
    const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
    const kept = topK === null && topP === null ? null : mostProbable(weights, topK ?? weights.length, topP ?? 1);
    return draw(weights, kept, random.uniform(index));
  };
}

/** Draws only tokens below a number: a model may have room for more than its tokenizer has. */
export const amongFirst = (sample: Sampler, count: number): Sampler =>
  (logits, index) => sample(Array.prototype.slice.call(logits, 0, count), index);

function greatest(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i]) || logits[i] === Infinity) throw new RangeError(`the logit of token ${i} is ${logits[i]}`);
    if (logits[i]! > logits[best]!) best = i;
  }
  return best;
}

/** Tokens from the most probable down: at most k, and no more than are needed to reach the share p. */
function mostProbable(weights: Float64Array, k: number, p: number): readonly number[] {
  const ranked = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b).slice(0, k);
  const wanted = p * ranked.reduce((total, token) => total + weights[token]!, 0);
  let sum = 0;
  const count = ranked.findIndex((token) => (sum += weights[token]!) >= wanted) + 1;
  return ranked.slice(0, count === 0 ? ranked.length : count);
}

/** @param kept tokens to choose from, or null for all @param uniform in [0, 1) */
function draw(weights: Float64Array, kept: readonly number[] | null, uniform: number): number {
  const tokens = kept ?? Array.from(weights.keys());
  const total = tokens.reduce((sum, token) => sum + weights[token]!, 0);
  let rest = uniform * total;
  for (const token of tokens) {
    rest -= weights[token]!;
    if (rest < 0) return token;
  }
  return tokens.findLast((token) => weights[token]! > 0)!; // rounding may leave a last crumb of `rest`
}
