/** The training loop: steps, evaluation, log, checkpoints. Knows nothing of specs and devices. */
import type { RouterSite } from "../../compiler/stack/routers.ts";
import type { Dataset } from "../data/index.ts";
import { UserError } from "../errors.ts";
import { evaluate } from "../evaluate/index.ts";
import type { ParamPlan } from "../standalone/plan.ts";
import { sharesOf, trainStep, writeMicroBatch, type MicroBatch, type StepMetrics } from "../standalone/train-step.ts";
import type { Executor } from "../standalone/types.ts";
import { currentCheckpoint, NotFinite, saveCheckpoint } from "./checkpoint.ts";
import { appendRecord, syncLog, type StepRecord } from "./log.ts";
import { logsRouting, readCounters, takeCounters } from "./routing.ts";
import { logPath, type RunInfo } from "./run-folder.ts";

export interface TrainOptions {
  /** The run folder, already made. */
  readonly folder: string;
  readonly info: RunInfo;
  readonly executor: Executor;
  readonly params: readonly ParamPlan[];
  /** Its batches are micro-batches: the order of sequences does not depend on how a batch is cut. */
  readonly data: Dataset;
  /** Applications of routers, whose choices are logged if the plan counts them; default none. */
  readonly routers?: readonly RouterSite[];
  /** Steps already done; the executor holds the weights after them. */
  readonly done: number;
  /** Steps between evaluations, and between checkpoints; 0 never. */
  readonly evalEvery: number;
  readonly checkpointEvery: number;
  /** Held-out tokens that one evaluation looks at, at most. */
  readonly evalTokens: number;
}

export interface TrainHooks {
  /** After each step, and after its evaluation if it has one. */
  readonly onStep?: (record: StepRecord) => void;
  readonly onCheckpoint?: (step: number) => void;
  /** Asked before each step; true saves and returns. */
  readonly shouldStop?: () => boolean;
}

export interface TrainResult {
  readonly step: number;
  /** All steps of the recipe are done. */
  readonly finished: boolean;
  /** The last step of this call, or null if none was left to do. */
  readonly last: StepRecord | null;
}

/** A loss, a gradient or a weight was not finite. */
export class Diverged extends UserError {}

/** Diverged, with the last checkpoint kept, if a loss, a gradient or a weight is not finite. */
export async function train(options: TrainOptions, hooks: TrainHooks = {}): Promise<TrainResult> {
  const { recipe } = options.info;
  let step = options.done;
  let last: StepRecord | null = null;
  while (step < recipe.steps && hooks.shouldStop?.() !== true) {
    last = await oneStep(options, step++);
    appendRecord(logPath(options.folder), last);
    hooks.onStep?.(last);
    const due = options.checkpointEvery > 0 && step % options.checkpointEvery === 0;
    if (due && step < recipe.steps) await checkpoint(options, step, hooks);
  }
  if (step > 0) await checkpoint(options, step, hooks);
  return { step, finished: step >= recipe.steps, last };
}

/** @param step counted from 0 */
async function oneStep(options: TrainOptions, step: number): Promise<StepRecord> {
  const { executor, data, info: { recipe, seed } } = options;
  const started = performance.now();
  const batches = Array.from({ length: recipe.accumulate }, (_, i) => data.batchAt(step * recipe.accumulate + i));
  const metrics = await trainStep(executor, recipe, step, batches, seed);
  const seconds = (performance.now() - started) / 1000;
  if (!isFinite(metrics)) throw diverged(options, step + 1, await firstBad(options, step, metrics, batches));
  const record = {
    ...recordOf(step + 1, metrics, recipe.batch * data.targetsPerBlock, seconds), ...await routingOf(options, step + 1, batches),
  };
  const isDue = options.evalEvery > 0 && ((step + 1) % options.evalEvery === 0 || step + 1 === recipe.steps);
  return isDue ? { ...record, validation_loss: await validate(options, step + 1) } : record;
}

/** @param step counted from 1 */
async function routingOf(
  { executor, routers = [], info: { recipe } }: TrainOptions, step: number, batches: readonly MicroBatch[],
): Promise<Pick<StepRecord, "routing">> {
  if (!logsRouting(step, recipe)) return {};
  const routing = await takeCounters(executor, routers, batches.reduce((sum, { tokens }) => sum + tokens.length, 0));
  return routing === null ? {} : { routing };
}

const recordOf = (step: number, metrics: StepMetrics, tokensPerStep: number, seconds: number): StepRecord => ({
  step, loss: metrics.ceLoss + metrics.regLoss, ce_loss: metrics.ceLoss, reg_loss: metrics.regLoss, grad_norm: metrics.gradNorm,
  lr: metrics.learningRate, tokens: Math.round(step * tokensPerStep), seconds: Number(seconds.toFixed(6)),
});

/** @param step counted from 1 */
async function validate(options: TrainOptions, step: number): Promise<number> {
  const { executor, data, evalTokens } = options;
  const { loss } = await evaluate(executor, data.validationBatches(evalTokens));
  if (!Number.isFinite(loss)) throw diverged(options, step, `the validation loss is ${loss}`);
  return loss;
}

/** A GPU's numbers are tested here again, because shader compilers may assume that NaN does not occur. */
const isFinite = ({ ceLoss, regLoss, gradNorm, firstBad }: StepMetrics): boolean =>
  firstBad === null && [ceLoss, regLoss, gradNorm].every(Number.isFinite);

/** @param step counted from 1 */
function diverged({ folder, info }: TrainOptions, step: number, what: string): Diverged {
  const kept = currentCheckpoint(folder) === null ? "Nothing was saved yet" : `The last checkpoint in ${folder} is kept`;
  return new Diverged(`training diverged in step ${step}: ${what} (learning rate ${info.recipe.optimizer.lr}). ${kept}; `
    + "try a lower lr, a longer warmup or a lower grad_clip in a new run");
}

/** @param step counted from 0 */
async function firstBad(options: TrainOptions, step: number, metrics: StepMetrics, batches: readonly MicroBatch[]): Promise<string> {
  const { executor, params, info } = options;
  const what = metrics.firstBad !== null ? `the gradient of ${params[metrics.firstBad]?.name ?? `parameter ${metrics.firstBad}`}`
    : "the loss";
  const origin = await firstBadTensor(executor, batches, info.seed, step);
  return `${what} is not finite${origin === null ? "" : `; the first tensor that went bad is "${origin}"`}`;
}

/** Runs the micro-batches again, launch by launch: the weights are as they were, because the update was skipped. */
async function firstBadTensor(executor: Executor, batches: readonly MicroBatch[], seed: number, step: number): Promise<string | null> {
  const shares = sharesOf(batches);
  for (const index of batches.keys()) {
    const label = await executor.firstNonFinite(writeMicroBatch(executor, batches, shares, index, seed, step));
    if (label !== null) return label;
  }
  return null;
}

async function checkpoint(options: TrainOptions, step: number, hooks: TrainHooks): Promise<void> {
  const { folder, executor, params, routers = [], info: { seed, specHash, data, recipe } } = options;
  syncLog(logPath(folder));
  const routing = await readCounters(executor, routers);
  try {
    const sequences = step * recipe.batch;
    await saveCheckpoint(folder, executor, params, { format: 1, step, sequences, seed, specHash, dataId: data.id, routing });
  } catch (error) {
    throw error instanceof NotFinite ? diverged(options, step, `after it ${error.message}`) : error;
  }
  hooks.onCheckpoint?.(step);
}
