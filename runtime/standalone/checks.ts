/** What a caller may hand to a compiled model. Each refusal is a RangeError that says what was given and what is allowed. */
import { product } from "./layout.ts";
import type { SamplerOptions } from "./sampler.ts";
import type { Recipe } from "./schedule.ts";
import { IGNORED, type MicroBatch } from "./train-step.ts";

export type Sampling = SamplerOptions & { readonly maxTokens: number };

export function checkSampling({ maxTokens, temperature, topK, topP, seed }: Sampling): void {
  checkWhole("maxTokens", maxTokens, 1);
  checkNumber("temperature", temperature, { min: 0, max: Number.MAX_VALUE });
  if (topK !== null) checkWhole("topK", topK, 1);
  if (topP !== null) checkNumber("topP", topP, { above: 0, max: 1 });
  checkSeed(seed);
}

/** Each takes some memory, whatever it does. */
const MOST_THREADS = 1024;

export const checkThreads = (threads: number): void => checkWhole("threads", threads, 1, MOST_THREADS);

export const checkSeed = (seed: number): void => checkWhole("seed", seed, 0);

/** Steps of one run, at most; as in the language. */
const MOST_STEPS = 1e9;

/** @param step counted from 0 */
export const checkStep = (step: number): void => checkWhole("step", step, 0, MOST_STEPS);

/** The ranges of the language: what `moeut check` refuses in a spec is refused here. */
export function checkRecipe({ optimizer, schedule, gradClip, batch, accumulate, steps }: Recipe): void {
  checkFloat32("lr", optimizer.lr, { min: 0, max: 1e3 });
  checkFloat32("beta1", optimizer.beta1, { min: 0, below: 1 });
  checkFloat32("beta2", optimizer.beta2, { min: 0, below: 1 });
  checkFloat32("eps", optimizer.eps, { above: 0, max: 1 });
  checkFloat32("weightDecay", optimizer.weightDecay, { min: 0, max: 1e3 });
  if (!["constant", "linear", "cosine"].includes(schedule.kind)) refuse("schedule.kind", schedule.kind, `"constant", "linear" or "cosine"`);
  checkWhole("warmup", schedule.warmup, 0, MOST_STEPS);
  checkFloat32("floor", schedule.floor, { min: 0, max: 1 });
  if (gradClip !== null) checkFloat32("gradClip", gradClip, { above: 0, max: 1e9 });
  checkWhole("steps", steps, 1, MOST_STEPS);
  checkWhole("accumulate", accumulate, 1);
  checkWhole("batch", batch, 1);
  if (batch % accumulate !== 0) throw new RangeError(`batch is ${batch}; it must be a multiple of accumulate, which is ${accumulate}`);
}

/** What a batch must be. */
export interface BatchFacts {
  readonly shape: readonly number[]; // [B, T]
  readonly vocabSize: number;
  /** Targets may be IGNORED. */
  readonly masked?: boolean | undefined;
}

/** Copies, so that the caller can go on to use its arrays while a step waits for its turn. */
export function checkedBatches(batches: readonly MicroBatch[], count: number, facts: BatchFacts): readonly MicroBatch[] {
  if (batches.length === count) return batches.map((batch) => checkedBatch(batch, facts));
  throw new RangeError(`${batches.length} micro-batches were given; the recipe accumulates ${count} per step`);
}

export function checkedBatch({ tokens, targets }: MicroBatch, { shape, vocabSize, masked = false }: BatchFacts): MicroBatch {
  checkCount("tokens", tokens, shape);
  checkCount("targets", targets, shape);
  return {
    tokens: Uint32Array.from(checkedTokens("tokens", tokens, vocabSize)),
    targets: Uint32Array.from(checkedTokens("targets", targets, vocabSize, masked ? IGNORED : null)),
  };
}

function checkCount(what: string, { length }: ArrayLike<number>, shape: readonly number[]): void {
  const expected = product(shape);
  if (length === expected) return;
  throw new RangeError(`${what}: ${length} numbers do not fill a tensor of shape [${shape.join(", ")}] (${expected})`);
}

export function checkedPrompt(prompt: ArrayLike<number>, vocabSize: number): readonly number[] {
  if (prompt.length === 0) throw new RangeError("the prompt is empty; a model needs at least one token to continue");
  return checkedTokens("the prompt", prompt, vocabSize);
}

export interface TextFacts {
  readonly seqLen: number;
  readonly vocabSize: number;
  /** Where attention looks: what stands behind a text of a model that sees both sides is not without effect. */
  readonly sees: "back" | "both";
}

export function checkedText(text: ArrayLike<number>, { seqLen, vocabSize, sees }: TextFacts): readonly number[] {
  const fits = text.length > 0 && text.length <= seqLen && (sees === "back" || text.length === seqLen);
  const allowed = sees === "back" ? `1 to ${seqLen}` : `${seqLen}, because its attention sees what follows`;
  if (!fits) throw new RangeError(`the text has ${text.length} tokens; the model takes ${allowed}`);
  return checkedTokens("the text", text, vocabSize);
}

/** A copy. Kernels look rows up without a check. @param none what may stand in place of a token */
function checkedTokens(what: string, tokens: ArrayLike<number>, vocabSize: number, none: number | null = null): readonly number[] {
  return Array.from(tokens, (token, i) => {
    if ((Number.isInteger(token) && token >= 0 && token < vocabSize) || token === none) return token;
    throw new RangeError(`${what}: ${shown(token)} at position ${i} is no token: the model has tokens 0 to ${vocabSize - 1}`);
  });
}

/** Weights as float32, where a number too great for it is infinite. */
export function checkedWeights(name: string, data: ArrayLike<number>, shape: readonly number[]): Float32Array {
  checkCount(name, data, shape);
  const floats = data instanceof Float32Array ? data : Float32Array.from(data);
  const bad = floats.findIndex((weight) => !Number.isFinite(weight));
  if (bad >= 0) throw new RangeError(`${name} holds ${data[bad]} at position ${bad}; weights must be finite in float32`);
  return floats;
}

function checkWhole(what: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  refuse(what, value, max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`);
}

/** Ends that belong to a range are min and max. */
type Range = ({ readonly min: number } | { readonly above: number }) & ({ readonly max: number } | { readonly below: number });

function checkNumber(what: string, value: number, range: Range): void {
  const low = "min" in range ? value >= range.min : value > range.above;
  const high = "max" in range ? value <= range.max : value < range.below;
  if (typeof value !== "number" || !low || !high) refuse(what, value, `a number ${words(range)}`);
}

/** Also refuses what devices may take for 0. */
function checkFloat32(what: string, value: number, range: Range): void {
  checkNumber(what, value, range);
  const smallest = 2 ** -126;
  if (value !== 0 && Math.abs(value) < smallest) refuse(what, value, `at least ${smallest}, or float32 cannot tell it from 0`);
}

function words(range: Range): string {
  const low = "min" in range ? `of at least ${range.min}` : `above ${range.above}`;
  if ("below" in range) return `${low} and below ${range.below}`;
  return range.max === Number.MAX_VALUE ? low : `${low} and at most ${range.max}`;
}

function refuse(what: string, value: unknown, allowed: string): never {
  throw new RangeError(`${what} is ${shown(value)}; it must be ${allowed}`);
}

const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));
