/**
 * Activations that need no definition, one row each: of feed-forward blocks, and functions in expressions. Gradients, reference and shader
 * follow from the expression.
 */
import { add, constant, erf, exp, log, max, mul, neg, sigmoid, tanh } from "./expr.ts";
import type { Expr } from "./expr.ts";
import type { BuiltInActivation } from "./model-spec.ts";

const relu = (x: Expr): Expr => max(x, constant(0));
const half = (x: Expr): Expr => mul(constant(0.5), x);
const cubic = (x: Expr): Expr => add(x, mul(constant(0.044715), mul(x, mul(x, x))));

export const ACTIVATIONS: Readonly<Record<BuiltInActivation, (x: Expr) => Expr>> = {
  relu,
  relu2: (x) => mul(relu(x), relu(x)), // So et al. 2021, Primer
  gelu: (x) => mul(half(x), add(constant(1), erf(mul(x, constant(Math.SQRT1_2))))), // Hendrycks and Gimpel 2016
  gelu_tanh: (x) => mul(half(x), add(constant(1), tanh(mul(constant(Math.sqrt(2 / Math.PI)), cubic(x))))),
  silu: (x) => mul(x, sigmoid(x)),
  softplus: (x) => add(relu(x), log(add(constant(1), exp(neg(max(x, neg(x))))))), // log(1 + eˣ), without overflow
};
