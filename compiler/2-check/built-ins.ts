/** Functions that need no definition. `where` is none of them: its first argument is a comparison. */
import { ACTIVATIONS } from "../ir/activations.ts";
import { add, constant, erf, exp, type Expr, input, log, max, min, neg, rsqrt, sigmoid, sqrt, tanh } from "../ir/expr.ts";
import { ROUTER_SCORES } from "../ir/model-spec.ts";

interface BuiltIn {
  readonly parameters: number;
  /** Over one input per parameter. */
  readonly expr: Expr;
}

const one = (of: (x: Expr) => Expr): BuiltIn => ({ parameters: 1, expr: of(input(0)) });
const two = (of: (x: Expr, y: Expr) => Expr): BuiltIn => ({ parameters: 2, expr: of(input(0), input(1)) });

/** Its slope at 0 is 0. */
const abs = (x: Expr): Expr => add(max(x, constant(0)), max(neg(x), constant(0)));

export const BUILT_INS: Readonly<Record<string, BuiltIn>> = {
  exp: one(exp), log: one(log), sqrt: one(sqrt), rsqrt: one(rsqrt), tanh: one(tanh), sigmoid: one(sigmoid), erf: one(erf), abs: one(abs),
  max: two(max), min: two(min),
  ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([name, of]) => [name, one(of)])),
};

export const FUNCTION_NAMES: readonly string[] = [...Object.keys(BUILT_INS), "where"];

/** A function of such a name could not be told from what is there already. */
export const TAKEN_NAMES: readonly string[] = [...FUNCTION_NAMES, ...ROUTER_SCORES];

/** Names other systems use for what is a function here. */
export const FUNCTION_SYNONYMS: Readonly<Record<string, string>> = {
  ln: "log", swish: "silu", logistic: "sigmoid", if: "where", select: "where", cond: "where", maximum: "max", minimum: "min", fabs: "abs",
};
