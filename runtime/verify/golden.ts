/** Folders with numbers of the official code: a configuration, weights, one pass, and training steps. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readSafetensors, type SafetensorsFile } from "../files/safetensors.ts";
import { readJson } from "../train/run-folder.ts";

export interface Golden {
  readonly folder: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: SafetensorsFile;
  readonly io: SafetensorsFile;
  readonly train: SafetensorsFile;
  readonly batch: number;
  /** Positions. */
  readonly context: number;
  /** Applications of layers. */
  readonly applications: number;
  /** "sel.ffn", "sel.att_v", …: the routers whose choices are recorded. */
  readonly selections: readonly string[];
  /** "act.block_out", …: what halting records of each application. */
  readonly halting: readonly string[];
  readonly trainSteps: number;
}

/** UserError, naming the file, for a folder that is not one. */
export function readGolden(folder: string): Golden {
  if (!existsSync(join(folder, "config.json"))) throw new UserError(`${folder} is not a golden folder: it has no config.json`);
  const config = readJson<Record<string, unknown>>(join(folder, "config.json"));
  const [weights, io, train] = ["weights", "io", "train"].map((name) => readSafetensors(join(folder, `${name}.safetensors`))) as [SafetensorsFile, SafetensorsFile, SafetensorsFile];
  const [batch, context] = shapeOf(io, "tokens", 2) as [number, number];
  return {
    folder, config, weights, io, train, batch, context,
    applications: shapeOf(io, "layers", 4)[0]!,
    selections: [...io.tensors.keys()].filter((name) => name.startsWith("sel.")).sort(),
    halting: [...io.tensors.keys()].filter((name) => name.startsWith("act.")).sort(),
    trainSteps: shapeOf(train, "tokens", 3)[0]!,
  };
}

export function shapeOf(file: SafetensorsFile, name: string, rank: number): readonly number[] {
  const shape = file.tensors.get(name)?.shape;
  if (shape?.length === rank) return shape;
  throw new UserError(`${file.path}: ${shape === undefined ? `there is no tensor "${name}"` : `tensor "${name}" is [${shape.join(", ")}], but should have ${rank} axes`}`);
}

/** Row `index` of the first axis. */
export function rowOf<T extends Float32Array | Uint32Array | Int32Array>(data: T, rows: number, index: number): T {
  const size = data.length / rows;
  return data.subarray(index * size, (index + 1) * size) as T;
}
