/** A run folder as the commands that use a trained model need it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { specHash } from "../compiler/format/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { UserError } from "../runtime/errors.ts";
import { byteTokenizer, type Tokenizer } from "../runtime/data/index.ts";
import type { SafetensorsFile } from "../runtime/files/safetensors.ts";
import { openCheckpoint, readRun, readRunSpec, specChanged, tokenizerPath, type RunInfo } from "../runtime/train/index.ts";
import { readTokenizer } from "../runtime/tokenizer/file.ts";
import { checkText } from "../api/spec.ts";
import { chooseModel, specOf } from "./spec.ts";

export interface TrainedRun {
  readonly folder: string;
  readonly info: RunInfo;
  readonly model: ModelSpec;
  /** Its spec, and the overrides. */
  readonly sources: readonly SourceText[];
  /** The context that it was trained with: `model` may have another. */
  readonly trainedSeqLen: number;
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
  const [asTrained] = checkText(source, []).models;
  if (info.specSha256 === undefined) requireSameModel(source.file, asTrained, info);
  const spec = specOf(source, overrides);
  const model = chooseModel(spec, { set: [] });
  const { weights, state: { step } } = checkpoint;
  const tokenizer = tokenizerOf(folder, checkpoint.path, info.data.tokenizer);
  return { folder, info, model, sources: spec.sources, trainedSeqLen: asTrained?.seqLen ?? model.seqLen, tokenizer, weights, step };
}

/** For runs of early versions, which do not know the text that their spec had. */
function requireSameModel(file: string, model: ModelSpec | undefined, { specHash: saved }: RunInfo): void {
  if (model !== undefined && specHash(model) !== saved) throw specChanged(file);
}

/** That of the run; where it is gone, the one that lies beside the weights. */
function tokenizerOf(folder: string, checkpoint: string, id: string): Tokenizer {
  if (id === byteTokenizer.id) return byteTokenizer;
  const path = [folder, checkpoint].map(tokenizerPath).find((each) => existsSync(each));
  if (path === undefined) throw new UserError(`${folder} was made with the tokenizer "${id}", and its tokenizer.json is gone`);
  const tokenizer = readTokenizer(path);
  if (tokenizer.id === id) return tokenizer;
  throw new UserError(`${path} was changed after the run was made, and its weights belong to the tokens as they were`);
}
