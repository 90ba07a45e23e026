/** log.jsonl: one JSON record per step, in order, each step once. */
import { appendFileSync, closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { cannotRead, cannotWrite, systemCode } from "../errors.ts";
import { makeDirectory } from "../files/folder.ts";
import { writeAtomic } from "../files/write-atomic.ts";

/** Losses in nats per token. */
export interface StepRecord {
  /** Steps done, this one included. */
  readonly step: number;
  /** ce_loss + reg_loss, of the weights before the step's update. */
  readonly loss: number;
  readonly ce_loss: number;
  readonly reg_loss: number;
  readonly grad_norm: number;
  readonly lr: number;
  /** Tokens trained on so far. */
  readonly tokens: number;
  /** Wall time of this step, without evaluation and checkpoint. */
  readonly seconds: number;
  /** Mean loss on held-out data after this step, where it was measured. */
  readonly validation_loss?: number;
}

export function appendRecord(path: string, record: StepRecord): void {
  try {
    makeDirectory(dirname(path));
    appendFileSync(path, `${JSON.stringify(record)}\n`);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Makes all records durable, so that a checkpoint never knows more steps than the log. */
export function syncLog(path: string): void {
  try {
    const file = openSync(path, "a");
    fsyncSync(file);
    closeSync(file);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Whole records, up to the first line that is not one (the last write of a run that was killed). */
export function readLog(path: string): readonly StepRecord[] {
  const records: StepRecord[] = [];
  for (const line of linesOf(path)) {
    const record = parse(line);
    if (record === null) break;
    records.push(record);
  }
  return records;
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n").slice(0, -1);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw cannotRead(path, error);
  }
}

function parse(line: string): StepRecord | null {
  try {
    const record = JSON.parse(line) as StepRecord | null;
    return Number.isSafeInteger(record?.step) ? record : null;
  } catch {
    return null;
  }
}

/** Drops what was logged after a checkpoint: those steps will be done again. */
export function truncateLog(path: string, step: number): void {
  const kept = readLog(path).filter((record) => record.step <= step);
  writeAtomic(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
}
