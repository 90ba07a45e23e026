/** The official code's numbers on real adapters, in float32: forward, every gradient, ten optimizer steps. */
import { describe, expect, test } from "vitest";
import { compileModel, graphOf } from "../compiler/compile.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import { trainStep } from "../runtime/standalone/train-step.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { deviation, readGolden, readOfficial, type Golden } from "./support/golden.ts";
import { clearGradients, deviceOf, MAIN, OTHERS, ownProfile, relativeDistance, withExecutor, writeParams } from "./support/gpu.ts";
import { goldenModel } from "./support/models.ts";
import { goldenFolder } from "./support/shared.ts";

/** Of the greatest entry of each tensor; scalars relative; `change` in relative 2-norm. Correct float32 lies 20 times or more below. */
const BOUND = { logits: 1e-4, layers: 1e-4, gradient: 1e-4, loss: 1e-5, gradNorm: 1e-4, change: 5e-3 } as const;

const CASES = [
  ...["a1", "a2", "a4", "b1", "b2", "b3", "b4", "b5", "b6", "b8", "c1"].map((prefix) => [MAIN, prefix] as const),
  ...OTHERS.flatMap((kind) => ["a1", "b5"].map((prefix) => [kind, prefix] as const)),
];

describe.each(CASES)("%s reproduces golden %s", (kind, prefix) => {
  const folder = goldenFolder(prefix);
  if (folder === null) return test.skip("no golden folder", () => {});
  const golden = readGolden(folder);
  const { batch, context } = golden.config;
  const model = goldenModel(golden.config);
  const graph = graphOf(model, "train", { batch, seqLen: context });
  const layers = numbered(graph, "layers");
  const selections = ["sel.ffn", "sel.att", "sel.att_v", "sel.att_o"].filter((name) => golden.io.tensors.has(name));
  const keep = ["logits", "embed_out", "ce_loss", "reg_loss", ...layers, ...selections.flatMap((name) => numbered(graph, name))];

  test("losses, logits, layers, selections, gradients and ten steps", async () => {
    const handle = await deviceOf(kind);
    const plan = compileModel(model, {
      batch, seqLen: context, entries: ["train", "update"], keep: { train: keep }, profile: ownProfile(handle),
    });
    await withExecutor(handle, plan, async (executor) => {
      const start = readOfficial(golden.weights, graph);
      writeParams(executor, start);
      await checkForward(executor, plan, golden, keep);
      await clearGradients(executor);
      await checkSteps(executor, golden, graph, start, selections);
    });
  });
});

/** "name.0", "name.1", … as far as the graph has them. */
const numbered = (graph: OpGraph, name: string): readonly string[] =>
  Object.keys(graph.outputs).filter((key) => key.startsWith(`${name}.`));

async function checkForward(executor: Executor, plan: KernelPlan, golden: Golden, keep: readonly string[]): Promise<void> {
  executor.write("train/tokens", golden.io.readIndices("tokens"));
  executor.write("train/targets", golden.io.readIndices("targets"));
  executor.write("train/loss_scale", Float32Array.of(1));
  const names = plan.params.map((p) => p.name);
  const read = await executor.run(["train"], [...keep.map((k) => `train/${k}`), ...names.map((n) => `grad/${n}`)]);
  const at = (name: string): ArrayLike<number> => read[`train/${name}`]!;
  expect(deviation(at("logits"), golden.io.readFloats("logits")), "logits").toBeLessThan(BOUND.logits);
  for (const loss of ["ce_loss", "reg_loss"]) expect(deviation(at(loss), golden.io.readFloats(loss)), loss).toBeLessThan(BOUND.loss);
  expect(deviation(at("embed_out"), golden.io.readFloats("embed_out")), "embed_out").toBeLessThan(BOUND.layers);
  const layers = golden.io.readFloats("layers");
  keep.filter((k) => k.startsWith("layers.")).forEach((name, i, all) => {
    const size = layers.length / all.length;
    expect(deviation(at(name), layers.subarray(i * size, (i + 1) * size)), name).toBeLessThan(BOUND.layers);
  });
  for (const name of ["sel.ffn", "sel.att", "sel.att_v", "sel.att_o"]) if (golden.io.tensors.has(name)) expectSets(
    read, golden.io.readIntegers(name), name, golden.io.tensors.get(name)!.shape.at(-1)!,
  );
  const want = officialGradients(golden, plan);
  for (const name of names) expect(deviation(read[`grad/${name}`]!, want[name]!), `gradient of ${name}`).toBeLessThan(BOUND.gradient);
}

