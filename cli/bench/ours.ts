/** A workload run by a plan of this compiler. */
import { planModel, type EntryName } from "../../compiler/compile.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { ParamPlan } from "../../compiler/ir/plan.ts";
import { outsideKernels, timeKernels, warmRun, type Contestant, type Inside } from "../../runtime/bench/index.ts";
import { generateTokens } from "../../runtime/standalone/generate.ts";
import { initialize } from "../../runtime/standalone/initialize.ts";
import { createRandom } from "../../runtime/standalone/random.ts";
import { trainStep, writeBatch, type MicroBatch } from "../../runtime/standalone/train-step.ts";
import type { Executor } from "../../runtime/standalone/types.ts";
import { loadModel, type PlannedSession } from "../../api/session.ts";
import { generatedTokens, promptTokens, type Mode, type Workload } from "./workloads.ts";

export type Handle = Parameters<typeof loadModel>[0];

export interface Ours extends Contestant {
  readonly session: PlannedSession;
  /** What all contestants start from: tokens and targets, [B, T], of a generation the prompt, [1, T / 2]. */
  readonly data: MicroBatch;
  /** Bytes of all buffers, and what no sharing of buffers goes below. */
  readonly memory: { readonly buffers: number; readonly least: number };
  lookInside(): Promise<Inside>;
}

const ENTRIES: Readonly<Record<Mode, readonly EntryName[]>> = {
  train: ["train", "update"], forward: ["evaluate"], generate: ["prefill", "decode"],
};

/** Official initial weights and random tokens, the same for every contestant. */
export async function openOurs(handle: Handle, workload: Workload): Promise<Ours> {
  const { model, mode, batch } = workload;
  const entries = ENTRIES[mode];
  const options = { batch, seqLen: model.seqLen, entries };
  const session = await loadModel(handle, model, options);
  const { executor, plan, params } = session;
  for (const p of params) executor.write(`param/${p.name}`, initialWeight(p));
  const data = dataOf(workload);
  const once = RUNS[mode](executor, model, data);
  const run = (): Promise<number> => secondsOf(once);
  const launches = planModel(model, { ...options, profile: plan.profile });
  const { kind, name } = session.adapter;
  return {
    name: `moeut on ${kind === "gpu" ? name : kind}`, check: await once(), session, data, run,
    memory: { buffers: plan.memory.total, least: launches.leastMemory },
    lookInside: async () => {
      await warmRun(run);
      return { outside: await outsideKernels(executor, run), kernels: await timeKernels(executor, plan, entries, launches.entries) };
    },
    close: session.close,
  };
}

export const initialWeight = ({ name, shape, init }: ParamPlan): Float32Array => initialize(shape, init, 0, name);

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

function dataOf({ model: { vocabSize, seqLen }, mode, batch }: Workload): MicroBatch {
  const random = createRandom(0, "bench");
  const length = mode === "generate" ? promptTokens(seqLen) : batch * seqLen;
  const draw = (first: number): Uint32Array => Uint32Array.from({ length }, (_, i) => random.uint32(first + i) % vocabSize);
  return { tokens: draw(0), targets: draw(length) };
}

/** A run, again and again; its result is what contestants must agree on. */
type Start = (executor: Executor, model: ModelSpec, data: MicroBatch) => () => Promise<number>;

const RUNS: Readonly<Record<Mode, Start>> = {
  train: (executor, { train }, data) => {
    const batches = Array.from({ length: train.accumulate }, () => data);
    let step = 0;
    return async () => (await trainStep(executor, train, step++, batches, 0)).ceLoss;
  },
  forward: (executor, _, data) => async () => {
    writeBatch(executor, "evaluate", data);
    const losses = (await executor.run(["evaluate"], ["evaluate/token_loss"]))["evaluate/token_loss"]!;
    return Array.from(losses).reduce((a, b) => a + b, 0) / losses.length;
  },
  generate: (executor, model, { tokens }) => async () => {
    let first = Number.NaN;
    const sample = (logits: ArrayLike<number>, index: number): number => {
      if (index === 0) first = logSumExp(logits);
      return greatest(logits);
    };
    const text = generateTokens(executor, Array.from(tokens), { maxTokens: generatedTokens(model.seqLen), seqLen: model.seqLen, sample });
    while ((await text.next()).done !== true);
    return first;
  },
};

const greatest = (values: ArrayLike<number>): number => Array.from(values).reduce((best, x, i) => (x > values[best]! ? i : best), 0);

function logSumExp(values: ArrayLike<number>): number {
  const most = values[greatest(values)]!;
  return most + Math.log(Array.from(values).reduce((sum, x) => sum + Math.exp(x - most), 0));
}
