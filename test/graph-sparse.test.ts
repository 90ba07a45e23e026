/** The Sparse Universal Transformer's objective without halting, by hand; with halting the official code's numbers pin it down. */
import { expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { information } from "./support/models.ts";
import { moa, moe, T, twice, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const B = 2;
const tokens = Array.from({ length: B * T }, (_, i) => (i * 31 + 7) % V);
const [ATTENTION, FEED_FORWARD] = [0.3, 0.2];

test("mutual information without halting: every row counts 1 over rows times experts", () => {
  const graph = buildGraph(twice(moa({}, information(ATTENTION)), moe({ score: "softmax" }, information(FEED_FORWARD)), "post"), {
    kind: "train", batch: B, seqLen: T,
  });
  const values = evaluateGraph(graph, { params: randomParams(graph, 5, 0.3), inputs: { tokens, targets: tokens } });
  const term = (block: string, nExperts: number): number =>
    informationByHand(graph.values.filter((v) => v.name === `a.${block}.router.logits`).map((v) => values[v.id]!), nExperts);
  expect(values[graph.outputs["reg_loss"]!]![0]).toBeCloseTo(ATTENTION * term("attention", 4) + FEED_FORWARD * term("feed_forward", 7), 12);
});

/** −(Σ ω p log p + Σ P log P), P = Σ ω p; logits per application, [B, T, E] each. */
function informationByHand(logits: readonly Float64Array[], nExperts: number): number {
  const rows = logits.flatMap((all) => Array.from({ length: all.length / nExperts }, (_, row) => {
    const exps = Array.from(all.subarray(row * nExperts, (row + 1) * nExperts), Math.exp);
    const total = exps.reduce((a, b) => a + b, 0);
    return exps.map((e) => e / total);
  }));
  const weight = 1 / (rows.length * nExperts);
  const pLogP = (p: readonly number[]): number => p.reduce((sum, x) => sum + x * Math.log(x), 0);
  const load = Array.from({ length: nExperts }, (_, e) => rows.reduce((sum, row) => sum + weight * row[e]!, 0));
  return -(rows.reduce((sum, row) => sum + weight * pLogP(row), 0) + pLogP(load));
}
