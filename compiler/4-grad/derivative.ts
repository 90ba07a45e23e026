/** Derivative rules of pointwise expressions. */
import { add, constant, div, exp, mul, neg, select, sub } from "../ir/expr.ts";
import type { BinaryOp, Expr, UnaryOp } from "../ir/expr.ts";
import { simplify } from "../expr/simplify.ts";

/** ∂f(a)/∂a for each unary operation. */
const UNARY: Readonly<Record<UnaryOp, (a: Expr) => Expr>> = {
  neg: () => constant(-1),
  exp: (a) => exp(a),
  log: (a) => div(constant(1), a),
  sqrt: (a) => mul(constant(0.5), { op: "rsqrt", a }),
  rsqrt: (a) => mul(constant(-0.5), div({ op: "rsqrt", a }, a)),
  tanh: (a) => sub(constant(1), mul({ op: "tanh", a }, { op: "tanh", a })),
  sigmoid: (a) => mul({ op: "sigmoid", a }, sub(constant(1), { op: "sigmoid", a })),
  erf: (a) => mul(constant(2 / Math.sqrt(Math.PI)), exp(neg(mul(a, a)))),
};

/** Derivative of each binary operation, given those of its operands. Where max or min ties, the second operand counts: relu'(0) = 0. */
const BINARY: Readonly<Record<BinaryOp, (a: Expr, b: Expr, da: Expr, db: Expr) => Expr>> = {
  add: (_a, _b, da, db) => add(da, db),
  sub: (_a, _b, da, db) => sub(da, db),
  mul: (a, b, da, db) => add(mul(da, b), mul(a, db)),
  div: (a, b, da, db) => sub(div(da, b), div(mul(db, a), mul(b, b))),
  max: (a, b, da, db) => select("lt", b, a, da, db),
  min: (a, b, da, db) => select("lt", a, b, da, db),
};

/** ∂e/∂(input `index`), simplified. Comparisons are constants. */
export const derivative = (e: Expr, index: number): Expr => simplify(differentiate(e, index));

function differentiate(e: Expr, index: number): Expr {
  switch (e.op) {
    case "in": return constant(e.index === index ? 1 : 0);
    case "const":
    case "col": return constant(0);
    case "select": return select(e.cond, e.x, e.y, differentiate(e.a, index), differentiate(e.b, index));
    case "add": case "sub": case "mul": case "div": case "max": case "min":
      return BINARY[e.op](e.a, e.b, differentiate(e.a, index), differentiate(e.b, index));
    default: return mul(differentiate(e.a, index), UNARY[e.op](e.a));
  }
}
