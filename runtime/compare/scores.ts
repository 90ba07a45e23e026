/**
 * What tasks say about the run in a folder, by the steps behind the weights:
 *
 *   tasks/step-00001000/NAME-ID.json          TaskScore, or why there is none
 *   tasks/step-00001000/NAME-ID.items.jsonl   what came out for every item
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import { readJson } from "../train/run-folder.ts";

/** The first figure of a task. */
export interface Headline {
  readonly metric: string;
  /** More is better. */
  readonly value: number;
  /** What guessing gets; null where that is not known. */
  readonly chance: number | null;
  /** By what items are divided by, and the part. */
  readonly parts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What each item counts, in the order of the items. */
  readonly values: readonly number[];
  /** The number of each item's group: the value is the mean over groups of the means over their items. */
  readonly groups: readonly number[];
}

export interface TaskScore extends Headline {
  readonly format: 1;
  readonly task: string;
  readonly id: string;
  readonly step: number;
}

/** A task that could not be measured: a text is too long for the model, say. */
export interface TaskFailure {
  readonly format: 1;
  readonly failed: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A task with its items at hand. */
export interface CompareTask {
  readonly name: string;
  /** Of the items and how they are scored: only scores of the same are held against each other. */
  readonly id: string;
  /** Measures the weights that are current in a run folder. */
  readonly score: (folder: string) => Promise<{ readonly step: number; readonly headline: Headline; readonly records: readonly object[] }>;
}

const scorePath = (folder: string, { name, id }: CompareTask, step: number): string =>
  join(folder, "tasks", `step-${String(step).padStart(8, "0")}`, `${name.replace(/\W+/g, "-").slice(-40)}-${id.slice(0, 8)}.json`);

/** null if the task was not measured, or if the record is none that this version can read: then it is measured again. */
export function readScore(folder: string, task: CompareTask, step: number): TaskScore | TaskFailure | null {
  const path = scorePath(folder, task, step);
  if (!existsSync(path)) return null;
  const record = readJson<Partial<TaskScore> & Partial<TaskFailure>>(path);
  if (record.format !== 1) return null;
  if (typeof record.failed === "string" && Number.isFinite(record.at)) return record as TaskFailure;
  const { id, value, values, groups } = record;
  const isScore = id === task.id && Number.isFinite(value) && Array.isArray(values) && values.every(Number.isFinite)
    && Array.isArray(groups) && groups.length === values.length;
  return isScore ? (record as TaskScore) : null;
}

export const isScore = (record: TaskScore | TaskFailure | null): record is TaskScore => record !== null && !("failed" in record);

/** Whether there is nothing to do: failures from before `since` are tried again. */
export function isScored(folder: string, task: CompareTask, step: number, since: number): boolean {
  const record = readScore(folder, task, step);
  return record !== null && (isScore(record) || record.at > since);
}

/** Measures a task at the weights that are current, and keeps what comes out. A failure is kept too, and returned. */
export async function score(folder: string, task: CompareTask, step: number): Promise<unknown> {
  const path = scorePath(folder, task, step);
  try {
    const { headline, records, ...at } = await task.score(folder);
    if (at.step !== step) throw new Error(`${folder} has the weights of step ${at.step}, and those of step ${step} were to be measured`);
    writeAtomic(path.replace(/\.json$/, ".items.jsonl"), records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    writeAtomic(path, `${JSON.stringify({ format: 1, task: task.name, id: task.id, step, ...headline } satisfies TaskScore)}\n`);
    return null;
  } catch (error) {
    writeAtomic(path, `${JSON.stringify({ format: 1, failed: messageOf(error), at: Date.now() } satisfies TaskFailure)}\n`);
    return error;
  }
}
