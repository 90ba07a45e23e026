/** Expressions of functions as text that parses back to the same expression. */
import type { Expr } from "../ir/expr.ts";
import type { FnSpec } from "../ir/model-spec.ts";
import { numberText } from "../ir/number-text.ts";
import { bug } from "../ir/tensor-type.ts";

export const printFn = ({ name, expr }: FnSpec): string => `fn ${name}(x) = ${printExpr(expr, 0)}`;

/** How tightly an operation holds its operands, and its sign. */
const CHAINS = { add: [1, "+"], sub: [1, "-"], mul: [2, "*"], div: [2, "/"] } as const;
const NEGATION = 3;
const SIGNS = { lt: "<", le: "<=" } as const;

/** @param around what holds the expression on its left: an operation that holds less tightly stands in parentheses */
function printExpr(e: Expr, around: number): string {
  const call = (name: string, ...parts: readonly Expr[]): string => `${name}(${parts.map((part) => printExpr(part, 0)).join(", ")})`;
  switch (e.op) {
    case "in": return "x";
    case "const": return numberText(e.value);
    case "add": case "sub": case "mul": case "div": {
      const [level, sign] = CHAINS[e.op];
      const text = `${printExpr(e.a, level)} ${sign} ${printExpr(e.b, level + 1)}`;
      return level < around ? `(${text})` : text;
    }
    case "neg": return NEGATION < around ? `(-${printExpr(e.a, NEGATION + 1)})` : `-${printExpr(e.a, NEGATION + 1)}`;
    case "max": case "min": return call(e.op, e.a, e.b);
    case "select": {
      const sign = e.cond === "eq" ? bug("no function compares for equality") : SIGNS[e.cond];
      return `where(${printExpr(e.x, 0)} ${sign} ${printExpr(e.y, 0)}, ${printExpr(e.a, 0)}, ${printExpr(e.b, 0)})`;
    }
    case "col": return bug("no function reads the column");
    default: return call(e.op, e.a);
  }
}
