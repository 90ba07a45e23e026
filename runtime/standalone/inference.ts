/** What a trained model does: the functions of this folder that need no gradients, over one executor. */
import { checkedBatch, checkedPrompt, checkedText, checkedWeights, checkSampling } from "./checks.ts";
import { continueText, createReader } from "./generate.ts";
import { logitsOf } from "./logits.ts";
import { readOfficial, writeOfficial, type OfficialTensor } from "./parameters.ts";
import type { ParamPlan } from "./plan.ts";
import { amongFirst, createSampler, type SamplerOptions } from "./sampler.ts";
import { decodeWeights, encodeWeights, type FileBytes } from "./safetensors.ts";
import { decodeTokens, tokensOf, type TextCode } from "./text.ts";
import { IGNORED, writeBatch, type MicroBatch } from "./train-step.ts";
import { createTurns, type Turns } from "./turns.ts";
import type { Executor } from "./types.ts";

/** Without values: temperature 1, all tokens, seed 0, 100 tokens. */
export type GenerationOptions = Partial<SamplerOptions> & { readonly maxTokens?: number };

/**
 * What a call is given is checked before anything changes: a RangeError says what was wrong and what is allowed. Calls that return promises
 * take turns, and so do the tokens of generations that run at the same time, each of which sees only its own text. A generation that is
 * broken off, or never begun, holds nothing.
 * @typeParam Name names of parameters
 */