const officialGradients = (golden: Golden, plan: KernelPlan): Record<string, Float64Array> =>
  Object.fromEntries(plan.params.map(({ name, official, shape }) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return [name, Float64Array.from(golden.io.readFloats(`grad.${official.tensor}`).subarray(official.start, official.start + size))];
}));

/** Selections of all applications, which the folder holds in one tensor, as sets per row of k. */
function expectSets(read: Readonly<Record<string, ArrayLike<number>>>, want: Int32Array, name: string, k: number): void {
  const parts = Object.keys(read).filter((key) => key.startsWith(`train/${name}.`));
  const got = parts.flatMap((key) => Array.from(read[key]!));
  expect(rowSets(got, k), name).toEqual(rowSets(Array.from(want), k));
}

const rowSets = (all: readonly number[], k: number): readonly string[] =>
  Array.from({ length: all.length / k }, (_, row) => all.slice(row * k, (row + 1) * k).sort((a, b) => a - b).join());

async function checkSteps(
  executor: Executor, golden: Golden, graph: OpGraph, start: Readonly<Record<string, Float64Array>>, selections: readonly string[],
): Promise<void> {
  const { batch, context, training } = golden.config;
  const recipe = {
    optimizer: { lr: training.lr, beta1: training.betas[0], beta2: training.betas[1], eps: training.eps, weightDecay: training.weight_decay },
    schedule: { kind: "constant", warmup: 0, floor: 1 }, gradClip: training.grad_clip, batch, accumulate: 1, steps: 10,
  } as const;
  const [tokens, targets] = [golden.train.readIndices("tokens"), golden.train.readIndices("targets")];
  const want = {
    ce: golden.train.readFloats("ce_loss"), reg: golden.train.readFloats("reg_loss"), norm: golden.train.readFloats("grad_norm"),
  };
  for (let step = 0; step < 10; step++) {
    const part = (all: Uint32Array): Uint32Array => all.slice(step * batch * context, (step + 1) * batch * context);
    const { ceLoss, regLoss, gradNorm, firstBad } = await trainStep(executor, recipe, step, [{ tokens: part(tokens), targets: part(targets) }], 0);
    expect(firstBad).toBeNull();
    expect(deviation([ceLoss], [want.ce[step]!]), `cross-entropy of step ${step}`).toBeLessThan(BOUND.loss);
    expect(deviation([regLoss], [want.reg[step]!]), `reg loss of step ${step}`).toBeLessThan(BOUND.loss);
    expect(deviation([gradNorm], [want.norm[step]!]), `gradient norm of step ${step}`).toBeLessThan(BOUND.gradNorm);
    for (const name of selections) {
      const read = await executor.run([], numbered(graph, name).map((part) => `train/${part}`));
      const all = golden.train.readIntegers(name);
      expectSets(
        read, all.subarray((step * all.length) / 10, ((step + 1) * all.length) / 10), name, golden.train.tensors.get(name)!.shape.at(-1)!,
      );
    }
  }
  const final = readOfficial(golden.train, graph, "final.");
  for (const [name, before] of Object.entries(start)) {
    const now = await executor.read(`param/${name}`);
    const change = (after: ArrayLike<number>): Float64Array => before.map((w, i) => after[i]! - w);
    expect(relativeDistance(change(now), change(final[name]!)), `change of ${name}`).toBeLessThan(BOUND.change);
  }
}
