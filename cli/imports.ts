/** Models of others, with what is needed to make runs of them. */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { countParams } from "../compiler/counts/index.ts";
import {
  findFamilyWeights, findOfficialWeights, findTorchWeights, importFamily, importOfficial, type ImportedFamily, type Part,
} from "../compiler/import/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { elements } from "../compiler/ir/tensor-type.ts";
import { parametersOf } from "../compiler/parameters/parameters.ts";
import { readSpecFile } from "../api/spec.ts";
import { severalProblems, UserError } from "../runtime/errors.ts";
import { readSafetensors } from "../runtime/files/safetensors.ts";
import { readWeights, type Weights } from "../runtime/files/shards.ts";
import { readLog, type RunInfo, type StepRecord } from "../runtime/train/index.ts";
import { readJson } from "../runtime/train/run-folder.ts";
import { chooseModel, specOf } from "./spec.ts";
import { say } from "./terminal.ts";
import { fileTokenizer } from "./tokenizer.ts";

/** A model, and what it takes to find its weights. */
export interface Imported {
  /** .moeut text, as people write it. */
  readonly text: string;
  readonly model: ModelSpec;
  /** Reads and matches names, shapes and dtypes; UserError for what is missing, left over or unfit. */
  readonly weights: () => { readonly file: Weights; readonly parts: Parts };
  /** Null for bytes, or where it is not known what tokens are. */
  readonly tokenizer: { readonly id: string; readonly text: string } | null;
  /** Of train.py; null for weights of others. */
  readonly training: Training | null;
}

/** What an exported model saw: training.json and log.jsonl. */
export interface Training extends Pick<RunInfo, "seed" | "data" | "adapter"> {
  readonly step: number;
  readonly log: readonly StepRecord[];
}

/** Where each parameter's numbers are, by name. */
export type Parts = Readonly<Record<string, readonly Part[]>>;

/** The official code's configuration. @param weightsFile undefined if only the spec is wanted */
export function importedOfficial(configPath: string, weightsFile: string | undefined, set: readonly string[]): Imported {
  const imported = importOfficial(readJson(configPath));
  if ("error" in imported) throw new UserError(`${configPath}: ${imported.error}`);
  const model = modelOf(`${configPath} as a spec`, imported.spec, set);
  const weights = (): ReturnType<Imported["weights"]> => {
    if (weightsFile === undefined) throw new UserError("the weights are missing; leave out --out to see the spec alone");
    const file = readSafetensors(weightsFile);
    return { file, parts: wholes(model, placed(weightsFile, findOfficialWeights(model, file.tensors)).places) };
  };
  return { text: imported.spec, model, weights, tokenizer: null, training: null };
}

/** A folder of `export hf`, or a checkpoint of a family that is known. */
export function importedFolder(folder: string, set: readonly string[]): Imported {
  return existsSync(join(folder, "spec.moeut")) ? exported(folder, set) : published(folder, set);
}

function exported(folder: string, set: readonly string[]): Imported {
  const { file, text } = readSpecFile(join(folder, "spec.moeut"));
  const model = modelOf(file, text, set);
  const weights = (): ReturnType<Imported["weights"]> => {
    const found = weightsOf(folder);
    return { file: found, parts: wholes(model, placed(found.path, findTorchWeights(model, found.tensors)).places) };
  };
  return { text, model, weights, tokenizer: tokenizerOf(folder), training: trainingOf(folder) };
}

function published(folder: string, set: readonly string[]): Imported {
  const config = join(folder, "config.json");
  if (!existsSync(config)) throw new UserError(`${folder} has no config.json, as folders of transformers do`);
  const imported = importFamily(readJson(config), basename(resolve(folder)));
  if ("error" in imported) throw new UserError(`${config}: ${imported.error}`);
  if (imported.ignored.length > 0) say(`${config}: ignored, as transformers do: ${imported.ignored.join(", ")}`);
  const model = modelOf(`${config} as a spec`, imported.spec(null), set);
  return { ...familyWeights(folder, model, imported), model, tokenizer: tokenizerOf(folder), training: null };
}

function familyWeights(folder: string, model: ModelSpec, { family, spec }: ImportedFamily): Pick<Imported, "text" | "weights"> {
  return {
    text: spec(countParams(model).total),
    weights: () => {
      const file = weightsOf(folder);
      return { file, parts: placed(file.path, findFamilyWeights(family, model, file.tensors)).parts };
    },
  };
}

const modelOf = (file: string, text: string, set: readonly string[]): ModelSpec => chooseModel(specOf({ file, text }, set), { set });

function weightsOf(folder: string): Weights {
  const weights = readWeights(folder);
  if (weights !== null) return weights;
  const isPickled = existsSync(join(folder, "pytorch_model.bin"));
  const remedy = isPickled ? "save_pretrained of transformers makes one of pytorch_model.bin" : "leave out --out to see the spec alone";
  throw new UserError(`${folder} has no weights: neither model.safetensors nor model.safetensors.index.json; ${remedy}`);
}

/** Throws all problems of a file at once. */
function placed<T extends object>(file: string, found: T | { readonly problems: readonly string[] }): T {
  if ("problems" in found) throw severalProblems(file, found.problems);
  return found;
}

type Places = Readonly<Record<string, { readonly tensor: string; readonly shape: readonly number[]; readonly start: number }>>;

/** Parameters that stand in one piece in their tensors. */
const wholes = (model: ModelSpec, places: Places): Parts => Object.fromEntries(parametersOf(model).map(
  ({ name, type: { shape } }) => [name, [{ ...places[name]!, extents: [elements(shape)], strides: [1] }]]));

function trainingOf(folder: string): Training | null {
  const path = join(folder, "training.json");
  if (!existsSync(path)) return null;
  const { step, seed, data, adapter } = readJson<Omit<Training, "log">>(path);
  const sound = [step, seed, data?.tokens].every(Number.isSafeInteger) && [data?.id, data?.tokenizer, adapter?.name].every(isText)
    && Array.isArray(data.source);
  if (!sound) throw new UserError(`${path} is not what train.py writes about a training`);
  return { step, seed, data, adapter, log: readLog(join(folder, "log.jsonl")).filter((record) => record.step <= step) };
}

const isText = (value: unknown): boolean => typeof value === "string";

function tokenizerOf(folder: string): Imported["tokenizer"] {
  const path = ["tokenizer.json", "tokenizer.model"].map((name) => join(folder, name)).find((file) => existsSync(file));
  if (path === undefined) return null;
  const { id, file } = fileTokenizer(path);
  return file === undefined ? null : { id, text: file };
}
