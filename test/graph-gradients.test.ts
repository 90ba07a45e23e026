/** Gradient rules of single operations against central differences in float64. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ACTIVATIONS } from "../compiler/ir/activations.ts";
import { derivative } from "../compiler/4-grad/derivative.ts";
import { emitOne } from "../compiler/graph/builder.ts";
import type { GraphBuilder } from "../compiler/graph/builder.ts";
import { attention, expertMatmul, gatherLast, gatherRows, map, matmul, rope, rowMax, sum, topK, view } from "../compiler/graph/dsl.ts";
import { simplify } from "../compiler/expr/simplify.ts";
import { validateGraph } from "../compiler/graph/validate.ts";
import { addGradients } from "../compiler/4-grad/index.ts";
import {
  add, col, constant, div, erf, exp, input, log, max, min, mul, neg, rsqrt, select, sigmoid, sqrt, sub, tanh,
} from "../compiler/ir/expr.ts";
import type { Expr } from "../compiler/ir/expr.ts";
import type { TensorType, ValueId } from "../compiler/ir/graph.ts";
import { channels, paddedAxes, plain } from "../compiler/ir/tensor-type.ts";
import { erf as erf64 } from "../compiler/reference/pointwise.ts";
import { randomParams, tinyGraph, valueAt, worstSlope } from "./support/tiny-graph.ts";

const [x, y] = [input(0), input(1)];

describe("derivatives of expressions", () => {
  const CASES: Readonly<Record<string, Expr>> = {
    neg: neg(x), exp: exp(x), log: log(x), sqrt: sqrt(x), rsqrt: rsqrt(x), tanh: tanh(x), sigmoid: sigmoid(x), erf: erf(x),
    add: add(x, y), sub: sub(x, y), mul: mul(x, y), div: div(x, y), max: max(x, y), min: min(x, y),
    select: select("lt", x, y, mul(x, x), exp(y)), column: mul(col, x), nested: exp(sub(mul(x, tanh(y)), log(add(mul(x, x), constant(1))))),
    ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([name, f]) => [name, f(x)])),
    ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([name, f]) => [`${name} left of 0`, f(neg(x))])),
  };
  const points = [[0.7, 1.3], [1.9, 0.8], [0.35, 2.5]] as const;

  test.each(Object.entries(CASES))("%s", (_, e) => {
    for (const [a, b] of points) {
      for (const index of [0, 1]) {
        const h = 1e-5;
        const at = (t: number): number => valueAt(e, index === 0 ? [a + t, b] : [a, b + t], 3);
        expect(valueAt(derivative(e, index), [a, b], 3)).toBeCloseTo((at(h) - at(-h)) / (2 * h), 8);
      }
    }
  });

  test("relu has slope 0 at 0, as in the official code", () => expect(valueAt(derivative(ACTIVATIONS.relu(x), 0), [0])).toBe(0));
});

/** Values from tables of the error function (Abramowitz and Stegun, table 7.1). */
test.each([[0, 0], [0.1, 0.1124629160182849], [1, 0.8427007929497149], [2.4, 0.9993114861033549], [2.6, 0.9997639655834707], [-1, -0.8427007929497149], [7, 1]])("erf(%f)", (a, want) =>
  expect(Math.abs(erf64(a) - want)).toBeLessThan(1e-15));

const { expr: anyExpr } = fc.letrec<{ expr: Expr }>((tie) => ({
  expr: fc.oneof({ maxDepth: 4 },
    fc.constantFrom<Expr>(x, y, col, constant(0), constant(1), constant(2.5), constant(-1)),
    fc.tuple(fc.constantFrom("neg" as const, "tanh" as const, "sigmoid" as const), tie("expr")).map(([op, a]): Expr => ({ op, a })),
    fc.tuple(fc.constantFrom("add" as const, "sub" as const, "mul" as const, "max" as const, "min" as const), tie("expr"), tie("expr")).map(([op, a, b]): Expr => ({ op, a, b })),
    fc.tuple(tie("expr"), tie("expr"), tie("expr"), tie("expr")).map(([p, q, a, b]) => select("lt", p, q, a, b))),
}));

test("simplifying keeps the value", () => {
  fc.assert(fc.property(anyExpr, fc.double({ min: -3, max: 3, noNaN: true }), fc.double({ min: -3, max: 3, noNaN: true }), (e, a, b) => {
    const [want, got] = [valueAt(e, [a, b], 2), valueAt(simplify(e), [a, b], 2)];
    return Math.abs(want - got) <= 1e-9 * Math.max(1, Math.abs(want));
  }), { numRuns: 500 });
});

const u32 = (b: GraphBuilder, name: "tokens" | "targets" | "position", shape: readonly number[]): ValueId =>
  emitOne(b, name, { kind: "input", name }, [], plain(shape, "u32"));

interface Case {
  readonly types: readonly TensorType[];
  readonly build: (b: GraphBuilder, params: readonly ValueId[]) => ValueId;
  readonly inputs?: Readonly<Record<string, readonly number[]>>;
}

