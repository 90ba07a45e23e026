/** Blocks and loss terms beyond the paper, by hand in float64 from what the graph feeds them. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { addGradients } from "../compiler/4-grad/index.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import type { FeedForwardSpec, ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import { fnSpec, load, router } from "./support/models.ts";
import { D, dense, mha, moe, T, twice, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const B = 2;
const inputs = {
  tokens: Array.from({ length: B * T }, (_, i) => (i * 31 + 7) % V), targets: Array.from({ length: B * T }, (_, i) => (i * 17 + 3) % V), loss_scale: [1],
};

interface Run {
  readonly graph: OpGraph;
  readonly values: readonly ArrayLike<number>[];
  readonly params: Readonly<Record<string, Float64Array>>;
  /** What the values of this name hold, first application first. */
  readonly all: (name: string) => readonly ArrayLike<number>[];
}

function run(spec: ModelSpec): Run {
  const graph = buildGraph(spec, { kind: "train", batch: B, seqLen: T });
  const params = randomParams(graph, 5, 0.3);
  const values = evaluateGraph(graph, { params, inputs });
  return { graph, values, params, all: (name) => graph.values.filter((v) => v.name === name).map((v) => values[v.id]!) };
}

const close = (got: ArrayLike<number>, want: ArrayLike<number>): void => {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(got[i]).toBeCloseTo(want[i]!, 11);
};
const silu = (x: number): number => x / (1 + Math.exp(-x));
const range = (n: number): readonly number[] => [...Array(n).keys()];
const dot = (n: number, term: (i: number) => number): number => range(n).reduce((sum, i) => sum + term(i), 0);

/** The last value of this name that is [B, T, D]: a block's output. */
const outputOf = ({ graph, values }: Run, name: string): ArrayLike<number> =>
  values[graph.values.findLast((v) => v.name === name && `${v.type.shape}` === `${[B, T, D]}`)!.id]!;

/** What the last application's feed-forward block reads at placement pre. */
const readOf = (r: Run): ArrayLike<number> => r.all("a.norm_feed_forward").at(-1)!;

describe("feed-forward blocks", () => {
  /** down · (silu(gate · x + b) ⊙ (up · x + b)) + b, the last b only where there is one */
  function gated(params: Run["params"], name: string, width: number, x: (i: number) => number): readonly number[] {
    const p = (part: string): Float64Array => params[`${name}.${part}`]!;
    const into = (part: string): readonly number[] =>
      range(width).map((f) => p(`${part}.bias`)[f]! + dot(D, (i) => p(part)[f * D + i]! * x(i)));
    const [up, gate] = [into("up"), into("gate")];
    return range(D).map((d) => (params[`${name}.down.bias`]?.[d] ?? 0) + dot(width, (f) => p("down")[d * width + f]! * silu(gate[f]!) * up[f]!));
  }

  test("a gated dense block", () => {
    const ff: FeedForwardSpec = { ...dense("silu"), glu: true };
    const r = run(twice(mha(), ff, "pre"));
    const x = readOf(r);
    close(outputOf(r, "a.feed_forward.out"), range(B * T).flatMap((t) => gated(r.params, "a.feed_forward", ff.dFf, (i) => x[t * D + i]!)));
  });

  test.each([true, "shared_output"] as const)("gated experts with biases (%s), router biases, and shared experts", (bias) => {
    const ff = { ...moe({ hasBias: true }, null, "silu"), glu: true, bias, nShared: 2 };
    const r = run(twice(mha(), ff, "pre"));
    const [E, F, x] = [ff.nExperts, ff.expertSize, readOf(r)];
    const p = (part: string): Float64Array => r.params[`a.feed_forward.${part}`]!;
    const want = range(B * T).flatMap((t) => {
      const at = (i: number): number => x[t * D + i]!;
      const logits = range(E).map((e) => p("router.bias")[e]! + dot(D, (i) => p("router")[e * D + i]! * at(i)));
      const chosen = [...range(E)].sort((a, b) => logits[b]! - logits[a]!).slice(0, ff.topK);
      const shared = gated(r.params, "a.feed_forward.shared", 2 * F, at);
      const experts = chosen.map((e) => {
        const into = (part: string): readonly number[] =>
          range(F).map((f) => p(`${part}.bias`)[e * F + f]! + dot(D, (i) => p(part)[(e * D + i) * F + f]! * at(i)));
        const [up, gate] = [into("up"), into("gate")];
        const g = 1 / (1 + Math.exp(-logits[e]!));
        return range(D).map((d) => g * ((bias === true ? p("down.bias")[e * D + d]! : 0) + dot(F, (f) => p("down")[(e * F + f) * D + d]! * silu(gate[f]!) * up[f]!)));
      });
      return range(D).map((d) => (bias === true ? 0 : p("down.bias")[d]!) + shared[d]! + experts.reduce((sum, out) => sum + out[d]!, 0));
    });
    close(outputOf(r, "a.feed_forward.out"), want);
  });
});

