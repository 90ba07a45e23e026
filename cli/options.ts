/** Options that several commands share, and the checks of their values. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { dirname } from "node:path";
import { UserError } from "../runtime/errors.ts";
import { requireWritable } from "../runtime/files/folder.ts";

export interface SetOption {
  readonly set: readonly string[];
}

export interface SpecOptions extends SetOption {
  readonly model?: string;
}

export interface AdapterOption {
  readonly adapter?: string;
  readonly threads?: number;
}

/** A parser for commander: all values of a repeatable option. */
export const collect = (value: string, sofar: readonly string[]): readonly string[] => [...sofar, value];

/** A command declares what it uses and nothing else: commander refuses the rest. */
export function addSetOption(command: Command): Command {
  return command.option("--set <path=value>", "override a field of the spec (repeatable)", collect, []);
}

export function addSpecOptions(command: Command): Command {
  return addSetOption(command.option("--model <name>", "the model to take, where a file has several", filled));
}

export function addAdapterOptions(command: Command): Command {
  const names = "gpu, cpu, lavapipe, swiftshader, or a part of an adapter's name (default: the best there is)";
  return command.addOption(new Option("--adapter <name>", names).argParser(filled))
    .option("--threads <n>", "of the adapter cpu (default: one for each core)", whole(1));
}

/** An adapter that is not there is said before anything is read or compiled. */
export function addAdapterOption(command: Command): Command {
  return addAdapterOptions(command).hook("preAction", async () => {
    const { requireAdapter } = await import("../runtime/adapter/find.ts");
    await requireAdapter(command.opts<AdapterOption>().adapter);
  });
}

export const LIMIT = "only the first n items of each part of a task: a group of a benchmark, a kind of pairs";

/** UserError if one of the options was given. @param why they do nothing: another option, for instance "--ir ast" */
export function refuseOptions(command: Command, names: readonly string[], why: string): void {
  const given = names.find((name) => command.getOptionValueSource(keyOf(name)) === "cli");
  if (given !== undefined) throw new UserError(`--${given} does nothing beside ${why}; leave one of them out`);
}

/** Of all of its options, as they are written behind two dashes. */
export const namesOf = ({ options }: Command): readonly string[] => options.map(({ long }) => long!.slice(2));

/** As commander keeps `max-tokens`: maxTokens. */
const keyOf = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The overrides with a number of steps from an option of its own. UserError if --set has another. */
export function withSteps(set: readonly string[], steps: number | undefined): readonly string[] {
  if (steps === undefined) return set;
  const other = set.find((override) => /^\s*train\.steps\s*=/.test(override));
  if (other !== undefined) throw new UserError(`give --steps ${steps} or --set ${other}, not both`);
  return [...set, `train.steps=${steps}`];
}

export function addDataOption(command: Command, required: boolean): Command {
  const kinds = "a prepared corpus, files, directories, a quoted glob, - for standard input, typescript or scan";
  const [flags, text] = ["--data <source...>", `${kinds}; or pairs: scan:SPLIT, listops, cogs:DIR, pairs:FILE`] as const;
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

/** A parser for commander: any text but none. */
export function filled(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("It is empty.");
}

function notEmpty(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("--out is empty.");
}

/** A parser for commander: words with commas between. */
export const list = (text: string): readonly string[] => text.split(",").map((part) => part.trim());
/** A parser for commander: whole numbers from `min` on, with commas between. */
export const wholes = (min: number) => (text: string): readonly number[] => text.split(",").map((part) => whole(min)(part.trim()));

/** A parser for commander: whole numbers from `min` on. */
export const whole = (min: number) => (text: string): number => {
  const value = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll("_", "")) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${min} to ${Number.MAX_SAFE_INTEGER}.`);
};

/** A parser for commander: finite numbers. */
export const decimal = (min: number) => (text: string): number => {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= min) return value;
  throw new InvalidArgumentError(`It must be a number of at least ${min}.`);
};

/** A parser for commander: finite numbers above 0. */
export function positive(text: string): number {
  const value = decimal(0)(text);
  if (value > 0) return value;
  throw new InvalidArgumentError("It must be a number above 0.");
}

/** A parser for commander: a part of 1, which may be nothing. */
export function part(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= 0 && value < 1) return value;
  throw new InvalidArgumentError("It must be a number from 0 to below 1.");
}

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
export function separateSpecs(
  files: readonly string[], data: readonly string[],
): { readonly files: readonly string[]; readonly data: readonly string[] } {
  const isSpec = (word: string): boolean => word.endsWith(".moeut");
  const specs = [...files, ...data.filter(isSpec)];
  if (specs.length === 0) throw new UserError("name a spec (FILE.moeut)");
  return { files: specs, data: data.filter((word) => !isSpec(word)) };
}