const mapCase = (types: readonly TensorType[], expr: Expr, inputs = types.map((_, i) => i)): Case =>
  ({ types, build: (b, p) => map(b, "map", expr, inputs.map((i) => p[i]!)) });
const two = mul(x, tanh(y));
const choices = (n: number, experts: number, k: number): readonly number[] =>
  Array.from({ length: n * k }, (_, i) => (Math.floor(i / k) * 3 + (i % k) * 2) % experts);

/** Sizes are multiples of nothing; each case names what it would catch. */
const CASES: Readonly<Record<string, Case>> = {
  "map, both dense": mapCase([channels([2, 3, 7]), channels([2, 3, 7])], two),
  "map, one value twice": mapCase([channels([2, 3, 7])], mul(x, exp(y)), [0, 0]),
  "map, operand broadcast along the first axis": mapCase([channels([2, 3, 7]), channels([1, 3, 7])], two),
  "map, operand broadcast along a middle axis": mapCase([channels([2, 3, 7]), channels([2, 1, 7])], two),
  "map, operand broadcast along the last axis": mapCase([channels([2, 3, 7]), plain([2, 3, 1])], two),
  "map, operand broadcast along both leading axes": mapCase([channels([2, 3, 7]), channels([1, 1, 7])], two),
  "map, operand broadcast along outer axes": mapCase([channels([2, 3, 7]), plain([1, 3, 1])], two),
  "map, scalar operand": mapCase([channels([2, 3, 7]), plain([1, 1, 1])], two),
  "map, operands broadcast against each other": mapCase([plain([2, 3, 1]), channels([1, 1, 7])], two),
  "map that ignores a broadcast axis": mapCase([channels([2, 3, 7]), plain([2, 3, 1])], add(x, mul(constant(2), y))),
  "map of the column": mapCase([plain([2, 3, 1]), channels([2, 3, 5])], add(mul(col, x), y)),
  "map of the column, only operand broadcast": { types: [plain([2, 3, 1])], build: (b, [p]) => map(b, "map", select("lt", col, constant(2), x, mul(col, x)), [p!], channels([2, 3, 5])) },
  "map wider than its inputs": { types: [plain([2, 1, 1])], build: (b, [p]) => map(b, "map", exp(x), [p!], channels([2, 3, 5])) },
  "row sum": { types: [channels([2, 3, 7])], build: (b, [p]) => map(b, "square", mul(x, x), [sum(b, "sum", p!, 2)]) },
  "sum over a middle axis": { types: [channels([2, 3, 7])], build: (b, [p]) => map(b, "square", mul(x, x), [sum(b, "sum", p!, 1)]) },
  "softmax": {
    types: [channels([2, 3, 7])],
    build: (b, [p]) => {
      const e = map(b, "exp", exp(sub(x, y)), [p!, rowMax(b, "max", p!)]);
      return map(b, "softmax", div(x, y), [e, sum(b, "sum", e, -1)]);
    },
  },
  "view that merges": { types: [channels([2, 3, 7])], build: (b, [p]) => map(b, "exp", exp(x), [view(b, "view", p!, [6, 7])]) },
  "view of a sum, broadcast and split again": {
    types: [channels([2, 3, 2, 7])],
    build: (b, [p]) => map(b, "exp", exp(x), [view(b, "out", sum(b, "sum", view(b, "slots", p!, [2, 6, 7]), 1), [2, 7])]),
  },
  "view of a partly broadcast gradient": {
    types: [plain([2, 3, 2])],
    build: (b, [p]) => sum(b, "sum", view(b, "view", view(b, "merged", map(b, "tanh", tanh(x), [p!]), [6, 2]), [2, 6]), 1),
  },
  "nn": { types: [channels([2, 3, 5]), paddedAxes([5, 7], [0, 1])], build: (b, [a, c]) => matmul(b, "mm", "nn", a!, 2, c!, 1) },
  "nt, split axes": { types: [channels([2, 3, 5]), paddedAxes([2, 7, 5], [1, 2])], build: (b, [a, c]) => matmul(b, "mm", "nt", a!, 2, c!, 2) },
  "nt, two contracted axes": { types: [channels([3, 2, 5]), paddedAxes([7, 2, 5], [0, 2])], build: (b, [a, c]) => matmul(b, "mm", "nt", a!, 1, c!, 1) },
  "tn": { types: [channels([2, 3, 5]), channels([2, 3, 7])], build: (b, [a, c]) => matmul(b, "mm", "tn", a!, 2, c!, 2) },
  "matmul under a sum": { types: [channels([3, 5]), paddedAxes([7, 5], [0, 1])], build: (b, [a, c]) => sum(b, "sum", matmul(b, "mm", "nt", a!, 1, c!, 1), 1) },
  "expertMatmul, row per token": {
    types: [channels([2, 3, 5]), paddedAxes([7, 5, 6], [1, 2])], inputs: { tokens: choices(6, 7, 2) },
    build: (b, [a, w]) => expertMatmul(b, "em", a!, w!, u32(b, "tokens", [2, 3, 2]), 1),
  },
  "expertMatmul, row per slot, transposed": {
    types: [channels([2, 3, 2, 5]), paddedAxes([7, 6, 5], [1, 2])], inputs: { tokens: choices(6, 7, 2) },
    build: (b, [a, w]) => expertMatmul(b, "em", a!, w!, u32(b, "tokens", [2, 3, 2]), 1, true),
  },
  "expertMatmul, heads, row per token": {
    types: [channels([2, 3, 5]), paddedAxes([2 * 7, 5, 6], [1, 2])], inputs: { tokens: choices(12, 7, 2) },
    build: (b, [a, w]) => expertMatmul(b, "em", a!, w!, u32(b, "tokens", [2, 3, 2, 2]), 2),
  },
  "expertMatmul, heads, summed over slots": {
    types: [channels([2, 3, 2, 2, 5]), paddedAxes([2 * 7, 5, 6], [1, 2])], inputs: { tokens: choices(12, 7, 2) },
    build: (b, [a, w]) => sum(b, "sum", view(b, "flat", expertMatmul(b, "em", a!, w!, u32(b, "tokens", [2, 3, 2, 2]), 2), [2, 3, 4, 6]), 2),
  },
  "expertMatmul, summed over heads only": {
    types: [channels([2, 3, 2, 2, 5]), paddedAxes([2 * 7, 5, 6], [1, 2])], inputs: { tokens: choices(12, 7, 2) },
    build: (b, [a, w]) => sum(b, "sum", expertMatmul(b, "em", a!, w!, u32(b, "tokens", [2, 3, 2, 2]), 2), 2),
  },
  "expertMatmul, summed over channels": {
    types: [channels([2, 3, 5]), paddedAxes([7, 5, 6], [1, 2])], inputs: { tokens: choices(6, 7, 2) },
    build: (b, [a, w]) => sum(b, "sum", expertMatmul(b, "em", a!, w!, u32(b, "tokens", [2, 3, 2]), 1), -1),
  },
  "attention, relative positions": {
    types: [channels([2, 5, 3, 7]), channels([2, 5, 3, 7]), channels([2, 5, 3, 7]), channels([2, 5, 3, 7])],
    build: (b, [q, k, v, bias]) => attention(b, "z", q!, k!, v!, u32(b, "position", [1]), undefined, { reach: 3, bias: bias! })[0]!,
  },
  "attention": { types: [1, 2, 3].map(() => channels([2, 5, 3, 7])), build: (b, [q, k, v]) => attention(b, "z", q!, k!, v!, u32(b, "position", [1]))[0]! },
  "attention under a sum": {
    types: [1, 2, 3].map(() => channels([2, 5, 3, 7])),
    build: (b, [q, k, v]) => sum(b, "sum", attention(b, "z", q!, k!, v!, u32(b, "position", [1]))[0]!, 3),
  },
  "attention, one value for queries, keys and values": { types: [channels([2, 5, 3, 7])], build: (b, [q]) => attention(b, "z", q!, q!, q!, u32(b, "position", [1]))[0]! },
  "rope": {
    types: [channels([2, 5, 3, 7])], inputs: { position: [2] },
    build: (b, [p]) => {
      const table = (fn: "cos" | "sin") => emitOne(b, fn, { kind: "ropeTable", fn, nRotate: 4, base: 100 }, [], plain([7, 2]));
      return rope(b, "rope", p!, { cos: table("cos"), sin: table("sin"), nRotate: 4 }, u32(b, "position", [1]));
    },
  },
  "chosen logits": { types: [channels([2, 3, 7])], build: (b, [p]) => map(b, "gates", sigmoid(x), [gatherLast(b, "chosen", p!, topK(b, "selection", p!, 3))]) },
  "scattered choices": {
    types: [plain([2, 3, 2])], inputs: { tokens: choices(6, 7, 2) },
    build: (b, [p]) => map(b, "exp", exp(x), [emitOne(b, "scatter", { kind: "scatterLast" }, [p!, u32(b, "tokens", [2, 3, 2])], channels([2, 3, 7]))]),
  },
  "rows of a table, some twice": { types: [paddedAxes([7, 5], [0, 1])], inputs: { tokens: [3, 0, 3, 6, 1, 3] }, build: (b, [t]) => gatherRows(b, "rows", t!, u32(b, "tokens", [2, 3])) },
  "rows added up in a table": {
    types: [channels([2, 3, 5])], inputs: { tokens: [3, 0, 3, 6, 1, 3] },
    build: (b, [p]) => emitOne(b, "scatter", { kind: "scatterRows" }, [p!, u32(b, "tokens", [2, 3])], paddedAxes([7, 5], [0, 1])),
  },
};

test.each(Object.entries(CASES))("gradient: %s", (_, { types, build, inputs }) => {
  const graph = tinyGraph(types, build);
  expect(validateGraph(addGradients(graph, "loss"))).toEqual([]);
  const worst = worstSlope(graph, randomParams(graph, 1), inputs);
  expect(worst.error, worst.param).toBeLessThan(1e-8);
});
