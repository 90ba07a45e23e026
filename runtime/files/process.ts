/** Which process is which, for files that belong to one: a number alone is given to another process after a while. */
import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { systemCode } from "../errors.ts";

/** All parts are short words without spaces. */
export interface ProcessId {
  readonly pid: number;
  /** When it started, in whatever unit the system has; UNKNOWN where it does not say. */
  readonly started: string;
  /** The machine, and on Linux the space of process numbers, which containers have of their own. */
  readonly host: string;
}

const UNKNOWN = "0";

export const thisProcess = (): ProcessId => ({ pid: process.pid, started: startOf(process.pid) ?? UNKNOWN, host: hostId() });

/** False only where it is certain that the process has ended. */
export function mayRun({ pid, started, host }: ProcessId): boolean {
  if (host !== hostId()) return true;
  if (!isAlive(pid)) return false;
  const now = startOf(pid);
  return now === null || started === UNKNOWN || now === started;
}

/** Whether there is a process of this number. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== "ESRCH";
  }
}

const hostId = (): string =>
  `${hostname()} ${readOrEmpty(() => readlinkSync("/proc/self/ns/pid"))}`.trim().replace(/[^\w.-]+/g, "-").slice(0, 120);

/** Null where the system does not say. */
function startOf(pid: number): string | null {
  if (process.platform === "linux") return linuxStart(pid);
  if (process.platform === "win32") return null;
  const env = { ...process.env, LC_ALL: "C", TZ: "UTC" };
  const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8", env });
  const seconds = Date.parse(`${stdout ?? ""} UTC`) / 1000;
  return Number.isFinite(seconds) ? String(seconds) : null;
}

/** Ticks from the boot of the machine to the start of the process, and which boot that was. A zombie has ended: it has no start. */
function linuxStart(pid: number): string | null {
  const stat = readOrEmpty(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // The name of the program comes second, in parentheses, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, ticks] = [fields[0], fields[19]];
  if (ticks === undefined) return null;
  const boot = readOrEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")).slice(0, 8);
  return state === "Z" || state === "X" ? "ended" : `${boot}-${ticks}`;
}

function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
