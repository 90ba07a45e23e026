/** Counters of routing: they count what was chosen, change no bit of training, and go on where a run was interrupted. */
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CompileOptions } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { routerSites } from "../compiler/stack/routers.ts";
import type { Dataset } from "../runtime/data/index.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { trainStep, writeMicroBatch, type MicroBatch, type StepMetrics } from "../runtime/standalone/train-step.ts";
import { logPath, readLog, recipeOf, startRun, train, type RunInfo } from "../runtime/train/index.ts";
import { readCounters, takeCounters, writeCounters, type RoutingRecord } from "../runtime/train/routing.ts";
import { bigramData } from "./support/bigram-run.ts";
import { deviceOf, MAIN, withModel } from "./support/gpu.ts";
import { ODD_MODELS, T, V } from "./support/odd-models.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root } = scratchFolder("gpu-counters");
const [B, SEED] = [2, 3];
const OPTIONS = { batch: B, seqLen: T, entries: ["train", "update"], countsRouting: true } as const satisfies CompileOptions;

const batchOf = (index: number): MicroBatch => {
  const tokens = Uint32Array.from({ length: B * T }, (_, i) => (i * 31 + index * 7 + 5) % V);
  return { tokens, targets: tokens.map((token) => (token * 3 + 1) % V) };
};

const CASES = ["experts on all projections", "halting", "two layers, aabb", "experts with biases"];

test.each(CASES)("counts are those of the choices, over runs, until they are written: %s", async (name) => {
  const spec = ODD_MODELS[name]!;
  const sites = routerSites(spec);
  const choices = sites.map(({ output, site }) => `choice.${output}.${site}`);
  await withModel(await deviceOf(MAIN), spec, { ...OPTIONS, keep: { train: choices } }, async (executor, { params }) => {
    initializeParameters(executor, params, 1);
    const want = sites.map(({ heads, nExperts }) => new Array<number>(heads * nExperts).fill(0));
    for (let run = 0; run < 3; run++) {
      if (run === 1) writeCounters(executor, sites);
      writeMicroBatch(executor, [batchOf(run)], [1], 0, SEED, run);
      const read = await executor.run(["train"], choices.map((choice) => `train/${choice}`));
      for (const [i, { heads, nExperts, topK }] of sites.entries()) {
        if (run === 0) continue;
        read[`train/${choices[i]}`]!.forEach((expert, slot) => want[i]![(Math.floor(slot / topK) % heads) * nExperts + expert]!++);
      }
    }
    const found = await takeCounters(executor, sites, B * T);
    expect(found?.steps).toBe(2);
    expect(found?.sites.map(({ counts }) => counts)).toEqual(want);
    const left = Object.values(await readCounters(executor, sites)).flat();
    expect(left.every((n) => n === 0)).toBe(true);
  });
});

test("training has the same bits with and without counters", async () => {
  const spec = ODD_MODELS["MoEUT"]!;
  const trained = async (countsRouting: boolean): Promise<unknown> => withModel(
    await deviceOf(MAIN), spec, { ...OPTIONS, countsRouting }, async (executor, { params }) => {
      initializeParameters(executor, params, 1);
      const steps: StepMetrics[] = [];
      for (let step = 0; step < 3; step++) steps.push(await trainStep(executor, recipeOf(spec.train), step, [batchOf(step)], SEED));
      return { steps, weights: await executor.run([], params.map((p) => `param/${p.name}`)) };
    });
  expect(await trained(true)).toEqual(await trained(false));
});

test("a resumed run logs the routing that an uninterrupted one logs", async () => {
  const model = ODD_MODELS["experts with biases"]!;
  const spec: ModelSpec = { ...model, train: { ...model.train, batch: B, accumulate: 1, steps: 45 } };
  const recipe = recipeOf(spec.train);
  const info: RunInfo = {
    format: 1, model: "m", specHash: "", seed: SEED, data: { source: [], id: "d", tokenizer: "bytes", tokens: 1 }, recipe,
    versions: { moeut: "0", node: "0" }, adapter: { kind: "", name: "" },
  };
  const data: Dataset = { ...bigramData(SEED, B), batchAt: batchOf };
  const routers = routerSites(spec);
  await withModel(await deviceOf(MAIN), spec, OPTIONS, async (executor, { params }) => {
    const run = async (folder: string, stopAfter: number): Promise<void> => {
      const start = { folder, spec: "moeut 1\n", info, executor, params, routers, resume: true };
      const done = startRun(start);
      let step = done;
      const options = { ...start, data, done, evalEvery: 0, checkpointEvery: 0, evalTokens: 1 };
      await train(options, { onStep: (record) => void (step = record.step), shouldStop: () => step >= stopAfter });
    };
    const logged = (folder: string): readonly (readonly [number, RoutingRecord])[] =>
      readLog(logPath(folder)).flatMap(({ step, routing }) => (routing === undefined ? [] : [[step, routing] as const]));
    const [whole, parts] = [join(root, "whole"), join(root, "parts")];
    await run(whole, 45);
    await run(parts, 20);
    await run(parts, 45);
    expect(logged(whole).map(([step, { steps }]) => [step, steps])).toEqual(Array.from({ length: 15 }, (_, i) => [3 * i + 3, 3]));
    expect(logged(parts)).toEqual(logged(whole));
    expect(logged(whole)[0]![1].sites.map(({ router, pass }) => [router, pass])).toEqual([["a.feed_forward", 0], ["a.feed_forward", 1]]);
  });
});
