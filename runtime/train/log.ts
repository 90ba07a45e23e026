/** log.jsonl: one JSON record per step, in order, each step once. */
import { appendFileSync, closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { cannotRead, cannotWrite, systemCode } from "../errors.ts";
import { makeDirectory } from "../files/folder.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import { keepAside } from "../files/written.ts";
import type { RoutingRecord } from "./routing.ts";

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
  /** Where routing is counted, now and then: see routing.ts. */
  readonly routing?: RoutingRecord;
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

/** What is whole in the log: every step once, in order. Of two records of a step, the later. */
export const readLog = (path: string): readonly StepRecord[] => scan(path).records;

interface Scan {
  readonly records: readonly StepRecord[];
  /** What the records leave out, but for a bad last line: that is the last write of a run that was killed. */
  readonly leftOut: readonly string[];
}

function scan(path: string): Scan {
  const found = linesOf(path).map((line, i, { length }) => ({ number: i + 1, isLast: i + 1 === length, record: parse(line) }));
  const whole = found.flatMap(({ number, record }) => (record === null ? [] : [{ number, record }]));
  const latest = new Map(whole.map(({ number, record: { step } }) => [step, number]));
  const isLatest = ({ number, record }: (typeof whole)[number]): boolean => latest.get(record.step) === number;
  const [last, earlier] = [whole.filter(isLatest), whole.filter((line) => !isLatest(line))];
  return {
    records: last!.map(({ record }) => record).sort((a, b) => a.step - b.step),
    leftOut: [
      ...found.filter(({ record, isLast }) => record === null && !isLast).map(({ number }) => `line ${number} is no record`),
      ...earlier!.map(({ number, record }) => `line ${number} is of step ${record.step}, which comes again`),
    ],
  };
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").replace(/\n+$/, "").split("\n");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw cannotRead(path, error);
  }
}

const NUMBERS = ["loss", "ce_loss", "reg_loss", "grad_norm", "lr", "tokens", "seconds"] as const;

function parse(line: string): StepRecord | null {
  try {
    const record = JSON.parse(line) as StepRecord | null;
    // 1e999 is read as infinite, and would be written as null.
    return Number.isSafeInteger(record?.step) && NUMBERS.every((name) => Number.isFinite(record?.[name])) ? record : null;
  } catch {
    return null;
  }
}

/**
 * Drops what was logged after `step`: those steps will be done again. Where more would be lost, a copy of the log is kept beside it.
 * @param note is told what is wrong with the log, in a sentence
 */
export function reopenLog(path: string, step: number, note: (text: string) => void): void {
  const { records, leftOut } = scan(path);
  const kept = records.filter((record) => record.step <= step);
  if (leftOut.length > 0) {
    note(`${path} was damaged: ${some(leftOut)}. It is kept as ${keepAside(path, "damaged")}; the whole records go on`);
  }
  const missing = gaps(kept, step);
  if (missing.length > 0) note(`${path} does not know ${some(missing)}`);
  writeLog(path, kept);
}

/** In place of what is there. */
export const writeLog = (path: string, records: readonly StepRecord[]): void =>
  writeAtomic(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));

const some = (parts: readonly string[]): string =>
  `${parts.slice(0, 3).join(", ")}${parts.length > 3 ? ` and ${parts.length - 3} more` : ""}`;

/** Of the steps 1 to `last`, those without a record. */
function gaps(records: readonly StepRecord[], last: number): readonly string[] {
  const steps = [0, ...records.map((record) => record.step), last + 1];
  return steps.slice(1).flatMap((next, i) => {
    const [from, to] = [steps[i]! + 1, next - 1];
    return from > to ? [] : [from === to ? `step ${from}` : `steps ${from} to ${to}`];
  });
}
