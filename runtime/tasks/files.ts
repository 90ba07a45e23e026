/** Published files as they are, plain or gzip, each mistake with file and line. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readBytes } from "../data/read.ts";
import { toText } from "../data/unpack.ts";

/** A file of a task: in the folder of that name, or beside it. UserError if it is in neither. */
export const findFile = (folder: string, task: string, name: string): string =>
  lookForFile(folder, task, name) ?? missing(`${task} needs the file ${name} (or ${name}.gz) in ${join(folder, task)} or ${folder}`);

/** The same, or null. */
export const lookForFile = (folder: string, task: string, name: string): string | null =>
  [join(folder, task), folder].flatMap((place) => [join(place, name), join(place, `${name}.gz`)]).find((path) => existsSync(path)) ?? null;

function missing(what: string): never {
  throw new UserError(what);
}

/** All files with an ending, sorted by name. UserError if there are none. */
export function findFiles(folder: string, task: string, ending: string): readonly string[] {
  const inside = join(folder, task);
  const place = existsSync(inside) ? inside : folder;
  const names = existsSync(place) ? readdirSync(place).filter((name) => name.replace(/\.gz$/, "").endsWith(ending)).sort() : [];
  if (names.length === 0) throw new UserError(`${task} needs files *${ending} (or *${ending}.gz) in ${inside}`);
  return names.map((name) => join(place, name));
}

/** Lines without their ends; an empty last one is none. */
export function linesOf(path: string): readonly string[] {
  const lines = Buffer.from(toText(path, readBytes(path))).toString("utf8").split(/\r?\n/);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** An object for each line; `read` throws what is wrong with it. */
export function jsonLines<T>(path: string, read: (value: Readonly<Record<string, unknown>>, line: number) => T): readonly T[] {
  return linesOf(path).map((text, i) => at(path, i + 1, () => {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("it is no JSON object");
    return read(value as Readonly<Record<string, unknown>>, i + 1);
  }));
}

/** What `read` throws, with file and line. */
export function at<T>(path: string, line: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UserError(`${path}:${line}: ${(error as Error).message}`);
  }
}

export function text(value: Readonly<Record<string, unknown>>, field: string): string {
  const found = value[field];
  if (typeof found !== "string") throw new Error(`the field ${field} is no text`);
  return found;
}

export function index(value: unknown, choices: number, what: string): number {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number < choices) return number;
  throw new Error(`${what} is ${JSON.stringify(value)}, which is none of 0 to ${choices - 1}`);
}

export function texts(value: unknown, what: string): readonly string[] {
  if (Array.isArray(value) && value.length > 1 && value.every((item): item is string => typeof item === "string")) return value;
  throw new Error(`${what} is no list of at least two texts`);
}
