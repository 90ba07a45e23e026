/**
 * Checkpoints that a crash cannot spoil: a new one is written beside the current one, then the pointer file is replaced in one
 * rename, then the older one is removed. Until the rename the old checkpoint is the current one, and complete.
 * The pointer knows the SHA-256 of the state, and the state those of the files with tensors, so nothing of one checkpoint can be taken
 * for part of another. Checkpoints of early versions have no hashes; they are loaded without.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cannotRead, UserError } from "../errors.ts";
import { entriesOf } from "../files/folder.ts";
import { holdSafetensors, nonFinite, writeSafetensors, type SafetensorsFile, type TensorToWrite } from "../files/safetensors.ts";
import { sha256 } from "../files/sha256.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import { readOfficial, writeOfficial, type ParamState } from "../standalone/parameters.ts";
import type { ParamPlan } from "../standalone/plan.ts";
import type { Recipe } from "../standalone/schedule.ts";
import type { Executor } from "../standalone/types.ts";
import type { Pending } from "./routing.ts";
import { readJson, tokenizerPath, type DataInfo, type RunInfo } from "./run-folder.ts";

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
  /** Choices of experts that were counted and not yet logged. */
  readonly routing?: Pending;
  /** SHA-256 by file name. */
  readonly files?: Readonly<Record<string, string>>;
}

interface Pointer {
  readonly format: 1;
  readonly directory: string;
  readonly step: number;
  /** SHA-256 of state.json. */
  readonly state?: string;
}

/** A checkpoint whose parts belong together. What it holds stays readable when a training replaces it. */
export interface Checkpoint {
  readonly path: string;
  readonly state: CheckpointState;
  readonly weights: SafetensorsFile;
}

/** What a run and its checkpoints must agree on. */
export interface RunIdentity extends Pick<RunInfo, "seed" | "specHash"> {
  readonly data: Pick<DataInfo, "id">;
  readonly recipe: Pick<Recipe, "batch">;
}

const MOMENTS = [["adam_m", "m."], ["adam_v", "v."]] as const;
const [WEIGHTS, OPTIMIZER, TOKENIZER] = ["weights.safetensors", "optimizer.safetensors", "tokenizer.json"];
const pointerPath = (folder: string): string => join(folder, "checkpoint.json");
const nameOf = (step: number): string => `step-${String(step).padStart(8, "0")}`;
/** NaN for names that nameOf does not give: a copy that somebody put beside the checkpoints, say. */
const stepOf = (name: string): number => (/^step-\d{8,}$/.test(name) ? Number(name.slice("step-".length)) : Number.NaN);

/** The folder of the current checkpoint, or null if there is none yet. */
export function currentCheckpoint(folder: string): string | null {
  const pointer = readPointer(folder);
  return pointer === null ? null : pathOf(folder, pointer);
}

const pathOf = (folder: string, { directory }: Pointer): string => join(folder, "checkpoints", directory);

function readPointer(folder: string): Pointer | null {
  if (!existsSync(pointerPath(folder))) return newest(folder);
  const pointer = readJson<Pointer>(pointerPath(folder));
  if (pointer.format === 1 && Number.isSafeInteger(pointer.step) && pointer.directory === nameOf(pointer.step)) return pointer;
  throw new UserError(`${pointerPath(folder)} names no checkpoint; it was damaged`);
}

/** Where the pointer is missing, lost or not yet written. The state is the last file of a checkpoint: with it, the checkpoint is whole. */
function newest(folder: string): Pointer | null {
  const written = entriesOf(join(folder, "checkpoints")).filter((name) => existsSync(statePath(join(folder, "checkpoints", name))));
  const step = Math.max(-1, ...written.map(stepOf).filter(Number.isSafeInteger));
  return step < 0 ? null : { format: 1, directory: nameOf(step), step };
}

export const weightsPath = (checkpoint: string): string => join(checkpoint, WEIGHTS);
const statePath = (checkpoint: string): string => join(checkpoint, "state.json");

