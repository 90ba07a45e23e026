/** Many steps in a row: what breaks on the second step, adds up over micro-batches, or differs between two plans of one model. */
import { afterAll, describe, expect, test } from "vitest";
import { compileModel, type CompileOptions } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import { updateWords } from "../runtime/standalone/schedule.ts";
import { trainStep, type MicroBatch, type StepMetrics } from "../runtime/standalone/train-step.ts";
import type { AdapterKind } from "../runtime/adapter/index.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { deviation } from "./support/golden.ts";
import { ADAPTERS, deviceOf, MAIN, OTHERS, ownProfile, relativeDistance, withModel } from "./support/gpu.ts";
import { entropy, layer, model, scheduleOf } from "./support/models.ts";
import { dense, mha, moe, switchhead } from "./support/odd-models.ts";

const [V, T] = [53, 19];
const STEPS = 20;
const SEED = 1;
const RECIPE = {
  optimizer: { lr: 3e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 },
  schedule: { kind: "cosine", warmup: 3, floor: 0.1 }, gradClip: 0.5, batch: 4, accumulate: 1, steps: STEPS,
} as const;

const spec = (over: ReturnType<typeof entropy> = entropy(0.1)): ModelSpec => model({
  layers: [layer("a", switchhead(["v", "o"], {}, over), moe({}, over), "peri"), layer("b", mha("sigmoid"), dense("silu"), "peri")],
  schedule: scheduleOf([0, 1, 0, 1]), vocabSize: V, seqLen: T, dModel: 37,
});

/** Step `step` of an endless text; `rows` sequences from `first` on. */
function batchOf(step: number, first: number, rows: number): MicroBatch {
  const random = createRandom(7, "text");
  const token = (row: number, t: number): number => (random.uint32((step * RECIPE.batch + row) * (T + 1)) + t * (1 + (row % 3))) % V;
  const all = Array.from({ length: rows * T }, (_, i) => [first + Math.floor(i / T), i % T] as const);
  return { tokens: Uint32Array.from(all, ([row, t]) => token(row, t)), targets: Uint32Array.from(all, ([row, t]) => token(row, t + 1)) };
}

interface Trajectory {
  readonly steps: readonly StepMetrics[];
  readonly weights: Readonly<Record<string, Float32Array>>;
}

/** @param parts micro-batches per step @param seed of what is random in a step */
async function follow(executor: Executor, plan: KernelPlan, nSteps: number, parts = 1, seed = SEED): Promise<Trajectory> {
  initializeParameters(executor, plan.params, 1);
  const steps: StepMetrics[] = [];
  const rows = RECIPE.batch / parts;
  for (let step = 0; step < nSteps; step++) {
    steps.push(await trainStep(executor, RECIPE, step, Array.from({ length: parts }, (_, i) => batchOf(step, i * rows, rows)), seed));
  }
  return { steps, weights: await weightsOf(executor, plan) };
}

/** Every kind of random choice in training. */
const RANDOM = model({
  layers: [layer("a", switchhead(["v", "o"], { expertDropout: 0.2, inputDropout: 0.1 }), moe({ expertDropout: 0.1, sampled: 1 }), "peri")],
  schedule: scheduleOf([0, 0]), vocabSize: V, seqLen: T, dModel: 37,
});

async function weightsOf(executor: Executor, plan: KernelPlan): Promise<Record<string, Float32Array>> {
  const read = await executor.run([], plan.params.map((p) => `param/${p.name}`));
  return Object.fromEntries(plan.params.map((p) => [p.name, read[`param/${p.name}`] as Float32Array]));
}

const ENTRIES = { batch: RECIPE.batch, seqLen: T, entries: ["train", "update"] } as const satisfies CompileOptions;

interface Loaded {
  readonly executor: Executor;
  readonly plan: KernelPlan;
  /** Its first twenty steps. */
  readonly trajectory: Trajectory;
}

const loaded = new Map<AdapterKind, Promise<Loaded>>();

/** The fused plan on an adapter, loaded once: whoever trains begins with new weights and no moments, as a test says. */
function loadedOn(kind: AdapterKind): Promise<Loaded> {
  if (!loaded.has(kind)) loaded.set(kind, load(kind));
  return loaded.get(kind)!;
}

async function load(kind: AdapterKind): Promise<Loaded> {
  const handle = await deviceOf(kind);
  const plan = compileModel(spec(), { profile: ownProfile(handle), ...ENTRIES });
  const executor = await handle.createExecutor(plan);
  return { executor, plan, trajectory: await follow(executor, plan, STEPS) };
}

