/** Kernels by the table: shapes that catch something, against float64, within the bounds that rounding allows. */
import { describe, expect, test } from "vitest";
import { emitOne } from "../compiler/graph/builder.ts";
import { attention, expertMatmul, gatherLast, gatherRows, matmul, random, rope, sum, topK, type Layout } from "../compiler/graph/dsl.ts";
import type { OpGraph, ValueId } from "../compiler/ir/graph.ts";
import { channels, paddedAxes, plain } from "../compiler/ir/tensor-type.ts";
import { normalize } from "../compiler/3-graph/norm.ts";
import { softmax } from "../compiler/3-graph/softmax.ts";
import type { BuildState } from "../compiler/3-graph/state.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import type { AdapterKind } from "../runtime/adapter/index.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import { attentionBounds } from "./support/attention-bounds.ts";
import { ADAPTERS, deviceOf, PROFILES, rounded, runGraph, WEBGPU } from "./support/gpu.ts";
import { probeGraph, type ProbeBuilder } from "./support/probe.ts";
import { randomParams } from "./support/tiny-graph.ts";

/** Half a unit in the last place of 1. */
const U = 2 ** -24;

type Values = Readonly<Record<string, ArrayLike<number>>>;
type Profile = keyof typeof PROFILES;
const PROFILE_NAMES: readonly Profile[] = ["own", "portable", "cpu"];

/** Every adapter runs each table with its own profile; WebGPU also with the portable profile and with that of CPUs. */
const RUNS = ADAPTERS.flatMap((kind) =>
  (WEBGPU.includes(kind) ? PROFILE_NAMES : PROFILE_NAMES.slice(0, 1)).map((profile) => ({ kind, profile })));

function expectWithin(got: ArrayLike<number>, want: ArrayLike<number>, bound: (i: number) => number, what: string): void {
  let worst = { share: 0, i: 0 };
  for (let i = 0; i < want.length; i++) {
    const share = Math.abs(got[i]! - want[i]!) / (bound(i) + 1e-37);
    if (!(share <= worst.share)) worst = { share, i };
  }
  const { i, share } = worst;
  expect(share, `${what}[${i}] is ${got[i]}, not ${want[i]}; shares of its bound`).toBeLessThanOrEqual(1);
}

interface Run {
  readonly kind: AdapterKind;
  readonly profile: Profile;
}

async function runBoth(
  { kind, profile }: Run, graph: OpGraph, inputs: Values = {}, given: Values = {},
): Promise<{ readonly got: Values; readonly want: Values; readonly params: Record<string, Float64Array> }> {
  const params = { ...rounded(randomParams(graph, 3)), ...rounded(given) };
  const handle = await deviceOf(kind);
  const outputs = Object.keys(graph.outputs).filter((name) => name !== "loss");
  const device = await runGraph(handle, PROFILES[profile](handle), graph, { params, inputs, outputs });
  return { got: { ...device.outputs, ...device.grads }, want: referenceValues(graph, params, inputs), params };
}

/** Outputs and gradients in float64. */
function referenceValues(graph: OpGraph, params: Values, inputs: Values): Values {
  const values = evaluateGraph(graph, { params, inputs });
  return { ...Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, values[id]!])), ...gradientsOf(graph, values) };
}

/**
 * For graphs of sums of products: |error| ≤ n·2⁻²⁴·Σ|products|, n roundings per sum. Σ|products| is the graph's own value where
 * all numbers are positive.
 * @param roundings per output or parameter; those not listed are not checked
 */
async function checkSums(
  run: Run, graph: OpGraph, roundings: Readonly<Record<string, number>>, inputs: Values = {}, given: Values = {},
): Promise<void> {
  const { got, want, params } = await runBoth(run, graph, inputs, given);
  const positive = Object.fromEntries(Object.entries(params).map(([name, data]) => [name, name in given ? data : data.map(Math.abs)]));
  const sizes = referenceValues(graph, positive, inputs);
  for (const [name, n] of Object.entries(roundings)) expectWithin(got[name]!, want[name]!, (i) => n * U * sizes[name]![i]!, name);
}

