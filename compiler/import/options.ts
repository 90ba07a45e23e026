/** Options of the official code by name: read with their defaults, refused by name where they ask for something else. */

/** Raised and caught inside this folder only: a configuration that cannot be imported. */
export class ImportProblem extends Error {}

export const refuse = (message: string): never => {
  throw new ImportProblem(message);
};

export type OptionValue = number | boolean | string | null;
export type Options = Readonly<Record<string, OptionValue>>;

/**
 * What becomes of an option.
 *   used    it shapes the model; the value is the default
 *   only    just this value (and null) can be imported
 *   inert   it does not change the numbers of the models that can be imported
 */
export type OptionRule = { readonly used: OptionValue } | { readonly only: OptionValue; readonly because: string } | { readonly inert: true };

/**
 * All options that `rules` lists as used, given or default.
 * ImportProblem for an option that is not listed, has another type than its default, or has a value that cannot be imported.
 */
export function readOptions(given: Readonly<Record<string, unknown>>, rules: Readonly<Record<string, OptionRule>>): Options {
  for (const [name, value] of Object.entries(given)) checkOption(name, value, rules[name]);
  return Object.fromEntries(Object.entries(rules).flatMap(([name, rule]) => ("used" in rule ? [[name, (given[name] as OptionValue | undefined) ?? rule.used]] : [])));
}

function checkOption(name: string, value: unknown, rule: OptionRule | undefined): void {
  if (rule === undefined) return refuse(`option ${name} is not known, so what it does to the model is not known either`);
  if ("only" in rule && value !== null && value !== rule.only) refuse(`option ${name} is ${JSON.stringify(value)}: ${rule.because}`);
  if ("used" in rule && rule.used !== null && value !== null && typeof value !== typeof rule.used) {
    refuse(`option ${name} is ${JSON.stringify(value)}; it must be a ${typeof rule.used}`);
  }
}

export function whole(options: Options, name: string): number {
  const value = options[name];
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : refuse(`option ${name} is ${JSON.stringify(value)}; it must be a positive whole number`);
}

export function real(options: Options, name: string): number {
  const value = options[name];
  return typeof value === "number" && Number.isFinite(value) ? value : refuse(`option ${name} is ${JSON.stringify(value)}; it must be a number`);
}

/** A probability of leaving something out. */
export function share(options: Options, name: string): number {
  const value = real(options, name);
  return value >= 0 && value < 1 ? value : refuse(`option ${name} is ${value}; it must be a number from 0 to below 1`);
}

/** A choice, translated. */
export function translated<T>(options: Options, name: string, table: Readonly<Record<string, T>>): T {
  const value = String(options[name]);
  return Object.hasOwn(table, value) ? table[value]! : refuse(`option ${name} is ${JSON.stringify(options[name])}; what can be imported is ${Object.keys(table).join(", ")}`);
}
