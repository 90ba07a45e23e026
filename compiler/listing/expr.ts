/** Pointwise expressions as a formula over named operands. */
import type { BinaryOp, Expr } from "../ir/expr.ts";
import { numberText } from "../ir/number-text.ts";

/** How tightly an operation holds its operands, and its sign. */
const SIGNS: Readonly<Partial<Record<BinaryOp, readonly [level: number, sign: string]>>> = {
  add: [1, "+"], sub: [1, "-"], mul: [2, "*"], div: [2, "/"],
};
const COMPARISONS = { eq: "==", lt: "<", le: "<=" } as const;

/**
 * @param operands names of what the expression reads
 * @param around how tightly the surrounding operation holds: one that holds less stands in parentheses
 */
export function exprText(e: Expr, operands: readonly string[], around = 0): string {
  const text = (part: Expr, level = 0): string => exprText(part, operands, level);
  switch (e.op) {
    case "in": return operands[e.index]!;
    case "const": return numberText(e.value);
    case "col": return "column";
    case "neg": return `-${text(e.a, 3)}`;
    case "select": return `where(${text(e.x)} ${COMPARISONS[e.cond]} ${text(e.y)}, ${text(e.a)}, ${text(e.b)})`;
    case "add": case "sub": case "mul": case "div": case "max": case "min": return binary(e.op, e.a, e.b, text, around);
    default: return `${e.op}(${text(e.a)})`;
  }
}

function binary(op: BinaryOp, a: Expr, b: Expr, text: (part: Expr, level?: number) => string, around: number): string {
  const written = SIGNS[op];
  if (written === undefined) return `${op}(${text(a)}, ${text(b)})`;
  const [level, sign] = written;
  const chain = `${text(a, level)} ${sign} ${text(b, level + 1)}`;
  return level < around ? `(${chain})` : chain;
}
