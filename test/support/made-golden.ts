/** A golden folder of the project's own: what the float64 reference says of a small model with random weights. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { graphOf } from "../../compiler/compile.ts";
import type { OpGraph } from "../../compiler/ir/graph.ts";
import { elements } from "../../compiler/ir/tensor-type.ts";
import { evaluateGraph, gradientsOf } from "../../compiler/reference/index.ts";
import { writeSafetensors, type TensorToWrite } from "../../runtime/files/safetensors.ts";
import { createRandom } from "../../runtime/standalone/random.ts";
import { adamw, type GoldenConfig } from "./golden.ts";
import { goldenModel } from "./models.ts";

const TRAINING = { steps: 2, optimizer: "AdamW", lr: 2.5e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, grad_clip: 0.25, lr_schedule: "constant" } as const;

/** A MoEUT with every kind of router, one layer twice; odd sizes. */
export const MADE_CONFIG = {
  case: "made",
  args: {
    d_model: 10, n_layers: 2, n_heads: 2, d_head: 6, group_size: 1, n_tokens: 11, ff_n_experts: 5, ff_k: 2, ff_expert_size: 3, att_n_experts: 3, att_k: 2, entropy_reg: 0.01, att_entropy_reg: 0.001,
  },
  batch: 2, context: 5, vocab: 11, training: TRAINING,
} as const;

type Numbers = Readonly<Record<string, Float64Array>>;

export function makeGolden(folder: string, config: unknown = MADE_CONFIG): void {
  mkdirSync(folder, { recursive: true });
  const { batch, context, vocab, training } = config as GoldenConfig & { readonly training: typeof TRAINING };
  const graph = graphOf(goldenModel(config), "train", { batch, seqLen: context });
  const params = Object.fromEntries(graph.params.map(({ name, value }) => [name, normals(name, elements(graph.values[value]!.type.shape))]));
  const [io, train] = [
    batchOf("io", vocab, batch, context),
    Array.from({ length: training.steps }, (_, step) => batchOf(`step ${step}`, vocab, batch, context)),
  ];
  const pass = passOf(graph, params, io);
  writeSafetensors(join(folder, "weights.safetensors"), official(graph, params, ""));
  writeSafetensors(join(folder, "io.safetensors"), [
    ...texts([batch, context], [io]), ...pass.recorded, ...["logits", "embed_out", "ce_loss", "reg_loss"].map((name) => pass.tensor(name)), ...official(graph, pass.gradients, "grad."),
  ]);
  writeSafetensors(join(folder, "train.safetensors"), [
    ...texts([training.steps, batch, context], train), ...trained(graph, params, train, training),
  ]);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

const normals = (stream: string, count: number): Float64Array => {
  const random = createRandom(5, stream);
  return Float64Array.from({ length: count }, (_, i) => Math.fround(0.4 * random.normal(i)));
};

interface Text {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

function batchOf(stream: string, vocab: number, batch: number, context: number): Text {
  const random = createRandom(6, stream);
  const pick = (shift: number): Int32Array =>
    Int32Array.from({ length: batch * context }, (_, i) => Math.floor(vocab * random.uniform(Math.floor(i / context) * (context + 1) + (i % context) + shift)));
  return { tokens: pick(0), targets: pick(1) };
}

const texts = (shape: readonly number[], all: readonly Text[]): readonly TensorToWrite[] =>
  (["tokens", "targets"] as const).map((name) => ({ name, dtype: "I32", shape, data: Int32Array.from(all.flatMap((text) => [...text[name]])) }));

/** Parameters under their official names, several of which may be parts of one tensor. */
function official(graph: OpGraph, values: Numbers, prefix: string): readonly TensorToWrite[] {
  const tensors = new Map<string, TensorToWrite & { readonly data: Float32Array }>();
  for (const { name, official: { tensor, shape, start } } of graph.params) {
    if (!tensors.has(tensor)) tensors.set(tensor, { name: prefix + tensor, dtype: "F32", shape, data: new Float32Array(elements(shape)) });
    tensors.get(tensor)!.data.set(values[name]!, start);
  }
  return [...tensors.values()];
}

interface Pass {
  readonly gradients: Numbers;
  /** What is recorded of every application. */
  readonly recorded: readonly TensorToWrite[];
  readonly tensor: (output: string) => TensorToWrite;
  readonly scalar: (output: string) => number;
}

function passOf(graph: OpGraph, params: Numbers, { tokens, targets }: Text): Pass {
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets } });
  const of = (output: string): Float64Array => values[graph.outputs[output]!]!;
  const shapeOf = (output: string): readonly number[] => graph.values[graph.outputs[output]!]!.type.shape;
  const names = new Set(Object.keys(graph.outputs).flatMap((output) => /^((layers|sel\.\w+|act\.\w+))\.\d+$/.exec(output)?.[1] ?? []));
  const recorded = [...names].map((name): TensorToWrite => {
    const outputs = Object.keys(graph.outputs).filter((output) => output.startsWith(`${name}.`));
    const [all, shape] = [outputs.flatMap((output) => [...of(output)]), shapeOf(outputs[0]!)];
    const own = /never_halt|expected_depth/.test(name) ? shape.slice(0, 2) : shape;
    return name.startsWith("sel.") ? { name, dtype: "I32", shape: [outputs.length, ...own], data: Int32Array.from(all) } : {
      name, dtype: "F32", shape: [outputs.length, ...own], data: Float32Array.from(all),
    };
  });
  return {
    gradients: gradientsOf(graph, values), recorded,
    tensor: (name) => ({ name, dtype: "F32", shape: shapeOf(name), data: Float32Array.from(of(name)) }), scalar: (name) => of(name)[0]!,
  };
}

function trained(graph: OpGraph, start: Numbers, batches: readonly Text[], training: typeof TRAINING): readonly TensorToWrite[] {
  const states = Object.entries(start).map(([name, w]) => ({ name, w: w.slice(), m: w.map(() => 0), v: w.map(() => 0) }));
  const weights = (): Numbers => Object.fromEntries(states.map(({ name, w }) => [name, w]));
  const steps = batches.map((batch, step) => {
    const pass = passOf(graph, weights(), batch);
    const norm = Math.sqrt(Object.values(pass.gradients).reduce((total, g) => g.reduce((t, x) => t + x * x, total), 0));
    const clip = norm > training.grad_clip ? training.grad_clip / (norm + 1e-6) : 1;
    for (const state of states) adamw(state, pass.gradients[state.name]!, clip, step + 1, training);
    const [ce_loss, reg_loss] = [pass.scalar("ce_loss"), pass.scalar("reg_loss")];
    return { pass, numbers: { loss: ce_loss + reg_loss, ce_loss, reg_loss, grad_norm: norm } };
  });
  const selections = steps[0]!.pass.recorded.filter(({ name }) => name.startsWith("sel.")).map(({ name, shape }, i): TensorToWrite => {
    const all = steps.flatMap(({ pass }) => [...pass.recorded.filter((r) => r.name.startsWith("sel."))[i]!.data]);
    return { name, dtype: "I32", shape: [steps.length, ...shape], data: Int32Array.from(all) };
  });
  const numbers = (["loss", "ce_loss", "reg_loss", "grad_norm"] as const).map((name): TensorToWrite =>
    ({ name, dtype: "F32", shape: [steps.length], data: Float32Array.from(steps, (step) => step.numbers[name]) }));
  return [...numbers, ...selections, ...official(graph, weights(), "final.")];
}
