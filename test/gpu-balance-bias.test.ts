/** Balance by bias on the device: one update moves each bias by the rate against its excess load, and AdamW moves the rest. */
import { expect, test } from "vitest";
import { graphOf } from "../compiler/compile.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import { deviceOf, MAIN, rounded, withModel, writeParams } from "./support/gpu.ts";
import { ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const BATCH = 2;
const tokens = Array.from({ length: BATCH * T }, (_, i) => (i * 31 + 7) % V);
const targets = Array.from({ length: BATCH * T }, (_, i) => (i * 17 + 3) % V);

test.each(["balance by bias", "balance by bias and loss"])("%s: biases step by the sign of their excess load, twice the load from two micro-batches", async (name) => {
  const spec = ODD_MODELS[name]!;
  const graph = graphOf(spec, "train", { batch: BATCH, seqLen: T });
  const params = rounded(randomParams(graph, 5, 0.3));
  const excess = gradientsOf(graph, evaluateGraph(graph, { params, inputs: { tokens, targets, loss_scale: [0.5] } }));
  const rates = {
    "a.attention.router_v.load_bias": 0.001, "a.attention.router_o.load_bias": 0.001, "a.feed_forward.router.load_bias": 0.01,
  };
  await withModel(await deviceOf(MAIN), spec, { batch: BATCH, seqLen: T, entries: ["train", "update"] }, async (executor) => {
    writeParams(executor, params);
    for (let part = 0; part < 2; part++) {
      executor.write("train/tokens", Uint32Array.from(tokens));
      executor.write("train/targets", Uint32Array.from(targets));
      executor.write("train/loss_scale", Float32Array.of(0.5));
      await executor.run(["train"]);
    }
    for (const name of Object.keys(rates)) {
      const summed = await executor.read(`grad/${name}`);
      excess[name]!.forEach((x, i) => expect(summed[i]).toBeCloseTo(2 * x, 3));
    }
    const norm = Math.hypot(...Object.entries(excess).filter(([name]) => !(name in rates)).map(([, g]) => 2 * Math.hypot(...g)));
    executor.write("update", Float32Array.of(1e-3, 0.1, 0.001, 1e-8, 0, 0, 0.1, 0.001));
    await executor.run(["update"]);
    expect((await executor.read("metrics"))[2]! / norm).toBeCloseTo(1, 4); // biases are outside the norm
    for (const [name, rate] of Object.entries(rates)) {
      const moved = await executor.read(`param/${name}`);
      params[name]!.forEach((before, i) => expect(moved[i]).toBeCloseTo(before - rate * Math.sign(excess[name]![i]!), 6));
      expect(Array.from(await executor.read(`grad/${name}`)).every((x) => x === 0)).toBe(true);
    }
  });
});
