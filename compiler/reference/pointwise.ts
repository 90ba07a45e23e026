/** Expressions in float64. */
import type { BinaryOp, Expr, UnaryOp } from "../ir/expr.ts";

/** Fills a row of `out` from place `at`; the inputs' rows start at `starts`, and go on by `steps`, 0 where a column is broadcast. */
type Row = (
  out: Float64Array, at: number, columns: number, inputs: readonly Float64Array[], starts: readonly number[], steps: readonly number[],
) => void;

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

/** A spelling by which `readsColumn` knows it. */
const COLUMN = "(+i)";

/** JavaScript of an expression, in parentheses where it needs them. */
function text(e: Expr): string {
  switch (e.op) {
    case "in": return `x${e.index}[start${e.index} + i * step${e.index}]`;
    case "const": return `(${Object.is(e.value, -0) ? "-0" : e.value})`;
    case "col": return COLUMN;
    case "select": return `(${text(e.x)} ${COMPARE[e.cond]} ${text(e.y)} ? ${text(e.a)} : ${text(e.b)})`;
    case "add": case "sub": case "mul": case "div": case "max": case "min": return BINARY[e.op](text(e.a), text(e.b));
    default: return UNARY[e.op](text(e.a));
  }
}

/** Whether equal inputs give different values from column to column. */
export const readsColumn = (e: Expr): boolean => text(e).includes(COLUMN);

/** By number of inputs and text: the same few expressions are all over a model, and in the next one. */
const compiled = new Map<string, Row>();

/** The function that an expression of so many inputs means; compiled, because closures for each node take several times as long. */
export function compileRow(e: Expr, inputs: number): Row {
  const body = text(e);
  const key = `${inputs} ${body}`;
  const row = compiled.get(key) ?? compile(body, inputs);
  compiled.set(key, row);
  return row;
}

function compile(body: string, inputs: number): Row {
  const each = (name: string): string => `[${Array.from({ length: inputs }, (_, i) => `${name}${i}`).join(", ")}]`;
  const loop = `for (let i = 0; i < columns; i++) out[at + i] = ${body};`;
  const source = `return (out, at, columns, ${each("x")}, ${each("start")}, ${each("step")}) => { ${loop} };`;
  return (new Function("erf", source) as (erf: (x: number) => number) => Row)(erf);
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
