/** What is random in a router's training, by hand in float64 from the numbers that the graph drew. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import type { Entry } from "../compiler/3-graph/index.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { entropy } from "./support/models.ts";
import { D, mha, moa, moe, NOISE, ODD_MODELS, switchhead, T, twice, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

interface Run {
  readonly graph: OpGraph;
  readonly params: Readonly<Record<string, Float64Array>>;
  /** What the values of this name hold, first application first; of several operations of one name those of this kind. */
  readonly all: (name: string, kind?: string) => readonly ArrayLike<number>[];
  readonly output: (name: string) => ArrayLike<number>;
}

function run(spec: ModelSpec, batch = 2, noise: readonly number[] = NOISE): Run {
  const graph = buildGraph(spec, { kind: "train", batch, seqLen: T });
  const params = randomParams(graph, 5, 0.3);
  const tokens = Array.from({ length: batch * T }, (_, i) => (i * 31 + 7) % V);
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets: tokens, noise } });
  const made = (id: number): string => graph.nodes.find((node) => node.outputs.includes(id))!.op.kind;
  return {
    graph, params, output: (name) => values[graph.outputs[name]!]!,
    all: (name, kind) => graph.values.filter((v) => v.name === name && (kind === undefined || made(v.id) === kind))
      .map((v) => values[v.id]!),
  };
}

const range = (n: number): readonly number[] => [...Array(n).keys()];
const rowOf = (x: ArrayLike<number>, width: number, row: number): readonly number[] => range(width).map((i) => x[row * width + i]!);
const best = (scores: readonly number[], k: number): readonly number[] =>
  [...range(scores.length)].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, k);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe("dropout of experts", () => {
  test.each([["few", 0.1], ["so many that excluded ones fill up", 0.8]])("%s", (_, p) => {
    const [E, K] = [7, 3];
    const r = run(twice(mha(), moe({ expertDropout: p, zLoss: 0.4 }, null), "pre"));
    const name = "a.feed_forward.router";
    let [excluded, short, z] = [0, 0, 0];
    r.all(`${name}.logits`).forEach((logits, pass) => range(2 * T).forEach((row) => {
      const [scores, u] = [rowOf(logits, E, row), rowOf(r.all(`${name}.expert_dropout.random`)[pass]!, E, row)];
      const chosen = best(scores.map((x, e) => (u[e]! < p ? -1e30 : x)), K);
      expect(rowOf(r.all(`${name}.selection`)[pass]!, K, row)).toEqual(chosen);
      rowOf(r.all(`${name}.gates`, "map")[pass]!, K, row)
        .forEach((gate, j) => expect(gate).toBeCloseTo(sigmoid(scores[chosen[j]!]!), 12)); // not that of a masked score
      excluded += u.filter((x) => x < p).length;
      short += Number(u.filter((x) => x >= p).length < K);
      z += Math.log(scores.reduce((sum, x) => sum + Math.exp(x), 0)) ** 2;
    }));
    expect(Math.abs(excluded - 4 * T * E * p)).toBeLessThan(5 * Math.sqrt(4 * T * E * p * (1 - p)));
    expect(short > 0).toBe(p === 0.8);
    expect(r.output("reg_loss")[0]).toBeCloseTo((0.4 * z) / (4 * T), 12);
  });

  test("each head leaves out others; the entropy sees all", () => {
    const [H, E, K, p] = [3, 5, 2, 0.4];
    const r = run(twice(switchhead(["o"], { expertDropout: p }, entropy(0.3, { over: "batch", passes: false })), moe({}, null), "peri"));
    const name = "a.attention.router_o";
    const terms = r.all(`${name}.logits`).flatMap((logits, pass) => {
      const drawn = r.all(`${name}.expert_dropout.random`)[pass]!;
      range(2 * T * H).forEach((row) => {
        const scores = rowOf(logits, E, row).map((x, e) => (drawn[row * E + e]! < p ? -1e30 : x));
        expect(rowOf(r.all(`${name}.selection`)[pass]!, K, row)).toEqual(best(scores, K));
      });
      return range(H).map((h) => {
        const mean = range(E).map((e) => range(2 * T).reduce((sum, t) => {
          const row = rowOf(logits, E, t * H + h);
          return sum + Math.exp(row[e]!) / row.reduce((total, x) => total + Math.exp(x), 0) / (2 * T);
        }, 0));
        return mean.reduce((sum, P) => sum + P * Math.log(P), 0);
      });
    });
    expect(r.output("reg_loss")[0]).toBeCloseTo((0.3 * terms.reduce((a, b) => a + b, 0)) / terms.length, 12);
  });
});

