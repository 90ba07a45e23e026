/**
 * Checkpoints that a crash cannot spoil: a new one is written beside the current one, then the pointer file is replaced in one
 * rename, then the older one is removed. Until the rename the old checkpoint is the current one, and complete.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readSafetensors, writeSafetensors, type SafetensorsFile, type TensorToWrite } from "../files/safetensors.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import { readOfficial, writeOfficial, type ParamState } from "../standalone/parameters.ts";
import type { ParamPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";
import { readJson } from "./run-folder.ts";

/** Everything beside tensors that a run needs to go on. Random numbers and data order are functions of seed and step. */
export interface CheckpointState {
  readonly format: 1;
  /** Optimizer steps done. */
  readonly step: number;
  /** Sequences drawn from the training data so far. */
  readonly sequences: number;
  readonly seed: number;
  readonly specHash: string;
  readonly dataId: string;
}

const MOMENTS = [["adam_m", "m."], ["adam_v", "v."]] as const;
const pointerPath = (folder: string): string => join(folder, "checkpoint.json");
const nameOf = (step: number): string => `step-${String(step).padStart(8, "0")}`;

/** The folder of the current checkpoint, or null if there is none yet. */
export function currentCheckpoint(folder: string): string | null {
  if (!existsSync(pointerPath(folder))) return null;
  const { directory } = readJson<{ directory: string }>(pointerPath(folder));
  if (typeof directory === "string" && /^step-\d{8,}$/.test(directory)) return join(folder, "checkpoints", directory);
  throw new UserError(`${pointerPath(folder)} names no checkpoint; it was damaged`);
}

export const weightsPath = (checkpoint: string): string => join(checkpoint, "weights.safetensors");
const optimizerPath = (checkpoint: string): string => join(checkpoint, "optimizer.safetensors");
const statePath = (checkpoint: string): string => join(checkpoint, "state.json");

/** Does nothing if the current checkpoint is of this step. */
export async function saveCheckpoint(folder: string, executor: Pick<Executor, "read">, params: readonly ParamPlan[], state: CheckpointState): Promise<void> {
  const name = nameOf(state.step);
  const checkpoint = join(folder, "checkpoints", name);
  if (currentCheckpoint(folder) === checkpoint) return;
  await saveTensors(weightsPath(checkpoint), executor, params, [["param", ""]]);
  await saveTensors(optimizerPath(checkpoint), executor, params, MOMENTS);
  writeAtomic(statePath(checkpoint), `${JSON.stringify(state, null, 2)}\n`);
  writeAtomic(pointerPath(folder), `${JSON.stringify({ format: 1, directory: name, step: state.step }, null, 2)}\n`);
  removeOthers(folder, name);
}

async function saveTensors(path: string, executor: Pick<Executor, "read">, params: readonly ParamPlan[], states: readonly (readonly [ParamState, string])[]): Promise<void> {
  const groups: TensorToWrite[] = [];
  for (const [state, prefix] of states) {
    const tensors = await readOfficial(executor, params, state);
    groups.push(...tensors.map(({ name, shape, data }) => ({ name: prefix + name, dtype: "F32" as const, shape, data })));
  }
  writeSafetensors(path, groups, { format: "moeut" });
}

function removeOthers(folder: string, keep: string): void {
  const directory = join(folder, "checkpoints");
  for (const name of readdirSync(directory)) if (name !== keep) rmSync(join(directory, name), { recursive: true, force: true });
}

/** Weights and optimizer onto the device. UserError for files that are damaged or of another model. */
export function loadCheckpoint(checkpoint: string, executor: Executor, params: readonly ParamPlan[]): CheckpointState {
  const state = readState(checkpoint);
  loadWeights(weightsPath(checkpoint), executor, params);
  const file = readSafetensors(optimizerPath(checkpoint));
  for (const [moment, prefix] of MOMENTS) writeOfficial(executor, params, moment, (name, shape) => readTensor(file, prefix + name, shape));
  return state;
}

export function readState(checkpoint: string): CheckpointState {
  const state = readJson<CheckpointState>(statePath(checkpoint));
  const sound = state.format === 1 && Number.isSafeInteger(state.step) && state.step >= 0 && Number.isSafeInteger(state.seed);
  if (!sound) throw new UserError(`${statePath(checkpoint)} is not the state of a checkpoint that this version can read`);
  return state;
}

/** Weights under official names from any safetensors file. Tensors that the model does not have are ignored. */
export function loadWeights(path: string, executor: Executor, params: readonly ParamPlan[]): void {
  const file = readSafetensors(path);
  writeOfficial(executor, params, "param", (name, shape) => readTensor(file, name, shape));
}

function readTensor(file: SafetensorsFile, name: string, shape: readonly number[]): Float32Array {
  const found = file.tensors.get(name)?.shape;
  if (found !== undefined && found.join() !== shape.join()) {
    throw new UserError(`${file.path}: tensor "${name}" is [${found.join(", ")}], but the model needs [${shape.join(", ")}]`);
  }
  const data = file.readFloats(name);
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) throw new UserError(`${file.path}: tensor "${name}" is not finite: element ${bad} is ${data[bad]}`);
  return data;
}
