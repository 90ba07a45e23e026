/** Models of specs as variants of a comparison. */
import { countMacs, countParams } from "../compiler/counts/index.ts";
import { printSpec, specHash } from "../compiler/format/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { DeviceHandle } from "../runtime/adapter/index.ts";
import type { Variant } from "../runtime/compare/run.ts";
import { UserError } from "../runtime/errors.ts";
import { recipeOf, type DataInfo, type RunInfo } from "../runtime/train/index.ts";
import { chooseModels, type Spec } from "./spec.ts";
import { loadModel } from "./session.ts";
import { VERSION } from "../runtime/package-root.ts";

/** What a file offers to a comparison: its compare blocks if it has any, else all its models; or what --model names. */
export function modelsToCompare(spec: Spec, names: readonly string[]): readonly ModelSpec[] {
  const wanted = (block: string): boolean => names.length === 0 || names.includes(block);
  const blocks = spec.compares.filter((compare) => wanted(compare.name));
  const named = names.filter((name) => !spec.compares.some((compare) => compare.name === name)).flatMap((model) => chooseModels(spec, { model, set: [] }));
  const variants = blocks.flatMap((compare) => compare.variants.map((variant) => variant.model));
  const models = names.length > 0 || blocks.length > 0 ? [...named, ...variants] : spec.models;
  spec.note(models);
  return models;
}

/** UserError unless there are at least two models of different names that can be trained on the same batches. */
export function requireComparable(models: readonly ModelSpec[]): void {
  if (models.length < 2) throw new UserError(`a comparison needs at least two models${models.length === 1 ? `; there is only ${models[0]!.name}` : ""}`);
  const twice = models.find((model, i) => models.findIndex((other) => other.name === model.name) < i);
  if (twice !== undefined) throw new UserError(`two models are called ${twice.name}; give one another name`);
  requireEqual(models, "batch", "train.batch", (model) => model.train.batch);
  requireEqual(models, "seq_len", "seq_len", (model) => model.seqLen);
  requireEqual(models, "steps", "train.steps", (model) => model.train.steps);
}

function requireEqual(models: readonly ModelSpec[], what: string, path: string, valueOf: (model: ModelSpec) => number): void {
  const first = models[0]!;
  const other = models.find((model) => valueOf(model) !== valueOf(first));
  if (other === undefined) return;
  throw new UserError(`${first.name} and ${other.name} cannot be compared on equal data: ${what} is ${valueOf(first)} and ${valueOf(other)}; `
    + `make them equal, for instance with --set ${path}=${valueOf(first)}`);
}

/** @param device one that works: after a failure of one variant the next may need another */
export function variantOf(model: ModelSpec, data: DataInfo, device: () => Promise<DeviceHandle>): Variant {
  const { total, active } = countParams(model);
  const { train, seqLen } = model;
  return {
    name: model.name, spec: printSpec(model), specHash: specHash(model), seqLen,
    recipe: recipeOf(train), checkpointEvery: train.checkpointEvery,
    parameters: { unique: total, active }, macsPerToken: countMacs(model).perToken,
    info: (seed, adapter): RunInfo => runInfo(model, seed, data, adapter),
    open: async (purpose) => purpose === "train"
      ? loadModel(await device(), model, { batch: train.batch / train.accumulate, seqLen, entries: ["train", "update", "evaluate"] })
      : loadModel(await device(), model, { batch: 1, seqLen, entries: ["prefill", "decode"] }),
  };
}

export const runInfo = (model: ModelSpec, seed: number, data: DataInfo, adapter: RunInfo["adapter"]): RunInfo => ({
  format: 1, model: model.name, specHash: specHash(model), seed, data, recipe: recipeOf(model.train),
  versions: { moeut: VERSION, node: process.versions.node }, adapter,
});
