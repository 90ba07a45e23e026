/** Models of specs as variants of a comparison. */
import { isCausal, type CompileOptions } from "../compiler/compile.ts";
import { countApplied, countMacs, countParams } from "../compiler/counts/index.ts";
import { printSpec, specHash } from "../compiler/format/index.ts";
import type { CompareSpec } from "../compiler/ir/compare-spec.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { withPasses } from "../compiler/stack/depth.ts";
import type { AdapterHandle, AdapterInfo } from "../runtime/adapter/index.ts";
import type { Depth, Variant } from "../runtime/compare/variant.ts";
import type { Dataset } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { recipeOf, type DataInfo, type RunInfo } from "../runtime/train/index.ts";
import { endingAtOnce } from "./interrupt.ts";
import { chooseModels, type Spec } from "./spec.ts";
import { loadModel, planFor } from "../api/session.ts";
import { VERSION } from "../runtime/package-root.ts";

/** Its compare blocks, or those of them that --model names. */
export const chosenBlocks = ({ compares }: Spec, names: readonly string[]): readonly CompareSpec[] =>
  compares.filter(({ name }) => names.length === 0 || names.includes(name));

/** What a file offers to a comparison: its compare blocks if it has any, else all its models; or what --model names. */
export function modelsToCompare(spec: Spec, names: readonly string[]): readonly ModelSpec[] {
  const blocks = chosenBlocks(spec, names);
  const named = names.filter((name) => !spec.compares.some((compare) => compare.name === name))
    .flatMap((model) => chooseModels(spec, { model, set: [] }));
  const variants = blocks.flatMap((compare) => compare.variants.map((variant) => variant.model));
  const models = names.length > 0 || blocks.length > 0 ? [...named, ...variants] : spec.models;
  if (names.length === 0) spec.refuse();
  spec.tell(models);
  return models;
}

/** UserError unless there are as many steps of each, where no budget says how many. */
export const requireEqualSteps = (models: readonly ModelSpec[]): void =>
  requireEqual(models, "steps", "train.steps", (model) => model.train.steps);

/** UserError unless there are at least two models of different names that can be trained on the same batches. */
export function requireComparable(models: readonly ModelSpec[]): void {
  if (models.length < 2)
    throw new UserError(`a comparison needs at least two models${models.length === 1 ? `; there is only ${models[0]!.name}` : ""}`);
  const twice = models.find((model, i) => models.findIndex((other) => other.name === model.name) < i);
  if (twice !== undefined) throw new UserError(`two models are called ${twice.name}; give one another name`);
  requireEqual(models, "batch", "train.batch", (model) => model.train.batch);
  requireEqual(models, "seq_len", "seq_len", (model) => model.seqLen);
}

function requireEqual(models: readonly ModelSpec[], what: string, path: string, valueOf: (model: ModelSpec) => number): void {
  const first = models[0]!;
  const other = models.find((model) => valueOf(model) !== valueOf(first));
  if (other === undefined) return;
  throw new UserError(
    `${first.name} and ${other.name} cannot be compared on equal data: ${what} is ${valueOf(first)} and ${valueOf(other)}; `
    + `make them equal, for instance with --set ${path}=${valueOf(first)}`);
}

/**
 * @param device one that works: after a failure of one variant the next may need another
 * @param stem what its run folders are called
 */
export function variantOf(model: ModelSpec, data: DataInfo, device: () => Promise<AdapterHandle>, stem: string = model.name): Variant {
  const { total, active } = countParams(model);
  const { train, seqLen } = model;
  return {
    name: model.name, stem, spec: printSpec(model), specHash: specHash(model), seqLen,
    recipe: recipeOf(train), checkpointEvery: train.checkpointEvery,
    parameters: { unique: total, active }, applied: countApplied(model), family: familyOf(model), macsPerToken: countMacs(model).perToken,
    info: (seed, adapter): RunInfo => runInfo(model, seed, data, adapter),
    open: async (purpose) => loadModel(await device(), model, { ...USES[purpose](model, data), during: endingAtOnce }),
    atPasses: (passes) => {
      const deep = withPasses(model, passes);
      if ("problem" in deep) return deep;
      const open: Depth["open"] = async () => loadModel(await device(), deep, { ...USES.measure(deep, data), during: endingAtOnce });
      return { macsPerToken: countMacs(deep).perToken.full, open };
    },
  };
}

/** The kinds of its layers, and how its core is injected into. */
function familyOf({ layers, core }: ModelSpec): string {
  const kinds = layers.map(({ placement: { stands, readers }, attention, feedForward }) =>
    [stands, ...readers, attention.kind, feedForward.kind].join(" "));
  return [...new Set(kinds), core?.inject ?? "none"].join("; ");
}

type Use = (model: ModelSpec, data: DataInfo) => CompileOptions;

/** In the batches that training reads. */
const batched = (options: Pick<CompileOptions, "entries" | "keep">): Use => ({ seqLen, train }, { positions, lengths = [] }) => ({
  batch: train.batch / train.accumulate, seqLen: positions ?? seqLen, lengths, masked: positions !== undefined, countsRouting: true,
  ...options,
});

/** What a model is loaded for. */
const USES: Readonly<Record<"train" | "measure" | "generate", Use>> = {
  train: batched({ entries: ["train", "update", "evaluate"] }),
  measure: batched({ entries: ["evaluate"], keep: { evaluate: ["best"] } }),
  generate: ({ seqLen }) => ({ batch: 1, seqLen, entries: ["prefill", "decode"] }),
};

/** What the device has no room for, in words: known before anything is trained. */
export const shortcomings = (models: readonly ModelSpec[], data: DataInfo, info: AdapterInfo): readonly string[] =>
  models.flatMap((model) => shortcomingsOf(model, data, info));

function shortcomingsOf(model: ModelSpec, data: DataInfo, info: AdapterInfo): readonly string[] {
  const misses = (use: keyof typeof USES): string | null => {
    try {
      planFor(info, model, { ...USES[use](model, data), during: endingAtOnce });
      return null;
    } catch (error) {
      if (error instanceof UserError) return error.message;
      throw error;
    }
  };
  const train = misses("train");
  if (train !== null) return [`${model.name} cannot be trained here: ${train}`];
  const generate = isCausal(model) ? misses("generate") : null;
  return generate === null ? [] : [`${model.name} will write no samples: ${generate}`];
}

export const dataInfoOf = (source: readonly string[], { dataId, nTokens, seqLen, lengths, masked }: Dataset, tokenizer: string): DataInfo =>
  ({ source, id: dataId, tokenizer, tokens: nTokens, ...(masked ? { positions: seqLen, lengths } : {}) });

export const runInfo = (model: ModelSpec, seed: number, data: DataInfo, adapter: RunInfo["adapter"]): RunInfo => ({
  format: 1, model: model.name, specHash: specHash(model), seed, data, recipe: recipeOf(model.train),
  versions: { moeut: VERSION, node: process.versions.node }, adapter,
});
