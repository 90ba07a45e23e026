/** A compiled model as a caller sees it: the functions of this folder over one executor. */
import { createExecutor } from "./executor.ts";
import { generateTokens } from "./generate.ts";
import { initializeParameters, readOfficial, writeOfficial, type OfficialTensor } from "./parameters.ts";
import type { KernelPlan, ParamPlan } from "./plan.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";
import { requireDevice } from "./require-device.ts";
import { decodeWeights, encodeWeights } from "./safetensors.ts";
import type { Recipe } from "./schedule.ts";
import { trainStep, writeBatch, type MicroBatch, type StepMetrics } from "./train-step.ts";
import type { Executor } from "./types.ts";

/** @typeParam Name names of parameters */
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
  /** Continues a prompt of at least one token; where the context is full, its older half is dropped. */
  generate(prompt: readonly number[], options?: Partial<SamplerOptions> & { readonly maxTokens?: number }): AsyncGenerator<number>;
  /** A parameter, row-major. */
  read(name: Name): Promise<Float32Array>;
  write(name: Name, data: Float32Array): void;
  /** All weights under the names of the official code. */
  officialWeights(): Promise<readonly OfficialTensor[]>;
  /** They are the bytes of a safetensors file. */
  saveWeights(): Promise<Uint8Array<ArrayBuffer>>;
  /** @param file bytes of a safetensors file of float32 with official names, as in a checkpoint. An Error, and no weight changed, if it does not fit. */
  loadWeights(file: Uint8Array): void;
  readonly executor: Executor;
  destroy(): void;
}

export interface ModelFacts {
  readonly seqLen: number;
  readonly recipe: Recipe;
}

/**
 * @param plan with the entries train, update, evaluate, prefill and decode
 * Throws an Error for a device that lacks what the plan needs; its functions throw a RangeError for tokens that the model does not have.
 */
export async function createModel<Name extends string>(device: GPUDevice, plan: KernelPlan, { seqLen, recipe }: ModelFacts): Promise<Model<Name>> {
  requireDevice(device, plan);
  const executor = await createExecutor(device, plan);
  const { params } = plan;
  const vocabSize = executor.shape("decode/logits").at(-1)!;
  return {
    executor,
    initialize: (seed) => initializeParameters(executor, params, seed),
    trainStep: async (step, batches, { recipe: own = recipe, seed = 0 } = {}) => {
      if (batches.length === 0) throw new RangeError("a step needs at least one micro-batch");
      for (const batch of batches) checkBatch(batch, vocabSize);
      return trainStep(executor, own, step, batches, seed);
    },
    forward: async (batch) => {
      checkBatch(batch, vocabSize);
      writeBatch(executor, "evaluate", batch);
      return (await executor.run(["evaluate"], ["evaluate/token_loss"]))["evaluate/token_loss"] as Float32Array;
    },
    generate: (prompt, { maxTokens = 100, temperature = 1, topK = null, topP = null, seed = 0 } = {}) => {
      if (prompt.length === 0) throw new RangeError("the prompt is empty; a model needs at least one token to continue");
      checkTokens(prompt, vocabSize);
      return generateTokens(executor, prompt, { maxTokens, seqLen, sample: createSampler({ temperature, topK, topP, seed }) });
    },
    read: async (name) => (await executor.read(`param/${name}`)) as Float32Array,
    write: (name, data) => executor.write(`param/${name}`, data),
    officialWeights: () => readOfficial(executor, params, "param"),
    saveWeights: async () => encodeWeights(await readOfficial(executor, params, "param")),
    loadWeights: (file) => {
      const tensors = matching(decodeWeights(file), params);
      writeOfficial(executor, params, "param", (name) => tensors.get(name)!.data);
    },
    destroy: () => executor.destroy(),
  };
}

function checkBatch({ tokens, targets }: MicroBatch, vocabSize: number): void {
  checkTokens(tokens, vocabSize);
  checkTokens(targets, vocabSize);
}

/** Kernels look rows up without a check. */
function checkTokens(tokens: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const isToken = Number.isInteger(tokens[i]) && tokens[i]! >= 0 && tokens[i]! < vocabSize;
    if (!isToken) throw new RangeError(`${tokens[i]} at position ${i} is no token: the model has tokens 0 to ${vocabSize - 1}`);
  }
}

/** The same tensors, once each is known to be there in its shape. */
function matching(tensors: ReadonlyMap<string, OfficialTensor>, params: readonly ParamPlan[]): ReadonlyMap<string, OfficialTensor> {
  for (const { official: { tensor, shape } } of params) {
    const found = tensors.get(tensor);
    if (found === undefined) throw new Error(`the file has no tensor "${tensor}"`);
    if (found.shape.join() !== shape.join()) throw new Error(`the tensor "${tensor}" has the shape [${found.shape.join(", ")}] in the file and [${shape.join(", ")}] in the model`);
  }
  return tensors;
}
