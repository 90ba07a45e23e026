/**
 * What an expression comes to, for the compiler's own questions. The float64 reference has an evaluator of its own: an oracle shares no
 * code with what it checks.
 */
import type { Expr } from "../ir/expr.ts";
import { fold1, fold2 } from "./simplify.ts";

const HOLDS = { eq: (x: number, y: number) => x === y, lt: (x: number, y: number) => x < y, le: (x: number, y: number) => x <= y } as const;

/** @param inputs one element of each input @param column position along the last axis */
export function evaluate(e: Expr, inputs: readonly number[], column = 0): number {
  const value = (part: Expr): number => evaluate(part, inputs, column);
  switch (e.op) {
    case "in": return inputs[e.index]!;
    case "const": return e.value;
    case "col": return column;
    case "select": return HOLDS[e.cond](value(e.x), value(e.y)) ? value(e.a) : value(e.b);
    case "add": case "sub": case "mul": case "div": case "max": case "min": return fold2[e.op](value(e.a), value(e.b));
    case "erf": return erf(value(e.a));
    default: return fold1(e.op, value(e.a))!;
  }
}

/** Absolute error below 1.5e-7 (Abramowitz and Stegun 7.1.26), as in the kernels. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce((sum, c) => sum * t + c, 0) * t;
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}