/** A number that is to be saved is not finite. */
export class NotFinite extends UserError {}

/**
 * Does nothing if the current checkpoint is of this step. Whatever goes wrong, the current checkpoint stays: EnvironmentError for a full
 * disk, NotFinite for weights or moments that no run could go on with.
 */
export async function saveCheckpoint(
  folder: string, executor: Pick<Executor, "read">, params: readonly ParamPlan[], state: CheckpointState,
): Promise<void> {
  const name = nameOf(state.step);
  const checkpoint = join(folder, "checkpoints", name);
  if (currentCheckpoint(folder) === checkpoint) return;
  try {
    const files = {
      [WEIGHTS]: await saveTensors(join(checkpoint, WEIGHTS), executor, params, [["param", ""]]),
      [OPTIMIZER]: await saveTensors(join(checkpoint, OPTIMIZER), executor, params, MOMENTS),
      ...keepTokenizer(folder, checkpoint),
    };
    const text = `${JSON.stringify({ ...state, files }, null, 2)}\n`;
    writeAtomic(statePath(checkpoint), text);
    const pointer: Pointer = { format: 1, directory: name, step: state.step, state: sha256([text]) };
    writeAtomic(pointerPath(folder), `${JSON.stringify(pointer, null, 2)}\n`);
  } finally {
    removeAllBut(folder, currentCheckpoint(folder));
  }
}

/** Weights that are taken elsewhere know what their tokens are. @returns the SHA-256 by name; none where tokens are bytes */
function keepTokenizer(folder: string, checkpoint: string): Readonly<Record<string, string>> {
  if (!existsSync(tokenizerPath(folder))) return {};
  const text = readFileSync(tokenizerPath(folder));
  writeAtomic(join(checkpoint, TOKENIZER), text);
  return { [TOKENIZER]: sha256([text]) };
}

type Prefixed = readonly (readonly [ParamState, prefix: string])[];

/** @returns the SHA-256 of the file */
async function saveTensors(
  path: string, executor: Pick<Executor, "read">, params: readonly ParamPlan[], states: Prefixed,
): Promise<string> {
  const groups: TensorToWrite[] = [];
  for (const [state, prefix] of states) {
    const tensors = await readOfficial(executor, params, state);
    groups.push(...tensors.map(({ name, shape, data }) => ({ name: prefix + name, dtype: "F32" as const, shape, data })));
  }
  const problem = groups.flatMap(({ name, data }) => nonFinite(name, data as Float32Array))[0];
  if (problem !== undefined) throw new NotFinite(problem);
  return writeSafetensors(path, groups, { format: "moeut" });
}

/** Older checkpoints, and what is left of one that could not be written; nothing else that lies there. */
function removeAllBut(folder: string, current: string | null): void {
  const directory = join(folder, "checkpoints");
  if (!existsSync(directory)) return;
  for (const path of readdirSync(directory).filter((name) => !Number.isNaN(stepOf(name))).map((name) => join(directory, name))) {
    if (path !== current) removeCheckpoint(path);
  }
}

const isPart = (name: string): boolean =>
  [WEIGHTS, OPTIMIZER, TOKENIZER, "state.json"].some((part) => name === part || name.startsWith(`.${part}.tmp-`));

/** What cannot be removed does no harm. */
function removeCheckpoint(path: string): void {
  try {
    for (const name of readdirSync(path).filter(isPart)) rmSync(join(path, name), { force: true });
    rmdirSync(path);
  } catch {
    // It holds what somebody put there, or somebody reads it on a system where that keeps it. The next checkpoint tries again.
  }
}

/**
 * The current checkpoint, or null if there is none yet. UserError if it is not whole, or not of the run that run.json describes.
 * A training may replace it at any moment: then its successor is taken.
 */