afterAll(async () => {
  for (const [kind, { executor }] of await Promise.all(Array.from(loaded, async ([kind, each]) => [kind, await each] as const))) {
    executor.destroy();
    (await deviceOf(kind)).checkErrors();
  }
});

const twentySteps = async (kind: AdapterKind, more: Partial<CompileOptions> = {}): Promise<Trajectory> =>
  withModel(await deviceOf(kind), spec(), { ...ENTRIES, ...more }, (executor, plan) => follow(executor, plan, STEPS));

function expectClose(got: Trajectory, want: Trajectory): void {
  got.steps.forEach(({ ceLoss, regLoss, gradNorm }, i) => {
    const close = (a: number, b: number, bound: number, what: string): void =>
      expect(deviation([a], [b]), `${what} of step ${i}`).toBeLessThan(bound);
    close(ceLoss, want.steps[i]!.ceLoss, 1e-4, "cross-entropy");
    close(regLoss, want.steps[i]!.regLoss, 1e-4, "reg loss");
    close(gradNorm, want.steps[i]!.gradNorm, 1e-2, "gradient norm");
  });
  for (const [name, w] of Object.entries(want.weights)) expect(relativeDistance(got.weights[name]!, w), name).toBeLessThan(1e-3);
}

describe.each(ADAPTERS)("on %s", (kind) => {
  test("twenty steps: the loss falls, and the same plan gives the same bits again", async () => {
    const { trajectory: first } = await loadedOn(kind);
    expect(first.steps.at(-1)!.ceLoss).toBeLessThan(0.9 * first.steps[0]!.ceLoss);
    expect(await twentySteps(kind)).toEqual(first);
  });

  test("a second run on one executor repeats the first: nothing is left over", async () => {
    const { executor, plan, trajectory } = await loadedOn(kind);
    const second = await follow(executor, plan, 3);
    expect(second.steps).toEqual(trajectory.steps.slice(0, 3));
    expect(await follow(executor, plan, 3)).toEqual(second);
  });

  test("what is random follows from the seed and the step", async () => {
    await withModel(await deviceOf(kind), RANDOM, ENTRIES, async (executor, plan) => {
      const first = await follow(executor, plan, 3);
      expect(await follow(executor, plan, 3)).toEqual(first);
      const other = await follow(executor, plan, 3, 1, SEED + 1);
      expect(other.steps[0]!.ceLoss).not.toBe(first.steps[0]!.ceLoss);
    });
  });

  test("an update with a gradient that is not finite is skipped, named, and leaves zeros", async () => {
    const { executor, plan } = await loadedOn(kind);
    await follow(executor, plan, 2);
    const names = plan.params.flatMap((p) => [`param/${p.name}`, `adam_m/${p.name}`, `adam_v/${p.name}`]);
    const before = await executor.run([], names);
    const at = Math.floor(plan.params.length / 2);
    for (const value of [Infinity, NaN, -Infinity, 1e30]) { // the square of the last overflows
      const { name, shape } = plan.params[at]!;
      executor.write(`grad/${name}`, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value, -1));
      const { firstBad } = await trainStep(executor, RECIPE, 2, [batchOf(2, 0, RECIPE.batch)], SEED);
      expect(firstBad, `${value}`).toBe(at);
      expect(await executor.run([], names)).toEqual(before);
      const grads = await executor.run([], plan.params.map((p) => `grad/${p.name}`));
      for (const [grad, values] of Object.entries(grads)) expect(values.every((g) => g === 0), grad).toBe(true);
    }
    expect((await trainStep(executor, RECIPE, 2, [batchOf(2, 0, RECIPE.batch)], SEED)).firstBad).toBeNull();
  });
});

test("reads may overlap", async () => {
  const { executor, plan } = await loadedOn(MAIN);
  initializeParameters(executor, plan.params, 1);
  const want = await weightsOf(executor, plan);
  const got = await Promise.all(plan.params.map(async (p) => [p.name, await executor.read(`param/${p.name}`)] as const));
  expect(Object.fromEntries(got)).toEqual(want);
});

test(`fused and unfused plans take the same path on ${MAIN}`, async () => {
  expectClose(await twentySteps(MAIN, { unfused: true }), (await loadedOn(MAIN)).trajectory);
});

test.each(OTHERS)(`%s takes the same path as ${MAIN}`, async (kind) => {
  expectClose((await loadedOn(kind)).trajectory, (await loadedOn(MAIN)).trajectory);
});

