/** Every option of a ModelSpec, at sizes that are multiples of nothing: gradients, decoding with caches, losses by hand. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { namingScheme } from "../compiler/parameters/naming.ts";
import { parametersOf } from "../compiler/parameters/parameters.ts";
import { addGradients } from "../compiler/4-grad/index.ts";
import { countParams } from "../compiler/counts/index.ts";
import { validateGraph } from "../compiler/graph/validate.ts";
import { elements } from "../compiler/ir/tensor-type.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { entropy } from "./support/models.ts";
import { mha, moe, NOISE, ODD_MODELS, T, twice, V } from "./support/odd-models.ts";
import { randomParams, worstSlope } from "./support/tiny-graph.ts";

const B = 2;
/** Positions beyond every window and reach, for what evaluates a graph hundreds of times. */
const SHORT = 11;

const tokens = Array.from({ length: B * T }, (_, i) => (i * 31 + 7) % V);
const targets = Array.from({ length: B * T }, (_, i) => (i * 17 + 3) % V);

describe.each(Object.entries(ODD_MODELS))("%s", (_, spec) => {
  const train = buildGraph(spec, { kind: "train", batch: B, seqLen: T });
  const params = randomParams(train, 5, 0.3);

  test("all graphs are well formed", () => {
    expect(validateGraph(addGradients(train, "loss"))).toEqual([]);
    expect(validateGraph(buildGraph(spec, { kind: "evaluate", batch: B, seqLen: T }))).toEqual([]);
    for (const chunk of [1, 7]) expect(validateGraph(buildGraph(spec, { kind: "step", chunk, capacity: T }))).toEqual([]);
  });

  test("gradients agree with finite differences", () => {
    const short = buildGraph(spec, { kind: "train", batch: B, seqLen: SHORT });
    const [first, next] = [tokens.slice(0, B * SHORT), targets.slice(0, B * SHORT)];
    const worst = worstSlope(short, params, { tokens: first, targets: next, loss_scale: [0.5], noise: NOISE }, 1e-6);
    expect(worst.error, worst.param).toBeLessThan(1e-6);
  });

  test("the loss is the sum of its parts, scaled", () => {
    const values = evaluateGraph(train, { params, inputs: { tokens, targets, loss_scale: [0.25], noise: NOISE } });
    const [loss, ce, reg] = ["loss", "ce_loss", "reg_loss"].map((name) => values[train.outputs[name]!]![0]!) as [number, number, number];
    expect(loss).toBeCloseTo(0.25 * (ce + reg), 12);
    const perToken = values[train.outputs["token_loss"]!]!;
    expect(ce).toBeCloseTo(perToken.reduce((a, b) => a + b, 0) / (B * T), 12);
  });

  test("every parameter moves the loss and has one place in a checkpoint", () => {
    const graph = addGradients(train, "loss");
    for (const { param, contributions } of graph.gradients) expect(contributions.length, graph.params[param]!.name).toBeGreaterThan(0);
    const places = graph.params.map((p) => `${p.official.tensor} from ${p.official.start}`);
    expect(new Set(places).size).toBe(places.length);
  });

  test("scoring gives the losses of the positions it is asked for, and their greatest logits", () => {
    const rows = [B * T - 1, 0, T, 3, 3];
    const full = buildGraph(spec, { kind: "evaluate", batch: B, seqLen: T });
    const want = evaluateGraph(full, { params, inputs: { tokens, targets } });
    const score = buildGraph(spec, { kind: "score", batch: B, seqLen: T, rows: rows.length });
    const got = evaluateGraph(score, { params, inputs: { tokens, targets: rows.map((row) => targets[row]!), rows } });
    const best = want[full.outputs["best"]!]!;
    const [losses, logits] = [want[full.outputs["token_loss"]!]!, want[full.outputs["logits"]!]!];
    rows.forEach((row, i) => {
      expect(got[score.outputs["token_loss"]!]![i]).toBeCloseTo(losses[row]!, 10);
      const ofRow = logits.subarray(row * V, (row + 1) * V);
      expect([got[score.outputs["best"]!]![i], best[row]]).toEqual([0, 0].fill(ofRow.indexOf(Math.max(...ofRow))));
    });
  });

  const causal = spec.layers.every(({ attention }) => attention.causal);
  test.skipIf(!causal)("decoding with caches gives the logits of the whole sequence, after prefill and from nothing", () => {
    const full = buildGraph(spec, { kind: "evaluate", batch: 1, seqLen: T });
    const sequence = tokens.slice(0, T);
    const want = evaluateGraph(full, { params, inputs: { tokens: sequence, targets: sequence } })[full.outputs["logits"]!]!;
    const step = buildGraph(spec, { kind: "step", chunk: 1, capacity: T + 2 });
    const prefill = buildGraph(spec, { kind: "step", chunk: 7, capacity: T + 2 });
    for (const start of [0, 7]) {
      const states: Record<string, Float64Array> = {};
      const run = (graph: typeof step, position: number, chunk: number, last: number): void => {
        const positions = Array.from({ length: chunk }, (_, i) => position + i);
        const inputs = { tokens: sequence.slice(position, position + chunk), position: [position], positions, last: [last] };
        const got = evaluateGraph(graph, { params, inputs, states })[graph.outputs["logits"]!]!;
        got.forEach((x, i) => expect(Math.abs(x - want[(position + last) * V + i]!)).toBeLessThan(1e-10));
      };
      if (start > 0) run(prefill, 0, 7, 6);
      for (let t = start; t < T; t++) run(step, t, 1, 0);
    }
  });
});

