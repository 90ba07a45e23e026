/** A field's value: from what the author wrote to what its type says, or a diagnostic. */
import { nearest, type Reporter } from "../diagnostics/index.ts";
import { grouped, oneOf, plural } from "../diagnostics/entry.ts";
import type { ValueAst } from "../ir/ast.ts";
import type { Span } from "../ir/source.ts";
import { chooseFunction } from "./choose-function.ts";
import type { Field, FieldType, FieldValue } from "./field.ts";
import type { Context } from "./settings.ts";
import { vanishes } from "./single-precision.ts";

/** "a whole number", "`true` or `false`": what may stand behind a field's name. */
export function expected(type: FieldType): string {
  switch (type.type) {
    case "int": return "a whole number";
    case "number": return type.words.length === 0 ? "a number" : `a number or ${oneOf(type.words)}`;
    case "flag": return oneOf(["true", "false", ...type.words]);
    case "choice": return oneOf(type.choices);
    case "function": return `${type.choices.map((name) => `\`${name}\``).join(", ")} or the name of a \`fn\``;
    case "set": return `${oneOf(type.choices)}, or several of them with commas between`;
    case "groups": return type.groups.map((group) => oneOf(group)).join(", and ");
    case "numbers": return `${type.count} numbers with a comma between`;
    case "list": return `one or more ${type.whole ? "whole " : ""}numbers with commas between`;
    case "names": return `${type.of} with commas between, files in quotes`;
    case "name": return "the name of a model";
  }
}

/** "from 1 to 65,536" */
export function range(type: FieldType): string {
  switch (type.type) {
    case "int": return `from ${grouped(type.min)} to ${grouped(type.max)}`;
    case "number": case "list": {
      const end = `${type.type === "number" && type.below ? "below " : type.open ? "at most " : ""}${plain(type.max)}`;
      return type.open ? `greater than ${plain(type.min)} and ${end}` : `from ${plain(type.min)} to ${end}`;
    }
    case "numbers": return `from ${plain(type.min)} to below ${plain(type.max)}`;
    default: return "";
  }
}

const plain = (value: number): string => (Math.abs(value) >= 1e4 ? grouped(value) : String(value));

/** Null if wrong, and then reported. `values` is not empty. */
export function readValue(
  name: string, field: Field<unknown>, values: readonly ValueAst[], { report, functions }: Pick<Context, "report" | "functions">,
): FieldValue | null {
  const { type } = field;
  const all = spanOf(values);
  const wrong = (value: ValueAst | null): null => {
    report.report("wrong-value", value?.span ?? all, {
      name, expected: expected(type), found: value === null ? plural(values.length, "value") : describe(value),
    });
    return null;
  };
  if (type.type === "set" || type.type === "groups") return readWords(name, type, values, report, wrong);
  if (type.type === "numbers") return values.length === type.count ? readNumbers(name, type, values, report, wrong) : wrong(null);
  if (type.type === "list") return distinct(name, values, report) ? readNumbers(name, type, values, report, wrong) : null;
  if (type.type === "names") return distinct(name, values, report) ? readNames(values, wrong) : null;
  const value = values[0]!;
  if (values.length > 1) return wrong(null);
  switch (type.type) {
    case "int": return value.kind !== "number" || !Number.isInteger(value.value) ? wrong(value) : inRange(name, type, value, report);
    case "number": return readNumberOrWord(name, type, value, report, wrong);
    case "flag": return value.kind !== "word" || !["true", "false", ...type.words].includes(value.text) ? wrong(value)
      : type.words.includes(value.text) ? value.text : value.text === "true";
    case "choice": return value.kind === "word" ? chosen(name, type.choices, value.text, value.span, report) : wrong(value);
    case "function": return value.kind === "word" ? chooseFunction(name, type.choices, value.text, value.span, functions, report)
      : wrong(value);
    case "name": return value.kind === "word" ? value.text : wrong(value);
  }
}

type Wrong = (value: ValueAst | null) => null;
type Of<T extends FieldType["type"]> = Extract<FieldType, { readonly type: T }>;

