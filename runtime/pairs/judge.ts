/** What is right about answers, and how much of it over a test set. */
import { ratio } from "../tasks/results.ts";
import type { Pair } from "./pair.ts";

/** 1 or 0 each. */
export interface Judged {
  /** The answer is the right one word for word, and ends there. */
  readonly exact: number;
  /** The same if the end may come neither before nor after that of the right answer: what is wrong apart from when to stop. */
  readonly oracle: number;
}

export interface Answered {
  /** Words in front of the end. */
  readonly answer: string;
  readonly ended: boolean;
  readonly oracle: string;
}

export const judge = ({ target }: Pair, { answer, ended, oracle }: Answered): Judged =>
  ({ exact: Number(answer === target && ended), oracle: Number(oracle === target) });

export interface Share {
  readonly value: number;
  /** null of a single item, which says nothing about it. */
  readonly standardError: number | null;
  readonly items: number;
}

/** Of zeros and ones: their mean, and its standard error. */
export function share(values: readonly number[]): Share {
  const value = values.reduce((a, b) => a + b, 0) / values.length;
  return { value, standardError: values.length < 2 ? null : Math.sqrt((value * (1 - value)) / (values.length - 1)), items: values.length };
}

/** Of tokens that come in items: right ones by all, and the standard error of that from how items differ. */
export const shareOfTokens = (items: readonly { readonly right: number; readonly tokens: number }[]): Share =>
  ({ ...ratio(items.map(({ right }) => right), items.map(({ tokens }) => tokens)), items: items.length });

/** Kinds of COGS that need new structures; all others need known words in new places (Kim and Linzen 2020). */
const STRUCTURAL = ["cp_recursion", "pp_recursion", "obj_pp_to_subj_pp"];

/** Shares by kind, numbers in order; of the generalization set of COGS also of all structural and of all lexical kinds. */
export function byKind(pairs: readonly Pair[], values: readonly number[]): Readonly<Record<string, Share>> {
  const kinds = [...new Set(pairs.map(({ kind }) => kind))].sort((a, b) => (Number(a) - Number(b)) || (a < b ? -1 : 1));
  const isStructural = (kind: string): boolean => STRUCTURAL.includes(kind);
  const of = (wanted: (kind: string) => boolean): Share => share(values.filter((_, i) => wanted(pairs[i]!.kind)));
  const both = kinds.some(isStructural) && !kinds.every(isStructural);
  const means = both ? { structural: of(isStructural), lexical: of((kind) => !isStructural(kind)) } : {};
  return { ...Object.fromEntries(kinds.map((kind) => [kind, of((other) => other === kind)])), ...means };
}
