/** `fn` statements → expressions: names resolved, and every call replaced by what it computes. */
import { plural } from "../diagnostics/entry.ts";
import { nearest, type Reporter } from "../diagnostics/index.ts";
import { evaluate } from "../expr/evaluate.ts";
import { parts, substitute } from "../expr/simplify.ts";
import type { ArgumentAst, ExprAst, FnAst, NameAst, OperatorSign } from "../ir/ast.ts";
import { add, constant, div, type Expr, input, mul, neg, select, sub } from "../ir/expr.ts";
import type { Span } from "../ir/source.ts";
import { BUILT_INS, FUNCTION_NAMES, FUNCTION_SYNONYMS, TAKEN_NAMES } from "./built-ins.ts";
import { fnsInScope, type LoadedFile } from "./files.ts";
import { ownEntry } from "./own.ts";
import { vanishes } from "./single-precision.ts";

export interface CheckedFn {
  readonly ast: FnAst;
  /** Over one input per parameter; null if something in it is wrong (reported). */
  readonly expr: Expr | null;
}

/** What names mean in one file. */
export type Scope = Readonly<Record<string, CheckedFn>>;

export interface Functions {
  /** By file. */
  readonly scopes: Readonly<Record<string, Scope>>;
  /** Of the file that is checked; overrides mean its functions. */
  readonly main: Scope;
}

export const scopeAt = ({ scopes, main }: Functions, span: Span): Scope => ownEntry(scopes, span.file) ?? main;

/**
 * A pointwise function has a dozen operations; this is far more, and little enough for a derivative that grows with the square. Calls nest
 * no deeper.
 */
const MOST_OPERATIONS = 200;

interface State {
  readonly report: Reporter;
  readonly files: Readonly<Record<string, LoadedFile>>;
  readonly known: Map<FnAst, Expr | null>;
  /** Functions whose calls are being replaced, the outermost first. */
  readonly open: FnAst[];
}

/** Inside one function. */
interface Inside extends State {
  readonly fn: FnAst;
}

/** @param all the file that is checked first, then those that it imports and they import */
export function checkFunctions(all: readonly LoadedFile[], report: Reporter): Functions {
  const files = Object.fromEntries(all.map((f) => [f.ast.file, f]));
  const state: State = { report, files, known: new Map(), open: [] };
  const scopes = Object.fromEntries(Object.entries(files).map(([name, f]) => [name, scopeOf(f, state)]));
  return { scopes, main: scopes[all[0]!.ast.file]! };
}

const scopeOf = (file: LoadedFile, state: State): Scope =>
  Object.fromEntries(fnsInScope(file).map((ast) => [ast.name.text, { ast, expr: inlined(ast, state) }]));

function inlined(fn: FnAst, state: State): Expr | null {
  const known = state.known.get(fn);
  if (known !== undefined) return known;
  checkNames(fn, state.report);
  state.open.push(fn);
  const expr = fn.body === null ? null : expression(fn.body, { ...state, fn });
  state.open.pop();
  state.known.set(fn, expr);
  return expr;
}

function checkNames({ name, params }: FnAst, report: Reporter): void {
  if (TAKEN_NAMES.includes(name.text)) report.report("fn-name-taken", name.span, { name: name.text });
  params.forEach((param, i) => {
    if (params.findIndex((p) => p.text === param.text) < i) report.report("repeated-value", param.span, {
      name: name.text, value: param.text,
    });
  });
}

/** Null if something in it is wrong; then it has been reported. */
function expression(e: ExprAst, cx: Inside): Expr | null {
  switch (e.kind) {
    case "number": return sound(constant(e.value), e.span, cx);
    case "parameter": return parameter(e, cx);
    case "negative": {
      const of = expression(e.of, cx);
      return of === null ? null : sound(neg(of), e.span, cx);
    }
    case "chain": return chain(e, cx);
    case "call": return e.name.text === "where" ? where(e, cx) : call(e, cx);
  }
}

const OPERATORS: Readonly<Record<OperatorSign, (a: Expr, b: Expr) => Expr>> = { "+": add, "-": sub, "*": mul, "/": div };

function chain(e: Extract<ExprAst, { kind: "chain" }>, cx: Inside): Expr | null {
  const operands = [e.first, ...e.rest.map(({ operand }) => operand)].map((operand) => expression(operand, cx));
  if (!operands.every((operand) => operand !== null)) return null;
  if (e.rest.length > MOST_OPERATIONS) return tooLarge(e.span, cx);
  return sound(operands.reduce((left, right, i) => OPERATORS[e.rest[i - 1]!.sign](left, right)), e.span, cx);
}

/** Null (reported) where it is too large, or a part of it is a number that is none. */
function sound(e: Expr, span: Span, cx: Inside): Expr | null {
  if (operations(e) > MOST_OPERATIONS) return tooLarge(span, cx);
  const constants = constantsIn(e);
  const [wrong, tiny] = [constants.map(Math.fround).find((value) => !Number.isFinite(value)), constants.find(vanishes)];
  if (wrong !== undefined) cx.report.report("not-finite", span, { value: String(wrong) });
  else if (tiny !== undefined) cx.report.report("indistinct-number", span, { what: `part of this is ${tiny}`, bound: 0 });
  return wrong === undefined && tiny === undefined ? e : null;
}

