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
  | { readonly kind: "whole" | "real"; readonly default?: number | null; readonly min: number; readonly max: number; readonly below?: boolean; readonly above?: boolean; readonly matters?: Condition }
  | { readonly kind: "flag"; readonly default: boolean }
  | { readonly kind: "word"; readonly default?: string | null; readonly words: readonly string[]; readonly matters?: Condition }
  | { readonly kind: "only"; readonly value: OptionValue; readonly because: string; readonly matters?: Condition }
  | { readonly kind: "inert" };

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
export const word = (fallback: string | null, words: readonly string[], matters: Condition = always): OptionRule => ({ kind: "word", default: fallback, words, matters });
export const only = (value: OptionValue, because: string, matters: Condition = always): OptionRule => ({ kind: "only", value, because, matters });

/**
 * The options that `rules` know, given or default, and every problem with them, a clause each. An option with a problem is not among the options.
 * @param label in front of the names in messages @param open other options may be there
 */
export function readOptions(given: Readonly<Record<string, unknown>>, rules: Rules, relations: readonly Relation[], label = "option ", open = false): { readonly options: Options; readonly problems: readonly string[] } {
  const names = Object.keys(rules);
  const unknown = open ? [] : Object.keys(given).filter((name) => !names.includes(name)).map((name) => unknownOption(name, names));
  const raw = Object.fromEntries(names.map((name) => [name, plain(given[name], rules[name]!)]));
  const matter = names.filter((name) => mattersIn(rules[name]!, raw));
  const wrong = matter.flatMap((name) => wrongValue(raw[name], rules[name]!).map((what) => ({ name, message: `${label}${what.replace("…", `${name} is ${shown(raw[name])}`)}` })));
  const sound = (name: string): boolean => matter.includes(name) && wrong.every((problem) => problem.name !== name);
  const options = Object.fromEntries(names.filter(sound).map((name) => [name, raw[name] as OptionValue]));
  const unmet = relations.filter(({ of, holds }) => of.every(sound) && !holds(options)).map(({ otherwise }) => `${label}${otherwise(options)}`);
  return { options, problems: [...unknown, ...wrong.map(({ message }) => message), ...unmet] };
}

const unknownOption = (name: string, names: readonly string[]): string => {
  const guess = nearest(name, names);
  return `option ${shown(name).slice(1, -1)} is not known, so what it does to the model is not known either${guess === null ? "" : ` (did you mean ${guess}?)`}`;
};

/** The default for what is not given, as null is and what the official command lines call none; true and false for 1 and 0. */
function plain(value: unknown, rule: OptionRule): unknown {
  if (rule.kind === "inert") return null;
  const fallback = rule.kind === "only" ? rule.value : rule.default;
  const isNone = value === undefined || value === null || (typeof value === "string" && value.toLowerCase() === "none");
  if (isNone) return fallback === undefined ? value : fallback;
  return typeof fallback === "boolean" && (value === 0 || value === 1) ? value === 1 : value;
}

const mattersIn = (rule: OptionRule, raw: Readonly<Record<string, unknown>>): boolean => !("matters" in rule) || rule.matters!(raw as Options);

/** What is wrong, with … for the option and its value; at most one. */
function wrongValue(value: unknown, rule: OptionRule): readonly string[] {
  switch (rule.kind) {
    case "inert": return [];
    case "only": return value === rule.value ? [] : [`…: ${rule.because}`];
    case "flag": return typeof value === "boolean" ? [] : ["…; it must be true or false"];
    case "word": return (value === null && rule.default === null) || rule.words.includes(value as string) ? [] : [`…; ${rule.words.length === 1 ? `only ${rule.words[0]} is supported` : `what can be imported is ${rule.words.join(", ")}`}`];
    default: return value === null && rule.default === null ? [] : wrongNumber(value, rule);
  }
}

type NumberRule = Extract<OptionRule, { kind: "whole" | "real" }>;

function wrongNumber(value: unknown, { kind, default: fallback, min, max, below = false, above = false }: NumberRule): readonly string[] {
  if (typeof value !== "number" && typeof fallback === "number") return ["…; it must be a number"];
  const isNumber = typeof value === "number" && (kind === "real" ? Number.isFinite(value) : Number.isInteger(value));
  if (kind === "whole" && min === 1 && !(isNumber && value > 0)) return [`…; it must be a positive whole number${fallback === null ? " or null" : ""}`];
  const isWithin = isNumber && (above ? value > min : value >= min) && (below ? value < max : value <= max);
  return isWithin ? [] : [`…; it must be a ${kind === "whole" ? "whole " : ""}number ${above ? "above" : "from"} ${min} to ${below ? "below " : ""}${max}`];
}

/** A value of any size and depth, in few characters. */
export function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? `a list of ${value.length}` : "an object";
  return typeof value === "string" && value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
}