describe("attention", () => {
  test("grouped queries, normalized, in a window", () => {
    const attention = { ...mha(), nHeads: 4, headsPerKey: 2, rope: null, window: 5, qkNorm: { kind: "rmsnorm", affine: true, eps: 1e-6 } } as const;
    const r = run(twice(attention, dense(), "pre"));
    const [H, C, x] = [4, attention.dHead, r.all("a.norm_attention").at(-1)!];
    const p = (part: string): Float64Array => r.params[`a.attention.${part}`]!;
    const project = (part: "q" | "k" | "v", row: number, head: number): readonly number[] =>
      range(C).map((c) => dot(D, (i) => p(part)[(head * C + c) * D + i]! * x[row * D + i]!));
    const normed = (part: "q" | "k", y: readonly number[]): readonly number[] => {
      const size = Math.sqrt(dot(C, (c) => y[c]! ** 2) / C + 1e-6);
      return y.map((v, c) => (v / size) * p(`${part}_norm.weight`)[c]!);
    };
    const want = range(B * T).flatMap((row) => {
      const [first, t] = [row - (row % T), row % T];
      const z = range(H).flatMap((h) => {
        const q = normed("q", project("q", row, h));
        const seen = range(T).filter((j) => j <= t && t - j < 5);
        const weights = seen.map((j) => Math.exp(dot(C, (c) => q[c]! * normed("k", project("k", first + j, h >> 1))[c]!) / Math.sqrt(C)));
        const total = weights.reduce((a, b) => a + b, 0);
        const values = seen.map((j) => project("v", first + j, h >> 1));
        return range(C).map((c) => dot(seen.length, (n) => (weights[n]! / total) * values[n]![c]!));
      });
      return range(D).map((d) => dot(H * C, (i) => p("o")[d * H * C + i]! * z[i]!));
    });
    close(outputOf(r, "a.attention.o"), want);
  });
});

test("values alone read the norm, and the router its own: queries, keys and experts read the stream", () => {
  const r = run(twice({ ...mha(), rope: null }, moe(), ["v"]));
  const [H, C, ff] = [3, mha().dHead, moe()];
  const [stream, middle] = r.all("a.residual").slice(1, 3); // in front of the second application, and between its blocks
  const p = (part: string): Float64Array => r.params[`a.${part}`]!;
  const bare = (x: ArrayLike<number>, row: number): readonly number[] => range(D).map((i) => x[row * D + i]!);
  const normed = (norm: string, x: ArrayLike<number>, row: number): readonly number[] => {
    const [y, mean] = [bare(x, row), dot(D, (i) => x[row * D + i]!) / D];
    const deviation = Math.sqrt(dot(D, (i) => (y[i]! - mean) ** 2) / D + 1e-5);
    return y.map((v, i) => ((v - mean) / deviation) * p(`${norm}.weight`)[i]! + p(`${norm}.bias`)[i]!);
  };
  const project = (part: string, x: readonly number[], h: number): readonly number[] =>
    range(C).map((c) => dot(D, (i) => p(`attention.${part}`)[(h * C + c) * D + i]! * x[i]!));
  const heads = (part: string, x: (row: number) => readonly number[]) =>
    range(B * T).map((row) => range(H).map((h) => project(part, x(row), h)));
  const streamAt = (row: number): readonly number[] => bare(stream!, row);
  const [q, k, v] = [heads("q", streamAt), heads("k", streamAt), heads("v", (row) => normed("norm_attention", stream!, row))];
  close(outputOf(r, "a.attention.o"), range(B * T).flatMap((row) => {
    const [first, t] = [row - (row % T), row % T];
    const z = range(H).flatMap((h) => {
      const weights = range(t + 1).map((j) => Math.exp(dot(C, (c) => q[row]![h]![c]! * k[first + j]![h]![c]!) / Math.sqrt(C)));
      return range(C).map((c) => dot(t + 1, (j) => weights[j]! * v[first + j]![h]![c]!) / dot(t + 1, (j) => weights[j]!));
    });
    return range(D).map((d) => dot(H * C, (i) => p("attention.o")[d * H * C + i]! * z[i]!));
  }));
  close(outputOf(r, "a.feed_forward.out"), range(B * T).flatMap((row) => {
    const [x, y] = [bare(middle!, row), normed("norm_feed_forward", middle!, row)];
    const logits = range(ff.nExperts).map((e) => dot(D, (i) => p("feed_forward.router")[e * D + i]! * y[i]!));
    const chosen = [...range(ff.nExperts)].sort((a, b) => logits[b]! - logits[a]!).slice(0, ff.topK);
    return range(D).map((d) => dot(ff.topK, (n) => {
      const e = chosen[n]!;
      const hidden = range(ff.expertSize).map((f) => Math.max(0, dot(D, (i) => p("feed_forward.up")[(e * D + i) * ff.expertSize + f]! * x[i]!)));
      return dot(ff.expertSize, (f) => hidden[f]! * p("feed_forward.down")[(e * ff.expertSize + f) * D + d]!) / (1 + Math.exp(-logits[e]!));
    }));
  }));
});