export interface Inference<Name extends string> {
  /** Cross-entropy of each target in nats, [B, T]; 0 of one that is IGNORED, where the model was compiled for such. */
  forward(batch: MicroBatch): Promise<Float32Array>;
  /**
   * Logits [n, V] behind each of n tokens, at most as many as the context has. A model whose attention sees what follows takes whole
   * contexts only.
   */
  logits(tokens: ArrayLike<number>): Promise<Float32Array>;
  /**
   * Continues a prompt of at least one token, each token by the weights of its moment; where the context is full, its older half is
   * dropped. An Error for a model whose attention sees what follows.
   */
  generate(prompt: readonly number[], options?: GenerationOptions): AsyncGenerator<number>;
  /**
   * As generate, from text to text, in pieces of whole characters. Bytes that are no UTF-8 become U+FFFD. An Error for a model that does
   * not know how text becomes tokens.
   */
  complete(prompt: string, options?: GenerationOptions): AsyncGenerator<string>;
  /** A parameter, row-major. */
  read(name: Name): Promise<Float32Array>;
  write(name: Name, data: Float32Array): void;
  /** All weights under the names of the official code. */
  officialWeights(): Promise<readonly OfficialTensor[]>;
  /** They are the bytes of a safetensors file. */
  saveWeights(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Adam's moments, if there are any, stay as they are. An Error, and no weight changed, if the file does not fit.
   * @param file bytes of a safetensors file of float32 with official names, as in a checkpoint
   */
  loadWeights(file: FileBytes): void;
  readonly executor: Executor;
  destroy(): void;
}

export interface ModelFacts {
  readonly seqLen: number;
  readonly vocabSize: number;
  /** Targets may be IGNORED. */
  readonly masked?: boolean;
  /** How text becomes tokens, or null where only the caller knows. */
  readonly text: TextCode | null;
}

/** A model's executor, and what its functions must agree about. */
export interface Work {
  readonly executor: Executor;
  readonly params: readonly ParamPlan[];
  readonly turns: Turns;
  readonly reader: ReturnType<typeof createReader>;
  /** Changes weights, at once: an Error while anything runs. */
  change(what: string, act: () => void): void;
}

export function workOver(executor: Executor, params: readonly ParamPlan[], { seqLen }: ModelFacts): Work {
  const turns = createTurns();
  const reader = createReader(executor, seqLen);
  const change = (what: string, act: () => void): void => {
    turns.requireIdle(what);
    reader.forget();
    act();
  };
  return { executor, params, turns, reader, change };
}

/** @param executor with the entries evaluate and logits and, unless attention sees what follows, prefill and decode */
export function inferenceOver<Name extends string>(executor: Executor, params: readonly ParamPlan[], facts: ModelFacts): Inference<Name> {
  return inferenceBy(workOver(executor, params, facts), facts);
}

export function inferenceBy<Name extends string>(work: Work, facts: ModelFacts): Inference<Name> {
  const { executor, turns } = work;
  const begin = generation(work, facts);
  const generate: Inference<Name>["generate"] = (prompt, options) => begin(prompt, options, facts.vocabSize);
  const batchFacts = { shape: executor.shape("evaluate/tokens"), vocabSize: facts.vocabSize, masked: facts.masked };
  return {
    executor, generate, ...weightsOf<Name>(work),
    forward: async (batch) => {
      const checked = checkedBatch(batch, batchFacts);
      return turns.take(async () => {
        writeBatch(executor, "evaluate", checked);
        const { "evaluate/token_loss": losses } = await executor.run(["evaluate"], ["evaluate/token_loss"]);
        return Float32Array.from(losses!, (loss, i) => (checked.targets[i] === IGNORED ? 0 : loss));
      });
    },
    logits: async (tokens) => {
      const checked = checkedText(tokens, { ...facts, sees: executor.entries.includes("decode") ? "back" : "both" });
      return turns.take(() => logitsOf(executor, checked));
    },
    complete: (prompt, options) => {
      const { text } = facts;
      if (text === null) throw new Error("this model does not know how text becomes tokens: use generate, and tokens of your own");
      return decodeTokens(begin(tokensOf(text, prompt), options, text.vocabSize), text.decoder());
    },
    destroy: () => executor.destroy(),
  };
}

/** Continues with tokens below a number. */
type Begin = (prompt: readonly number[], options: GenerationOptions | undefined, below: number) => AsyncGenerator<number>;

function generation({ executor, turns, reader }: Work, { seqLen, vocabSize }: ModelFacts): Begin {
  return (prompt, { maxTokens = 100, temperature = 1, topK = null, topP = null, seed = 0 } = {}, below) => {
    if (!executor.entries.includes("decode")) throw new Error(SEES_BOTH_SIDES);
    checkSampling({ maxTokens, temperature, topK, topP, seed });
    const options = { maxTokens, seqLen, sample: amongFirst(createSampler({ temperature, topK, topP, seed }), below) };
    return continueText((text) => turns.take(() => reader.logitsAfter(text)), checkedPrompt(prompt, vocabSize), options);
  };
}

const SEES_BOTH_SIDES = "this model has attention with `causal false`: each position sees those behind it, so it cannot generate";

type Weights<Name extends string> = Pick<Inference<Name>, "read" | "write" | "officialWeights" | "saveWeights" | "loadWeights">;

function weightsOf<Name extends string>({ executor, params, turns, change }: Work): Weights<Name> {
  const paramOf = (name: Name): ParamPlan => params.find((p) => p.name === name) ?? unknown(name);
  const officialWeights = (): Promise<readonly OfficialTensor[]> => turns.take(() => readOfficial(executor, params, "param"));
  return {
    officialWeights,
    read: async (name) => (await turns.take(() => executor.read(`param/${paramOf(name).name}`))) as Float32Array,
    write: (name, data) => {
      const weights = checkedWeights(`"${name}"`, data, paramOf(name).shape);
      change("write", () => executor.write(`param/${name}`, weights));
    },
    saveWeights: async () => encodeWeights(await officialWeights()),
    loadWeights: (file) => {
      const weights = matchingWeights(file, params);
      change("loadWeights", () => writeOfficial(executor, params, "param", (name) => weights.get(name)!));
    },
  };
}

function unknown(name: string): never {
  throw new RangeError(`the model has no parameter "${name}"; PARAMETERS lists them`);
}

/** The numbers of each official tensor, once it is known to be there, finite and in its shape. */
export function matchingWeights(file: FileBytes, params: readonly ParamPlan[]): ReadonlyMap<string, Float32Array> {
  const tensors = decodeWeights(file);
  return new Map(params.map(({ official: { tensor, shape } }) => {
    const found = tensors.get(tensor);
    if (found === undefined) throw new Error(`the file has no tensor "${tensor}"`);
    if (found.shape.join() !== shape.join()) {
      const [has, needs] = [found.shape, shape].map((extents) => `[${extents.join(", ")}]`);
      throw new Error(`the tensor "${tensor}" has the shape ${has} in the file and ${needs} in the model`);
    }
    return [tensor, checkedWeights(`the tensor "${tensor}"`, found.data, shape)];
  }));
}
