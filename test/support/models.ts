/** Small ModelSpecs for tests. */
import type { AttentionSpec, BalanceSpec, FeedForwardSpec, LayerSpec, ModelSpec, NormPlacement, RouterSpec } from "../../compiler/ir/model-spec.ts";
import type { GoldenConfig } from "./golden.ts";

export const SPAN = { file: "test", start: 0, end: 0 };
export const NORM = { kind: "layernorm", affine: true, eps: 1e-5 } as const;

export const router = (over: Partial<RouterSpec> = {}): RouterSpec => ({ span: SPAN, input: "norm", score: "sigmoid", weight: "score", ...over });

export const entropy = (weight: number, over: Partial<BalanceSpec> = {}): BalanceSpec | null =>
  weight === 0 ? null : { kind: "entropy", span: SPAN, weight, over: "sequence", passes: true, ...over };

const TRAIN: ModelSpec["train"] = {
  optimizer: { kind: "adamw", lr: 2.5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 },
  schedule: { kind: "constant", warmup: 0, floor: 0.1 },
  gradClip: 0.25, batch: 2, accumulate: 1, steps: 10, evalEvery: 0, checkpointEvery: 0,
};

export const layer = (name: string, attention: AttentionSpec, feedForward: FeedForwardSpec, placement: NormPlacement): LayerSpec =>
  ({ name, span: SPAN, norm: NORM, placement, attention, feedForward });

export function model(over: Partial<ModelSpec> & Pick<ModelSpec, "layers" | "schedule" | "vocabSize" | "seqLen" | "dModel">): ModelSpec {
  return {
    name: "test", span: SPAN, stack: "", init: { scheme: "official" }, train: TRAIN,
    embedding: { scale: 1, norm: null }, head: { norm: NORM, bias: true, tied: false }, ...over,
  };
}

/** Sites of layers in the given order. */
export const scheduleOf = (order: readonly number[]): ModelSpec["schedule"] =>
  order.map((index, i) => ({ layer: index, pass: order.slice(0, i).filter((other) => other === index).length }));

/** The model of a golden folder. */
export function goldenModel(config: GoldenConfig): ModelSpec {
  const { args, derived } = config;
  const order = derived["layer_order"] as readonly number[];
  const isClean = "d_model" in args;
  const names = Array.from({ length: Math.max(...order) + 1 }, (_, i) => String.fromCharCode(97 + i));
  const layers = names.map((name) => (isClean ? cleanLayer(name, args, derived) : trainingLayer(name, args, derived)));
  const preln = isClean || (derived["preln"] as boolean);
  return model({
    layers, schedule: scheduleOf(order), vocabSize: config.vocab, seqLen: config.context,
    dModel: (isClean ? args["d_model"] : args["state_size"]) as number,
    embedding: { scale: derived["embedding_scale"] as number, norm: derived["norm_input"] === true ? { ...NORM, affine: false } : null },
    head: { norm: preln ? NORM : null, bias: true, tied: false },
  });
}

type Values = Readonly<Record<string, unknown>>;
const num = (values: Values, name: string): number => values[name] as number;
const rope = (derived: Values) => ({ nRotate: num(derived, "n_rotate"), base: 10000 });

function cleanLayer(name: string, args: Values, derived: Values): LayerSpec {
  const heads = { span: SPAN, nHeads: num(args, "n_heads"), dHead: num(derived, "d_head"), rope: rope(derived) };
  const attention: AttentionSpec = num(args, "att_n_experts") === 1
    ? { ...heads, kind: "mha", gate: "sigmoid" }
    : { ...heads, kind: "switchhead", nExperts: num(args, "att_n_experts"), topK: num(args, "att_k"), on: ["v", "o"], router: router(), balance: entropy(num(args, "att_entropy_reg")) };
  const feedForward: FeedForwardSpec = {
    kind: "moe", span: SPAN, nExperts: num(args, "ff_n_experts"), expertSize: num(args, "ff_expert_size"), topK: num(args, "ff_k"),
    activation: "relu", router: router(), balance: entropy(num(args, "entropy_reg")),
  };
  return layer(name, attention, feedForward, "peri");
}

function trainingLayer(name: string, args: Values, derived: Values): LayerSpec {
  const heads = { span: SPAN, nHeads: num(args, "transformer.n_heads"), dHead: num(derived, "d_head"), rope: rope(derived) };
  const on = (["q", "k", "v", "o"] as const).filter((p) => args[`moe.att.${p}_expert`]);
  const attention: AttentionSpec = args["moe.att.enable"] === true
    ? { ...heads, kind: "switchhead", nExperts: num(args, "moe.att.n_experts"), topK: num(args, "moe.att.k"), on, router: router(), balance: entropy(num(args, "moe.att.perplexity_reg")) }
    : { ...heads, kind: "mha", gate: "none" };
  const isMoe = (args["transformer.variant"] as string).includes("moe");
  const feedForward: FeedForwardSpec = isMoe
    ? {
        kind: "moe", span: SPAN, nExperts: num(args, "moe.n_experts"), expertSize: num(args, "moe.expert_size"), topK: num(args, "pkm.n_heads"), activation: "relu",
        router: router({ score: args["moe.selection_mode"] === "gate" ? "softmax" : "sigmoid" }), balance: entropy(num(args, "moe.perplexity_reg")),
      }
    : { kind: "dense", span: SPAN, dFf: num(derived, "dim_feedforward"), activation: "relu", bias: true };
  const placement = derived["preln"] !== true ? "post" : args["moe.nonorm"] === true ? "peri" : "pre";
  return layer(name, attention, feedForward, placement);
}
