/** The official code's numbers, reproduced by the float64 reference on the derived graph. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { addGradients } from "../compiler/4-grad/index.ts";
import { validateGraph } from "../compiler/graph/validate.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import { adamw, deviation, readGolden, readOfficial } from "./support/golden.ts";
import type { Golden } from "./support/golden.ts";
import { goldenModel } from "./support/models.ts";
import { goldenFolder } from "./support/shared.ts";

/** The folders hold float64 results rounded to float32: half a unit in the last place, and what ten steps make of that. */
const ROUNDED = 2e-7;

const CASES = ["a1", "a2", "a4", "b1", "b2", "b3", "b4", "b5", "b6", "b8", "c1"];

describe.each(CASES)("golden %s", (prefix) => {
  const folder = goldenFolder(prefix);
  if (folder === null) return test.skip("no golden folder", () => {});
  const golden = readGolden(folder);
  const model = goldenModel(golden.config);
  const graph = addGradients(buildGraph(model, { kind: "train", batch: golden.config.batch, seqLen: golden.config.context }), "loss");
  const params = readOfficial(golden.weights, graph);
  const inputs = { tokens: golden.io.readIndices("tokens"), targets: golden.io.readIndices("targets") };
  const values = evaluateGraph(graph, { params, inputs });
  const output = (name: string): Float64Array => values[graph.outputs[name]!]!;

  test("graph is well formed", () => expect(validateGraph(graph)).toEqual([]));

  test("losses, logits, embedding and layers", () => {
    for (const name of ["ce_loss", "reg_loss", "logits", "embed_out"]) expect(deviation(output(name), golden.io.readFloats(name)), name)
      .toBeLessThan(ROUNDED);
    expect(deviation(perApplication(graph, output, "layers"), golden.io.readFloats("layers"))).toBeLessThan(ROUNDED);
  });

  test.each(["sel.ffn", "sel.att", "sel.att_v", "sel.att_o"])("%s", (name) => {
    if (golden.io.tensors.has(name)) expect(Array.from(perApplication(graph, output, name)))
      .toEqual(Array.from(golden.io.readIntegers(name)));
    else expect(graph.outputs[`${name}.0`]).toBeUndefined();
  });

  test.each(["act.never_halt", "act.expected_depth", "act.block_out"])("%s", (name) => {
    if (golden.io.tensors.has(name)) expect(deviation(perApplication(graph, output, name), golden.io.readFloats(name)))
      .toBeLessThan(ROUNDED);
    else expect(graph.outputs[`${name}.0`]).toBeUndefined();
  });

  test("every gradient", () => {
    const want = readOfficial(golden.io, graph, "grad.");
    for (const [name, gradient] of Object.entries(gradientsOf(graph, values))) expect(deviation(gradient, want[name]!), name)
      .toBeLessThan(ROUNDED);
  });

  test("ten AdamW steps", () => trainTenSteps(golden, graph, params));
});

/** Outputs "name.0", "name.1", … as one array. */
function perApplication(graph: OpGraph, output: (name: string) => Float64Array, name: string): Float64Array {
  const count = Object.keys(graph.outputs).filter((key) => key.startsWith(`${name}.`)).length;
  return Float64Array.from(Array.from({ length: count }, (_, i) => [...output(`${name}.${i}`)]).flat());
}

function trainTenSteps(golden: Golden, graph: OpGraph, start: Readonly<Record<string, Float64Array>>): void {
  const { batch, context, training } = golden.config;
  const params = Object.fromEntries(Object.entries(start).map(([name, w]) => [name, { w: w.slice(), m: w.map(() => 0), v: w.map(() => 0) }]));
  const [tokens, targets] = [golden.train.readIndices("tokens"), golden.train.readIndices("targets")];
  for (let step = 0; step < 10; step++) {
    const part = (all: Uint32Array): Uint32Array => all.subarray(step * batch * context, (step + 1) * batch * context);
    const values = evaluateGraph(graph, {
      params: Object.fromEntries(Object.entries(params).map(([name, p]) => [name, p.w])),
      inputs: { tokens: part(tokens), targets: part(targets) },
    });
    const gradients = gradientsOf(graph, values);
    const norm = Math.sqrt(Object.values(gradients).reduce((total, g) => g.reduce((t, x) => t + x * x, total), 0));
    const scalars = {
      loss: values[graph.outputs["loss"]!]![0]!, ce_loss: values[graph.outputs["ce_loss"]!]![0]!,
      reg_loss: values[graph.outputs["reg_loss"]!]![0]!, grad_norm: norm,
    };
    for (const [name, value] of Object.entries(scalars)) expect(deviation([value], [golden.train.readFloats(name)[step]!]), `${name} of step ${step}`).toBeLessThan(ROUNDED);
    const clip = norm > training.grad_clip ? training.grad_clip / (norm + 1e-6) : 1;
    for (const [name, p] of Object.entries(params)) adamw(p, gradients[name]!, clip, step + 1, training);
  }
  const want = readOfficial(golden.train, graph, "final.");
  for (const [name, p] of Object.entries(params)) expect(deviation(p.w, want[name]!), `final ${name}`).toBeLessThan(ROUNDED);
}
