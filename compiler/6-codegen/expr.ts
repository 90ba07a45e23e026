/** Pointwise expressions as WGSL. The same text works for f32 and vec4f operands. */
import type { BinaryOp, Expr, UnaryOp } from "../ir/expr.ts";
import type { Lanes } from "../ir/launch.ts";

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
