/** Pointwise expressions as WGSL. The same text works for f32 and vec4f operands. */
import { inputsOf, parts, readsColumn } from "../graph/simplify.ts";
import type { BinaryOp, Expr, UnaryOp } from "../ir/expr.ts";
import { compileExpr } from "../reference/pointwise.ts";

export type Lanes = "f32" | "vec4f";

const UNARY: Readonly<Record<UnaryOp, (a: string, lanes: Lanes) => string>> = {
  neg: (a) => `-(${a})`,
  exp: (a) => `exp(${a})`,
  log: (a) => `log(${a})`,
  sqrt: (a) => `sqrt(${a})`,
  rsqrt: (a) => `inverseSqrt(${a})`,
  // SwiftShader returns NaN for tanh of large arguments; beyond 15 it is 1 in f32 anyway.
  tanh: (a, lanes) => `tanh(clamp(${a}, ${lanes}(-15.0), ${lanes}(15.0)))`,
  sigmoid: (a, lanes) => `(${lanes}(1.0) / (${lanes}(1.0) + exp(-(${a}))))`,
  erf: (a, lanes) => `erf_${lanes}(${a})`,
};

const BINARY: Readonly<Record<BinaryOp, (a: string, b: string) => string>> = {
  add: (a, b) => `(${a} + ${b})`,
  sub: (a, b) => `(${a} - ${b})`,
  mul: (a, b) => `(${a} * ${b})`,
  div: (a, b) => `(${a} / ${b})`,
  max: (a, b) => `max(${a}, ${b})`,
  min: (a, b) => `min(${a}, ${b})`,
};

const COMPARE = { eq: "==", lt: "<", le: "<=" } as const;

/** The shortest f32 literal that reads back as the nearest float32. */
export function literal(value: number): string {
  const nearest = Math.fround(value);
  let digits = 1;
  while (Math.fround(Number(nearest.toPrecision(digits))) !== nearest) digits++; // 9 always suffice
  const text = String(Number(nearest.toPrecision(digits))).replace("e+", "e");
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** @param inputs WGSL of each input, already of type `lanes`  @param column WGSL of the column index as f32 (or vec4f) */
export function exprWgsl(expr: Expr, inputs: readonly string[], column: string, lanes: Lanes): string {
  const emit = (e: Expr): string => exprWgsl(e, inputs, column, lanes);
  switch (expr.op) {
    case "in": return inputs[expr.index]!;
    case "const": return `${lanes}(${literal(expr.value)})`;
    case "col": return column;
    case "select": return `select(${emit(expr.b)}, ${emit(expr.a)}, ${emit(expr.x)} ${COMPARE[expr.cond]} ${emit(expr.y)})`;
    default: return "b" in expr ? BINARY[expr.op](emit(expr.a), emit(expr.b)) : UNARY[expr.op](emit(expr.a), lanes);
  }
}

export const usesErf = (expr: Expr): boolean =>
  expr.op === "erf" || ["a", "b", "x", "y"].some((key) => key in expr && usesErf((expr as unknown as Record<string, Expr>)[key]!));

/** Abramowitz and Stegun 7.1.26 has 1.5e-7 absolute error: f32 accuracy, without branches. */
export const erfWgsl = (lanes: Lanes): string => `
fn erf_${lanes}(x: ${lanes}) -> ${lanes} {
  let t = ${lanes}(1.0) / (${lanes}(1.0) + 0.3275911 * abs(x));
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (${lanes}(1.0) - tail * exp(-x * x));
}`;

/** Whether the result is surely 0 where every column-valued input is 0 (row scalars may be anything): then padding stays 0 by itself. */
export function keepsZero(expr: Expr, inputIsColumn: readonly boolean[]): boolean {
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

/** Whether the result is finite there too: x · log x is not. Row scalars are taken to be finite, and not 0 where something is divided by them. */
function finiteAtZero(expr: Expr, inputIsColumn: readonly boolean[]): boolean {
  const known = (e: Expr): boolean => !readsColumn(e) && inputsOf(e).every((index) => inputIsColumn[index]);
  const value = (e: Expr): number => compileExpr(e)(inputIsColumn.map(() => 0), 0);
  if (known(expr)) return Number.isFinite(value(expr));
  if (expr.op === "div" && known(expr.b) && value(expr.b) === 0) return false;
  return parts(expr).every((part) => finiteAtZero(part, inputIsColumn));
}