test("a padded prefill reads the logits of its last real position", () => {
  const spec = ODD_MODELS["MoEUT"]!;
  const full = buildGraph(spec, { kind: "evaluate", batch: 1, seqLen: T });
  const params = randomParams(full, 5, 0.3);
  const sequence = tokens.slice(0, T);
  const want = evaluateGraph(full, { params, inputs: { tokens: sequence, targets: sequence } })[full.outputs["logits"]!]!;
  const prefill = buildGraph(spec, { kind: "step", chunk: 11, capacity: 16 });
  const padded = [...sequence.slice(0, 4), 0, 0, 0, 0, 0, 0, 0];
  const got = evaluateGraph(prefill, { params, inputs: { tokens: padded, position: [0], last: [3] } })[prefill.outputs["logits"]!]!;
  got.forEach((x, i) => expect(x).toBeCloseTo(want[3 * V + i]!, 10));
});

test("balance by hand", () => {
  const reg = (balance: ReturnType<typeof entropy>): number => {
    const graph = buildGraph(twice(mha(), moe({}, balance), "pre"), { kind: "train", batch: B, seqLen: T });
    const params = randomParams(graph, 5, 0.3);
    const values = evaluateGraph(graph, { params, inputs: { tokens, targets } });
    const logits = graph.values.filter((v) => v.name === "a.feed_forward.router.logits").map((v) => values[v.id]!);
    expect(values[graph.outputs["reg_loss"]!]![0]).toBeCloseTo(balanceByHand(logits, balance!), 12);
    return values[graph.outputs["reg_loss"]!]![0]!;
  };
  const all = [entropy(1), entropy(1, { over: "batch" }), entropy(1, { passes: false }), entropy(1, { over: "batch", passes: false })].map(reg);
  expect(new Set(all).size).toBe(4); // the same weight with another scope is another model
});

/** −weight · mean over groups of the entropy of the group's mean distribution; logits per application, [B, T, 7] each. */
function balanceByHand(logits: readonly Float64Array[], spec: NonNullable<ReturnType<typeof entropy>>): number {
  const groups = new Map<string, number[][]>();
  logits.forEach((application, pass) => {
    for (let row = 0; row < B * T; row++) {
      const key = `${spec.over === "sequence" ? Math.floor(row / T) : 0} ${spec.passes ? 0 : pass}`;
      const exps = Array.from(application.subarray(row * 7, row * 7 + 7), Math.exp);
      const total = exps.reduce((a, b) => a + b, 0);
      groups.set(key, [...(groups.get(key) ?? []), exps.map((e) => e / total)]);
    }
  });
  const entropies = [...groups.values()].map((rows) => {
    const mean = rows[0]!.map((_, e) => rows.reduce((sum, row) => sum + row[e]!, 0) / rows.length);
    return -mean.reduce((sum, p) => sum + p * Math.log(p), 0);
  });
  return (-spec.weight * entropies.reduce((a, b) => a + b, 0)) / entropies.length;
}

test("official names follow the code that can express the model", () => {
  const schemes = Object.entries(ODD_MODELS).filter(([, spec]) => namingScheme(spec) === "clean").map(([name]) => name);
  expect(schemes).toContain("MoEUT");
  expect(schemes).toContain("head gates");
  for (const name of ["pre", "post", "two layers, aabb", "softmax routing", "experts on q", "dense"]) expect(schemes).not.toContain(name);
});

test("names and sizes of parameters are those of the counts", () => {
  for (const [name, spec] of Object.entries(ODD_MODELS)) {
    const counted = countParams(spec).tensors.map((t) => `${t.name} ${t.count}`).sort();
    expect(parametersOf(spec).map((p) => `${p.name} ${elements(p.type.shape)}`).sort(), name).toEqual(counted);
  }
});
