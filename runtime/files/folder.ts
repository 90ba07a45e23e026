/** Folders that are written into: tried before any work is done, and held by one process at a time. */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { cannotRead, EnvironmentError, messageOf, systemCode, UserError } from "../errors.ts";
import { InUse, lock } from "./lock.ts";

/** Tries whether files can be made in the folder, or in what it will be made in; leaves nothing. Errors as for withOwnFolder. */
export function requireWritable(path: string): void {
  const place = ancestors(path).find((above) => kindOf(above) !== null) ?? path;
  try {
    rmdirSync(mkdtempSync(join(place, ".moeut-")));
  } catch (error) {
    throw unusable(path, error);
  }
}

/**
 * Makes the folder if it is missing, does the work, and gives it back; a folder that was made and stayed empty is removed.
 * InUse if another process has it, UserError for a file in its place; EnvironmentError with the system's reason if it cannot be written
 * into.
 * @param patience see lock; BRIEFLY for who comes back anyway
 */
export async function withOwnFolder<T>(path: string, work: () => Promise<T> | T, patience?: number): Promise<T> {
  const release = ownFolder(path, patience);
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

/** Between two looks at what another process has. */
export const POLL_MS = 300;

/** Seconds. Where two that come at the same instant both give up, they will come again. */
export const BRIEFLY = 0.1;

/**
 * As withOwnFolder, but waits while another process has the folder.
 * @param onWait is told once, with what says who has it
 * @returns null if asked to stop before
 */
export async function whenFree<T>(
  path: string, work: () => Promise<T> | T, shouldStop: () => boolean = () => false, onWait: (why: string) => void = () => {},
): Promise<T | null> {
  for (let waited = false; !shouldStop(); waited = true) {
    let isOurs = false;
    try {
      return await withOwnFolder(path, () => ((isOurs = true), work()), BRIEFLY);
    } catch (error) {
      if (isOurs || !(error instanceof InUse)) throw error;
      if (!waited) onWait(error.message);
    }
    await setTimeout(POLL_MS);
  }
  return null;
}

function ownFolder(path: string, patience?: number): () => void {
  if (path === "") throw new UserError("the name of the folder to write into is empty");
  let made: readonly string[] = [];
  try {
    made = makeDirectory(path);
    const unlock = lock(path, patience);
    return () => (unlock(), removeEmpty(made));
  } catch (error) {
    removeEmpty(made);
    throw systemCode(error) === "" ? error : unusable(path, error);
  }
}

/**
 * As `mkdir -p`. Node's own never returns where the system finds nothing below a folder that is there (/proc/x).
 * @returns the folders that were made, the outermost first
 */
export function makeDirectory(path: string): readonly string[] {
  if (isDirectory(path)) return [];
  const above = kindOf(dirname(path)) === null && dirname(path) !== path ? makeDirectory(dirname(path)) : [];
  try {
    mkdirSync(path);
    return [...above, path];
  } catch (error) {
    if (systemCode(error) === "EEXIST" && isDirectory(path)) return above; // another process was quicker
    removeEmpty(above);
    throw error;
  }
}

/** Names of what is in a folder, but for hidden files; none if there is no folder. */
export function entriesOf(path: string): readonly string[] {
  try {
    return readdirSync(path).filter((name) => !name.startsWith("."));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw systemCode(error) === "ENOTDIR" ? unusable(path, error) : cannotRead(path, error);
  }
}

const isDirectory = (path: string): boolean => kindOf(path) === "folder";

function kindOf(path: string): "folder" | "file" | "other" | null {
  try {
    const stats = statSync(path);
    return stats.isDirectory() ? "folder" : stats.isFile() ? "file" : "other";
  } catch {
    return null;
  }
}

/** A file in the way is the user's to see; everything else the system explains. */
function unusable(path: string, error: unknown): UserError | EnvironmentError {
  const inTheWay = ancestors(path).find((place) => kindOf(place) === "file");
  if (inTheWay === path) return new UserError(`${path} is a file; --out takes a folder`);
  if (inTheWay !== undefined) return new UserError(`cannot write into ${path}: ${inTheWay} is a file`);
  return new EnvironmentError(`cannot write into ${path}: ${leadsNowhere(path) ? "it is a symbolic link to nothing" : messageOf(error)}`);
}

const leadsNowhere = (path: string): boolean =>
  kindOf(path) === null && isDirectory(dirname(path)) && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

const ancestors = (path: string): readonly string[] => (dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))]);

function removeEmpty(folders: readonly string[]): void {
  for (const folder of [...folders].reverse()) {
    try {
      rmdirSync(folder);
    } catch {
      return; // in use, or gone
    }
  }
}
