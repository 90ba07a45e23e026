/**
 * Which files of a folder are the tool's: a hidden file there has the SHA-256 of each as it was written. What has another hash was
 * changed by somebody or is theirs, and is not written over.
 */
import { constants, copyFileSync, existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { cannotWrite, systemCode } from "../errors.ts";
import { sha256 } from "./sha256.ts";
import { writeAtomic } from "./write-atomic.ts";

export interface FileContent {
  /** In the folder, with "/". */
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** Hashes by path; several where a writing was cut off, so that either may be there. */
type Written = Readonly<Record<string, readonly string[]>>;

const recordPath = (folder: string): string => join(folder, ".moeut-written.json");

/** Null if there is no record that can be read: then nothing is known to be the tool's. */
function readWritten(folder: string): Written | null {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(recordPath(folder), "utf8")) as object);
    return Object.fromEntries(entries.map(([path, hashes]) => [path, [hashes].flat().map(String)]));
  } catch {
    return null;
  }
}

const record = (folder: string, written: Written): void => writeAtomic(recordPath(folder), `${JSON.stringify(written, null, 1)}\n`);

/** A file of this path was written with writeOwn. */
export const hasOwn = (folder: string, path: string): boolean => Object.hasOwn(readWritten(folder) ?? {}, path);

/** The paths under which the folder holds something that is neither what was written there nor what is to be. */
export function notOwn(folder: string, files: readonly FileContent[]): readonly string[] {
  const written = readWritten(folder) ?? {};
  const hashes = ({ path, content }: FileContent): readonly string[] => [sha256([content]), ...(written[path] ?? [])];
  return files.filter((file) => !isFree(join(folder, file.path), hashes(file))).map(({ path }) => path);
}

/** What was written earlier, is not among the files, and is as it was. */
export function ownLeftovers(folder: string, files: readonly FileContent[]): readonly string[] {
  const still = new Set(files.map(({ path }) => path));
  const earlier = Object.entries(readWritten(folder) ?? {}).filter(([path]) => !still.has(path));
  return earlier.filter(([path, hashes]) => isFree(join(folder, path), hashes)).map(([path]) => path);
}

/** Nothing is there, or a file with one of the hashes. */
function isFree(path: string, hashes: readonly string[]): boolean {
  try {
    return statSync(path).isFile() && hashes.includes(sha256([readFileSync(path)]));
  } catch (error) {
    return systemCode(error) === "ENOENT" && lstatSync(path, { throwIfNoEntry: false }) === undefined; // no link to nothing
  }
}

/** Writes the files over whatever is there, and records them: ask notOwn first. At every moment the record knows what it may find. */
export function writeOwn(folder: string, files: readonly FileContent[]): void {
  const earlier = readWritten(folder) ?? {};
  const now: Written = Object.fromEntries(files.map(({ path, content }) => [path, [sha256([content])]]));
  const either = Object.fromEntries(Object.entries(now).map(([path, hashes]) => [path, [...(earlier[path] ?? []), ...hashes]]));
  record(folder, { ...earlier, ...either });
  for (const { path, content } of files) writeAtomic(join(folder, path), content);
  record(folder, { ...earlier, ...now });
}

/** As writeOwn for one file, but what is not the tool's is kept beside it. @returns where, or null */
export function writeBeside(folder: string, file: FileContent): string | null {
  const kept = notOwn(folder, [file]).length === 0 ? null : keepAside(join(folder, file.path), "changed");
  writeOwn(folder, [file]);
  return kept;
}

/** Copies `name.ext` to `name.WHY-1.ext`, or the next number that is free. @returns where the copy is */
export function keepAside(path: string, why: string): string {
  let n = 1;
  const copy = (): string => path.replace(/(\.\w+)$/, `.${why}-${n}$1`);
  while (existsSync(copy())) n++;
  try {
    copyFileSync(path, copy(), constants.COPYFILE_EXCL);
  } catch (error) {
    throw cannotWrite(copy(), error);
  }
  return copy();
}
