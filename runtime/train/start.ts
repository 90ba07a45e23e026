/** Brings a run folder and an executor to where training begins: at step 0, or where a checkpoint left off. */
import { initializeParameters } from "../standalone/parameters.ts";
import type { ParamPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";
import { currentCheckpoint, loadCheckpoint } from "./checkpoint.ts";
import { truncateLog } from "./log.ts";
import { createRun, isRun, logPath, readRun, requireFree, requireSameRun, type RunInfo } from "./run-folder.ts";

export interface StartOptions {
  readonly folder: string;
  /** Canonical text of model and recipe. */
  readonly spec: string;
  readonly info: RunInfo;
  readonly executor: Executor;
  readonly params: readonly ParamPlan[];
  /** Continue the run in the folder; if it holds none, one is started. */
  readonly resume: boolean;
}

/** The run in the folder fits, or there is none and the folder is free. Cheap: for before a model is compiled. */
export function checkFolder(folder: string, resume: boolean, info: RunInfo, spec: string): void {
  if (resume && isRun(folder)) requireSameRun(folder, readRun(folder), info);
  else requireFree(folder, spec);
}

/** @returns steps done. Weights and moments are on the device afterwards, and the log ends with the last step done. */
export function startRun({ folder, spec, info, executor, params, resume }: StartOptions): number {
  if (resume && isRun(folder)) return resumeRun(folder, info, executor, params);
  createRun(folder, spec, info);
  initializeParameters(executor, params, info.seed);
  return 0;
}

function resumeRun(folder: string, info: RunInfo, executor: Executor, params: readonly ParamPlan[]): number {
  requireSameRun(folder, readRun(folder), info);
  const checkpoint = currentCheckpoint(folder);
  if (checkpoint === null) initializeParameters(executor, params, info.seed);
  const step = checkpoint === null ? 0 : loadCheckpoint(checkpoint, executor, params).step;
  truncateLog(logPath(folder), step);
  return step;
}
