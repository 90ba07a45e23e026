/** A training run of the bigram model on a text with an obvious pattern. */
import type { Dataset, ValidationBatch } from "../../runtime/data/index.ts";
import { startRun, type RunInfo, type TrainOptions } from "../../runtime/train/index.ts";
import { createRandom } from "../../runtime/standalone/random.ts";
import type { Recipe } from "../../runtime/standalone/schedule.ts";
import { bigramParams, createBigram } from "./bigram-executor.ts";

export const V = 16;
export const T = 12;

export const BIGRAM_RECIPE: Recipe = {
  optimizer: { lr: 0.05, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 },
  schedule: { kind: "cosine", warmup: 3, floor: 0.1 }, gradClip: 1, batch: 4, accumulate: 1, steps: 30,
};

/** Mostly token + 1, sometimes anything: row `n` of an endless text. */
function sequence(stream: string, seed: number, n: number): Uint32Array {
  const random = createRandom(seed, stream);
  const tokens = new Uint32Array(T + 1);
  for (let i = 0; i <= T; i++) {
    const draw = random.uniform(n * (T + 1) + i);
    tokens[i] = draw < 0.2 ? Math.floor(draw * 5 * V) : ((tokens[i - 1] ?? 0) + 1) % V;
  }
  return tokens;
}

function batchOf(stream: string, seed: number, first: number, rows: number, batch: number): ValidationBatch {
  const result = {
    tokens: new Uint32Array(batch * T), targets: new Uint32Array(batch * T), scoredFrom: Array.from({ length: rows }, () => 0),
  };
  for (let row = 0; row < rows; row++) {
    const tokens = sequence(stream, seed, first + row);
    result.tokens.set(tokens.subarray(0, T), row * T);
    result.targets.set(tokens.subarray(1), row * T);
  }
  return result;
}

/** @param batch of one micro-batch */
export const bigramData = (seed: number, batch: number, dataId = "pattern"): Dataset => ({
  dataId, nTokens: 1e6, seqLen: T, lengths: [], masked: false, bytesPerToken: 1,
  trainBlocks: 1000, targetsPerBlock: 2, validationBlocks: 10,
  batchAt: (step) => batchOf("train", seed, step * batch, batch, batch),
  *validationBatches(maxTokens = Infinity) {
    const blocks = Math.min(10, Math.max(1, Math.floor(maxTokens / T)));
    for (let first = 0; first < blocks; first += batch) yield batchOf("validation", 0, first, Math.min(batch, blocks - first), batch);
  },
});

export interface BigramRun {
  readonly folder: string;
  readonly resume?: boolean;
  readonly accumulate?: number;
  readonly breakAt?: number;
  readonly checkpointEvery?: number;
  readonly seed?: number;
  readonly specHash?: string;
  readonly dataId?: string;
  readonly lr?: number;
  readonly steps?: number;
  readonly note?: (text: string) => void;
}

export function bigramRun(run: BigramRun): TrainOptions {
  const { folder, resume = false, accumulate = 1, breakAt = 0, checkpointEvery = 7, seed = 1, specHash = "0".repeat(64), dataId } = run;
  const { optimizer } = BIGRAM_RECIPE;
  const recipe = {
    ...BIGRAM_RECIPE, accumulate, steps: run.steps ?? BIGRAM_RECIPE.steps, optimizer: { ...optimizer, lr: run.lr ?? optimizer.lr },
  };
  const batch = recipe.batch / accumulate;
  const data = bigramData(seed, batch, dataId);
  const info: RunInfo = {
    format: 1, model: "bigram", specHash, seed, recipe, data: { source: ["pattern"], id: data.dataId, tokenizer: "bytes", tokens: data.nTokens },
    versions: { moeut: "0", node: "0" }, adapter: { kind: "none", name: "none" },
  };
  const executor = createBigram({ vocabSize: V, batch, seqLen: T, breakAt });
  const params = bigramParams(V);
  const done = startRun({ folder, spec: "moeut 1\n", info, executor, params, resume, ...(run.note && { note: run.note }) });
  return { folder, info, executor, params, data, done, evalEvery: 10, checkpointEvery, evalTokens: 100 };
}
