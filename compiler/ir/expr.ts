/**
 * Pointwise expressions: what one `map` node computes for one element. Data only; the derivative rules are in
 * 4-grad, the WGSL rules in 5-plan, the float64 rules in reference.
 */
export type Expr =
  | { readonly op: "in"; readonly index: number } // element of the map's index-th input
  | { readonly op: "const"; readonly value: number }
  | { readonly op: "col" } // position along the last axis of the output, as a number
  | { readonly op: UnaryOp; readonly a: Expr }
  | { readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  /** cond compares x with y; then a, else b. */
  | { readonly op: "select"; readonly cond: "eq" | "lt" | "le"; readonly x: Expr; readonly y: Expr; readonly a: Expr; readonly b: Expr };

export type UnaryOp = "neg" | "exp" | "log" | "sqrt" | "rsqrt" | "tanh" | "sigmoid" | "erf";
export type BinaryOp = "add" | "sub" | "mul" | "div" | "max" | "min";

export const input = (index: number): Expr => ({ op: "in", index });
export const constant = (value: number): Expr => ({ op: "const", value });
export const col: Expr = { op: "col" };
export const neg = (a: Expr): Expr => ({ op: "neg", a });
export const exp = (a: Expr): Expr => ({ op: "exp", a });
export const log = (a: Expr): Expr => ({ op: "log", a });
export const sqrt = (a: Expr): Expr => ({ op: "sqrt", a });
export const rsqrt = (a: Expr): Expr => ({ op: "rsqrt", a });
export const tanh = (a: Expr): Expr => ({ op: "tanh", a });
export const sigmoid = (a: Expr): Expr => ({ op: "sigmoid", a });
export const erf = (a: Expr): Expr => ({ op: "erf", a });
export const add = (a: Expr, b: Expr): Expr => ({ op: "add", a, b });
export const sub = (a: Expr, b: Expr): Expr => ({ op: "sub", a, b });
export const mul = (a: Expr, b: Expr): Expr => ({ op: "mul", a, b });
export const div = (a: Expr, b: Expr): Expr => ({ op: "div", a, b });
export const max = (a: Expr, b: Expr): Expr => ({ op: "max", a, b });
export const min = (a: Expr, b: Expr): Expr => ({ op: "min", a, b });
export const select = (cond: "eq" | "lt" | "le", x: Expr, y: Expr, a: Expr, b: Expr): Expr => ({ op: "select", cond, x, y, a, b });
