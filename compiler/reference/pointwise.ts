/** Expressions in float64. */
import { fold2 } from "../graph/simplify.ts";
import type { Expr, UnaryOp } from "../ir/expr.ts";

type Scalar = (inputs: readonly number[], col: number) => number;

const UNARY: Readonly<Record<UnaryOp, (a: number) => number>> = {
  neg: (a) => -a,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (a) => 1 / Math.sqrt(a),
  tanh: Math.tanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  erf,
};

const COMPARE = {
  eq: (x: number, y: number) => x === y,
  lt: (x: number, y: number) => x < y,
  le: (x: number, y: number) => x <= y,
} as const;

/** The function that an expression means: of the inputs' elements and the column. */
export function compileExpr(e: Expr): Scalar {
  switch (e.op) {
    case "in": return (inputs) => inputs[e.index]!;
    case "const": return () => e.value;
    case "col": return (_, col) => col;
    case "select": {
      const [x, y, a, b] = [e.x, e.y, e.a, e.b].map(compileExpr) as [Scalar, Scalar, Scalar, Scalar];
      const holds = COMPARE[e.cond];
      return (inputs, col) => (holds(x(inputs, col), y(inputs, col)) ? a(inputs, col) : b(inputs, col));
    }
    case "add": case "sub": case "mul": case "div": case "max": case "min": {
      const [a, b, f] = [compileExpr(e.a), compileExpr(e.b), fold2[e.op]];
      return (inputs, col) => f(a(inputs, col), b(inputs, col));
    }
    default: {
      const [a, f] = [compileExpr(e.a), UNARY[e.op]];
      return (inputs, col) => f(a(inputs, col));
    }
  }
}

/**
 * Error function to double precision: its power series near 0, the continued fraction of erfc further out.
 * Source: Abramowitz and Stegun 7.1.6 and 7.1.14.
 */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (size > 6) return Math.sign(x);
  if (size < 2.5) return erfSeries(x);
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = k / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / ((size + fraction) * Math.sqrt(Math.PI)));
}

/** 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)) */
function erfSeries(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}
