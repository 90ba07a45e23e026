/**
 * Fusion against the float64 reference: a broadcast operand must never be taken for a dense one, wherever a kernel meets it. First every
 * operand shape in every kind of fused kernel, then random graphs.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shapeOf } from "../compiler/graph/builder.ts";
import { linear, map, rowMax, sum, view } from "../compiler/graph/dsl.ts";
import { add, col, constant, exp, input, mul, select, sigmoid, sub, tanh } from "../compiler/ir/expr.ts";
import type { Expr } from "../compiler/ir/expr.ts";
import type { OpGraph, ValueId } from "../compiler/ir/graph.ts";
import { channels, paddedAxes, plain } from "../compiler/ir/tensor-type.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import type { AdapterKind } from "../runtime/adapter/index.ts";
import { deviation } from "./support/golden.ts";
import { deviceOf, MAIN, OTHERS, PROFILES, rounded, runGraph, WEBGPU } from "./support/gpu.ts";
import { probeGraph, type ProbeBuilder } from "./support/probe.ts";
import { randomParams } from "./support/tiny-graph.ts";

/** A few hundred additions and some bounded functions in float32 stay an order of magnitude below; a wrong operand is far above. */
const BOUND = 2e-5;

type Dims = readonly [number, number, number, number]; // B, T, K, C

const typeOf = (shape: readonly number[]) => (shape.at(-1) === 1 ? plain(shape) : channels(shape));
/** Axes whose bit is clear have extent 1. */
const broadcast = (dims: Dims, bits: number): readonly number[] => dims.map((extent, axis) => ((bits >> axis) & 1 ? extent : 1));

async function check(kind: AdapterKind, profile: keyof typeof PROFILES, graph: OpGraph, unfused = false): Promise<void> {
  const params = rounded(randomParams(graph, 3, 1));
  const values = evaluateGraph(graph, { params, inputs: {} });
  const outputs = Object.keys(graph.outputs).filter((name) => name !== "loss");
  const handle = await deviceOf(kind);
  const got = await runGraph(handle, PROFILES[profile](handle), graph, { params, outputs, unfused });
  for (const name of outputs) expect(deviation(got.outputs[name]!, values[graph.outputs[name]!]!), name).toBeLessThan(BOUND);
  for (const [name, grad] of Object.entries(gradientsOf(graph, values))) expect(deviation(got.grads[name]!, grad), `gradient of ${name}`)
    .toBeLessThan(BOUND);
}

/** Behind a contraction, among row reductions, under a sum over each other axis, under a sum over slots. */
const PLACES: Readonly<Record<string, (b: ProbeBuilder, dims: Dims, operand: ValueId) => ValueId>> = {
  "epilogue of a matmul": (b, dims, operand) => {
    const product = linear(b, "product", b.param(channels([...dims.slice(0, 3), 6])), b.param(paddedAxes([dims[3], 6], [0, 1])));
    return map(b, "epilogue", tanh(mul(input(0), input(1))), [product, operand]);
  },
  "epilogue that adds twice": (b, dims, operand) => {
    const product = linear(b, "product", b.param(channels([...dims.slice(0, 3), 6])), b.param(paddedAxes([dims[3], 6], [0, 1])));
    return map(b, "epilogue", add(input(0), add(input(1), input(2))), [product, operand, b.param(channels(dims))]);
  },
  "norm of a row": (b, dims, operand) => {
    const x = map(b, "x", add(input(0), input(1)), [b.param(channels(dims)), operand]);
    const total = sum(b, "total", map(b, "square", mul(input(0), input(0)), [x]), 3);
    return map(b, "normed", mul(input(0), exp(mul(constant(-0.01), input(1)))), [x, total]);
  },
  "softmax of a row": (b, dims, operand) => {
    const x = map(b, "x", add(input(0), input(1)), [b.param(channels(dims)), operand]);
    const e = map(b, "e", exp(sub(input(0), input(1))), [x, rowMax(b, "max", x)]);
    return map(b, "p", mul(input(0), { op: "div", a: constant(1), b: input(1) }), [e, sum(b, "sum", e, 3)]);
  },
  "sum over B": (b, dims, operand) => sum(b, "sum", map(b, "x", mul(input(0), input(1)), [b.param(channels(dims)), operand]), 0),
  "sum over T": (b, dims, operand) => sum(b, "sum", map(b, "x", mul(input(0), input(1)), [b.param(channels(dims)), operand]), 1),
  "sum over K": (b, dims, operand) => sum(b, "sum", map(b, "x", mul(input(0), input(1)), [b.param(channels(dims)), operand]), 2),
  "sum over slots, then a map": (b, dims, operand) => {
    const slots = sum(b, "sum", map(b, "x", mul(input(0), input(1)), [b.param(channels(dims)), operand]), 2);
    return map(b, "y", add(input(0), sigmoid(input(1))), [slots, operand]);
  },
};

/** All places, for one operand shape. */
const placesGraph = (dims: Dims, bits: number): OpGraph => probeGraph((b) => {
  const operand = b.param(typeOf(broadcast(dims, bits)));
  return Object.fromEntries(Object.entries(PLACES).map(([name, place]) => [name, place(b, dims, operand)]));
});

