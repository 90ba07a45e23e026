/** A run folder as the commands that use a trained model need it. */
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { UserError } from "../runtime/errors.ts";
import { byteTokenizer, type Tokenizer } from "../runtime/data/index.ts";
import { currentCheckpoint, readRun, readRunSpec, readState, weightsPath, type RunInfo } from "../runtime/train/index.ts";
import { chooseModel, specOf } from "./spec.ts";
import { join } from "node:path";

export interface TrainedRun {
  readonly folder: string;
  readonly info: RunInfo;
  readonly model: ModelSpec;
  readonly tokenizer: Tokenizer;
  readonly weights: string;
  /** Steps behind the weights. */
  readonly step: number;
}

/** @param overrides of `--set`; the weights must still fit the model. UserError if nothing was saved in the folder yet. */
export function readTrainedRun(folder: string, overrides: readonly string[]): TrainedRun {
  const info = readRun(folder);
  const checkpoint = currentCheckpoint(folder);
  if (checkpoint === null) throw new UserError(`${folder} holds no checkpoint yet; train it further with --resume`);
  const spec = specOf({ file: join(folder, "spec.moeut"), text: readRunSpec(folder) }, overrides);
  return { folder, info, model: chooseModel(spec, { set: [] }), tokenizer: tokenizerOf(info.data.tokenizer), weights: weightsPath(checkpoint), step: readState(checkpoint).step };
}

function tokenizerOf(id: string): Tokenizer {
  if (id === byteTokenizer.id) return byteTokenizer;
  throw new UserError(`the run was made with the tokenizer "${id}", which this version does not have`);
}
