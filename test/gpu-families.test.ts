/**
 * Every family of models that a spec ships for, shrunk for two cores: training on real text with a falling loss, a resumed run with the
 * same bits, and generation that does not depend on its caches. A few that are unlike each other on one adapter, briefly; with
 * MOEUT_FAMILIES=all every model of every file on every adapter, for a hundred steps (half an hour on two cores).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isCausal } from "../compiler/compile.ts";
import { countParams } from "../compiler/counts/index.ts";
import { checkSource } from "../compiler/front.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import { byteTokenizer, type Dataset } from "../runtime/data/index.ts";
import { decode, prefill } from "../runtime/standalone/generate.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { trainStep } from "../runtime/standalone/train-step.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { loadCheckpoint, openCheckpoint, saveCheckpoint } from "../runtime/train/checkpoint.ts";
import { loadData } from "./support/data.ts";
import { readText, specsIn } from "./support/corpus.ts";
import { deviation } from "./support/golden.ts";
import { ADAPTERS, deviceOf, MAIN, withModel } from "./support/gpu.ts";

const SPECS = new URL("../specs/", import.meta.url);
const ALL = process.env["MOEUT_FAMILIES"] === "all";
const STEPS = ALL ? 100 : 40;
/** Steps after which the run is interrupted. */
const INTERRUPTED = ALL ? 60 : 30;
const SEED = 3;
const SMALL = 1e6; // parameters
const SHRUNK = [
  `seq_len=${ALL ? 32 : 16}`, "train.batch=4", "train.accumulate=2", `train.steps=${STEPS}`, "train.optimizer.lr=3e-3",
  "train.schedule.warmup=5",
];

function modelsOf(file: string): readonly ModelSpec[] {
  const check = (overrides: readonly string[]) =>
    checkSource({ file, text: readText(SPECS, file) }, { overrides, readFile: (path) => ({ file: path, text: readText(SPECS, path) }) }).models;
  const usual = check(SHRUNK);
  // A term over the batch cannot be had from its parts.
  const models = usual.length > 0 ? usual : check(SHRUNK.map((o) => o.replace("accumulate=2", "accumulate=1")));
  return models.filter((model) => countParams(model).total < SMALL);
}

const FEW = ["deepseek_v3", "from_noise", "universal_transformer", "tiny_sut"];
const FAMILIES = specsIn(SPECS).flatMap((file) => modelsOf(file).filter((model) => ALL || FEW.includes(model.name))
  .map((model) => [`${file} ${model.name}`, model] as const));

interface Place {
  readonly executor: Executor;
  readonly plan: KernelPlan;
  readonly model: ModelSpec;
  readonly data: Dataset;
}

async function steps({ executor, model, data }: Place, from: number, to: number): Promise<readonly number[]> {
  const { accumulate } = model.train;
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    const batches = Array.from({ length: accumulate }, (_, i) => data.batchAt(step * accumulate + i));
    losses.push((await trainStep(executor, model.train, step, batches, SEED)).ceLoss);
  }
  return losses;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

async function weights({ executor, plan }: Place): Promise<unknown> {
  return executor.run([], plan.params.map((p) => `param/${p.name}`));
}

/** The run from its checkpoint on, over weights and moments of another one. */
async function resumed(at: Place, folder: string): Promise<void> {
  initializeParameters(at.executor, at.plan.params, SEED + 1); // whatever was there before
  loadCheckpoint(
    openCheckpoint(folder, { seed: SEED, specHash: "", data: { id: "" }, recipe: { batch: 0 } })!, at.executor, at.plan.params,
  );
  await steps(at, INTERRUPTED, STEPS);
}

/** Greedy text of the model, then the logits of the whole text at once: each token must follow from them as it did from the caches. */
async function expectSameWithoutCache({ executor, model }: Place): Promise<void> {
  const { seqLen, vocabSize } = model;
  const rows = executor.shape("evaluate/tokens")[0]!;
  const text = Array.from("export ", (c) => c.charCodeAt(0));
  const cached: ArrayLike<number>[] = [await prefill(executor, [text], seqLen)];
  const first = text.length - 1;
  while (text.length < seqLen) {
    text.push(greatest(cached.at(-1)!));
    cached.push(await decode(executor, [text.at(-1)!], text.length - 1));
  }
  const tokens = Uint32Array.from({ length: rows * seqLen }, (_, i) => text[i % seqLen]!);
  executor.write("evaluate/tokens", tokens);
  executor.write("evaluate/targets", tokens);
  for (const input of ["position", "noise"]) if (executor.has(`evaluate/${input}`)) executor.write(
    `evaluate/${input}`, new Uint32Array(input === "noise" ? 4 : 1),
  );
  const { "evaluate/logits": full } = await executor.run(["evaluate"], ["evaluate/logits"]);
  cached.forEach((logits, i) => expect(deviation(logits, full!.subarray((first + i) * vocabSize, (first + i + 1) * vocabSize)), `position ${first + i}`).toBeLessThan(1e-4));
}

const greatest = (logits: ArrayLike<number>): number => Array.from(logits).reduce((best, x, i) => (x > logits[best]! ? i : best), 0);

describe.each(ALL ? ADAPTERS : [MAIN])("on %s", (kind) => {
  test.each(FAMILIES)("%s", async (_, model) => {
    const data = await loadData("typescript", { tokenizer: byteTokenizer, vocabSize: model.vocabSize, seqLen: model.seqLen, batch: model.train.batch / model.train.accumulate, seed: SEED });
    const folder = mkdtempSync(join(tmpdir(), "moeut-family-"));
    const options = {
      batch: model.train.batch / model.train.accumulate, seqLen: model.seqLen, keep: { evaluate: ["logits"] },
      entries: ["train", "update", "evaluate", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])],
    } as const;
    try {
      await withModel(await deviceOf(kind), model, options, async (executor, plan) => {
        const at: Place = { executor, plan, model, data };
        initializeParameters(executor, plan.params, SEED);
        const early = await steps(at, 0, INTERRUPTED);
        await saveCheckpoint(folder, executor, plan.params, { format: 1, step: INTERRUPTED, sequences: 0, seed: SEED, specHash: "", dataId: "" });
        const late = await steps(at, INTERRUPTED, STEPS);
        expect(mean(late.slice(-10))).toBeLessThan(0.85 * mean(early.slice(0, 5)));
        if (isCausal(model)) await expectSameWithoutCache(at);
        const straight = await weights(at);
        await resumed(at, folder);
        expect(await weights(at)).toEqual(straight);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
