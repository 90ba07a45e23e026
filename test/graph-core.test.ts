/** Recurrent cores and halting by sums of probabilities, by hand in float64 from what the layers of the graph give. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import type { CoreSpec, HaltingSpec, ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { cored, D, graves, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const B = 2;
const PASSES = 3;
const tokens = Array.from({ length: B * T }, (_, i) => (i * 31 + 7) % V);
const range = (n: number): readonly number[] => [...Array(n).keys()];
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

interface Run {
  readonly graph: OpGraph;
  readonly params: Readonly<Record<string, Float64Array>>;
  readonly output: (name: string) => Float64Array;
  readonly named: (name: string) => Float64Array;
  /** The input of every layer's attention norm at placement pre or peri: what the layer reads, first application first. */
  readonly read: readonly Float64Array[];
}

function run(spec: ModelSpec): Run {
  const graph = buildGraph(spec, { kind: "train", batch: B, seqLen: T });
  const params = randomParams(graph, 5, 0.3);
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets: tokens, loss_scale: [1] } });
  const sums = graph.nodes.filter((node) => /^\w+\.norm_attention\.sum$/.test(graph.values[node.outputs[0]!]!.name));
  return {
    graph, params, output: (name) => values[graph.outputs[name]!]!,
    named: (name) => values[graph.values.findIndex((v) => v.name === name)]!, read: sums.map((node) => values[node.inputs[0]!]!),
  };
}

function close(got: ArrayLike<number>, want: (i: number) => number): void {
  for (let i = 0; i < got.length; i++) expect(got[i], `element ${i}`).toBeCloseTo(want(i), 11);
}

/** Σ over channels of weight[row] · x at the token of element i. */
const mapped = (weight: Float64Array, x: Float64Array, i: number): number => {
  const [token, row] = [Math.floor(i / D), i % D];
  return range(D).reduce((sum, c) => sum + weight[row * D + c]! * x[token * D + c]!, 0);
};

type Want = (r: Run, pass: number, state: Float64Array, e: Float64Array, i: number) => number;

const gate = (r: Run, state: Float64Array, e: Float64Array, i: number): number =>
  sigmoid(mapped(r.params["core.inject.state"]!, state, i) + mapped(r.params["core.inject.input"]!, e, i) + r.params["core.inject.bias"]![i % D]!);

/** Equations 4 and 5 of Dehghani et al. 2019, with another base. */
const wave = (at: number, base: number, channel: number): number =>
  (channel % 2 === 0 ? Math.sin : Math.cos)(at * base ** (-(channel - (channel % 2)) / D));

const CASES: readonly (readonly [string, Partial<CoreSpec>, Want])[] = [
  ["none", {}, (_r, _pass, s, _e, i) => s[i]!],
  ["add", { inject: "add", state: { kind: "zero" } }, (_r, _pass, s, e, i) => s[i]! + e[i]!],
  ["concat, from noise", { inject: "concat", state: { kind: "normal", std: 0.5 } }, (r, _pass, s, e, i) => mapped(r.params["core.inject.state"]!, s, i) + mapped(r.params["core.inject.input"]!, e, i)],
  ["concat", { inject: "concat" }, (r, _pass, s, e, i) => mapped(r.params["core.inject.state"]!, s, i) + mapped(r.params["core.inject.input"]!, e, i)],
  ["gate", { inject: "gate" }, (r, _pass, s, e, i) => gate(r, s, e, i) * s[i]! + (1 - gate(r, s, e, i)) * e[i]!],
  ["learned passes", { passEmbedding: { kind: "learned" } }, (r, pass, s, _e, i) => s[i]! + r.params[`core.pass_embedding.${pass}`]![i % D]!],
  ["sinusoidal passes", { passEmbedding: { kind: "sinusoidal", base: 50, positions: false } }, (_r, pass, s, _e, i) => s[i]! + wave(pass, 50, i % D)],
  ["sinusoidal passes and positions", { passEmbedding: { kind: "sinusoidal", base: 50, positions: true } },
    (_r, pass, s, _e, i) => s[i]! + wave(pass, 50, i % D) + wave(Math.floor(i / D) % T, 50, i % D)],
];