describe("dropout of a router's input", () => {
  test("kept channels are scaled; each router and application draws its own", () => {
    const p = 0.25;
    const r = run(twice(switchhead(["v", "o"], { inputDropout: p }), moe({ inputDropout: p }), "peri"));
    const masks = ["a.attention.router_v", "a.attention.router_o", "a.feed_forward.router"].flatMap((name) => range(2).map((pass) => {
      const [drawn, read] = [r.all(`${name}.input_dropout.random`)[pass]!, r.all(`${name}.input`)[pass]!];
      const whole = r.all(name.startsWith("a.attention") ? "a.norm_attention" : "a.norm_feed_forward")[pass]!;
      range(2 * T * D).forEach((i) => expect(read[i]).toBeCloseTo(drawn[i]! < p ? 0 : whole[i]! / (1 - p), 12));
      return Array.from(drawn, (u) => Number(u < p)).join("");
    }));
    expect(new Set(masks).size).toBe(6);
  });

  test("only the router reads it", () => {
    const without = run(twice(mha(), moe({}, null), "peri"));
    const first = (r: Run, name: string): ArrayLike<number> => r.all(name)[0]!;
    const r = run(twice(mha(), moe({ inputDropout: 0.5 }, null), "peri"));
    expect(first(r, "a.norm_feed_forward")).toEqual(first(without, "a.norm_feed_forward"));
    expect(first(r, "a.feed_forward.router.logits")).not.toEqual(first(without, "a.feed_forward.router.logits"));
  });
});

describe("drawn experts", () => {
  const E = 7;
  test.each([[3, 1], [3, 2], [2, 2]])("of %i, %i are drawn", (K, N) => {
    const r = run(twice(mha(), { ...moe({ score: "softmax", sampled: N }, null), topK: K }, "pre"));
    const name = "a.feed_forward.router";
    r.all(`${name}.logits`).forEach((logits, pass) => range(2 * T).forEach((row) => {
      const scores = rowOf(logits, E, row);
      const total = scores.reduce((sum, x) => sum + Math.exp(x), 0);
      const first = best(scores, K - N);
      const u = rowOf(r.all(`${name}.sampled.random`)[pass]!, E, row);
      const times = scores.map((x, e) => (first.includes(e) ? Infinity : -Math.log(1 - u[e]!) / (Math.exp(x) / total + 1e-6)));
      const drawn = best(times.map((t) => -t), N);
      const chosen = rowOf(r.all(`${name}.selection`)[pass]!, K, row);
      expect([...chosen].sort()).toEqual([...first, ...drawn].sort());
      rowOf(r.all(`${name}.gates`, "gatherLast")[pass]!, K, row)
        .forEach((gate, j) => expect(gate).toBeCloseTo(Math.exp(scores[chosen[j]!]!) / total, 12));
    }));
  });

  test("are drawn in proportion to their scores, within five standard errors", () => {
    const r = run(twice(mha(), { ...moe({ score: "softmax", sampled: 1 }, null), topK: 1 }, "pre"), 48);
    const [distribution, chosen] = [
      r.all("a.feed_forward.router.distribution", "map").at(-1)!, r.all("a.feed_forward.router.selection")[1]!,
    ];
    range(E).forEach((e) => {
      const p = range(48 * T).map((row) => distribution[row * E + e]!);
      const [mean, variance] = [p.reduce((a, b) => a + b, 0), p.reduce((sum, x) => sum + x * (1 - x), 0)];
      expect(Math.abs(range(48 * T).filter((row) => chosen[row] === e).length - mean)).toBeLessThan(5 * Math.sqrt(variance));
    });
  });
});

test("nothing is random but in training, and no two draws share a stream", () => {
  const streams = (spec: ModelSpec, entry: Entry): readonly number[] =>
    buildGraph(spec, entry).nodes.flatMap(({ op }) => (op.kind === "random" ? [op.stream] : []));
  const every = { expertDropout: 0.1, inputDropout: 0.1, sampled: 1 };
  const specs = [twice(switchhead(["v", "o"], every), moe(every), "peri"), twice(moa(every), moe(every), "post")];
  expect(specs.map((spec) => new Set(streams(spec, { kind: "train", batch: 2, seqLen: T })).size)).toEqual([2 * 9, 2 * 6]);
  for (const spec of specs) {
    expect(streams(spec, { kind: "evaluate", batch: 2, seqLen: T })).toEqual([]);
    expect(streams(spec, { kind: "step", chunk: 1, capacity: T })).toEqual([]);
  }
  expect(streams(ODD_MODELS["MoEUT"]!, { kind: "train", batch: 2, seqLen: T })).toEqual([]);
});