const DIMS: readonly { readonly why: string; readonly dims: Dims; readonly keptAxes: readonly number[] }[] = [
  { why: "odd extents, all different", dims: [2, 3, 5, 7], keptAxes: [0, 1, 2, 3, 4] },
  { why: "equal extents: element counts of different broadcasts agree", dims: [4, 4, 4, 4], keptAxes: [2] },
  { why: "axes of extent 1", dims: [3, 1, 2, 8], keptAxes: [0, 2, 4] },
];

describe.each(DIMS)("every broadcast operand in every place: $why", ({ dims, keptAxes }) => {
  // Every shape in which some axis broadcasts that could do otherwise, once.
  const all = Array.from({ length: 16 }, (_, bits) => bits)
    .filter((bits) => keptAxes.includes([0, 1, 2, 3].filter((axis) => (bits >> axis) & 1).length));
  const shapes = [...new Map(all.map((bits) => [`${broadcast(dims, bits)}`, bits] as const)).entries()];
  test.each(shapes)("[%s]", (_, bits) => check(MAIN, "own", placesGraph(dims, bits)));
});

test.each(OTHERS)("every place on %s", (kind) => check(kind, "own", placesGraph([2, 3, 5, 7], 0b0101)));
const PROVED = WEBGPU.flatMap((kind) => (["portable", "team"] as const).map((profile) => [kind, profile] as const));
test.each(PROVED)("every place on %s, profile %s", async (kind, profile) => {
  for (const bits of [0b0010, 0b0101, 0b1010]) await check(kind, profile, placesGraph([2, 3, 5, 7], bits));
});

/** A random graph as data: each step takes earlier values, counted modulo how many there are. */
interface Recipe {
  readonly dims: Dims;
  /** Broadcast shapes of the first values, as bits. */
  readonly sources: readonly number[];
  readonly steps: readonly { readonly kind: keyof typeof STEPS; readonly a: number; readonly b: number }[];
}

const pointwise = (expr: Expr) => (b: ProbeBuilder, x: ValueId, y: ValueId): ValueId => map(b, "map", expr, [x, y]);
const STEPS = {
  add: pointwise(add(input(0), input(1))),
  gate: pointwise(mul(input(0), sigmoid(input(1)))),
  difference: pointwise(tanh(sub(input(0), input(1)))),
  lower: pointwise(select("lt", col, constant(2), input(0), mul(constant(0.5), input(1)))),
  sum0: (b: ProbeBuilder, x: ValueId) => sum(b, "sum0", x, 0),
  sum1: (b: ProbeBuilder, x: ValueId) => sum(b, "sum1", x, 1),
  sum2: (b: ProbeBuilder, x: ValueId) => sum(b, "sum2", x, 2),
  sum3: (b: ProbeBuilder, x: ValueId) => sum(b, "sum3", x, 3),
  max: (b: ProbeBuilder, x: ValueId) => map(b, "below", tanh(sub(input(0), input(1))), [x, rowMax(b, "max", x)]),
  positions: (b: ProbeBuilder, x: ValueId) => {
    const [B, T, K, C] = shapeOf(b, x) as Dims;
    return sum(b, "positions", view(b, "flat", x, [1, B * T, K, C]), 1);
  },
  project: (b: ProbeBuilder, x: ValueId) => {
    const C = shapeOf(b, x).at(-1)!;
    return C === 1 ? map(b, "tanh", tanh(input(0)), [x]) : linear(b, "project", x, b.param(paddedAxes([C, C], [0, 1])));
  },
} as const;

/** The last value and every value that nothing else reads. */
const recipeGraph = ({ dims, sources, steps }: Recipe): OpGraph => probeGraph((b) => {
  const values = sources.map((bits) => b.param(typeOf(broadcast(dims, bits))));
  const used = new Set<ValueId>();
  for (const step of steps) {
    const [x, y] = [values[step.a % values.length]!, values[step.b % values.length]!];
    used.add(x).add(y);
    values.push(STEPS[step.kind](b, x, y));
  }
  const ends = values.filter((v, i) => i >= sources.length && (!used.has(v) || i === values.length - 1));
  return Object.fromEntries(ends.map((v, i) => [`y${i}`, v]));
});

const extent = fc.constantFrom(1, 2, 3, 5);
const recipe: fc.Arbitrary<Recipe> = fc.record({
  dims: fc.tuple(extent, extent, extent, fc.constantFrom(3, 4, 5, 8, 13)),
  sources: fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 2, maxLength: 5 }).map((bits) => [15, ...bits]),
  steps: fc.array(fc.record({ kind: fc.constantFrom(...(Object.keys(STEPS) as (keyof typeof STEPS)[])), a: fc.nat({ max: 20 }), b: fc.nat({ max: 20 }) }), { minLength: 2, maxLength: 10 }),
});

describe("random graphs", () => {
  /** The processor has one profile. */
  const profilesOf = (kind: AdapterKind) =>
    fc.constantFrom(...(kind === "cpu" ? ["own" as const] : ["own", "own", "team", "portable"] as const));
  const property = (kind: AdapterKind, numRuns: number, seed: number): Promise<void> => fc.assert(
    fc.asyncProperty(recipe, profilesOf(kind), (r, profile) => check(kind, profile, recipeGraph(r))), { numRuns, seed, endOnFailure: false });
  test(`on ${MAIN}`, () => property(MAIN, 60, 11));
  test.each(OTHERS)("on %s", (kind) => property(kind, WEBGPU.includes(kind) ? 25 : 8, 12));
});
