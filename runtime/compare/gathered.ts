/** Runs that jobs of a sweep have trained: here, or in PyTorch, where `trained` is the folder that train.py wrote. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { AdapterName } from "../session.ts";
import { createRun, isRun, logPath, openCheckpoint, readLog, readRun, writeLog, type RunInfo, type RunTexts } from "../train/index.ts";
import { readJson, requireSameRun } from "../train/run-folder.ts";

/** diverged.json, beside what was logged until then. */
interface DivergedRecord extends Pick<RunInfo, "seed" | "data"> {
  readonly message: string;
  readonly adapter: AdapterName;
}

interface Trained extends RunTexts {
  readonly folder: string;
  readonly info: (adapter: AdapterName) => RunInfo;
}

/**
 * Null for a run that has done its steps. Of a training in PyTorch that diverged what it said: that leaves no run, and one is made here, of
 * what was logged. UserError for a run that has steps to go, and for a training of something else.
 * @param trained where PyTorch trains this run, if it does
 */
export function trainedElsewhere(run: Trained, trained: string): { readonly finished: true; readonly diverged: string } | null {
  const { folder, info } = run;
  const { steps } = info({ kind: "", name: "" }).recipe;
  const checkpoint = isRun(folder) ? openCheckpoint(folder, readRun(folder)) : null;
  const step = checkpoint?.state.step ?? 0;
  if (step >= steps) return null;
  const record = readDiverged(join(trained, "diverged.json"));
  if (record === null) throw new UserError(`${folder} is not finished: step ${step} of ${steps}; its job goes on with it`);
  makeRun(run, trained, record);
  return { finished: true, diverged: record.message };
}

function readDiverged(path: string): DivergedRecord | null {
  if (!existsSync(path)) return null;
  const record = readJson<DivergedRecord>(path);
  const { message, adapter, seed, data } = record;
  if ([message, adapter?.name, data?.id].every((text) => typeof text === "string") && Number.isSafeInteger(seed)) return record;
  throw new UserError(`${path} is not what train.py writes about a training`);
}

function makeRun({ folder, info: infoOn, ...texts }: Trained, trained: string, { adapter, seed, data }: DivergedRecord): void {
  const info = infoOn(adapter);
  requireSameRun(trained, { ...info, seed, data }, info);
  if (!isRun(folder)) createRun(folder, texts, info);
  writeLog(logPath(folder), readLog(join(trained, "log.jsonl")));
}
