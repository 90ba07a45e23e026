/** A compiled model as a caller sees it: the functions of this folder over one executor. */
import { checkedBatch, checkedBatches, checkedPrompt, checkedWeights, checkRecipe, checkSampling, checkSeed, checkStep } from "./checks.ts";
import { createExecutor } from "./executor.ts";
import { continueText, createReader } from "./generate.ts";
import { initializeParameters, readOfficial, writeOfficial, type OfficialTensor } from "./parameters.ts";
import type { KernelPlan, ParamPlan } from "./plan.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";
import { requireDevice } from "./require-device.ts";
import { decodeWeights, encodeWeights, type FileBytes } from "./safetensors.ts";
import type { Recipe } from "./schedule.ts";
import { trainStep, writeBatch, type MicroBatch, type StepMetrics } from "./train-step.ts";
import { createTurns } from "./turns.ts";
import type { Executor } from "./types.ts";

/**
 * What a call is given is checked before anything changes: a RangeError says what was wrong and what is allowed. Calls that return promises
 * take turns, and so do the tokens of generations that run at the same time, each of which sees only its own text. A generation that is
 * broken off, or never begun, holds nothing.
 * @typeParam Name names of parameters
 */
export interface Model<Name extends string> {
  /** Weights as before training; Adam's moments become 0. */
  initialize(seed: number): void;
  /**
   * One optimizer step.
   * @param step counted from 0
   * @param batches the micro-batches of the step, as many as the recipe accumulates
   * @param options a recipe other than the spec's; the seed of what is random in a step, 0 if none is given
   */
  trainStep(step: number, batches: readonly MicroBatch[], options?: { readonly recipe?: Recipe; readonly seed?: number }): Promise<StepMetrics>;
  /** Cross-entropy of each target in nats, [B, T]. */
  forward(batch: MicroBatch): Promise<Float32Array>;
  /**
   * Continues a prompt of at least one token, each token by the weights of its moment; where the context is full, its older half is
   * dropped. An Error for a model whose attention sees what follows.
   */
  generate(prompt: readonly number[], options?: Partial<SamplerOptions> & { readonly maxTokens?: number }): AsyncGenerator<number>;
  /** A parameter, row-major. */
  read(name: Name): Promise<Float32Array>;
  write(name: Name, data: Float32Array): void;
  /** All weights under the names of the official code. */
  officialWeights(): Promise<readonly OfficialTensor[]>;
  /** They are the bytes of a safetensors file. */
  saveWeights(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Adam's moments stay as they are. An Error, and no weight changed, if the file does not fit.
   * @param file bytes of a safetensors file of float32 with official names, as in a checkpoint
   */
  loadWeights(file: FileBytes): void;
  readonly executor: Executor;
  destroy(): void;
}

export interface ModelFacts {
  readonly seqLen: number;
  readonly vocabSize: number;
  readonly recipe: Recipe;
}

/**
 * @param plan with the entries train, update, evaluate and, unless attention sees what follows, prefill and decode
 * Throws an Error for a device that lacks what the plan needs. Once the device is lost, every call throws an Error that says so.
 */
export async function createModel<Name extends string>(device: GPUDevice, plan: KernelPlan, facts: ModelFacts): Promise<Model<Name>> {
  requireDevice(device, plan);
  return modelOver(await createExecutor(device, plan), plan.params, facts);
}

export function modelOver<Name extends string>(executor: Executor, params: readonly ParamPlan[], facts: ModelFacts): Model<Name> {
  const { seqLen, vocabSize, recipe } = facts;
  const batchFacts = { shape: executor.shape("train/tokens"), vocabSize };
  const turns = createTurns();
  const reader = createReader(executor, seqLen);
  const paramOf = (name: Name): ParamPlan => params.find((p) => p.name === name) ?? unknown(name);
  const change = (what: string, act: () => void): void => {
    turns.requireIdle(what);
    reader.forget();
    act();
  };
  const officialWeights = (): Promise<readonly OfficialTensor[]> => turns.take(() => readOfficial(executor, params, "param"));
  return {
    executor, officialWeights,
    initialize: (seed) => {
      checkSeed(seed);
      change("initialize", () => initializeParameters(executor, params, seed));
    },
    trainStep: async (step, batches, { recipe: own = recipe, seed = 0 } = {}) => {
      checkStep(step);
      checkRecipe(own);
      checkSeed(seed);
      const checked = checkedBatches(batches, own.accumulate, batchFacts);
      return turns.take(() => {
        reader.forget();
        return trainStep(executor, own, step, checked, seed);
      });
    },
    forward: async (batch) => {
      const checked = checkedBatch(batch, batchFacts);
      return turns.take(async () => {
        writeBatch(executor, "evaluate", checked);
        return (await executor.run(["evaluate"], ["evaluate/token_loss"]))["evaluate/token_loss"] as Float32Array;
      });
    },
    generate: (prompt, { maxTokens = 100, temperature = 1, topK = null, topP = null, seed = 0 } = {}) => {
      if (!executor.entries.includes("decode")) throw new Error(SEES_BOTH_SIDES);
      checkSampling({ maxTokens, temperature, topK, topP, seed });
      const options = { maxTokens, seqLen, sample: createSampler({ temperature, topK, topP, seed }) };
      return continueText((text) => turns.take(() => reader.logitsAfter(text)), checkedPrompt(prompt, vocabSize), options);
    },
    read: async (name) => (await turns.take(() => executor.read(`param/${paramOf(name).name}`))) as Float32Array,
    write: (name, data) => {
      const weights = checkedWeights(`"${name}"`, data, paramOf(name).shape);
      change("write", () => executor.write(`param/${name}`, weights));
    },
    saveWeights: async () => encodeWeights(await officialWeights()),
    loadWeights: (file) => {
      const weights = matching(decodeWeights(file), params);
      change("loadWeights", () => writeOfficial(executor, params, "param", (name) => weights.get(name)!));
    },
    destroy: () => executor.destroy(),
  };
}

const SEES_BOTH_SIDES = "this model has attention with `causal false`: each position sees those behind it, so it cannot generate";

function unknown(name: string): never {
  throw new RangeError(`the model has no parameter "${name}"; PARAMETERS lists them`);
}

/** The numbers of each official tensor, once it is known to be there, finite and in its shape. */
function matching(tensors: ReadonlyMap<string, OfficialTensor>, params: readonly ParamPlan[]): ReadonlyMap<string, Float32Array> {
  return new Map(params.map(({ official: { tensor, shape } }) => {
    const found = tensors.get(tensor);
    if (found === undefined) throw new Error(`the file has no tensor "${tensor}"`);
    if (found.shape.join() !== shape.join()) throw new Error(`the tensor "${tensor}" has the shape [${found.shape.join(", ")}] in the file and [${shape.join(", ")}] in the model`);
    return [tensor, checkedWeights(`the tensor "${tensor}"`, found.data, shape)];
  }));
}
