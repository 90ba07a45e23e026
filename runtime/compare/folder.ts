/**
 * The folder of a comparison:
 *
 *   compare.json      what was compared last: CompareInfo
 *   runs/NAME-seed0/  a run folder per variant and seed, with final.json: FinalRecord, and depths.json: DepthsRecord
 *                     where a learning rate was chosen, it is in the name: NAME-lr0.002-seed0
 *   runs/NAME-seed0.failed.json   Failure, where there is no result
 *   trials/           the same of the search for learning rates
 *   step-times.json   StepTimes
 *   results.json, report.html; the table again as table.md and table.tex, the numbers as table.csv
 *
 * It may hold more runs than are compared: what is asked for is found there, or trained.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { messageOf, UserError } from "../errors.ts";
import { entriesOf } from "../files/folder.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import type { AdapterName } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";
import { checkFolder, type DataInfo, type RunInfo, type RunTexts } from "../train/index.ts";
import { readJson } from "../train/run-folder.ts";
import type { Sample } from "./results.ts";

export interface CompareInfo {
  readonly format: 1;
  readonly variants: readonly { readonly name: string; readonly specHash: string; readonly recipe: Recipe }[];
  readonly seeds: readonly number[];
  readonly data: DataInfo;
  readonly evalTokens: number;
  readonly finalTokens: number;
}

/** A run that is or may be asked for. */
export interface WantedRun extends RunTexts {
  /** In that of the comparison. */
  readonly folder: string;
  readonly info: RunInfo;
}

/** What is measured once after a run. */
export interface FinalRecord {
  readonly format: 1;
  readonly diverged: string | null;
  /** Mean loss per held-out sequence; empty if diverged. */
  readonly sequences: readonly number[];
  readonly bytesPerToken: number;
  readonly memoryBytes: number;
  readonly adapter: AdapterName;
  readonly sample: Sample | null;
}

/** Seconds of a training step, per variant: the median of each round of turns. */
export interface StepTimes {
  readonly format: 1;
  readonly adapter: AdapterName;
  readonly variants: Readonly<Record<string, { readonly specHash: string; readonly rounds: readonly number[] }>>;
}

const infoPath = (out: string): string => join(out, "compare.json");
type Named = { readonly stem: string };
export const runFolder = ({ stem }: Named, seed: number): string => join("runs", `${stem}-seed${seed}`);
export const trialFolder = ({ stem }: Named, seed: number): string => join("trials", `${stem}-seed${seed}`);

/**
 * UserError if the folder holds other things, or runs of the same names that are not those that are asked for.
 * @param runs all that are asked for
 */
export function checkComparison(out: string, runs: readonly WantedRun[]): void {
  if (isComparison(out)) requireSameRuns(out, runs);
  else if (entriesOf(out).length > 0) {
    throw new UserError(`${out} exists and is not empty, and it is not a comparison; choose another folder with --out`);
  }
}

/** Starts a comparison, or goes on in the folder of one. As checkComparison, with nothing changed, if that cannot be. */
export function openComparison(out: string, info: CompareInfo, runs: readonly WantedRun[]): void {
  checkComparison(out, runs);
  writeAtomic(infoPath(out), `${JSON.stringify(info, null, 2)}\n`);
}

/** UserError if the comparison in the folder is another: a spec or the data was changed since. */
export function requireSameComparison(out: string, info: CompareInfo): void {
  if (isComparison(out) && JSON.stringify(readJson(infoPath(out))) === JSON.stringify(info)) return;
  throw new UserError(`the specs or the data are not those that ${out} was made with: undo the change, or give the same command again to `
    + "compare what is there now");
}

function isComparison(out: string): boolean {
  if (!existsSync(infoPath(out))) return false;
  const { format, variants } = readJson<CompareInfo>(infoPath(out));
  return format === 1 && Array.isArray(variants);
}

/** The first difference of each variant: the other seeds will have the same. */
function requireSameRuns(out: string, runs: readonly WantedRun[]): void {
  const problems = new Map<string, string>();
  for (const run of runs) {
    const { model } = run.info;
    const problem = problemOf(join(out, run.folder), run);
    if (problem !== null && !problems.has(model)) problems.set(model, problem);
  }
  if (problems.size === 0) return;
  throw new UserError([
    `${out} holds other runs of these names, and nothing was changed; give the models other names, or choose another folder with --out`,
    ...[...problems.values()].map((problem) => `  ${problem}`),
  ].join("\n"));
}

function problemOf(folder: string, { info, folder: _, ...texts }: WantedRun): string | null {
  try {
    checkFolder(folder, true, info, texts);
    return null;
  } catch (error) {
    if (error instanceof UserError) return messageOf(error);
    throw error;
  }
}

const finalPath = (folder: string): string => join(folder, "final.json");

/** null if the run was not measured, or gave no numbers. UserError for a file that is no such record. */
export function readFinal(folder: string): FinalRecord | null {
  const path = finalPath(folder);
  if (!existsSync(path)) return null;
  const record = readJson<FinalRecord>(path);
  const { format, diverged, sequences, bytesPerToken, memoryBytes, adapter } = record;
  const isRecord = format === 1 && (diverged === null || typeof diverged === "string") && Array.isArray(sequences)
    && [bytesPerToken, memoryBytes].every(Number.isFinite) && typeof adapter?.name === "string";
  if (!isRecord) throw new UserError(`${path} is not the record of a run that this version can read; without it the run is measured again`);
  return sequences.every(Number.isFinite) ? record : null;
}

export const writeFinal = (folder: string, record: FinalRecord): void => writeAtomic(finalPath(folder), `${JSON.stringify(record)}\n`);

/** Why a run has no result. */
export interface Failure {
  readonly format: 1;
  readonly failed: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

const failurePath = (folder: string): string => `${folder}.failed.json`;

/** null if the run did not fail. */
export function readFailure(folder: string): Failure | null {
  if (!existsSync(failurePath(folder))) return null;
  const record = readJson<Failure>(failurePath(folder));
  return record.format === 1 && typeof record.failed === "string" && Number.isFinite(record.at) ? record : null;
}

export const writeFailure = (folder: string, error: unknown): void =>
  writeAtomic(failurePath(folder), `${JSON.stringify({ format: 1, failed: messageOf(error), at: Date.now() } satisfies Failure)}\n`);

export const removeFailure = (folder: string): void => rmSync(failurePath(folder), { force: true });

const timesPath = (out: string): string => join(out, "step-times.json");

/** null if there are none that this version can read: they can be measured again. */
export function readStepTimes(out: string): StepTimes | null {
  if (!existsSync(timesPath(out))) return null;
  const times = readJson<StepTimes>(timesPath(out));
  const { format, adapter, variants } = times;
  const rounds = Object.values(variants ?? {}).map((variant) => variant?.rounds);
  const areTimes = rounds.every((seconds) => Array.isArray(seconds) && seconds.length > 0 && seconds.every(Number.isFinite));
  return format === 1 && typeof adapter?.name === "string" && areTimes ? times : null;
}

export const writeStepTimes = (out: string, times: StepTimes): void => writeAtomic(timesPath(out), `${JSON.stringify(times, null, 2)}\n`);
