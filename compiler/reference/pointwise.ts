/** Expressions in float64. */
import type { BinaryOp, Expr, UnaryOp } from "../ir/expr.ts";

/** Of the inputs' elements and the column. */
type Scalar = (inputs: readonly number[], col: number) => number;

const UNARY: Readonly<Record<UnaryOp, (a: string) => string>> = {
  neg: (a) => `(-${a})`,
  exp: (a) => `Math.exp(${a})`,
  log: (a) => `Math.log(${a})`,
  sqrt: (a) => `Math.sqrt(${a})`,
  rsqrt: (a) => `(1 / Math.sqrt(${a}))`,
  tanh: (a) => `Math.tanh(${a})`,
  sigmoid: (a) => `(1 / (1 + Math.exp(-${a})))`,
  erf: (a) => `erf(${a})`,
};

const BINARY: Readonly<Record<BinaryOp, (a: string, b: string) => string>> = {
  add: (a, b) => `(${a} + ${b})`,
  sub: (a, b) => `(${a} - ${b})`,
  mul: (a, b) => `(${a} * ${b})`,
  div: (a, b) => `(${a} / ${b})`,
  max: (a, b) => `Math.max(${a}, ${b})`,
  min: (a, b) => `Math.min(${a}, ${b})`,
};

const COMPARE = { eq: "===", lt: "<", le: "<=" } as const;

/** JavaScript of an expression, in parentheses where it needs them. */
function text(e: Expr): string {
  switch (e.op) {
    case "in": return `x[${e.index}]`;
    case "const": return `(${Object.is(e.value, -0) ? "-0" : e.value})`;
    case "col": return "col";
    case "select": return `(${text(e.x)} ${COMPARE[e.cond]} ${text(e.y)} ? ${text(e.a)} : ${text(e.b)})`;
    case "add": case "sub": case "mul": case "div": case "max": case "min": return BINARY[e.op](text(e.a), text(e.b));
    default: return UNARY[e.op](text(e.a));
  }
}

/** Expressions are never changed, and a graph is evaluated many times. */
const compiled = new WeakMap<Expr, Scalar>();

/** The function that an expression means; compiled, because closures for each node take several times as long. */
export function compileExpr(e: Expr): Scalar {
  const known = compiled.get(e);
  if (known !== undefined) return known;
  const f = (new Function("erf", `return (x, col) => ${text(e)};`) as (erf: (x: number) => number) => Scalar)(erf);
  compiled.set(e, f);
  return f;
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
