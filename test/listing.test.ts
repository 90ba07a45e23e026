/** Values between phases as people read them. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createPlanner, PORTABLE } from "../compiler/5-plan/index.ts";
import { compileModel, graphOf, planModel } from "../compiler/compile.ts";
import { createBuilder, emitOne } from "../compiler/graph/builder.ts";
import { linear, map, sum } from "../compiler/graph/dsl.ts";
import { add, constant, input, mul, rsqrt } from "../compiler/ir/expr.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import { paddedAxes } from "../compiler/ir/tensor-type.ts";
import { listFusion } from "../compiler/listing/fusion.ts";
import { listGraph } from "../compiler/listing/graph.ts";
import { listPlan } from "../compiler/listing/plan.ts";
import { ODD_MODELS } from "./support/odd-models.ts";

const model = ODD_MODELS["MoEUT"]!;
const size = { batch: 2, seqLen: model.seqLen };
const lineWith = (listing: string, text: string): string =>
  listing.split("\n").find((line) => line.includes(text)) ?? `no line with "${text}"`;
const compact = (line: string): string => line.replace(/ {2,}/g, "  ");

test("a graph is one line a node: what is computed from what, its shape, whose it is and in which use", () => {
  const graph = graphOf(model, "train", size);
  const lines = listGraph(graph).split("\n");
  expect(lines[0]).toBe(`graph train, B = 2, T = ${model.seqLen}`);
  expect(lines.filter((line) => /^v\d/.test(line))).toHaveLength(graph.nodes.length);
  expect(compact(lineWith(lines.join("\n"), "attention.router_v.logits of a, use 2")))
    .toMatch(/^v\d+ = matmul nt v\d+ v\d+  : \[B, T, \d+, \d+(→\d+)?\]  attention\.router_v\.logits of a, use 2$/);
  expect(compact(lineWith(lines.join("\n"), "param a.feed_forward.up")))
    .toMatch(/^v\d+ = param a\.feed_forward\.up  : \[\d+, \d+(→\d+)?, \d+(→\d+)?\]$/);
  expect(lines.join("\n")).toMatch(/= v\d+ - v\d+ \* 0\.\d+ /);
  expect(lineWith(lines.join("\n"), "gradient of a.attention.q =")).toMatch(/^gradient of a\.attention\.q = v\d+ \+ v\d+$/);
});

test("a weight is never taken for a tensor of tokens, whatever its extents", () => {
  const square = { ...model, seqLen: model.dModel, vocabSize: 16 };
  const graph = graphOf(square, "evaluate", { batch: 16, seqLen: square.seqLen });
  expect(compact(lineWith(listGraph(graph), "param embedding"))).toMatch(/: \[16, \d+(→\d+)?\]$/);
});

test("a plan is its buffers, and one line a launch", () => {
  const plan = compileModel(model, { ...size, entries: ["train", "update"] });
  const lines = listPlan(plan).split("\n");
  expect(lines[0]).toBe(`plan of ${model.name}, portable kernels: ${plan.kernels.length} kernels, `
    + `${plan.buffers.length} buffers of ${plan.memory.total.toLocaleString("en").replaceAll(",", "_")} bytes`);
  expect(lines.filter((line) => /^b\d/.test(line))).toHaveLength(plan.buffers.length);
  const launches = Object.values(plan.entries).reduce((n, { dispatches }) => n + dispatches.length, 0);
  expect(lines.filter((line) => /^\d/.test(line))).toHaveLength(launches);
  expect(compact(lineWith(lines.join("\n"), "matmul a.attention.q")))
    .toMatch(/^\d+  matmul_nt(\.\d+)?  \d+( × \d+)*  b\d+ b\d+ → b\d+  matmul a\.attention\.q/);
});

test("fusion says of each launch what it computes, and why each value is stored", () => {
  const plan = planModel(model, { ...size, entries: ["train"] });
  const listing = listFusion(plan);
  expect(listing.split("\n").filter((line) => /^\d/.test(line))).toHaveLength(plan.entries["train"]!.length);
  expect(listing).toMatch(/ {2}attention {2}a\.attention\.z {2}\d.* tiles\n {5}binds( b\d+)+\n {5}stores a\.attention\.z: .*\n\d/);
  expect(listing).toMatch(/for each j\d+ < n0, r\d+ = row \* n0 \+ j\d+\n(.*\n)+? {7}sum\d+ \+= v\d+\n/);
  expect(listing).toMatch(/ = row \/ n0\n/);
  expect(listing).not.toMatch(/ = b\d+ c /);
  const hidden = listing.slice(listing.indexOf("expert matmul nn  a.feed_forward.up")).split(/\n\d/)[0]!;
  expect(hidden).toMatch(/y0\[own\] = value\n +s0 = x0\[row\]\n +v1 = s0 \* max\(value, 0\)\n +y1\[own\] = v1\n/);
  expect(hidden).toMatch(/stores a\.feed_forward\.hidden: expertMatmul reads it/);
  const reasons = Object.values(plan.entries).flat().flatMap(({ stores }) => stores.map(({ why }) => why));
  expect(new Set(reasons)).toContain("a launch of its own makes it");
  expect(reasons.every((why) => why !== "")).toBe(true);
});

/** The block of docs/architecture.md: residual, RMS norm, residual. */
function exampleOfThePage(): OpGraph {
  const b = createBuilder();
  const params = [["w", 64], ["u", 64], ["x", 16]] as const;
  const declared = params.map(([name, rows], param) => {
    const type = paddedAxes([rows, 64], [1]);
    const official = { tensor: name, shape: type.shape, start: 0 };
    return { name, value: emitOne(b, name, { kind: "param", param }, [], type), official, init: { kind: "zeros" as const } };
  });
  const [w, u, x] = declared.map(({ value }) => value) as [number, number, number];
  const r = map(b, "r", add(input(0), input(1)), [x, linear(b, "h", x, w)]);
  const squares = sum(b, "sum", map(b, "square", mul(input(0), input(0)), [r]), 1);
  const norm = map(b, "norm", mul(input(0), rsqrt(mul(input(1), constant(1 / 64)))), [r, squares]);
  const y = map(b, "y", add(input(0), input(1)), [r, linear(b, "m", norm, u)]);
  return { name: "block", values: b.values, nodes: b.nodes, params: declared, outputs: { y }, gradients: [] };
}

test("the example of docs/architecture.md comes out as it is told there", () => {
  const page = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
  const [graphBlock, fusionBlock] = [...page.slice(page.indexOf("### Fusion")).matchAll(/^```\n(.*?)^```/gms)].map((match) => match[1]!);
  const graph = exampleOfThePage();
  expect(listGraph(graph)).toContain(graphBlock);
  const plan = createPlanner("block", [{ graph, outputs: ["y"] }], { update: false })(PORTABLE);
  expect(listFusion(plan)).toContain(fusionBlock);
});
