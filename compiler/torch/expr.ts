/** Pointwise expressions as PyTorch. */
import type { Expr } from "../ir/expr.ts";
import type { Activation, FnSpec } from "../ir/model-spec.ts";
import { bug } from "../ir/tensor-type.ts";
import { number } from "./python.ts";

/** What is known under a name of its own, of a tensor. */
const BUILT_IN: Readonly<Record<Exclude<Activation, FnSpec>, (x: string) => string>> = {
  relu: (x) => `F.relu(${x})`, relu2: (x) => `F.relu(${x}).square()`, gelu: (x) => `F.gelu(${x})`,
  gelu_tanh: (x) => `F.gelu(${x}, approximate="tanh")`, silu: (x) => `F.silu(${x})`, softplus: (x) => `F.softplus(${x})`,
};

/** An activation of a tensor: a function of the spec is called by its name, and `functionText` defines it. */
export const activated = (activation: Activation, x: string): string =>
  (typeof activation === "string" ? BUILT_IN[activation](x) : `${activation.name}(${x})`);

/** A function that a spec defines. */
export const functionText = ({ name, expr }: FnSpec): string => `def ${name}(x: Tensor) -> Tensor:\n    return ${whole(printed(expr, 0))}`;

/** Nothing but a number would be no tensor. */
const whole = (text: string): string => (/\bx\b/.test(text) ? text : `torch.full_like(x, ${text})`);

/** How tightly an operation holds its operands, and its sign. */
const CHAINS = { add: [1, "+"], sub: [1, "-"], mul: [2, "*"], div: [2, "/"] } as const;
const NEGATION = 3;
const METHOD = 4;
const SIGNS = { eq: "==", lt: "<", le: "<=" } as const;
const CLAMPS = { max: "clamp_min", min: "clamp_max" } as const;

/** @param around what holds the expression: an operation that holds less tightly stands in parentheses */
function printed(e: Expr, around: number): string {
  const inside = (level: number, text: string): string => (level < around ? `(${text})` : text);
  switch (e.op) {
    case "in": return "x";
    case "const": return e.value < 0 ? inside(NEGATION, number(e.value)) : number(e.value);
    case "add": case "sub": case "mul": case "div": {
      const [level, sign] = CHAINS[e.op];
      return inside(level, `${printed(e.a, level)} ${sign} ${printed(e.b, level + 1)}`);
    }
    case "neg": return inside(NEGATION, `-${printed(e.a, NEGATION + 1)}`);
    case "max": case "min": return clamped(e.op, e.a, e.b);
    case "select": return `torch.where(${printed(e.x, 0)} ${SIGNS[e.cond]} ${printed(e.y, 0)}, ${printed(e.a, 0)}, ${printed(e.b, 0)})`;
    case "col": return bug("no function reads the column");
    default: return `${printed(e.a, METHOD)}.${e.op}()`;
  }
}

function clamped(op: "max" | "min", a: Expr, b: Expr): string {
  const [number, other] = a.op === "const" ? [a, b] : [b, a];
  return number.op === "const" ? `${printed(other, METHOD)}.${CLAMPS[op]}(${printed(number, 0)})`
    : `torch.${op}imum(${printed(a, 0)}, ${printed(b, 0)})`;
}