export function openCheckpoint(folder: string, info: RunIdentity): Checkpoint | null {
  for (;;) {
    const pointer = readPointer(folder);
    if (pointer === null) return null;
    try {
      return open(pathOf(folder, pointer), pointer, info);
    } catch (error) {
      if (readPointer(folder)?.step === pointer.step) throw error;
    }
  }
}

function open(path: string, pointer: Pointer, info: RunIdentity): Checkpoint {
  const state = readState(statePath(path), pointer);
  requireOf(info, state, statePath(path));
  return { path, state, weights: openTensors(path, WEIGHTS, state) };
}

function readState(path: string, pointer: Pointer): CheckpointState {
  const state = readJson<CheckpointState>(path);
  const sound = state.format === 1 && Number.isSafeInteger(state.step) && state.step >= 0 && Number.isSafeInteger(state.seed);
  if (!sound) throw new UserError(`${path} is not the state of a checkpoint that this version can read`);
  if (state.step !== pointer.step) {
    throw new UserError(`${path} is of step ${state.step}, but lies in the checkpoint of step ${pointer.step}; it was damaged`);
  }
  if (pointer.state !== undefined && pointer.state !== hashOf(path)) throw changed(path);
  return state;
}

function hashOf(path: string): string {
  try {
    return sha256([readFileSync(path)]);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

const changed = (path: string): UserError =>
  new UserError(`${path} is not as it was saved (its SHA-256 is another); it was damaged or changed`);

function requireOf({ seed, specHash, data, recipe }: RunIdentity, state: CheckpointState, path: string): void {
  const parts: readonly (readonly [string, unknown, unknown])[] = [
    ["the seed", seed, state.seed], ["the hash of the spec", specHash, state.specHash], ["the data", data.id, state.dataId],
    ["the number of sequences", state.step * recipe.batch, state.sequences],
  ];
  const found = parts.find(([, run, checkpoint]) => run !== checkpoint);
  if (found === undefined) return;
  const [what, byRun, byCheckpoint] = found;
  throw new UserError(`${path} belongs to another run: ${what} is ${String(byCheckpoint)}, and by run.json it is ${String(byRun)}`);
}

/** UserError that says the most telling thing about a file that is not as it was saved. */
function openTensors(checkpoint: string, name: string, { files }: CheckpointState): SafetensorsFile {
  const file = holdSafetensors(join(checkpoint, name));
  if (files === undefined || files[name] === file.sha256()) return file;
  const problem = [...file.tensors.keys()].flatMap((tensor) => nonFinite(tensor, file.readFloats(tensor)))[0];
  throw problem === undefined ? changed(file.path) : new UserError(`${file.path}: ${problem}`);
}

/** Weights and optimizer onto the device. UserError for files that are damaged or of another model. */
export function loadCheckpoint({ path, state, weights }: Checkpoint, executor: Executor, params: readonly ParamPlan[]): void {
  loadWeights(weights, executor, params);
  const file = openTensors(path, OPTIMIZER, state);
  for (const [moment, prefix] of MOMENTS) writeOfficial(executor, params, moment, (name, shape) => readTensor(file, prefix + name, shape));
}

/** Weights under official names. Tensors that the model does not have are ignored. */
export function loadWeights(weights: SafetensorsFile, executor: Executor, params: readonly ParamPlan[]): void {
  writeOfficial(executor, params, "param", (name, shape) => readTensor(weights, name, shape));
}

function readTensor(file: SafetensorsFile, name: string, shape: readonly number[]): Float32Array {
  const found = file.tensors.get(name)?.shape;
  if (found !== undefined && found.join() !== shape.join()) {
    throw new UserError(`${file.path}: tensor "${name}" is [${found.join(", ")}], but the model needs [${shape.join(", ")}]`);
  }
  const data = file.readFloats(name);
  const problem = nonFinite(name, data)[0];
  if (problem !== undefined) throw new UserError(`${file.path}: ${problem}`);
  return data;
}
