/** Expressions rewritten as they are built, and walks over them. */
import { add, constant, div, input, max, min, mul, neg, select, sub } from "../ir/expr.ts";
import type { BinaryOp, Expr, UnaryOp } from "../ir/expr.ts";
import { unreachable } from "../ir/tensor-type.ts";

/** Scalar meaning of the unary operations; null where folding leaves it to the back ends. */
export const fold1 = (op: UnaryOp, a: number): number | null => {
  switch (op) {
    case "neg": return -a;
    case "exp": return Math.exp(a);
    case "log": return Math.log(a);
    case "sqrt": return Math.sqrt(a);
    case "rsqrt": return 1 / Math.sqrt(a);
    case "tanh": return Math.tanh(a);
    case "sigmoid": return 1 / (1 + Math.exp(-a));
    case "erf": return null; // left to the back ends
    default: return unreachable(op);
  }
};

/** Arithmetic of two numbers. */
export const fold2: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: Math.max,
  min: Math.min,
};

/** Shaders have no literals for other numbers. */
const isStored = (value: number): boolean => Number.isFinite(Math.fround(value));

const isConst = (e: Expr, value: number): boolean => e.op === "const" && e.value === value;

/** The same value with constants folded, neutral elements dropped and factors moved into selections between a value and 0. */
export function simplify(e: Expr): Expr {
  switch (e.op) {
    case "in":
    case "const":
    case "col": return e;
    case "select": return simplifySelect({ ...e, x: simplify(e.x), y: simplify(e.y), a: simplify(e.a), b: simplify(e.b) });
    case "add": case "sub": case "mul": case "div": case "max": case "min": return simplifyBinary(e.op, simplify(e.a), simplify(e.b));
    default: return simplifyUnary(e.op, simplify(e.a));
  }
}

function simplifyUnary(op: UnaryOp, a: Expr): Expr {
  if (a.op === "const") {
    const value = fold1(op, a.value);
    if (value !== null && isStored(value)) return constant(value);
  }
  if (op === "neg" && a.op === "neg") return a.a;
  return { op, a };
}

function simplifySelect(e: Extract<Expr, { op: "select" }>): Expr {
  return JSON.stringify(e.a) === JSON.stringify(e.b) ? e.a : e;
}

function simplifyBinary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (a.op === "const" && b.op === "const" && isStored(fold2[op](a.value, b.value))) return constant(fold2[op](a.value, b.value));
  switch (op) {
    case "add": return isConst(a, 0) ? b : isConst(b, 0) ? a : b.op === "neg" ? sub(a, b.a) : add(a, b);
    case "sub": return isConst(b, 0) ? a : isConst(a, 0) ? simplifyUnary("neg", b) : b.op === "neg" ? add(a, b.a) : sub(a, b);
    case "mul": return simplifyMul(a, b);
    case "div": return isConst(a, 0) ? a : isConst(b, 1) ? a : a.op === "neg" ? neg(div(a.a, b)) : div(a, b);
    case "max": return max(a, b);
    case "min": return min(a, b);
    default: return unreachable(op);
  }
}

function simplifyMul(a: Expr, b: Expr): Expr {
  if (isConst(a, 0) || isConst(b, 0)) return constant(0);
  if (isConst(a, 1)) return b;
  if (isConst(b, 1)) return a;
  if (a.op === "neg") return simplifyUnary("neg", simplifyMul(a.a, b));
  if (b.op === "neg") return simplifyUnary("neg", simplifyMul(a, b.a));
  if (b.op === "select" && hasZero(b)) return select(b.cond, b.x, b.y, simplifyBinary("mul", a, b.a), simplifyBinary("mul", a, b.b));
  if (a.op === "select" && hasZero(a)) return simplifyMul(b, a);
  // c₁ · (c₂ · x) = (c₁c₂) · x
  if (a.op === "const" && b.op === "mul" && b.a.op === "const" && isStored(a.value * b.a.value)) return simplifyMul(
    constant(a.value * b.a.value), b.b,
  );
  if (b.op === "div" && isConst(b.a, 1)) return div(a, b.b);
  return b.op === "const" && a.op !== "const" ? simplifyMul(b, a) : mul(a, b);
}

/** A factor of such a selection may be infinite where 0 is selected (√x guarded by x > 0): inside the selection it does no harm. */
const hasZero = (e: Extract<Expr, { op: "select" }>): boolean => isConst(e.a, 0) || isConst(e.b, 0);

/** Direct parts of an expression. */
export function parts(e: Expr): readonly Expr[] {
  switch (e.op) {
    case "in":
    case "const":
    case "col": return [];
    case "select": return [e.x, e.y, e.a, e.b];
    case "add": case "sub": case "mul": case "div": case "max": case "min": return [e.a, e.b];
    default: return [e.a];
  }
}

/** Which inputs an expression reads, ascending. */
export function inputsOf(e: Expr): readonly number[] {
  const found = e.op === "in" ? [e.index] : parts(e).flatMap(inputsOf);
  return [...new Set(found)].sort((a, b) => a - b);
}

export const readsColumn = (e: Expr): boolean => e.op === "col" || parts(e).some(readsColumn);

/** Replaces each input by an expression. */
export function substitute(e: Expr, replace: (index: number) => Expr): Expr {
  switch (e.op) {
    case "in": return replace(e.index);
    case "const":
    case "col": return e;
    case "select": {
      const [x, y, a, b] = parts(e).map((part) => substitute(part, replace)) as [Expr, Expr, Expr, Expr];
      return { ...e, x, y, a, b };
    }
    case "add": case "sub": case "mul": case "div": case "max": case "min":
      return { op: e.op, a: substitute(e.a, replace), b: substitute(e.b, replace) };
    default: return { op: e.op, a: substitute(e.a, replace) };
  }
}

/** Drops inputs that are not read and merges repeated ones. */
export function compactInputs<T>(e: Expr, inputs: readonly T[]): { readonly expr: Expr; readonly inputs: readonly T[] } {
  const used = [...new Set(inputsOf(e).map((index) => inputs[index]!))];
  return { expr: substitute(e, (index) => input(used.indexOf(inputs[index]!))), inputs: used };
}