const numbers = <T>(count: number, next: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => next(i));
interface RowFacts { readonly size: number; readonly deviation: number; readonly reach: number }

/** Of a row: mean|x|, its standard deviation, and how far the lowest entry is below the greatest. */
function rowFacts(x: readonly number[]): RowFacts {
  const mean = (f: (value: number) => number): number => x.reduce((sum, value) => sum + f(value), 0) / x.length;
  const centre = mean((value) => value);
  return { size: mean(Math.abs), deviation: Math.sqrt(mean((value) => (value - centre) ** 2)), reach: Math.max(...x) - Math.min(...x) };
}

const randomBelow = (count: number, limit: number): number[] => numbers(count, (i) => createRandom(9, "choice").uint32(i) % limit);

describe.each(RUNS)("$kind, profile $profile", (run) => {
  describe("matmul", () => {
    const MATMULS = [
      { why: "smallest", m: 1, k: 1, n: 1 },
      { why: "one row, as in decoding", m: 1, k: 37, n: 130 },
      { why: "one tile exactly", m: 8, k: 32, n: 32 },
      { why: "one more than a tile everywhere", m: 9, k: 33, n: 129 },
      { why: "multiples of nothing", m: 19, k: 37, n: 53 },
      { why: "long inner axis", m: 3, k: 1030, n: 5 },
      { why: "more than a packed tile and its panel everywhere", m: 67, k: 133, n: 69 },
    ];
    const graphOf = (layout: Layout, m: number, k: number, n: number): OpGraph => probeGraph((b) => {
      const a = b.param(layout === "tn" ? channels([k, m]) : channels([m, k]));
      const c = b.param(layout === "nt" ? paddedAxes([n, k], [0, 1]) : layout === "nn" ? paddedAxes([k, n], [0, 1]) : channels([k, n]));
      return { c: matmul(b, "c", layout, a, 1, c, 1) };
    });
    test.each(MATMULS)("$why: $m × $k × $n", async ({ m, k, n }) => {
      for (const layout of ["nn", "nt", "tn"] as const) await checkSums(run, graphOf(layout, m, k, n), { c: k + 3, p0: n + 3, p1: m + 3 });
    });

    const CHANGING_TILES = run.kind === "cpu" ? ["nn", "nt"] as const : []; // only there a tile of few rows is computed in another way
    test.each(CHANGING_TILES)("%s: a row has the same bits alone, with a few and among many", async (layout) => {
      const [k, n] = [133, 37];
      const normal = (count: number, seed: number): number[] => numbers(count, (i) => createRandom(seed, "normal").normal(i));
      const { p0, p1 } = rounded({ p0: normal(70 * k, 1), p1: normal(k * n, 2) });
      const handle = await deviceOf(run.kind);
      const productOf = async (m: number): Promise<readonly number[]> => {
        const params = { p0: p0!.slice(0, m * k), p1: p1! };
        const { outputs } = await runGraph(handle, PROFILES[run.profile](handle), graphOf(layout, m, k, n), { params, outputs: ["c"] });
        return Array.from(outputs["c"]!);
      };
      const among = await productOf(70);
      for (const m of [1, 3, 4, 6]) expect(await productOf(m)).toEqual(among.slice(0, m * n));
    });
  });

  describe("expert products, forward, and backward to rows and matrices", () => {
    const EXPERTS = [
      { why: "one expert", rows: 3, topK: 1, experts: 1, K: 5, N: 7, choose: () => 0 },
      { why: "one expert takes all, the others stay empty", rows: 19, topK: 1, experts: 5, K: 37, N: 9, choose: () => 3 },
      { why: "more experts than slots", rows: 2, topK: 2, experts: 40, K: 8, N: 4, choose: (i: number) => i * 13 },
      { why: "tiles that end within an expert", rows: 33, topK: 3, experts: 7, K: 37, N: 9, choose: null },
      { why: "more slots of an expert than a packed tile and its panel", rows: 70, topK: 2, experts: 2, K: 133, N: 21, choose: null },
      { why: "more experts than lanes sort them", rows: 60, topK: 2, experts: 150, K: 4, N: 12, choose: null },
    ];
    test.each(EXPERTS)("$why", async ({ rows, topK: k, experts, K, N, choose }) => {
      const graph = probeGraph((b) => {
        const [a, w] = [b.param(channels([rows, K])), b.param(paddedAxes([experts, K, N], [1, 2]))];
        return { c: expertMatmul(b, "c", a, w, b.input("tokens", [rows, k]), 1) };
      });
      const random = randomBelow(rows * k, experts);
      const tokens = numbers(rows * k, choose ?? ((i) => random[i]!));
      await checkSums(run, graph, { c: K + 3, p0: N + k + 3, p1: rows * k + 3 }, { tokens });
    });

    test("every head has experts of its own", async () => {
      const [rows, heads, experts, K, N] = [11, 3, 4, 13, 6];
      const scores = numbers(rows * heads * experts, (i) => (i * 7919) % 97);
      const graph = probeGraph((b) => {
        const [a, w, s] = [
          b.param(channels([rows, 1, K])), b.param(paddedAxes([heads * experts, K, N], [1, 2])), b.param(channels([rows, heads, experts])),
        ];
        return { c: expertMatmul(b, "c", a, w, topK(b, "selection", s, 2), heads) };
      });
      await checkSums(run, graph, { c: K + 3, p0: N + 2 * heads + 3, p1: 2 * rows + 3 }, {}, { p2: scores });
    });
  });

  describe("sums", () => {
    const SHAPES = [
      { why: "one number", shape: [1, 1, 1] },
      { why: "one column", shape: [3, 35, 1] },
      { why: "odd columns", shape: [2, 33, 13] },
      { why: "exactly one chunk", shape: [2, 32, 8] },
      { why: "several chunks, more columns than lanes", shape: [3, 100, 300] },
    ];
    test.each(SHAPES)("$why: [$shape]", async ({ shape }) => {
      const graph = probeGraph((b) => {
        const x = b.param(shape.at(-1) === 1 ? plain(shape) : channels(shape));
        return { first: sum(b, "first", x, 0), middle: sum(b, "middle", x, 1), rows: sum(b, "rows", x, 2) };
      });
      await checkSums(run, graph, { first: shape[0]!, middle: shape[1]!, rows: shape[2]! + 3 });
    });
  });

  /** The bounds that compiler/6-codegen/fused.ts states. */
  describe("norms and softmax of rows", () => {
    const ROWS = [
      { why: "two columns", rows: 3, n: 2, scale: 1, shift: 0 },
      { why: "odd columns, more rows than a workgroup", rows: 130, n: 37, scale: 1, shift: 0 },
      { why: "a mean far above the deviation", rows: 5, n: 412, scale: 1, shift: 100 },
      { why: "scores far apart", rows: 9, n: 155, scale: 30, shift: 0 },
    ];
    /** Without weights, a norm asks nothing of the builders' state but the graph. */
    const norm = (b: ProbeBuilder, kind: "rmsnorm" | "layernorm", x: ValueId): ValueId =>
      normalize({ b } as unknown as BuildState, kind, { kind, affine: false, eps: 1e-5 }, x);
    test.each(ROWS)("$why: [$rows, $n]", async ({ rows, n, scale, shift }) => {
      const graph = probeGraph((b) => {
        const x = b.param(channels([rows, n]));
        return { rms: norm(b, "rmsnorm", x), layer: norm(b, "layernorm", x), p: softmax(b, "p", x) };
      });
      const x = numbers(rows * n, (i) => Math.fround(shift + scale * Math.sin(12.9898 * i)));
      const { got, want } = await runBoth(run, graph, {}, { p0: x });
      const facts = numbers(rows, (row) => rowFacts(x.slice(row * n, (row + 1) * n)));
      const of = (i: number): RowFacts => facts[Math.floor(i / n)]!;
      const mean = (i: number): number => (n + 6) * of(i).size / of(i).deviation;
      expectWithin(got["rms"]!, want["rms"]!, (i) => (n / 2 + 10) * U * Math.abs(want["rms"]![i]!), "rms");
      expectWithin(got["layer"]!, want["layer"]!, (i) => (mean(i) + (n / 2 + 12) * Math.abs(want["layer"]![i]!)) * U, "layer");
      expectWithin(got["p"]!, want["p"]!, (i) => (2 * (6 + 5 * of(i).reach) + n + 8) * U * want["p"]![i]!, "softmax");
    });
  });

  describe("tables and their gradient", () => {
    const TABLES = [
      { why: "every row once", V: 6, D: 5, rows: 6, choose: (i: number) => 5 - i },
      { why: "one row takes all", V: 53, D: 37, rows: 70, choose: () => 17 },
      { why: "enough slots for longer blocks of the sort", V: 7, D: 4, rows: 4500, choose: (i: number) => (i * i) % 7 },
    ];
    test.each(TABLES)("$why", async ({ V, D, rows, choose }) => {
      const tokens = numbers(rows, choose);
      const most = Math.max(...numbers(V, (v) => tokens.filter((t) => t === v).length));
      const graph = probeGraph((b) => ({ y: gatherRows(b, "y", b.param(channels([V, D])), b.input("tokens", [rows])) }));
      await checkSums(run, graph, { y: 0, p0: most }, { tokens });
    });
  });

  describe("topK, its scores and their gradient", () => {
    const scored = (rows: number, E: number, k: number): OpGraph => probeGraph((b) => {
      const scores = b.param(channels([rows, E]));
      const selection = topK(b, "selection", scores, k);
      return { selection, chosen: gatherLast(b, "chosen", scores, selection) };
    });
    const TOPS = [
      { why: "one of one", rows: 2, E: 1, k: 1, score: () => 0.5 },
      { why: "all, in order", rows: 5, E: 7, k: 7, score: (i: number) => Math.sin(i) },
      { why: "ties go to the lower index", rows: 9, E: 13, k: 4, score: (i: number) => i % 3 },
      { why: "all equal", rows: 3, E: 6, k: 3, score: () => -1 },
      { why: "equal at both ends of the range, infinities", rows: 4, E: 5, k: 3, score: (i: number) => [3e38, -3e38, 3e38, -3e38, 0][i % 5]! },
      { why: "more rows than a workgroup", rows: 130, E: 155, k: 12, score: (i: number) => Math.sin(i * 12.9898) },
    ];
    test.each(TOPS)("$why", ({ rows, E, k, score }) => checkSums(run, scored(rows, E, k), { selection: 0, chosen: 0, p0: 0 }, {}, { p0: numbers(rows * E, score).map(Math.fround) }));

    test("a row of NaN selects something in range and leaves the other rows alone", async () => {
      const scores = numbers(4 * 6, (i) => (i >= 6 && i < 12 ? NaN : i % 5));
      const { got, want } = await runBoth(run, scored(4, 6, 3), {}, { p0: scores });
      const [a, b] = [Array.from(got["selection"]!), Array.from(want["selection"]!)];
      expect([...a.slice(0, 3), ...a.slice(6)]).toEqual([...b.slice(0, 3), ...b.slice(6)]);
      for (const index of a) expect(index).toBeLessThan(6);
    });
  });

  describe("random numbers", () => {
    const RANDOMS = [
      { why: "one number", shape: [1, 1, 1], noise: [0, 0, 0, 0], position: 0 },
      { why: "a column of its own, stored as it is", shape: [3, 5, 1], noise: [1, 2, 4, 1], position: 0, type: plain },
      { why: "odd columns, behind a cache", shape: [2, 19, 37], noise: [0xa4093822, 0x299f31d0, 3, 1], position: 11 },
      { why: "the same for all sequences", shape: [3, 7, 6], noise: [5, 0xffffffff, 0xffffffff, 0], position: 0 },
      { why: "heads, more rows than a workgroup", shape: [2, 33, 3, 5], noise: [0xdeadbeef, 7, 0x13198a2e, 1], position: 0x85a308d3 },
    ];
    const graphOf = (distribution: "uniform" | "normal", shape: readonly number[], type = channels): OpGraph =>
      probeGraph((b) => ({ drawn: random(b, "drawn", distribution, 0x83707344, b.input("noise", [4]), b.input("position", [1]), type(shape)) }));

    test.each(RANDOMS)("$why: [$shape]", async ({ shape, noise, position, type }) => {
      const inputs = { noise, position: [position] };
      const uniform = await runBoth(run, graphOf("uniform", shape, type), inputs);
      expect(Array.from(uniform.got["drawn"]!)).toEqual(Array.from(uniform.want["drawn"]!));
      const normal = await runBoth(run, graphOf("normal", shape, type), inputs);
      expectWithin(normal.got["drawn"]!, normal.want["drawn"]!, () => 2 ** -17, "normal");
    });
  });

  describe("rope", () => {
    const ROPES = [
      { why: "all channels", T: 5, H: 2, Dh: 4, nRotate: 4, position: 0 },
      { why: "odd head, part of it", T: 19, H: 3, Dh: 13, nRotate: 6, position: 0 },
      { why: "behind a cache", T: 3, H: 1, Dh: 82, nRotate: 40, position: 11 },
      { why: "all channels, four at a time", T: 7, H: 2, Dh: 16, nRotate: 16, position: 2 },
    ];
    test.each(ROPES)("$why", async ({ T, H, Dh, nRotate, position }) => {
      const graph = probeGraph((b) => {
        const table = (fn: "cos" | "sin"): ValueId =>
          emitOne(b, fn, { kind: "ropeTable", fn, nRotate, base: 10000 }, [], plain([T + position, nRotate / 2]));
        return { y: rope(b, "y", b.param(channels([2, T, H, Dh])), { cos: table("cos"), sin: table("sin"), nRotate }, b.input("position", [1])) };
      });
      const { got, want, params } = await runBoth(run, graph, { position: [position] });
      // Two products of rounded factors and a sum: four roundings of parts no larger than the channel and its partner.
      const partner = (i: number): number => (i % Dh >= nRotate ? i : i % Dh < nRotate / 2 ? i + nRotate / 2 : i - nRotate / 2);
      const bound = (x: ArrayLike<number>) => (i: number): number => 4 * U * (Math.abs(x[i]!) + Math.abs(x[partner(i)]!));
      expectWithin(got["y"]!, want["y"]!, bound(params["p0"]!), "rotated");
      expectWithin(got["p0"]!, want["p0"]!, bound(params["weight y"]!), "gradient");
    });
  });

  describe("attention", () => {
    const ATTENTIONS = [
      { why: "one position, one vec4", B: 1, T: 1, H: 1, Dh: 4 },
      { why: "heads of odd width", B: 2, T: 19, H: 3, Dh: 13 },
      { why: "one more position than a tile, width of the 44M dense model", B: 1, T: 33, H: 2, Dh: 41 },
      { why: "two accumulators per lane on narrow teams", B: 2, T: 9, H: 1, Dh: 36 },
      { why: "wide heads: several passes over channels, more than a narrow team owns", B: 1, T: 21, H: 2, Dh: 136 },
      { why: "many tiles", B: 1, T: 70, H: 1, Dh: 8 },
    ];
    test.each(ATTENTIONS)("$why", async ({ B, T, H, Dh }) => {
      const shape = [B, T, H, Dh];
      const graph = probeGraph((b: ProbeBuilder) => {
        const [q, k, v] = [b.param(channels(shape)), b.param(channels(shape)), b.param(channels(shape))];
        return { z: attention(b, "z", q, k, v, b.input("position", [1]))[0]! };
      });
      const { got, want, params } = await runBoth(run, graph, { position: [0] });
      const bounds = attentionBounds({ B, T, H, Dh }, { q: params["p0"]!, k: params["p1"]!, v: params["p2"]!, gradZ: params["weight z"]! });
      for (const [name, bound] of Object.entries({ z: bounds.z, p0: bounds.gradQ, p1: bounds.gradK, p2: bounds.gradV })) {
        expectWithin(got[name]!, want[name]!, (i) => bound[i]!, name);
      }
    });
  });
});
