/** Options that several commands share, and the checks of their values. */
import { InvalidArgumentError, type Command } from "commander";
import { dirname } from "node:path";
import { UserError } from "../runtime/errors.ts";
import { requireWritable } from "../runtime/files/folder.ts";

export interface SpecOptions {
  readonly model?: string;
  readonly set: readonly string[];
}

export interface AdapterOption {
  readonly adapter?: string;
}

const collect = (value: string, sofar: readonly string[]): readonly string[] => [...sofar, value];

export function addSpecOptions(command: Command): Command {
  return command.option("--model <name>", "the model to take, where a file has several").option("--set <path=value>", "override a field of the spec (repeatable)", collect, []);
}

export function addAdapterOption(command: Command): Command {
  return command.option("--adapter <name>", "gpu, lavapipe, swiftshader, or a part of an adapter's name (default: the best there is)");
}

export function addDataOption(command: Command, required: boolean): Command {
  const [flags, text] = ["--data <source...>", "files, a quoted glob, - for standard input, or a built-in source (typescript, scan)"] as const;
  return required ? command.requiredOption(flags, text) : command.option(flags, text);
}

/** A parser for commander: a folder to write into, which is tried here, before any work. */
export function outFolder(text: string): string {
  requireWritable(notEmpty(text));
  return text;
}

/** A parser for commander: a file to write. */
export function outFile(text: string): string {
  requireWritable(dirname(notEmpty(text)));
  return text;
}

function notEmpty(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("--out is empty.");
}

/** A parser for commander: whole numbers from `min` on, with commas between. */
export const wholes = (min: number) => (text: string): readonly number[] => text.split(",").map((part) => whole(min)(part.trim()));

/** A parser for commander: whole numbers from `min` on. */
export const whole = (min: number) => (text: string): number => {
  const value = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll("_", "")) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new InvalidArgumentError(`It must be a whole number of at least ${min}.`);
};

/** A parser for commander: finite numbers. */
export const decimal = (min: number) => (text: string): number => {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= min) return value;
  throw new InvalidArgumentError(`It must be a number of at least ${min}.`);
};

/** A parser for commander: a part of 1 that is not nothing. */
export function share(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("It must be a number above 0 and at most 1.");
}

/**
 * `--data` takes all words up to the next option, so specs that come after it end up among the data; their ending tells them apart.
 * UserError if there is no spec.
 */
export function separateSpecs(files: readonly string[], data: readonly string[]): { readonly files: readonly string[]; readonly data: readonly string[] } {
  const isSpec = (word: string): boolean => word.endsWith(".moeut");
  const specs = [...files, ...data.filter(isSpec)];
  if (specs.length === 0) throw new UserError("name a spec (FILE.moeut)");
  return { files: specs, data: data.filter((word) => !isSpec(word)) };
}