test(`micro-batches add up to the large batch on ${MAIN}`, async () => {
  const [handle, { executor, plan }] = [await deviceOf(MAIN), await loadedOn(MAIN)];
  const whole = await follow(executor, plan, 5);
  for (const parts of [2, 4]) {
    expectClose(
      await withModel(handle, spec(), { ...ENTRIES, batch: RECIPE.batch / parts }, (executor, plan) => follow(executor, plan, 5, parts)),
      whole,
    );
  }
});

test(`micro-batches make the random choices of the large batch on ${MAIN}`, async () => {
  const handle = await deviceOf(MAIN);
  const whole = await withModel(handle, RANDOM, ENTRIES, (executor, plan) => follow(executor, plan, 5));
  for (const parts of [2, 4]) {
    expectClose(
      await withModel(handle, RANDOM, { ...ENTRIES, batch: RECIPE.batch / parts }, (executor, plan) => follow(executor, plan, 5, parts)),
      whole,
    );
  }
});

test("the same step twice draws the same, the next step draws anew; evaluation draws nothing", async () => {
  const options = { ...ENTRIES, entries: ["train", "update", "evaluate"], keep: { train: ["sel.ffn.0"] } } as const satisfies CompileOptions;
  await withModel(await deviceOf(MAIN), RANDOM, options, async (executor, plan) => {
    initializeParameters(executor, plan.params, 1);
    const frozen = { ...RECIPE, optimizer: { ...RECIPE.optimizer, lr: 0 } };
    const chosen = async (step: number): Promise<string> => {
      await trainStep(executor, frozen, step, [batchOf(0, 0, RECIPE.batch)], SEED);
      return (await executor.read("train/sel.ffn.0")).join();
    };
    const first = await chosen(0);
    expect(await chosen(0)).toBe(first);
    expect(await chosen(1)).not.toBe(first);
    expect([executor.has("train/noise"), executor.has("evaluate/noise")]).toEqual([true, false]);
  });
});

describe("AdamW keeps the digits of means near 1 and near 0", () => {
  const tiny = model({
    layers: [layer("a", mha("none"), dense("relu"), "peri")], schedule: scheduleOf([0]), vocabSize: 8, seqLen: 4, dModel: 4,
  });
  test.each([[0.9, 0.999], [0, 0.9999999], [0.999999, 0], [0.99999, 0.99999]])("betas %s, %s", async (beta1, beta2) => {
    const recipe = { ...RECIPE, gradClip: null, schedule: { kind: "constant", warmup: 0, floor: 1 }, optimizer: { ...RECIPE.optimizer, beta1, beta2 } } as const;
    await withModel(await deviceOf(MAIN), tiny, { batch: 1, seqLen: 4, entries: ["train", "update"] }, async (executor, { params }) => {
      initializeParameters(executor, params, 1);
      const { name, shape } = params.find((p) => p.shape.length === 2)!;
      const random = createRandom(3, "gradients");
      const count = shape.reduce((a, b) => a * b, 1);
      let [w, m, v] = [Float64Array.from(await executor.read(`param/${name}`)), new Float64Array(count), new Float64Array(count)];
      for (let step = 0; step < 4; step++) {
        const g = Float32Array.from({ length: count }, (_, i) => random.normal(step * count + i));
        executor.write(`grad/${name}`, g);
        executor.write("update", updateWords(recipe, step));
        await executor.run(["update"]);
        m = m.map((old, i) => beta1 * old + (1 - beta1) * g[i]!);
        v = v.map((old, i) => beta2 * old + (1 - beta2) * g[i]! ** 2);
        const { lr, eps, weightDecay } = recipe.optimizer;
        const size = v.map((x) => Math.sqrt(x / (1 - beta2 ** (step + 1))) + eps);
        w = w.map((old, i) => old * (1 - lr * weightDecay) - ((lr / (1 - beta1 ** (step + 1))) * m[i]!) / size[i]!);
      }
      const [gotW, gotM, gotV] = await Promise.all(["param", "adam_m", "adam_v"].map((kind) => executor.read(`${kind}/${name}`)));
      expect(relativeDistance(gotM!, m)).toBeLessThan(5e-7); // four roundings of float32, 6e-8 each
      expect(relativeDistance(gotV!, v)).toBeLessThan(5e-7);
      expect(relativeDistance(gotW!, w)).toBeLessThan(1e-6);
    });
  });
});