describe("loss terms", () => {
  const regularizer = (r: Run): number => r.values[r.graph.outputs["reg_loss"]!]![0]!;
  const logitsOf = (r: Run): readonly ArrayLike<number>[] => r.all("a.feed_forward.router.logits");
  const softmax = (row: readonly number[]): readonly number[] => {
    const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
    return row.map((x) => Math.exp(x) / total);
  };
  const rowsOf = (logits: ArrayLike<number>, E: number): readonly (readonly number[])[] =>
    range(logits.length / E).map((i) => range(E).map((e) => logits[i * E + e]!));

  test.each([
    ["batch, site", load(0.3)], ["batch, passes", load(0.3, { passes: true })],
    ["sequence, site", load(0.3, { over: "sequence" })], ["sequence, passes", load(0.3, { over: "sequence", passes: true })],
  ])("load balance over %s", (_, balance) => {
    const ff = moe({ score: "softmax" }, balance);
    const r = run(twice(mha(), ff, "pre"));
    const groups = new Map<string, (readonly number[])[]>();
    logitsOf(r).forEach((logits, pass) => rowsOf(logits, ff.nExperts).forEach((row, i) => {
      const key = `${balance.over === "sequence" ? Math.floor(i / T) : 0} ${balance.passes ? 0 : pass}`;
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }));
    const terms = [...groups.values()].map((rows) => {
      const chosen = rows.map((row) => [...range(ff.nExperts)].sort((a, b) => row[b]! - row[a]!).slice(0, ff.topK));
      const f = (e: number): number => chosen.filter((c) => c.includes(e)).length / (rows.length * ff.topK);
      const P = (e: number): number => rows.reduce((sum, row) => sum + softmax(row)[e]!, 0) / rows.length;
      return ff.nExperts * dot(ff.nExperts, (e) => f(e) * P(e));
    });
    expect(regularizer(r)).toBeCloseTo((0.3 * terms.reduce((a, b) => a + b, 0)) / terms.length, 12);
  });

  test("router z-loss", () => {
    const ff = { ...moe({}, null), router: router({ zLoss: 0.4 }) };
    const r = run(twice(mha(), ff, "pre"));
    const squares = logitsOf(r).flatMap((logits) => rowsOf(logits, ff.nExperts)
      .map((row) => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) ** 2));
    expect(regularizer(r)).toBeCloseTo((0.4 * squares.reduce((a, b) => a + b, 0)) / squares.length, 12);
  });
});

