/** A run folder as the commands that use a trained model need it. */
import { join } from "node:path";
import { specHash } from "../compiler/format/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { UserError } from "../runtime/errors.ts";
import { byteTokenizer, type Tokenizer } from "../runtime/data/index.ts";
import type { SafetensorsFile } from "../runtime/files/safetensors.ts";
import { openCheckpoint, readRun, readRunSpec, specChanged, type RunInfo } from "../runtime/train/index.ts";
import { checkText, chooseModel, specOf } from "./spec.ts";

export interface TrainedRun {
  readonly folder: string;
  readonly info: RunInfo;
  readonly model: ModelSpec;
  readonly tokenizer: Tokenizer;
  readonly weights: SafetensorsFile;
  /** Steps behind the weights. */
  readonly step: number;
}

/**
 * No lock is needed: weights and step are of one checkpoint, even if a training replaces it meanwhile.
 * @param overrides of `--set`; the weights must still fit the model. UserError if nothing was saved in the folder yet, or if its parts do
 * not belong together.
 */
export function readTrainedRun(folder: string, overrides: readonly string[]): TrainedRun {
  const info = readRun(folder);
  const checkpoint = openCheckpoint(folder, info);
  if (checkpoint === null) throw new UserError(`${folder} holds no checkpoint yet; train it further with --resume`);
  const source = { file: join(folder, "spec.moeut"), text: readRunSpec(folder, info) };
  if (info.specSha256 === undefined) requireSameModel(source, info);
  const { weights, state: { step } } = checkpoint;
  return { folder, info, model: chooseModel(specOf(source, overrides), { set: [] }), tokenizer: tokenizerOf(info.data.tokenizer), weights, step };
}

/** For runs of early versions, which do not know the text that their spec had. */
function requireSameModel(source: SourceText, { specHash: saved }: RunInfo): void {
  const { models } = checkText(source, []);
  if (models[0] !== undefined && specHash(models[0]) !== saved) throw specChanged(source.file);
}

function tokenizerOf(id: string): Tokenizer {
  if (id === byteTokenizer.id) return byteTokenizer;
  throw new UserError(`the run was made with the tokenizer "${id}", which this version does not have`);
}
