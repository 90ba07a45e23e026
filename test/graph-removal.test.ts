/** An expert that is removed adds nothing: as if the weights behind its gate were 0, where it is removed. */
import { expect, test } from "vitest";
import { graphOf } from "../compiler/compile.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import { elements } from "../compiler/ir/tensor-type.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { routerSites } from "../compiler/stack/routers.ts";
import { moe, NOISE, ODD_MODELS, switchhead, twice, V } from "./support/odd-models.ts";
import { scheduleOf } from "./support/models.ts";
import { randomParams } from "./support/tiny-graph.ts";

type Params = Readonly<Record<string, Float64Array>>;
const T = 6;
const tokens = Uint32Array.from({ length: T }, (_, i) => (i * 31 + 7) % V);
const targets = tokens.map((token) => (token * 3 + 1) % V);
const lens = (model: ModelSpec): OpGraph => graphOf(model, "evaluate", { batch: 1, seqLen: T, lens: true });

function losses(graph: OpGraph, params: Params, removed = 0): Float64Array {
  const inputs = { tokens, targets, noise: NOISE, position: [0], removed: [removed] };
  return evaluateGraph(graph, { params, inputs })[graph.outputs["token_loss"]!]!;
}

/** What of a layer an expert of a router writes with. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  feed_forward: ["feed_forward.down", "feed_forward.down.bias"], attention: ["attention.o"],
  "attention v": ["attention.k", "attention.v"], "attention o": ["attention.q", "attention.o"],
};

/** @param experts of all heads: a part with as many matrices belongs to them */
function withoutWeights(graph: OpGraph, params: Params, router: string, expert: number, experts: number): Params {
  const [layer, part] = [router.slice(0, router.indexOf(".")), router.slice(router.indexOf(".") + 1)];
  const changed = PARTS[part]!.map((name) => `${layer}.${name}`).flatMap((name) => {
    const shape = graph.params.filter((p) => p.name === name).map((p) => graph.values[p.value]!.type.shape)[0];
    if (shape === undefined || shape[0] !== experts) return [];
    const size = elements(shape.slice(1));
    return [[name, params[name]!.map((x, i) => (Math.floor(i / size) === expert ? 0 : x))] as const];
  });
  expect(changed.length).toBeGreaterThan(0);
  return { ...params, ...Object.fromEntries(changed) };
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

test.each([
  "experts on all projections", "renormalized sigmoids", "two layers, aabb", "mixture of heads", "halting", "gated experts with biases",
  "every expert chosen", "core of two layers, injected by a map, learned passes", "gated shared experts with biases",
])("in all passes: %s", (name) => {
  const model = ODD_MODELS[name]!;
  const graph = lens(model);
  const params = randomParams(graph, 5, 0.3);
  const [sites, depth] = [routerSites(model), model.schedule.length];
  const before = losses(graph, params);
  let first = 0;
  for (const router of new Set(sites.map((site) => site.router))) {
    const { heads, nExperts } = sites.find((site) => site.router === router)!;
    const expert = heads * nExperts - 1;
    const found = losses(graph, params, 1 + (first + expert) * (depth + 1) + depth);
    const want = losses(graph, withoutWeights(graph, params, router, expert, heads * nExperts));
    want.forEach((loss, i) => expect(found[i], `${router} ${i}`).toBeCloseTo(loss, 10));
    expect(sum(found)).not.toBeCloseTo(sum(before), 6);
    first += heads * nExperts;
  }
});

test("in one pass: as in a model whose layers have equal weights of their own", () => {
  const shared = twice(switchhead(["v", "o"]), moe(), "peri");
  const own: ModelSpec = { ...shared, layers: [shared.layers[0]!, { ...shared.layers[0]!, name: "b" }], schedule: scheduleOf([0, 1]) };
  const [one, two] = [lens(shared), lens(own)];
  const params = randomParams(one, 5, 0.3);
  const both = Object.fromEntries(two.params.map(({ name }) => [name, params[name.replace(/^b\./, "a.")]!]));
  const experts = [15, 15, 7]; // of att_v, att_o and ffn
  for (const [i, part] of ["attention v", "attention o", "feed_forward"].entries()) {
    const first = experts.slice(0, i).reduce((a, b) => a + b, 0);
    for (const [site, layer] of ["a", "b"].entries()) {
      const found = losses(one, params, 1 + (first + 2) * 3 + site);
      const want = losses(two, withoutWeights(two, both, `${layer}.${part}`, 2, experts[i]!));
      want.forEach((loss, token) => expect(found[token]).toBeCloseTo(loss, 10));
    }
  }
});

test("applications of routers are those that the graph has, with its sizes", () => {
  for (const [name, model] of Object.entries(ODD_MODELS)) {
    const { outputs, values } = graphOf(model, "evaluate", { batch: 1, seqLen: 2 });
    const shapeOf = (output: string): readonly number[] => values[outputs[output]!]!.type.shape;
    const sites = routerSites(model);
    const names = sites.map(({ output, site }) => `${output}.${site}`);
    expect([...names].sort(), name).toEqual(Object.keys(outputs).flatMap((key) => (key.startsWith("sel.") ? [key.slice(4)] : [])).sort());
    for (const { output, site, heads, nExperts, topK } of sites) {
      expect(shapeOf(`sel.${output}.${site}`).slice(2).reduce((a, b) => a * b, 1), name).toBe(heads * topK);
      expect(shapeOf(`router.${output}.${site}`).slice(2).reduce((a, b) => a * b, 1), name).toBe(heads * nExperts);
    }
  }
});
