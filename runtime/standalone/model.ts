/** A compiled model as a caller sees it: the functions of this folder over one executor. */
import { checkedBatches, checkRecipe, checkSeed, checkStep } from "./checks.ts";
import { inferenceBy, workOver, type Inference, type ModelFacts } from "./inference.ts";
import { initializeParameters } from "./parameters.ts";
import type { ParamPlan } from "./plan.ts";
import type { Recipe } from "./schedule.ts";
import { trainStep, type MicroBatch, type StepMetrics } from "./train-step.ts";
import type { Executor } from "./types.ts";

/** A model that can also be trained. */
export interface Model<Name extends string> extends Inference<Name> {
  /** Weights as before training; Adam's moments become 0. */
  initialize(seed: number): void;
  /**
   * One optimizer step.
   * @param step counted from 0
   * @param batches the micro-batches of the step, as many as the recipe accumulates. Where the model was compiled for it, a target may be
   * IGNORED: its position counts for nothing, and losses are means over the others of all micro-batches
   * @param options a recipe other than the spec's; the seed of what is random in a step, 0 if none is given
   */
  trainStep(
    step: number, batches: readonly MicroBatch[], options?: { readonly recipe?: Recipe; readonly seed?: number },
  ): Promise<StepMetrics>;
}

export interface TrainingFacts extends ModelFacts {
  readonly recipe: Recipe;
}

/** @param executor as for inferenceOver, with the entries train and update */
export function modelOver<Name extends string>(executor: Executor, params: readonly ParamPlan[], facts: TrainingFacts): Model<Name> {
  const work = workOver(executor, params, facts);
  const batchFacts = { shape: executor.shape("train/tokens"), vocabSize: facts.vocabSize, masked: facts.masked };
  return {
    ...inferenceBy<Name>(work, facts),
    initialize: (seed) => {
      checkSeed(seed);
      work.change("initialize", () => initializeParameters(executor, params, seed));
    },
    trainStep: async (step, batches, { recipe = facts.recipe, seed = 0 } = {}) => {
      checkStep(step);
      checkRecipe(recipe);
      checkSeed(seed);
      const checked = checkedBatches(batches, recipe.accumulate, batchFacts);
      return work.turns.take(() => {
        work.reader.forget();
        return trainStep(executor, recipe, step, checked, seed);
      });
    },
  };
}
