/** Exported PyTorch models compute what the float64 reference computes: forward, loss, gradients, with caches and padding. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { addGradients } from "../compiler/4-grad/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { elements } from "../compiler/ir/tensor-type.ts";
import { parametersOf } from "../compiler/parameters/parameters.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import { torchFiles, torchPlace } from "../compiler/torch/index.ts";
import { writeSafetensors, type TensorToWrite } from "../runtime/files/safetensors.ts";
import { NOISE, ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";
import { runTorch, torchPython } from "./support/torch/python.ts";

const B = 2;
const folder = mkdtempSync(join(tmpdir(), "moeut-torch-"));
if (process.env["KEEP"] === undefined) afterAll(() => rmSync(folder, { recursive: true, force: true })); else console.log(folder);

const tokens = Array.from({ length: B * T }, (_, i) => (i * 31 + 7) % V);
const targets = Array.from({ length: B * T }, (_, i) => (i * 17 + 3) % V);

const python = torchPython();

/** Writes a model's folder with numbers of the reference. */
function writeCase(name: string, model: ModelSpec): void {
  const into = join(folder, name);
  mkdirSync(into);
  for (const { path, content } of torchFiles(model, { spec: "", parameters: 0, version: "0", trained: null, tokenizer: null })) writeFileSync(join(into, path), content);
  const graph = addGradients(buildGraph(model, { kind: "train", batch: B, seqLen: T }), "loss");
  const params = randomParams(graph, 5, 0.3);
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets, noise: NOISE } });
  const plain = buildGraph(model, { kind: "evaluate", batch: B, seqLen: T });
  const evaluated = evaluateGraph(plain, { params, inputs: { tokens, targets } });
  const [logits, noise] = [evaluated[plain.outputs["logits"]!]!, plain.nodes.filter(({ op }) => op.kind === "random")];
  const gradients = gradientsOf(graph, values);
  const float = (name: string, shape: readonly number[], data: Float64Array): TensorToWrite => ({ name, dtype: "F64", shape, data });
  const whole = (name: string, data: readonly number[]): TensorToWrite => ({ name, dtype: "I32", shape: [B, T], data: Int32Array.from(data) });
  const random = graph.nodes.filter(({ op }) => op.kind === "random").map(({ outputs }) => outputs[0]!);
  writeSafetensors(join(into, "case.safetensors"), [
    ...parametersOf(model).flatMap((p) => {
      const { name, shape } = torchPlace(model, p);
      return [float(`param.${name}`, shape, params[p.name]!), float(`grad.${name}`, shape, gradients[p.name]!)];
    }),
    whole("tokens", tokens), whole("targets", targets), float("loss", [1], values[graph.outputs["loss"]!]!), float("logits", [B, T, V], logits),
    ...noise.map(({ outputs: [id] }) => float("noise", plain.values[id!]!.type.shape, evaluated[id!]!)),
    ...random.map((id, i) => float(`random.${i}`, [elements(graph.values[id]!.type.shape)], values[id]!)),
  ]);
}

describe.skipIf(python === null)("models of every option", () => {
  const cases = python === null ? {} : ODD_MODELS;
  for (const [name, model] of Object.entries(cases)) writeCase(name.replaceAll(/\W+/g, "-"), model);
  const results = python === null ? [] : runTorch(python, "check.py", folder).trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

  test.each(results.map((result) => [result["name"], result] as const))("%s", (_, { name, ...result }) => {
    for (const [what, deviation] of Object.entries(result)) expect(deviation, what).toBeLessThan(1e-9);
  });
});
