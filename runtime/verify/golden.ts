/** Folders with numbers of the official code: a configuration, weights, one pass, and training steps. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { severalProblems, UserError } from "../errors.ts";
import { nonFinite, readSafetensors, type SafetensorsFile, type TensorInfo } from "../files/safetensors.ts";
import { readJson } from "../train/run-folder.ts";
import type { ExpectedFiles, ExpectedTensors, GoldenSizes } from "./expected.ts";

export interface GoldenFiles {
  readonly folder: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: SafetensorsFile;
  readonly io: SafetensorsFile;
  readonly train: SafetensorsFile;
}

/** A folder that holds what its model demands: no number is missing, none is left over, all are finite. */
export interface Golden extends GoldenFiles, GoldenSizes {
  /** "sel.ffn", "sel.att_v", …: the routers whose choices are recorded. */
  readonly selections: readonly string[];
  /** "act.block_out", …: what halting records of each application. */
  readonly halting: readonly string[];
}

/** UserError, naming the file, for a folder that is not one. */
export function readGolden(folder: string): GoldenFiles {
  if (!existsSync(join(folder, "config.json"))) throw new UserError(`${folder} is not a golden folder: it has no config.json`);
  const config = readJson<Record<string, unknown>>(join(folder, "config.json"));
  const absent = ["args", "batch", "context", "vocab", "training"].filter((name) => config[name] === undefined);
  if (absent.length > 0) throw new UserError(`${join(folder, "config.json")} says nothing about ${absent.join(", ")}`);
  const file = (name: string): SafetensorsFile => readSafetensors(join(folder, `${name}.safetensors`));
  return { folder, config, weights: file("weights"), io: file("io"), train: file("train") };
}

/** UserError, with every problem of the first file at fault, for a folder that does not hold exactly what is expected. */
export function checkGolden(files: GoldenFiles, expected: ExpectedFiles): Golden {
  for (const name of ["weights", "io", "train"] as const) checkTensors(files[name], expected[name], expected.ignored);
  for (const file of [files.io, files.train]) for (const name of ["tokens", "targets"]) checkTokens(file, name, expected.vocab);
  const { vocab, batch, context, applications, trainSteps } = expected;
  const recorded = (prefix: string): readonly string[] => [...expected.io.keys()].filter((name) => name.startsWith(prefix));
  return { ...files, vocab, batch, context, applications, trainSteps, selections: recorded("sel."), halting: recorded("act.") };
}

function checkTensors(file: SafetensorsFile, expected: ExpectedTensors, ignored: RegExp): void {
  const text = ({ dtype, shape }: Pick<TensorInfo, "dtype" | "shape">): string => `${dtype} [${shape.join(", ")}]`;
  const kinds = [...expected].flatMap(([name, want]) => {
    const found = file.tensors.get(name);
    if (found === undefined) return [`there is no tensor "${name}"`];
    return text(found) === text(want) ? [] : [`tensor "${name}" is ${text(found)} and not ${text(want)}`];
  });
  const extra = [...file.tensors.keys()].filter((name) => !expected.has(name) && !ignored.test(name));
  const problems = [...kinds, ...extra.map((name) => `tensor "${name}" is not one that this model has`)];
  if (problems.length > 0) throw severalProblems(file.path, problems);
  const bad = [...expected].flatMap(([name, { dtype }]) => (dtype === "F32" ? nonFinite(name, file.readFloats(name)) : []));
  if (bad.length > 0) throw severalProblems(file.path, bad);
}

function checkTokens(file: SafetensorsFile, name: string, vocab: number): void {
  const tokens = file.readIntegers(name);
  const bad = tokens.findIndex((token) => token < 0 || token >= vocab);
  if (bad < 0) return;
  throw new UserError(`${file.path}: element ${bad} of "${name}" is ${tokens[bad]}, which is no token of a vocabulary of ${vocab}`);
}

/** Row `index` of the first axis. */
export function rowOf<T extends Float32Array | Uint32Array | Int32Array>(data: T, rows: number, index: number): T {
  const size = data.length / rows;
  return data.subarray(index * size, (index + 1) * size) as T;
}
