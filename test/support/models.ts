/** Small ModelSpecs for tests. */
import type {
  AttentionSpec, BalanceSpec, FeedForwardSpec, FnSpec, LayerSpec, ModelSpec, NormPlacement, NormPreset, NormReader, RouterSpec,
} from "../../compiler/ir/model-spec.ts";
import { checkSource } from "../../compiler/front.ts";
import { importOfficial } from "../../compiler/import/index.ts";
import { PRESETS } from "../../compiler/ir/norm-placement.ts";
import { bug } from "../../compiler/ir/tensor-type.ts";

export const SPAN = { file: "test", start: 0, end: 0 };
export const NORM = { kind: "layernorm", affine: true, eps: 1e-5 } as const;

export const router = (over: Partial<RouterSpec> = {}): RouterSpec => ({
  span: SPAN, input: "norm", score: "sigmoid", weight: "score", sumEps: 0, hidden: null, hasBias: false, zLoss: 0, expertDropout: 0,
  inputDropout: 0, sampled: 0, loadBiasRate: null, ...over,
});

export const entropy = (weight: number, over: Partial<BalanceSpec> = {}): BalanceSpec | null =>
  weight === 0 ? null : { kind: "entropy", span: SPAN, weight, over: "sequence", passes: true, ...over };

export const information = (weight: number): BalanceSpec =>
  ({ kind: "mutual_information", span: SPAN, weight, over: "batch", passes: true });

export const load = (weight: number, over: Partial<BalanceSpec> = {}): BalanceSpec =>
  ({ kind: "load", span: SPAN, weight, over: "batch", passes: false, ...over });

const TRAIN: ModelSpec["train"] = {
  optimizer: { kind: "adamw", lr: 2.5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 },
  schedule: { kind: "constant", warmup: 0, floor: 0.1 },
  gradClip: 0.25, batch: 2, accumulate: 1, steps: 10, evalEvery: 0, checkpointEvery: 0,
};

/** The word behind `norm … at`, or those behind `on`. */
export type Placed = NormPreset | readonly NormReader[];

const placementOf = (placed: Placed): NormPlacement =>
  (typeof placed === "string" ? PRESETS[placed] : { stands: "before", readers: placed });

export const layer = (name: string, attention: AttentionSpec, feedForward: FeedForwardSpec, placed: Placed): LayerSpec =>
  ({ name, span: SPAN, norm: NORM, placement: placementOf(placed), residualScale: 1, parallel: false, attention, feedForward });

export function model(over: Partial<ModelSpec> & Pick<ModelSpec, "layers" | "schedule" | "vocabSize" | "seqLen" | "dModel">): ModelSpec {
  return {
    name: "test", span: SPAN, stack: "", core: null, halting: null, init: { scheme: "official" }, train: TRAIN,
    embedding: { scale: 1, learnedPositions: false, norm: null }, head: { norm: NORM, bias: true, tied: false }, ...over,
  };
}

/** The function `f` that a text defines, with whatever stands beside it. */
export function fnSpec(text: string): FnSpec {
  const spec = `moeut 1\n${text}\nmodel m { layer a { feed_forward dense { activation f } } }`;
  const { models, diagnostics } = checkSource(
    { file: "fn.moeut", text: spec }, { readFile: () => ({ problem: "there are no other files" }) },
  );
  const activation = models[0]?.layers[0]!.feedForward.activation;
  return typeof activation === "object" ? activation : bug(JSON.stringify(diagnostics));
}

/** Sites of layers in the given order. */
export const scheduleOf = (order: readonly number[]): ModelSpec["schedule"] =>
  order.map((index, i) => ({ layer: index, pass: order.slice(0, i).filter((other) => other === index).length }));

/** The model of a golden folder, by way of the importer and the language. */
export function goldenModel(config: unknown): ModelSpec {
  const imported = importOfficial(config);
  if ("error" in imported) throw new Error(imported.error);
  const { models, diagnostics } = checkSource(
    { file: "golden.moeut", text: imported.spec }, { readFile: () => ({ problem: "there are no other files" }) },
  );
  return models[0] ?? bug(JSON.stringify(diagnostics));
}