describe.each([["alone", null], ["and by a loss", load(0.3, { over: "sequence" })]])("balance by bias %s", (_, balance) => {
  const spec = twice(mha(), moe({ loadBiasRate: 0.01 }, balance), "pre");
  const graph = addGradients(buildGraph(spec, { kind: "train", batch: B, seqLen: T }), "loss");
  const params = randomParams(graph, 5, 0.3);
  const values = evaluateGraph(graph, { params, inputs });
  const named = (name: string): readonly ArrayLike<number>[] => graph.values.filter((v) => v.name === name).map((v) => values[v.id]!);
  const [E, K, bias] = [7, 3, params["a.feed_forward.router.load_bias"]!];
  const score = (logits: ArrayLike<number>, row: number, e: number): number => 1 / (1 + Math.exp(-logits[row * E + e]!));
  /** Of each application and token, best first. */
  const chosen = named("a.feed_forward.router.logits").map((logits) => range(B * T).map((row) =>
    [...range(E)].sort((a, b) => score(logits, row, b) + bias[b]! - score(logits, row, a) - bias[a]!).slice(0, K)));

  test("the choice sees the biases, the weights do not", () => {
    const gates = graph.nodes.filter((n) => graph.values[n.outputs[0]!]!.name === "a.feed_forward.router.gates" && n.op.kind === "map")
      .map((n) => values[n.outputs[0]!]!);
    named("a.feed_forward.router.logits").forEach((logits, pass) => {
      close(named("a.feed_forward.router.selection")[pass]!, chosen[pass]!.flat());
      close(gates[pass]!, chosen[pass]!.flatMap((experts, row) => experts.map((e) => score(logits, row, e))));
    });
  });

  test("what moves them is each expert's excess over the mean of all", () => {
    const excess = range(E).map((e) => chosen.flat(2).filter((other) => other === e).length - (2 * B * T * K) / E);
    close(gradientsOf(graph, values)["a.feed_forward.router.load_bias"]!, excess);
  });

  test("a loss counts the choices that were made, and takes the probabilities without biases", () => {
    const terms = named("a.feed_forward.router.logits").flatMap((logits, pass) => range(B).map((sequence) => {
      const rows = range(T).map((t) => sequence * T + t);
      const total = (row: number): number => dot(E, (e) => Math.exp(logits[row * E + e]!));
      const f = (e: number): number => rows.filter((row) => chosen[pass]![row]!.includes(e)).length / (T * K);
      const P = (e: number): number => rows.reduce((sum, row) => sum + Math.exp(logits[row * E + e]!) / total(row), 0) / T;
      return E * dot(E, (e) => f(e) * P(e));
    }));
    const mean = terms.reduce((a, b) => a + b, 0) / terms.length;
    expect(values[graph.outputs["reg_loss"]!]![0]).toBeCloseTo(balance === null ? 0 : 0.3 * mean, 12);
  });
});

test("a score by a function: the greatest scores are chosen and are the weights, whatever the logits", () => {
  const bowl = (x: number): number => 0.1 + (x * x) / (1 + x * x);
  const r = run(twice(mha(), moe({ score: fnSpec("fn f(x) = 0.1 + x * x / (1 + x * x)") }, null), "pre"));
  const gates = r.graph.nodes.filter((n) => n.op.kind === "map" && r.graph.values[n.outputs[0]!]!.name === "a.feed_forward.router.gates")
    .map((n) => r.values[n.outputs[0]!]!);
  r.all("a.feed_forward.router.logits").forEach((logits, pass) => range(B * T).forEach((row) => {
    const score = (e: number): number => bowl(logits[row * 7 + e]!);
    const chosen = [...range(7)].sort((a, b) => score(b) - score(a)).slice(0, 3);
    expect(Array.from(r.all("a.feed_forward.router.selection")[pass]!).slice(row * 3, row * 3 + 3)).toEqual(chosen);
    chosen.forEach((e, j) => expect(gates[pass]![row * 3 + j]).toBeCloseTo(score(e), 12));
  }));
});

test("a function that is written like a built-in one computes the same", () => {
  const [built, written] = (["relu2", fnSpec("fn f(x) = max(x, 0) * max(x, 0)")] as const).map((activation) => run(twice(mha(), moe({}, null, activation), "pre")));
  close(written!.values[written!.graph.outputs["token_loss"]!]!, built!.values[built!.graph.outputs["token_loss"]!]!);
});

test("sandwich and scaled residuals", () => {
  const spec = twice(mha(), dense("gelu", false), "sandwich");
  const r = run({ ...spec, layers: spec.layers.map((l) => ({ ...l, residualScale: 0.37 })) });
  const streams = r.all("a.residual"); // after attention and after the feed-forward block, of each application
  const down = r.all("a.feed_forward.down").at(-1)!;
  const weight = r.params["a.norm_feed_forward_out.weight"]!;
  const bias = r.params["a.norm_feed_forward_out.bias"]!;
  const want = range(B * T).flatMap((t) => {
    const row = range(D).map((d) => down[t * D + d]!);
    const mean = row.reduce((a, b) => a + b, 0) / D;
    const deviation = Math.sqrt(row.reduce((sum, y) => sum + (y - mean) ** 2, 0) / D + 1e-5);
    return row.map((y, d) => streams.at(-2)![t * D + d]! + 0.37 * (((y - mean) / deviation) * weight[d]! + bias[d]!));
  });
  close(streams.at(-1)!, want);
});
