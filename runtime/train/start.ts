/** Brings a run folder and an executor to where training begins: at step 0, or where a checkpoint left off. */
import type { RouterSite } from "../../compiler/stack/routers.ts";
import { initializeParameters } from "../standalone/parameters.ts";
import type { ParamPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";
import { loadCheckpoint, openCheckpoint } from "./checkpoint.ts";
import { reopenLog } from "./log.ts";
import { writeCounters } from "./routing.ts";
import { createRun, isRun, logPath, readRun, readRunSpec, requireFree, requireSameRun, type RunInfo, type RunTexts } from "./run-folder.ts";

export interface StartOptions extends RunTexts {
  readonly folder: string;
  readonly info: RunInfo;
  readonly executor: Executor;
  readonly params: readonly ParamPlan[];
  /** Applications of routers, whose counters begin here; default none. */
  readonly routers?: readonly RouterSite[];
  /** Continue the run in the folder; if it holds none, one is started. */
  readonly resume: boolean;
  /** Is told what is wrong with the folder that does not keep the run from going on. */
  readonly note?: (text: string) => void;
}

/** The run in the folder fits, or there is none and the folder is free. Cheap: for before a model is compiled. */
export function checkFolder(folder: string, resume: boolean, info: RunInfo, texts: RunTexts): void {
  if (resume && isRun(folder)) requireSameRun(folder, readRun(folder), info);
  else requireFree(folder, texts);
}

/** @returns steps done. Weights and moments are on the device afterwards, and the log ends with the last step done. */
export function startRun(options: StartOptions): number {
  const { folder, spec, tokenizer, info, executor, params, routers = [], resume } = options;
  if (resume && isRun(folder)) return resumeRun(options);
  createRun(folder, { spec, tokenizer }, info);
  initializeParameters(executor, params, info.seed);
  writeCounters(executor, routers);
  return 0;
}

function resumeRun({ folder, info, executor, params, routers = [], note = () => {} }: StartOptions): number {
  const have = readRun(folder);
  requireSameRun(folder, have, info);
  readRunSpec(folder, have);
  const checkpoint = openCheckpoint(folder, have);
  if (checkpoint === null) note(`${folder} holds no checkpoint: the run starts from the first step`);
  if (checkpoint === null) initializeParameters(executor, params, info.seed);
  else loadCheckpoint(checkpoint, executor, params);
  writeCounters(executor, routers, checkpoint?.state.routing);
  const step = checkpoint?.state.step ?? 0;
  reopenLog(logPath(folder), step, note);
  return step;
}
