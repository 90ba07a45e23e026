/**
 * One process at a time writes into a folder. Each that wants to puts an empty file there whose name says who it is, and looks for files
 * of others that run: who sees none has the folder. The name is all that counts, so there is no half-written lock; and because no two
 * processes have one name, the file of a process that has ended can be removed without a race. What a crash leaves holds nobody up.
 */
import { closeSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemCode, UserError } from "../errors.ts";
import { mayRun, thisProcess, type ProcessId } from "./process.ts";

/** Another process has the folder; the message says what to do about it. */
export class InUse extends UserError {
  readonly folder: string;
  /** "process 12", "process 12 on node4" */
  readonly holder: string;
  /** On this machine: it is known to run. */
  readonly isHere: boolean;
  /** To a file of the folder. */
  readonly lastWrite: Date;

  constructor(folder: string, { pid, host, since, file }: Holder) {
    const isHere = host === thisProcess().host;
    const holder = isHere ? `process ${pid}` : `process ${pid} on ${host}`;
    const lastWrite = newestIn(folder, since);
    const remedy = isHere ? "wait for it to end, or stop it"
      : `the last file there is of ${timeText(lastWrite)}; if it no longer runs, remove ${join(folder, file)}`;
    super(`${folder} is in use by ${holder} since ${timeText(since)}; ${remedy}`);
    [this.folder, this.holder, this.isHere, this.lastWrite] = [folder, holder, isHere, lastWrite];
  }
}

interface Holder extends ProcessId {
  readonly file: string;
  readonly since: Date;
}

const PREFIX = ".moeut-lock";
const fileName = ({ pid, started, host }: ProcessId): string => [PREFIX, pid, started, host].join("~");

/**
 * Takes the folder, which must exist. InUse, which says who has it; errors of the system as they are.
 * @param patience seconds after which the lock of another is no mere attempt
 * @returns gives it back
 */
export function lock(folder: string, patience: number = ATTEMPT_SECONDS): () => void {
  const own = fileName(thisProcess());
  const release = (): void => rmSync(join(folder, own), { force: true });
  claim(folder, own);
  try {
    waitForTurn(folder, own, patience);
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

function claim(folder: string, own: string): void {
  try {
    closeSync(openSync(join(folder, own), "wx"));
  } catch (error) {
    throw systemCode(error) === "EEXIST" ? new UserError(`${folder} is in use by this process`) : error;
  }
}

/** Time enough for a process to see others and give up, on any machine. */
const ATTEMPT_SECONDS = 5;

/** Of two that come at the same instant, both see the other: the one whose name comes later gives up, and the other waits for that. */
function waitForTurn(folder: string, own: string, patience: number): void {
  for (let other = otherHolder(folder, own); other !== null; other = otherHolder(folder, own)) {
    const age = (Date.now() - other.since.getTime()) / 1000;
    if (own > other.file || Math.abs(age) > patience) throw new InUse(folder, other);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
}

function otherHolder(folder: string, own: string): Holder | null {
  for (const file of readdirSync(folder).filter((name) => name !== own).sort()) {
    const holder = holderOf(folder, file);
    if (holder === null) continue;
    if (mayRun(holder)) return holder;
    rmSync(join(folder, file), { force: true });
  }
  return null;
}

/** Null for files that are no lock, and for locks that are gone by now. */
function holderOf(folder: string, file: string): Holder | null {
  const [prefix, pid, started, host] = file.split("~");
  if (prefix !== PREFIX || host === undefined) return null;
  const stats = statSync(join(folder, file), { throwIfNoEntry: false });
  return stats === undefined ? null : { pid: Number(pid), started: started!, host, file, since: stats.mtime };
}

/** When a file of the folder was last written to, but for locks, which whoever tries it leaves there; at least `since`. */
function newestIn(folder: string, since: Date): Date {
  const times = readdirSync(folder).filter((name) => !name.startsWith(PREFIX))
    .map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return new Date(Math.max(since.getTime(), ...times));
}

const timeText = (time: Date): string => `${time.toISOString().replace("T", " ").slice(0, 19)} UTC`;
