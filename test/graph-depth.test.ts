/** Recurrent models at other depths than they were trained with. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { parametersOf } from "../compiler/parameters/parameters.ts";
import { passesOf, withPasses } from "../compiler/stack/depth.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { layer, model, scheduleOf, SPAN } from "./support/models.ts";
import { cored, dense, graves, mha, ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const stacked = (order: readonly number[]): ModelSpec => model({
  layers: [...new Set(order)].map((index) => layer("pabc"[index]!, mha(), dense(), "pre")), schedule: scheduleOf(order), vocabSize: V, seqLen: T, dModel: 37,
});
const orderOf = (spec: ModelSpec | { readonly problem: string }): readonly number[] | string =>
  ("problem" in spec ? spec.problem : spec.schedule.map((site) => site.layer));

describe("passes", () => {
  test.each([
    ["a group", [0, 1, 0, 1], 3, [0, 1, 0, 1, 0, 1]],
    ["a group less often", [0, 1, 0, 1, 0, 1], 1, [0, 1]],
    ["prelude, core and coda", [0, 1, 2, 1, 2, 3], 4, [0, 1, 2, 1, 2, 1, 2, 1, 2, 3]],
    ["one layer", [0, 0], 5, [0, 0, 0, 0, 0]],
  ])("of %s", (_, order, passes, want) => {
    const changed = withPasses(stacked(order), passes);
    expect(orderOf(changed)).toEqual(want);
    expect(passesOf(changed as ModelSpec) ?? 1).toBe(passes);
    expect(parametersOf(changed as ModelSpec)).toEqual(parametersOf(stacked(order))); // the same checkpoint fits
  });

  test.each([["nothing repeated", [0, 1, 2]], ["two groups", [0, 0, 1, 1]], ["a layer inside twice", [0, 0, 1, 0, 0, 1]]])("not of %s", (_, order) => {
    expect(passesOf(stacked(order))).toBeNull();
    expect(orderOf(withPasses(stacked(order), 2))).toContain("no group");
  });
});

test("no depth is so large that its plan would fill the memory", () => {
  const spec = stacked([0, 1, 2, 1, 2, 3]);
  expect(orderOf(withPasses(spec, 4999))).toHaveLength(10_000);
  for (const passes of [5000, 1e9, Number.MAX_SAFE_INTEGER]) expect(orderOf(withPasses(spec, passes))).toContain("4999 passes at most");
});

test("three passes go on from what two passes leave", () => {
  const spec = ODD_MODELS["MoEUT"]!;
  const at = (passes: number): { readonly graph: ReturnType<typeof buildGraph>; readonly values: readonly Float64Array[] } => {
    const graph = buildGraph(withPasses(spec, passes) as ModelSpec, { kind: "evaluate", batch: 1, seqLen: T });
    const tokens = Array.from({ length: T }, (_, i) => (i * 31 + 7) % V);
    return { graph, values: evaluateGraph(graph, { params: randomParams(graph, 5, 0.3), inputs: { tokens, targets: tokens } }) };
  };
  const [two, three] = [at(2), at(3)];
  for (const site of [0, 1]) expect(three.values[three.graph.outputs[`layers.${site}`]!])
    .toEqual(two.values[two.graph.outputs[`layers.${site}`]!]);
  expect(three.values[three.graph.outputs["logits"]!]).not.toEqual(two.values[two.graph.outputs["logits"]!]);
});

test("a model whose tokens halt needs a second application", () => {
  expect(orderOf(withPasses(ODD_MODELS["halting"]!, 1))).toContain("no depth of 1");
  expect(orderOf(withPasses(ODD_MODELS["halting"]!, 6))).toEqual([0, 0, 0, 0, 0, 0]);
});

describe("a marked core", () => {
  test("is what passes are of, whatever else is repeated", () => {
    const spec = cored({ inject: "add" }, null, [1, 2]);
    const changed = withPasses(spec, 5) as ModelSpec;
    expect(passesOf(spec)).toBe(3);
    expect(orderOf(changed)).toEqual([0, ...Array.from({ length: 5 }, () => [1, 2]).flat(), 3]);
    expect(changed.core).toMatchObject({ first: 1, length: 2, passes: 5 });
    expect(parametersOf(changed)).toEqual(parametersOf(spec)); // the same checkpoint fits
  });

  test("with learned vectors reaches as far as they do", () => {
    const spec = cored({ passEmbedding: { kind: "learned" } });
    expect(orderOf(withPasses(spec, 2))).toEqual([0, 1, 1, 2]);
    expect(orderOf(withPasses(spec, 4))).toContain("learned vectors for 3 passes");
  });

  test("may be passed once, but not where tokens halt in front of the second pass", () => {
    expect(orderOf(withPasses(cored({}, graves(0.9)), 1))).toEqual([0, 1, 2]);
    expect(orderOf(withPasses(cored({}, { kind: "act", span: SPAN, threshold: 0.9, weight: 0 }), 1))).toContain("no depth of 1");
  });

  test("whose passes have weights of their own has no other depth", () => {
    const spec = { ...stacked([0, 1, 2, 3]), core: { ...cored({}).core!, first: 1, length: 1, passes: 2 } };
    expect(passesOf(spec)).toBeNull();
  });
});