function inRange(
  name: string, type: Of<"int"> | Of<"list"> | Of<"number"> | Of<"numbers">, value: Extract<ValueAst, { kind: "number" }>, report: Reporter,
): number | null {
  const low = (type.type === "number" || type.type === "list") && type.open ? value.value > type.min : value.value >= type.min;
  const high = type.type === "numbers" || (type.type === "number" && type.below) ? value.value < type.max : value.value <= type.max;
  if (!low || !high) {
    report.report("out-of-range", value.span, { name, value: value.text, range: range(type) });
    return null;
  }
  const bound = roundsTo(type, value.value);
  if (bound !== null) report.report("indistinct-number", value.span, { what: `\`${name}\` is ${value.text}`, bound });
  return bound === null ? value.value : null;
}

/** 0, or the excluded end of the range, where devices, which compute in single precision, could not tell a number from it; else null. */
function roundsTo(type: FieldType, value: number): number | null {
  if (vanishes(value)) return 0;
  return type.type === "number" && type.below && Math.fround(value) >= type.max ? type.max : null;
}

function readNumberOrWord(name: string, type: Of<"number">, value: ValueAst, report: Reporter, wrong: Wrong): number | string | null {
  if (value.kind === "number") return inRange(name, type, value, report);
  if (value.kind === "string" || type.words.length === 0) return wrong(value);
  return type.words.includes(value.text) ? value.text : wrong(value);
}

function readNumbers(
  name: string, type: Of<"numbers"> | Of<"list">, values: readonly ValueAst[], report: Reporter, wrong: Wrong,
): readonly number[] | null {
  const isNumber = (value: ValueAst): value is Extract<ValueAst, { kind: "number" }> =>
    value.kind === "number" && (type.type === "numbers" || !type.whole || Number.isInteger(value.value));
  const out = values.map((value) => (isNumber(value) ? inRange(name, type, value, report) : wrong(value)));
  return out.every((value) => value !== null) ? out : null;
}

function readNames(values: readonly ValueAst[], wrong: Wrong): readonly string[] | null {
  const out = values.map((value) => (value.kind === "number" ? wrong(value) : value.kind === "string" ? value.value : value.text));
  return out.every((value) => value !== null) ? out : null;
}

/** False, and reported, if one is there twice. */
function distinct(name: string, values: readonly ValueAst[], report: Reporter): boolean {
  const said = (value: ValueAst): string | number => (value.kind === "word" ? value.text : value.value);
  const twice = values.find((value, i) => values.findIndex((other) => said(other) === said(value)) < i);
  if (twice !== undefined) report.report("repeated-value", twice.span, { name, value: twice.text });
  return twice === undefined;
}

function readWords(
  name: string, type: Of<"set"> | Of<"groups">, values: readonly ValueAst[], report: Reporter, wrong: Wrong,
): readonly string[] | null {
  const choices = type.type === "set" ? type.choices : type.groups.flat();
  const words: string[] = [];
  for (const value of values) {
    if (value.kind !== "word") return wrong(value);
    if (chosen(name, choices, value.text, value.span, report) === null) return null;
    if (words.includes(value.text)) {
      report.report("repeated-value", value.span, { name, value: value.text });
      return null;
    }
    const rival = type.type === "groups" ? words.find((w) => type.groups.some((g) => g.includes(w) && g.includes(value.text))) : undefined;
    if (rival !== undefined) {
      report.report("conflicting-values", value.span, { name, first: rival, second: value.text });
      return null;
    }
    words.push(value.text);
  }
  return type.type === "set" ? choices.filter((c) => words.includes(c)) : type.groups.map((g) => g.find((w) => words.includes(w)) ?? g[0]!);
}

function chosen(name: string, choices: readonly string[], word: string, span: Span, report: Reporter): string | null {
  if (choices.includes(word)) return word;
  report.report("unknown-choice", span, { name, found: word, nearest: nearest(word, choices), choices, definition: null });
  return null;
}

function describe(value: ValueAst): string {
  return value.kind === "number" ? value.text : value.kind === "string" ? `the string ${value.text}` : `\`${value.text}\``;
}

export const spanOf = (values: readonly { readonly span: Span }[]): Span =>
  ({ ...values[0]!.span, end: values[values.length - 1]!.span.end });
