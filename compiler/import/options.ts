/** Options of the official code by name: one table says what each may be; all that is wrong with a configuration is found at once. */
import { nearest } from "../diagnostics/index.ts";

export type OptionValue = number | boolean | string | null;
export type Options = Readonly<Record<string, OptionValue>>;

/**
 * What becomes of an option.
 *   whole, real, flag, word   it shapes the model where it `matters`; without a default it must be given
 *   only                      just this value can be imported where it matters
 *   inert                     it does not change the numbers of the models that can be imported
 */
export type OptionRule =
  | NumberRule
  | { readonly kind: "flag"; readonly default: boolean }
  | { readonly kind: "word"; readonly default?: string | null; readonly words: readonly string[]; readonly matters?: Condition }
  | { readonly kind: "only"; readonly value: OptionValue; readonly because: string; readonly matters?: Condition }
  | { readonly kind: "inert" };

export interface NumberRule {
  readonly kind: "whole" | "real";
  readonly default?: number | null;
  readonly min: number;
  readonly max: number;
  /** Without the least or the greatest number itself. */
  readonly above?: boolean;
  readonly below?: boolean;
  readonly matters?: Condition;
}

/** A number that the rules have made sure of. */
export const number = (options: Options, name: string): number => options[name] as number;

/** An option may matter in the context of others only. */
export type Condition = (options: Options) => boolean;
export type Rules = Readonly<Record<string, OptionRule>>;

/** What several options must be together. Looked at if each of them is sound. */
export interface Relation {
  readonly of: readonly string[];
  readonly holds: Condition;
  readonly otherwise: (options: Options) => string;
}

const always: Condition = () => true;
export const SIZE = { kind: "whole", min: 1, max: 1_048_576 } as const;
/** As deep as a stack may be. */
export const DEPTH = { kind: "whole", min: 1, max: 10_000 } as const;
/** Layers with weights of their own that have names. */
export const GROUP = { kind: "whole", min: 1, max: 1_000 } as const;
export const COUNT = { kind: "whole", min: 1, max: 65_536 } as const;
/** Factors of losses. */
export const WEIGHT = { kind: "real", min: 0, max: 1e6 } as const;
/** A probability of leaving something out. */
export const SHARE = { kind: "real", min: 0, max: 1, below: true } as const;
export const INERT = { kind: "inert" } as const;
export const flag = (fallback: boolean): OptionRule => ({ kind: "flag", default: fallback });
export const word = (fallback: string | null, words: readonly string[], matters: Condition = always): OptionRule =>
  ({ kind: "word", default: fallback, words, matters });
export const only = (value: OptionValue, because: string, matters: Condition = always): OptionRule =>
  ({ kind: "only", value, because, matters });

type Named = Readonly<Record<string, unknown>>;

export interface ReadOptions {
  /** Given or default; those that do not matter or have a problem are left out. */
  readonly options: Options;
  /** A clause each. */
  readonly problems: readonly string[];
}

/** @param label in front of the names in messages @param open options without a rule may be there */
export function readOptions(given: Named, rules: Rules, relations: readonly Relation[], label = "option ", open = false): ReadOptions {
  const names = Object.keys(rules);
  const unknown = open ? [] : Object.keys(given).filter((name) => !names.includes(name)).map((name) => unknownOption(name, names));
  const raw = Object.fromEntries(names.map((name) => [name, plain(given[name], rules[name]!)]));
  const matter = names.filter((name) => mattersIn(rules[name]!, raw));
  const wrong = matter.flatMap((name) => {
    const what = wrongValue(raw[name], rules[name]!);
    return what === null ? [] : [{ name, message: `${label}${name} is ${shown(raw[name])}${what}` }];
  });
  const sound = (name: string): boolean => matter.includes(name) && wrong.every((problem) => problem.name !== name);
  const options = Object.fromEntries(names.filter(sound).map((name) => [name, raw[name] as OptionValue]));
  const unmet = relations.filter(({ of, holds }) => of.every(sound) && !holds(options));
  const messages = [...wrong.map(({ message }) => message), ...unmet.map(({ otherwise }) => `${label}${otherwise(options)}`)];
  return { options, problems: [...unknown, ...messages] };
}

const unknownOption = (name: string, names: readonly string[]): string => {
  const guess = nearest(name, names);
  const hint = guess === null ? "" : ` (did you mean ${guess}?)`;
  return `option ${shown(name).slice(1, -1)} is not known, so what it does to the model is not known either${hint}`;
};

/** The default for what is not given, as null is and what the official command lines call none; true and false for 1 and 0. */
function plain(value: unknown, rule: OptionRule): unknown {
  if (rule.kind === "inert") return null;
  const fallback = rule.kind === "only" ? rule.value : rule.default;
  const isNone = typeof value === "string" && value.toLowerCase() === "none" && fallback === null;
  if (value === undefined || value === null || isNone) return fallback === undefined ? value : fallback;
  return typeof fallback === "boolean" && (value === 0 || value === 1) ? value === 1 : value;
}

const mattersIn = (rule: OptionRule, raw: Named): boolean => !("matters" in rule) || rule.matters!(raw as Options);

/** What follows the option and its value in a message, or null if nothing is wrong. */
function wrongValue(value: unknown, rule: OptionRule): string | null {
  switch (rule.kind) {
    case "inert": return null;
    case "only": return value === rule.value ? null : `: ${rule.because}`;
    case "flag": return typeof value === "boolean" ? null : "; it must be true or false";
    case "word": return isAbsent(value, rule) || rule.words.includes(value as string) ? null : `; ${choice(rule.words)}`;
    default: return isAbsent(value, rule) ? null : wrongNumber(value, rule);
  }
}

const isAbsent = (value: unknown, rule: { readonly default?: OptionValue }): boolean => value === null && rule.default === null;

const choice = (words: readonly string[]): string =>
  words.length === 1 ? `only ${words[0]} is supported` : `what can be imported is ${words.join(", ")}`;

function wrongNumber(value: unknown, { kind, default: fallback, min, max, below = false, above = false }: NumberRule): string | null {
  if (typeof value !== "number" && typeof fallback === "number") return "; it must be a number";
  const isNumber = typeof value === "number" && (kind === "real" ? Number.isFinite(value) : Number.isInteger(value));
  const isSize = kind === "whole" && min === 1;
  if (isSize && !(isNumber && value > 0)) return `; it must be a positive whole number${fallback === null ? " or null" : ""}`;
  const isWithin = isNumber && (above ? value > min : value >= min) && (below ? value < max : value <= max);
  const range = `${above ? "above" : "from"} ${min} to ${below ? "below " : ""}${max}`;
  return isWithin ? null : `; it must be a ${kind === "whole" ? "whole " : ""}number ${range}`;
}

/** A value of any size and depth, in few characters. */
export function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "number") return String(value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? `a list of ${value.length}` : "an object";
  return typeof value === "string" && value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
}