test("states before the first pass", () => {
  expect(run(cored({ inject: "add", state: { kind: "zero" } })).named("core.state").every((x) => x === 0)).toBe(true);
  const noise = run(cored({ inject: "add", state: { kind: "normal", std: 0.5 } })).named("core.state");
  const mean = noise.reduce((a, b) => a + b, 0) / noise.length;
  expect(Math.abs(mean)).toBeLessThan(4 * 0.5 / Math.sqrt(noise.length));
  expect(Math.abs(Math.hypot(...noise) / Math.sqrt(noise.length) - 0.5)).toBeLessThan(4 * 0.5 / Math.sqrt(2 * noise.length));
});

describe.each([["one layer", [1]], ["two layers", [1, 2]]])("a core of %s", (_, order) => {
  test.each(CASES)("entered by %s", (_name, over, want) => {
    const spec = cored(over, null, order);
    const r = run(spec);
    const e = r.output("layers.0");
    const n = order.length;
    range(PASSES).forEach((pass) => {
      const initial = over.state === undefined ? e : r.named("core.state");
      const state = pass === 0 ? initial : r.output(`layers.${pass * n}`); // site 0 is the layer in front
      close(r.read[1 + pass * n]!, (i) => want(r, pass, state, e, i));
    });
    close(r.read[1 + PASSES * n]!, (i) => r.output(`layers.${PASSES * n}`)[i]!); // the layer behind the core
  });
});

type Graves = Extract<HaltingSpec, { kind: "graves" }>;

/** The published code of the Universal Transformer (Dehghani et al. 2019, appendix C), token by token. */
function byHand(
  r: Run, { threshold }: Graves, n: number,
): { readonly out: Float64Array; readonly cost: number; readonly depths: readonly number[] } {
  const out = new Float64Array(B * T * D);
  const depths: number[] = [];
  let cost = 0;
  for (let token = 0; token < B * T; token++) {
    let [probability, updates, remainder] = [0, 0, 0];
    range(PASSES).forEach((pass) => {
      const x = r.read[1 + pass * n]!;
      const p = sigmoid(range(D).reduce((sum, c) => sum + r.params["a.halting.stop"]![c]! * x[token * D + c]!, r.params["a.halting.stop.bias"]![0]!));
      const still = probability < 1 ? 1 : 0;
      const halted = still === 1 && probability + p > threshold ? 1 : 0;
      const running = still - halted;
      probability += p * running;
      remainder += halted * (1 - probability);
      const weight = p * running + halted * (1 - probability);
      if (halted === 1) probability = 1;
      updates += running + halted;
      const state = r.output(`layers.${(pass + 1) * n}`);
      for (let c = 0; c < D; c++) out[token * D + c] = weight * state[token * D + c]! + (1 - weight) * out[token * D + c]!;
    });
    cost += updates + remainder;
    depths.push(updates);
  }
  return { out, cost: cost / (B * T), depths };
}

test.each([["one layer", [1], 0.9], ["two layers", [1, 2], 0.9], ["one layer, halting at once", [1], 0.01], ["one layer, never halting", [1], 1]])(
  "halting by sums over a core of %s", (_, order, threshold) => {
    const halting = graves(threshold) as Graves;
    const quiet = cored({ inject: "add" }, halting, order);
    const spec = { ...quiet, layers: quiet.layers.map((l) => ({ ...l, feedForward: "balance" in l.feedForward ? { ...l.feedForward, balance: null } : l.feedForward, attention: "balance" in l.attention ? { ...l.attention, balance: null } : l.attention })) };
    const r = run(spec);
    const want = byHand(r, halting, order.length);
    close(r.read[1 + PASSES * order.length]!, (i) => want.out[i]!);
    expect(Array.from(r.output("passes"))).toEqual(want.depths);
    expect(r.output("reg_loss")[0]).toBeCloseTo(halting.weight * want.cost, 11);
    if (threshold === 0.9) expect(new Set(want.depths).size).toBeGreaterThan(1); // tokens differ
    if (threshold === 0.01) expect(new Set(want.depths)).toEqual(new Set([1]));
  });
