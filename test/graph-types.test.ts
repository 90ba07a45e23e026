/** Storage rules: padding, views, shape rules, pruning. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { addGradients, pruneGraph } from "../compiler/4-grad/index.ts";
import { createBuilder, emitOne } from "../compiler/graph/builder.ts";
import { matmul, view } from "../compiler/graph/dsl.ts";
import { validateGraph } from "../compiler/graph/validate.ts";
import type { OpGraph, TensorType } from "../compiler/ir/graph.ts";
import { channels, paddedAxes, plain, viewType } from "../compiler/ir/tensor-type.ts";
import { layer, model, scheduleOf } from "./support/models.ts";
import { moe, switchhead } from "./support/odd-models.ts";

const SPEC = model({
  layers: [layer("a", switchhead(["v", "o"]), moe(), "peri")], schedule: scheduleOf([0, 0]), vocabSize: 53, seqLen: 19, dModel: 37,
});

describe("views keep the storage", () => {
  test.each<[string, TensorType, readonly number[], readonly number[] | null]>([
    ["axes of extent 1 come", channels([37]), [1, 1, 37], [1, 1, 40]],
    ["axes of extent 1 go", channels([2, 19, 1, 37]), [2, 19, 37], [2, 19, 40]],
    ["rows merge", channels([2, 19, 37]), [1, 38, 37], [1, 38, 40]],
    ["slots merge", channels([2, 19, 3, 2, 37]), [2, 19, 6, 37], [2, 19, 6, 40]],
    ["slots split", channels([2, 19, 6, 37]), [2, 19, 3, 2, 37], [2, 19, 3, 2, 40]],
    ["gates get a column", plain([2, 19, 3, 2]), [2, 19, 3, 2, 1], [2, 19, 3, 2, 1]],
    ["a padded column of one stays", paddedAxes([2, 3, 1], [2]), [6, 1], [6, 4]],
    ["a padded axis cannot merge", channels([2, 19, 37]), [2, 19 * 37], null],
    ["a padded axis cannot split", channels([2, 36, 30]), [2, 36, 5, 6], null],
    ["an axis whose width needs no padding can split", channels([2, 36]), [2, 6, 6], [2, 6, 6]],
  ])("%s", (_, from, to, physical) => expect(viewType(from, to)?.physical ?? null).toEqual(physical));

  test("another number of elements is a compiler bug", () => expect(() => viewType(channels([2, 3]), [7])).toThrow("compiler bug"));

  test("a view that would change the storage is a compiler bug", () => {
    const b = createBuilder();
    const x = emitOne(b, "x", { kind: "param", param: 0 }, [], channels([2, 3, 5]));
    expect(() => view(b, "flat", x, [30])).toThrow("compiler bug: view of f32 [2, 3, 5→8] as [30] would change the storage");
  });
});

test("operands that do not fit are a compiler bug, with both types", () => {
  const b = createBuilder();
  const x = emitOne(b, "x", { kind: "param", param: 0 }, [], channels([3, 5]));
  const w = emitOne(b, "w", { kind: "param", param: 1 }, [], plain([5, 7]));
  expect(() => matmul(b, "y", "nn", x, 1, w, 1)).toThrow("y: matmul contracts 5/8 with 5/5: (f32 [3, 5→8], f32 [5, 7])");
});

test("storage of a model's tensors", () => {
  const graph = buildGraph(SPEC, { kind: "train", batch: 2, seqLen: 19 });
  const physical = (name: string): readonly number[] => graph.values.find((v) => v.name === name)!.type.physical;
  const stored = ["embedding", "a.norm_attention.weight", "a.attention.q", "a.attention.v", "a.attention.o", "a.attention.router_v", "a.feed_forward.up", "a.feed_forward.router", "head",
    "a.attention.router_v.logits", "a.attention.router_v.gates", "a.attention.z", "a.attention.o.slots", "a.feed_forward.hidden", "head.logits", "token_loss"];
  expect(Object.fromEntries(stored.map((name) => [name, physical(name)]))).toEqual({
    "embedding": [56, 40], "a.norm_attention.weight": [40], "a.attention.q": [3, 16, 40], "a.attention.v": [15, 40, 16], "a.attention.o": [15, 16, 40], "a.attention.router_v": [3, 8, 40],
    "a.feed_forward.up": [7, 40, 12], "a.feed_forward.router": [8, 40], "head": [56, 40],
    "a.attention.router_v.logits": [2, 19, 3, 8], "a.attention.router_v.gates": [2, 19, 3, 2], "a.attention.z": [2, 19, 3, 16], "a.attention.o.slots": [2, 19, 3, 2, 40],
    "a.feed_forward.hidden": [2, 19, 3, 12], "head.logits": [2, 19, 56], "token_loss": [2, 19, 1],
  });
});

describe("pruning", () => {
  const forward = buildGraph(SPEC, { kind: "train", batch: 2, seqLen: 19 });

  test("graphs are built without dead nodes", () => {
    for (const graph of [forward, buildGraph(SPEC, { kind: "evaluate", batch: 2, seqLen: 19 }), buildGraph(SPEC, { kind: "step", chunk: 4, capacity: 8 })]) {
      expect(pruneGraph(graph, Object.keys(graph.outputs)).nodes.length).toBe(graph.nodes.length);
    }
  });

  test("what is kept stays well formed, parameters included", () => {
    const logits = pruneGraph(forward, ["logits"]);
    expect(validateGraph(logits)).toEqual([]);
    expect(Object.keys(logits.outputs)).toEqual(["logits"]);
    expect(logits.params.map((p) => p.name)).toEqual(forward.params.map((p) => p.name));
    expect(logits.nodes.length).toBeLessThan(forward.nodes.length);
    const train = pruneGraph(addGradients(forward, "loss"), ["ce_loss"]);
    expect(validateGraph(train)).toEqual([]);
    expect(train.gradients.every((g) => g.contributions.length > 0)).toBe(true);
  });

  test("a graph is plain data, the same every time", () => {
    const again = addGradients(buildGraph(SPEC, { kind: "train", batch: 2, seqLen: 19 }), "loss");
    expect(JSON.parse(JSON.stringify(again))).toEqual(addGradients(forward, "loss"));
  });
});

describe("validation finds", () => {
  const good = addGradients(buildGraph(SPEC, { kind: "train", batch: 2, seqLen: 19 }), "loss");
  const last = good.nodes.length - 1;
  test.each<[string, OpGraph, string]>([
    ["values used too early", { ...good, nodes: good.nodes.toReversed() }, "before it is made"],
    ["values made twice", { ...good, nodes: [...good.nodes, good.nodes[last]!] }, "again"],
    ["values never made", { ...good, nodes: good.nodes.slice(0, last) }, "is never made"],
    ["wrong types", { ...good, values: good.values.map((v) => (v.name === "head.logits" ? { ...v, type: channels([2, 19, 54]) } : v)) }, "has other output types"],
    ["wrong gradients", { ...good, gradients: [{ param: 1, contributions: good.gradients[0]!.contributions }] }, "not f32 [37→40]"],
    ["unknown outputs", { ...good, outputs: { logits: 1e6 } }, "output logits is no value"],
    ["parameters of one name", { ...good, params: good.params.map((p) => ({ ...p, name: "same" })) }, "two parameters are called same"],
  ])("%s", (_, graph, problem) => expect(validateGraph(graph).some((text) => text.includes(problem))).toBe(true));
});