function tooLarge(span: Span, { report, fn }: Inside): null {
  report.report("fn-too-large", span, { name: fn.name.text, limit: MOST_OPERATIONS });
  return null;
}

/**
 * What the parts without parameters come to: shader compilers refuse one that is no number in single precision even where it is not
 * selected.
 */
const constantsIn = (e: Expr): readonly number[] => [...(readsInput(e) ? [] : [evaluate(e, [])]), ...parts(e).flatMap(constantsIn)];

const readsInput = (e: Expr): boolean => e.op === "in" || parts(e).some(readsInput);

/** @param inputs operations of what will stand in place of each input */
const operations = (e: Expr, inputs: readonly number[] = []): number =>
  e.op === "in" ? (inputs[e.index] ?? 0) : parts(e).reduce((sum, part) => sum + operations(part, inputs), parts(e).length === 0 ? 0 : 1);

function parameter({ text, span }: Extract<ExprAst, { kind: "parameter" }>, { fn, report }: Inside): Expr | null {
  const names = fn.params.map((p) => p.text);
  if (names.includes(text)) return input(names.indexOf(text));
  report.report("unknown-parameter", span, {
    fn: fn.name.text, name: text, nearest: nearest(text, names), choices: names, isFunction: FUNCTION_NAMES.includes(text),
  });
  return null;
}

type Call = Extract<ExprAst, { kind: "call" }>;

function where({ name, args, span }: Call, cx: Inside): Expr | null {
  const [condition, ...branches] = args;
  if (condition?.kind !== "comparison" || branches.length !== 2) {
    cx.report.report("wrong-arguments", name.span, { name: "where", takes: "a comparison and two values", example: "where(x < 0, 0, x)" });
    return null;
  }
  const [a, b] = values(branches, cx);
  const [left, right] = [expression(condition.left, cx), expression(condition.right, cx)];
  if (!a || !b || left === null || right === null) return null;
  const swapped = condition.sign.startsWith(">");
  const [x, y] = swapped ? [right, left] : [left, right];
  return sound(select(condition.sign.endsWith("=") ? "le" : "lt", x, y, a, b), span, cx);
}

/** A comparison is no value. */
function values(args: readonly ArgumentAst[], cx: Inside): readonly (Expr | null)[] {
  return args.map((arg) => {
    if (arg.kind !== "comparison") return expression(arg, cx);
    cx.report.report("misplaced-comparison", arg.span, {});
    return null;
  });
}

function call({ name, args, span }: Call, cx: Inside): Expr | null {
  const given = values(args, cx);
  const called = calledFunction(name, cx);
  if (called === null) return reportUnknown(name.text, name.span, cx);
  const { parameters, place, expr } = called;
  if (expr !== null && parameters !== args.length) {
    const example = `${name.text}(${Array.from({ length: parameters }, (_, i) => "xyzabc"[i] ?? "…").join(", ")})`;
    cx.report.report(
      "wrong-arguments", name.span, { name: name.text, takes: `${plural(parameters, "argument")}, not ${args.length}`, example },
      place === null ? [] : [{ span: place, note: "defined here" }],
    );
    return null;
  }
  if (expr === null || !given.every((arg) => arg !== null)) return null;
  // What would be too large is not even made: calls within calls double it each time.
  const size = operations(expr, given.map((arg) => operations(arg)));
  return size > MOST_OPERATIONS ? tooLarge(span, cx) : sound(substitute(expr, (index) => given[index]!), span, cx);
}

interface Called {
  readonly parameters: number;
  /** Where it is defined; null for what needs no definition. */
  readonly place: Span | null;
  /** Over one input per parameter; null if something in it is wrong (reported). */
  readonly expr: Expr | null;
}

function calledFunction(name: NameAst, cx: Inside): Called | null {
  const builtIn = ownEntry(BUILT_INS, name.text);
  if (builtIn !== undefined) return { ...builtIn, place: null };
  const fn = visible(cx).find((f) => f.name.text === name.text);
  if (fn === undefined) return null;
  return { parameters: fn.params.length, place: fn.name.span, expr: isReported(fn, name.span, cx) ? null : inlined(fn, cx) };
}

/** True (and reported) for a call that would not end, or calls that nest too deep. */
function isReported(fn: FnAst, span: Span, { open, fn: around, report }: Inside): boolean {
  const circle = open.slice(open.indexOf(fn)).map((f) => f.name.text);
  if (open.includes(fn)) report.report("fn-cycle", span, { names: circle }, [{ span: fn.name.span, note: "defined here" }]);
  else if (open.length > MOST_OPERATIONS) report.report("fn-too-large", span, { name: around.name.text, limit: MOST_OPERATIONS });
  else return false;
  return true;
}

const visible = ({ files, fn }: Inside): readonly FnAst[] => fnsInScope(files[fn.span.file]!);

function reportUnknown(name: string, span: Span, cx: Inside): null {
  const choices = [...FUNCTION_NAMES, ...visible(cx).map((f) => f.name.text)];
  const isParameter = cx.fn.params.some((p) => p.text === name);
  cx.report.report("unknown-function", span, {
    name, choices, isParameter, nearest: ownEntry(FUNCTION_SYNONYMS, name) ?? nearest(name, choices),
  });
  return null;
}
