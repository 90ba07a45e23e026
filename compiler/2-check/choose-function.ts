/** A function in place of a built-in activation or score: whether it can be one. */
import { nearest, type Reporter } from "../diagnostics/index.ts";
import { evaluate } from "../expr/evaluate.ts";
import type { Expr } from "../ir/expr.ts";
import type { FnSpec } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import { FUNCTION_NAMES } from "./built-ins.ts";
import { type Functions, scopeAt } from "./functions.ts";
import { ownEntry } from "./own.ts";

/** The built-in choice or the function of a name; null if there is none that fits (reported). */
export function chooseFunction(
  field: string, choices: readonly string[], word: string, span: Span, functions: Functions, report: Reporter,
): string | FnSpec | null {
  if (choices.includes(word)) return word;
  const scope = scopeAt(functions, span);
  const fn = ownEntry(scope, word);
  if (fn === undefined) {
    const all = [...choices, ...Object.values(scope).filter(({ ast }) => ast.params.length === 1).map(({ ast }) => ast.name.text)];
    const definition = FUNCTION_NAMES.includes(word) ? `fn my_${word}(x) = ${word}(x)` : `fn ${word}(x) = …`;
    report.report("unknown-choice", span, { name: field, found: word, nearest: nearest(word, all), choices: all, definition });
    return null;
  }
  const { params, name } = fn.ast;
  if (fn.expr === null) return null;
  if (params.length !== 1) {
    report.report("fn-parameters", span, { field, name: word, count: params.length }, [{ span: name.span, note: "defined here" }]);
    return null;
  }
  if (learns(fn.expr)) return { name: word, expr: fn.expr };
  report.report("constant-fn", span, { name: word }, [{ span: name.span, note: "defined here" }]);
  return null;
}

/** Where sums and logits mostly are: 0, 0.5, -0.5, … -10. */
const TRIED: readonly number[] = Array.from({ length: 41 }, (_, i) => Math.ceil(i / 2) * (i % 2 === 0 ? -0.5 : 0.5) + 0);

/** What the function gives at each number tried. */
export const valuesTried = (expr: Expr): readonly number[] => TRIED.map((x) => evaluate(expr, [x]));

/** The first number tried where the function gives none, and what it gives; or null. */
export function firstHole(expr: Expr): { readonly at: number; readonly value: number } | null {
  const values = valuesTried(expr);
  const hole = values.findIndex((value) => !Number.isFinite(value));
  return hole < 0 ? null : { at: TRIED[hole]!, value: values[hole]! };
}

/** False where its slope is 0 everywhere: no gradient would reach what is in front of it. */
function learns(expr: Expr): boolean {
  return !TRIED.every((x) => evaluate(expr, [x + 0.013]) === evaluate(expr, [x + 0.0131]));
}
