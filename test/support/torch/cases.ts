/** Exported models beside numbers of the float64 reference, for check.py. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildGraph } from "../../../compiler/3-graph/index.ts";
import { addGradients } from "../../../compiler/4-grad/index.ts";
import type { ModelSpec } from "../../../compiler/ir/model-spec.ts";
import { elements } from "../../../compiler/ir/tensor-type.ts";
import { parametersOf } from "../../../compiler/parameters/parameters.ts";
import { evaluateGraph, gradientsOf } from "../../../compiler/reference/index.ts";
import { torchFiles, torchPlace } from "../../../compiler/torch/index.ts";
import { writeSafetensors, type TensorToWrite } from "../../../runtime/files/safetensors.ts";
import { NOISE } from "../odd-models.ts";

type Numbers = Readonly<Record<string, Float64Array>>;

/** Ten steps of training, and the parameters behind them. */
export interface Steps {
  readonly tokens: Uint32Array; // [10, B, T]
  readonly targets: Uint32Array; // [10, B, T]
  /** lr, beta1, beta2, eps, weight_decay, grad_clip. */
  readonly recipe: readonly number[];
  readonly final: Numbers;
}

/** AdamW in float64, with the recipe of the model but for its schedule, on the tokens of the case again and again. */
export function stepsOf(model: ModelSpec, given: Inputs): Steps {
  const { batch, seqLen, tokens, targets } = given;
  const graph = addGradients(buildGraph(model, { kind: "train", batch, seqLen }), "loss");
  const { optimizer: o, gradClip } = model.train;
  const clip = gradClip ?? 1e30;
  const [params, m, v] = [clone(given.params), zeros(given.params), zeros(given.params)];
  for (let step = 1; step <= 10; step++) {
    const gradients = gradientsOf(graph, evaluateGraph(graph, { params, inputs: { tokens, targets, noise: NOISE } }));
    const norm = Math.sqrt(Object.values(gradients).reduce((total, g) => g.reduce((sum, x) => sum + x * x, total), 0));
    const scale = Math.min(1, clip / (norm + 1e-6));
    for (const [name, p] of Object.entries(params)) {
      const [mean, square] = [m[name]!, v[name]!];
      for (let i = 0; i < p.length; i++) {
        const g = gradients[name]![i]! * scale;
        mean[i] = o.beta1 * mean[i]! + (1 - o.beta1) * g;
        square[i] = o.beta2 * square[i]! + (1 - o.beta2) * g * g;
        const size = Math.sqrt(square[i]! / (1 - o.beta2 ** step)) + o.eps;
        p[i] = p[i]! * (1 - o.lr * o.weightDecay) - (o.lr * mean[i]!) / (1 - o.beta1 ** step) / size;
      }
    }
  }
  const tenfold = (numbers: readonly number[]): Uint32Array => Uint32Array.from(Array.from({ length: 10 }, () => numbers).flat());
  const recipe = [o.lr, o.beta1, o.beta2, o.eps, o.weightDecay, clip];
  return { tokens: tenfold(tokens), targets: tenfold(targets), recipe, final: params };
}

const clone = (numbers: Numbers): Numbers => Object.fromEntries(Object.entries(numbers).map(([name, x]) => [name, x.slice()]));
const zeros = (numbers: Numbers): Numbers =>
  Object.fromEntries(Object.entries(numbers).map(([name, x]) => [name, new Float64Array(x.length)]));

export interface Inputs {
  readonly batch: number;
  readonly seqLen: number;
  readonly tokens: readonly number[];
  readonly targets: readonly number[];
  readonly params: Numbers;
  readonly steps?: Steps;
}

const ABOUT = { spec: "", parameters: 0, version: "0", trained: null, tokenizer: null };

export const exportedText = (model: ModelSpec): string => torchFiles(model, ABOUT)[0]!.content;

/** Writes the model's files, and what it is to compute, into a new folder. */
export function writeCase(folder: string, model: ModelSpec, given: Inputs): void {
  mkdirSync(folder, { recursive: true });
  for (const { path, content } of torchFiles(model, ABOUT)) writeFileSync(join(folder, path), content);
  writeSafetensors(join(folder, "case.safetensors"), [
    ...named(model, "param.", given.params), whole("tokens", [given.batch, given.seqLen], given.tokens),
    whole("targets", [given.batch, given.seqLen], given.targets), ...trained(model, given), ...evaluated(model, given),
    ...(given.steps === undefined ? [] : stepTensors(model, given, given.steps)),
  ]);
}

const float = (name: string, shape: readonly number[], data: Float64Array): TensorToWrite => ({ name, dtype: "F64", shape, data });
const whole = (name: string, shape: readonly number[], data: ArrayLike<number>): TensorToWrite =>
  ({ name, dtype: "I32", shape, data: Int32Array.from(data) });

/** Numbers of parameters under their names in PyTorch. */
const named = (model: ModelSpec, prefix: string, numbers: Numbers): readonly TensorToWrite[] => parametersOf(model).map((p) => {
  const { name, shape } = torchPlace(model, p);
  return float(`${prefix}${name}`, shape, numbers[p.name]!);
});

function trained(model: ModelSpec, { batch, seqLen, tokens, targets, params }: Inputs): readonly TensorToWrite[] {
  const graph = addGradients(buildGraph(model, { kind: "train", batch, seqLen }), "loss");
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets, noise: NOISE } });
  const random = graph.nodes.filter(({ op }) => op.kind === "random").map(({ outputs }) => outputs[0]!);
  return [
    float("loss", [1], values[graph.outputs["loss"]!]!), ...named(model, "grad.", gradientsOf(graph, values)),
    ...random.map((id, i) => float(`random.${i}`, [elements(graph.values[id]!.type.shape)], values[id]!)),
  ];
}

function evaluated(model: ModelSpec, { batch, seqLen, tokens, targets, params }: Inputs): readonly TensorToWrite[] {
  const graph = buildGraph(model, { kind: "evaluate", batch, seqLen });
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets } });
  const noise = graph.nodes.filter(({ op }) => op.kind === "random").map(({ outputs }) => outputs[0]!);
  return [
    float("logits", [batch, seqLen, model.vocabSize], values[graph.outputs["logits"]!]!),
    ...noise.map((id) => float("noise", graph.values[id]!.type.shape, values[id]!)),
  ];
}

const stepTensors = (model: ModelSpec, { batch, seqLen }: Inputs, { tokens, targets, recipe, final }: Steps): readonly TensorToWrite[] => [
  whole("steps.tokens", [10, batch, seqLen], tokens), whole("steps.targets", [10, batch, seqLen], targets),
  float("recipe", [6], Float64Array.from(recipe)), ...named(model, "final.", final),
];
