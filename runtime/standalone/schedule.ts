/** What varies from step to step: the learning rate and Adam's bias corrections. */
import { UPDATE } from "./types.ts";

/** The training recipe of a spec: everything about training that changes the weights, except the data and the seed. */
export interface Recipe {
  readonly optimizer: {
    readonly lr: number; readonly beta1: number; readonly beta2: number; readonly eps: number; readonly weightDecay: number;
  };
  readonly schedule: { readonly kind: "constant" | "linear" | "cosine"; readonly warmup: number; readonly floor: number };
  /** Global 2-norm above which gradients are scaled down, or null. */
  readonly gradClip: number | null;
  /** Sequences per step. */
  readonly batch: number;
  /** Equal micro-batches per step. Divides `batch`. */
  readonly accumulate: number;
  readonly steps: number;
}

/**
 * Learning rate of a step.
 * @param step counted from 0
 * Warm-up rises from lr / warmup to lr. The decay starts after it and would take `steps` further steps to reach floor · lr, so a run
 * with warm-up ends a little above the floor: as in the training code of Csordás et al. 2024.
 */
export function learningRate({ optimizer: { lr }, schedule, steps }: Recipe, step: number): number {
  if (step < schedule.warmup) return (lr * (step + 1)) / schedule.warmup;
  const progress = Math.min(1, (step - schedule.warmup) / steps);
  return lr * (schedule.floor + (1 - schedule.floor) * remaining(schedule.kind, progress));
}

/** Share of the decay that is still to come, from 1 to 0. */
function remaining(kind: Recipe["schedule"]["kind"], progress: number): number {
  switch (kind) {
    case "constant": return 1;
    case "linear": return 1 - progress;
    case "cosine": return (1 + Math.cos(Math.PI * progress)) / 2;
    default: return kind satisfies never;
  }
}

/**
 * Contents of the "update" tensor for a step counted from 0; gradClip 0 means none. Differences from 1 are taken here in float64: float32
 * would keep few of their digits (1 − 0.9999999 would be 19 % too great).
 */
export function updateWords(recipe: Recipe, step: number): Float32Array {
  const { beta1, beta2, eps, weightDecay } = recipe.optimizer;
  const words = new Float32Array(8);
  words[UPDATE.lr] = learningRate(recipe, step);
  words[UPDATE.oneMinusBeta1] = 1 - beta1;
  words[UPDATE.oneMinusBeta2] = 1 - beta2;
  words[UPDATE.eps] = eps;
  words[UPDATE.weightDecay] = weightDecay;
  words[UPDATE.gradClip] = recipe.gradClip ?? 0;
  words[UPDATE.biasCorrection1] = biasCorrection(beta1, step + 1);
  words[UPDATE.biasCorrection2] = biasCorrection(beta2, step + 1);
  return words;
}

/** 1 − βᵗ, also where βᵗ is so near 1 that the difference would be rounding. */
const biasCorrection = (beta: number, t: number): number => -Math.expm1(t * Math.log(beta));
