/** A compiled model as a caller sees it: the functions of this folder over one executor. */
import { createExecutor } from "./executor.ts";
import { generateTokens } from "./generate.ts";
import { initializeParameters, readOfficial, writeOfficial, type OfficialTensor } from "./parameters.ts";
import type { KernelPlan } from "./plan.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";
import type { Recipe } from "./schedule.ts";
import { trainStep, writeBatch, type MicroBatch, type StepMetrics } from "./train-step.ts";
import type { Executor } from "./types.ts";

/** @typeParam Name names of parameters */
export interface Model<Name extends string> {
  /** Weights as before training; Adam's moments become 0. */
  initialize(seed: number): void;
  /** One optimizer step. @param step counted from 0 @param batches the micro-batches of the step, as many as the recipe accumulates */
  trainStep(step: number, batches: readonly MicroBatch[], recipe?: Recipe): Promise<StepMetrics>;
  /** Cross-entropy of each target in nats, [B, T]. */
  forward(batch: MicroBatch): Promise<Float32Array>;
  /** Continues a prompt of at least one token; where the context is full, its older half is dropped. */
  generate(prompt: readonly number[], options?: Partial<SamplerOptions> & { readonly maxTokens?: number }): AsyncGenerator<number>;
  /** A parameter, row-major. */
  read(name: Name): Promise<Float32Array>;
  write(name: Name, data: Float32Array): void;
  /** All weights under the names of the official code, for a safetensors file. */
  officialWeights(): Promise<readonly OfficialTensor[]>;
  loadOfficialWeights(read: (tensor: string, shape: readonly number[]) => Float32Array): void;
  readonly executor: Executor;
  destroy(): void;
}

export interface ModelFacts {
  readonly seqLen: number;
  readonly recipe: Recipe;
}

/** @param plan with the entries train, update, evaluate, prefill and decode; it must have been made for this kind of adapter */
export async function createModel<Name extends string>(device: GPUDevice, plan: KernelPlan, { seqLen, recipe }: ModelFacts): Promise<Model<Name>> {
  const executor = await createExecutor(device, plan);
  const { params } = plan;
  return {
    executor,
    initialize: (seed) => initializeParameters(executor, params, seed),
    trainStep: (step, batches, own = recipe) => trainStep(executor, own, step, batches),
    forward: async (batch) => {
      writeBatch(executor, "evaluate", batch);
      return (await executor.run(["evaluate"], ["evaluate/token_loss"]))["evaluate/token_loss"] as Float32Array;
    },
    generate: (prompt, { maxTokens = 100, temperature = 1, topK = null, topP = null, seed = 0 } = {}) =>
      generateTokens(executor, prompt, { maxTokens, seqLen, sample: createSampler({ temperature, topK, topP, seed }) }),
    read: async (name) => (await executor.read(`param/${name}`)) as Float32Array,
    write: (name, data) => executor.write(`param/${name}`, data),
    officialWeights: () => readOfficial(executor, params, "param"),
    loadOfficialWeights: (read) => writeOfficial(executor, params, "param", read),
    destroy: () => executor.destroy(),
  };
}
