/** Values between phases as people read them. */
import { expect, test } from "vitest";
import { compileModel, graphOf, planModel } from "../compiler/compile.ts";
import { listFusion } from "../compiler/listing/fusion.ts";
import { listGraph } from "../compiler/listing/graph.ts";
import { listPlan } from "../compiler/listing/plan.ts";
import { ODD_MODELS } from "./support/odd-models.ts";

const model = ODD_MODELS["MoEUT"]!;
const size = { batch: 2, seqLen: model.seqLen };
const lineWith = (listing: string, text: string): string => listing.split("\n").find((line) => line.includes(text)) ?? `no line with "${text}"`;
const compact = (line: string): string => line.replace(/ {2,}/g, "  ");

test("a graph is one line a node: what is computed from what, its shape, whose it is and in which use", () => {
  const graph = graphOf(model, "train", size);
  const lines = listGraph(graph).split("\n");
  expect(lines[0]).toBe(`graph train, B = 2, T = ${model.seqLen}`);
  expect(lines.filter((line) => /^v\d/.test(line))).toHaveLength(graph.nodes.length);
  expect(compact(lineWith(lines.join("\n"), "attention.router_v.logits of a, use 2"))).toMatch(/^v\d+ = matmul nt v\d+ v\d+  : \[B, T, \d+, \d+(→\d+)?\]  attention\.router_v\.logits of a, use 2$/);
  expect(compact(lineWith(lines.join("\n"), "param a.feed_forward.up"))).toMatch(/^v\d+ = param a\.feed_forward\.up  : \[\d+, \d+(→\d+)?, \d+(→\d+)?\]$/);
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
  expect(lines[0]).toBe(`plan ${model.name}, portable kernels: ${plan.kernels.length} kernels, ${plan.buffers.length} buffers of ${plan.memory.total} bytes`);
  expect(lines.filter((line) => /^b\d/.test(line))).toHaveLength(plan.buffers.length);
  const launches = Object.values(plan.entries).reduce((n, { dispatches }) => n + dispatches.length, 0);
  expect(lines.filter((line) => /^\d/.test(line))).toHaveLength(launches);
  expect(compact(lineWith(lines.join("\n"), "matmul a.attention.q"))).toMatch(/^\d+  matmul_nt(\.\d+)?  \d+( × \d+)*  b\d+ b\d+ → b\d+  matmul a\.attention\.q/);
});

test("fusion says of each launch what it computes, and why each value is stored", () => {
  const plan = planModel(model, { ...size, entries: ["train"] });
  const listing = listFusion(plan);
  expect(listing.split("\n").filter((line) => /^\d/.test(line))).toHaveLength(plan.entries["train"]!.length);
  const hidden = listing.slice(listing.indexOf("expert matmul nn  a.feed_forward.up")).split(/\n\d/)[0]!;
  expect(hidden).toMatch(/y0\[own\] = value\n +s0 = x0\[row\]\n +v1 = s0 \* max\(value, 0\)\n +y1\[own\] = v1\n/);
  expect(hidden).toMatch(/stores a\.feed_forward\.hidden: expertMatmul reads it/);
  const reasons = Object.values(plan.entries).flat().flatMap(({ stores }) => stores.map(({ why }) => why));
  expect(new Set(reasons)).toContain("a launch of its own makes it");
  expect(reasons.every((why) => why !== "")).toBe(true);
});
