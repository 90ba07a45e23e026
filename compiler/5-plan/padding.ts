/** Whether storage outside a value's shape comes out as 0 by itself: else whoever stores the value must mask. */
import { evaluate } from "../expr/evaluate.ts";
import { inputsOf, parts, readsColumn } from "../expr/simplify.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { isRowScalar, type Facts } from "./facts.ts";

/** @param isZero values whose padding is 0 for sure: those in storage, and what a contraction has just made */
export function padsWithZero(
  facts: Facts, isZero: (value: ValueId) => boolean, asked: ValueId, memo: Map<ValueId, boolean> = new Map(),
): boolean {
  const value = facts.through(asked);
  const known = memo.get(value);
  if (known !== undefined) return known;
  const node = facts.producer(value);
  const result = isZero(value) ? true
    : node.op.kind === "reduce" ? padsWithZero(facts, isZero, node.inputs[0]!, memo)
    : node.op.kind === "map" && keepsZero(node.op.expr, node.inputs.map((input) => (
      !isRowScalar(facts.type(input)) && padsWithZero(facts, isZero, input, memo))));
  memo.set(value, result);
  return result;
}

/** Whether the result is surely 0 where every column-valued input is 0 (row scalars may be anything). */
function keepsZero(expr: Expr, inputIsColumn: readonly boolean[]): boolean {
  const zero = (e: Expr): boolean => keepsZero(e, inputIsColumn);
  switch (expr.op) {
    case "in": return inputIsColumn[expr.index]!;
    case "const": return expr.value === 0;
    case "neg": case "sqrt": case "tanh": case "erf": return zero(expr.a);
    case "add": case "sub": case "max": case "min": return zero(expr.a) && zero(expr.b);
    case "mul": return (zero(expr.a) && finiteAtZero(expr.b, inputIsColumn)) || (zero(expr.b) && finiteAtZero(expr.a, inputIsColumn));
    case "select": return zero(expr.a) && zero(expr.b);
    default: return false;
  }
}

/**
 * Whether the result is finite there too: x · log x is not. Row scalars are taken to be finite, and not 0 where something is divided by
 * them.
 */
function finiteAtZero(expr: Expr, inputIsColumn: readonly boolean[]): boolean {
  const known = (e: Expr): boolean => !readsColumn(e) && inputsOf(e).every((index) => inputIsColumn[index]);
  const value = (e: Expr): number => evaluate(e, inputIsColumn.map(() => 0));
  if (known(expr)) return Number.isFinite(value(expr));
  if (expr.op === "div" && known(expr.b) && value(expr.b) === 0) return false;
  return parts(expr).every((part) => finiteAtZero(part, inputIsColumn));
}
