import {
  accessSync, closeSync, constants, fchmodSync, fsyncSync, openSync, readdirSync, realpathSync, renameSync, rmSync, statSync, writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { cannotWrite, systemCode } from "../errors.ts";
import { makeDirectory } from "./folder.ts";
import { isAlive } from "./process.ts";

/**
 * Replaces a file as a whole: after a crash at any moment the path holds the old content or the new, never a part. The
 * content is written beside the target, synced, renamed over it, and the directory is synced. Missing directories are made.
 * A link stays, and what it leads to is replaced; a device or pipe is written to. A failure leaves the old file; UserError for a
 * path that is a mistake, EnvironmentError for a full disk and what the system refuses.
 */
export function writeAtomic(path: string, data: string | Uint8Array): void {
  writeAtomicChunks(path, [typeof data === "string" ? Buffer.from(data) : data]);
}

/** As writeAtomic, for content that is not in memory as a whole. */
export function writeAtomicChunks(path: string, chunks: Iterable<Uint8Array>): void {
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isFile() === true) requireWriteAccess(path);
    if (there === undefined) replace(path, chunks);
    else if (there.isFile() || there.isDirectory()) replace(realpathSync(path), chunks, there.mode);
    else writeInto(path, "w", chunks);
  } catch (error) {
    throw systemCode(error) === "" ? error : cannotWrite(path, error);
  }
}

/** What is renamed onto a file needs no right to write it: whoever took that right away meant something by it. */
const requireWriteAccess = (path: string): void => accessSync(path, constants.W_OK);

/** @param mode rights of the file that was there, which stay */
function replace(path: string, chunks: Iterable<Uint8Array>, mode?: number): void {
  const directory = dirname(path);
  makeDirectory(directory);
  removeLeftovers(path);
  writeThenRename(join(directory, `${prefixOf(path)}${process.pid}-${randomBytes(4).toString("hex")}`), path, chunks, mode);
  syncDirectory(directory);
}

const prefixOf = (path: string): string => `.${basename(path)}.tmp-`;

function writeThenRename(temporary: string, path: string, chunks: Iterable<Uint8Array>, mode: number | undefined): void {
  try {
    writeInto(temporary, "wx", chunks, (file) => {
      if (mode !== undefined) fchmodSync(file, mode & 0o777);
      fsyncSync(file);
    });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeInto(path: string, flags: "w" | "wx", chunks: Iterable<Uint8Array>, finish: (file: number) => void = () => {}): void {
  const file = openSync(path, flags);
  try {
    for (const chunk of chunks) writeAll(file, chunk);
    finish(file);
  } finally {
    closeSync(file);
  }
}

/** One write moves at most 2 GiB, and may move less than it was given. */
function writeAll(file: number, chunk: Uint8Array): void {
  const step = 2 ** 30;
  for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at, Math.min(step, chunk.length - at));
}

/** Makes the rename durable. Windows cannot sync directories, and need not. */
function syncDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const file = openSync(directory, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Temporary files of writers of this path that were killed. Files of living processes stay. */
function removeLeftovers(path: string): void {
  const prefix = prefixOf(path);
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (pid > 0 && pid !== process.pid && !isAlive(pid)) rmSync(join(dirname(path), name), { force: true });
  }
}
