/** Positions without a target count for nothing: a text with a masked rest is the text without it, in loss, balance terms and gradients. */
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { addGradients } from "../compiler/4-grad/index.ts";
import { validateGraph } from "../compiler/graph/validate.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import { IGNORED, sharesOf } from "../runtime/standalone/train-step.ts";
import { entropy, load } from "./support/models.ts";
import { mha, moe, NOISE, ODD_MODELS, switchhead, T, twice, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const SHORT = 11;
const text = (row: number, length: number): readonly number[] => Array.from({ length }, (_, i) => ((row * T + i) * 31 + 7) % V);

interface Outcome {
  readonly losses: readonly number[];
  readonly gradients: Readonly<Record<string, Float64Array>>;
}

/** Rows of T tokens of which the first `lengths` have targets; without a mask all rows are as long as they have targets. */
function outcome(spec: ModelSpec, lengths: readonly number[], masked: boolean, share = 1, first = 0, noise: readonly number[] = NOISE): Outcome {
  const seqLen = masked ? T : lengths[0]!;
  const graph = addGradients(buildGraph(spec, { kind: "train", batch: lengths.length, seqLen, masked }), "loss");
  expect(validateGraph(graph)).toEqual([]);
  const rows = lengths.map((length, row) => ({ tokens: text(first + row, seqLen + 1), length }));
  const inputs = {
    tokens: rows.flatMap(({ tokens }) => tokens.slice(0, -1)), loss_scale: [share], noise: noise.with(2, noise[2]! + first),
    targets: rows.flatMap(({ tokens, length }) => tokens.slice(1).map((token, i) => (i < length ? token : IGNORED))),
  };
  const values = evaluateGraph(graph, { params: randomParams(graph, 5, 0.3), inputs });
  const losses = ["loss", "ce_loss", "reg_loss"].map((name) => values[graph.outputs[name]!]![0]!);
  return { losses, gradients: gradientsOf(graph, values) };
}

function expectSame(got: Outcome, want: Outcome): void {
  got.losses.forEach((loss, i) => expect(loss).toBeCloseTo(want.losses[i]!, 9));
  for (const [name, gradient] of Object.entries(want.gradients)) {
    const size = Math.max(1e-3, ...gradient.map(Math.abs));
    const worst = gradient.reduce((most, x, i) => Math.max(most, Math.abs(x - got.gradients[name]![i]!)), 0);
    expect(worst / size, name).toBeLessThan(1e-9);
  }
}

const added = (parts: readonly Outcome[]): Outcome => parts.reduce((a, b) => ({
  losses: a.losses.map((loss, i) => loss + b.losses[i]!),
  gradients: Object.fromEntries(Object.entries(a.gradients).map(([name, gradient]) => [name, gradient.map((x, i) => x + b.gradients[name]![i]!)])),
}));

/** Every term that a loss can have, and every way in which tokens leave early. */
const TERMS = [
  "MoEUT", "balance over the batch", "balance per site", "balance over the batch, per site", "load balance, top 1",
  "load balance of sequences and passes", "entropy of each token", "mutual information of heads", "mixture of heads", "router z-loss", "balance by bias",
  "balance by bias and mutual information, softmax", "halting", "halting, dropout, experts drawn", "halting by sums",
  "core of two layers that tokens leave", "core of two layers that tokens leave by sums",
];

test.each(TERMS)("a masked rest is no rest: %s", (name) => {
  const spec = ODD_MODELS[name]!;
  expectSame(outcome(spec, [SHORT], true), outcome(spec, [SHORT], false));
});

test("any position may be masked: the loss is the mean of the others", () => {
  const graph = buildGraph(ODD_MODELS["MoEUT"]!, { kind: "train", batch: 2, seqLen: T, masked: true });
  const counts = Array.from({ length: 2 * T }, (_, i) => i % 5 !== 2 && i % 7 !== 0);
  const targets = counts.map((isCounted, i) => (isCounted ? (i * 17 + 3) % V : IGNORED));
  const inputs = { tokens: [...text(0, T), ...text(1, T)], targets, noise: NOISE };
  const values = evaluateGraph(graph, { params: randomParams(graph, 5, 0.3), inputs });
  const losses = Array.from(values[graph.outputs["token_loss"]!]!).filter((_, i) => counts[i]);
  expect(values[graph.outputs["ce_loss"]!]![0]).toBeCloseTo(losses.reduce((a, b) => a + b, 0) / losses.length, 12);
});

const EVEN: Readonly<Record<string, ModelSpec>> = {
  "cross-entropy": twice(mha(), moe({}, null), "pre"),
  "entropy over sequences": twice(switchhead(["v", "o"]), moe(), "peri"),
  "entropy over sequences, per site": twice(mha(), moe({}, entropy(0.2, { passes: false })), "pre"),
  "load over sequences": twice(mha(), moe({}, load(0.3, { over: "sequence" })), "pre"),
  "load over tokens": twice(mha(), moe({}, load(0.3, { over: "token" })), "pre"),
  "z-loss": twice(mha(), moe({ zLoss: 0.1 }, null), "pre"),
  "halting": ODD_MODELS["halting by sums"]!,
};

describe.each(Object.entries(EVEN))("a batch cut into unequal parts: %s", (_, spec) => {
  const lengths = [SHORT, T, 3];
  const whole = outcome(spec, lengths, true);

  test("is the mean over its sequences, each weighted by its targets", () => {
    const all = lengths.reduce((a, b) => a + b, 0);
    const parts = lengths.map((length, row) => outcome(spec, [length], false, length / all, row));
    const weighted = added(parts.map((part, row) => ({ ...part, losses: part.losses.map((loss, i) => (i === 0 ? loss : (loss * lengths[row]!) / all)) })));
    expectSame(weighted, whole);
  });

  test("has the same gradients in micro-batches, weighted as a step weighs them", () => {
    const targetsOf = (part: readonly number[]): Uint32Array =>
      Uint32Array.from(part.flatMap((length) => Array.from({ length: T }, (_, i) => (i < length ? 1 : IGNORED))));
    const [first, second] = [lengths.slice(0, 2), lengths.slice(2)];
    const shares = sharesOf([first, second].map((part) => ({ tokens: new Uint32Array(), targets: targetsOf(part) })));
    const parts = [outcome(spec, first, true, shares[0], 0), outcome(spec, second, true, shares[1], 2)];
    const gradients = added(parts).gradients;
    expectSame({ losses: [parts[0]!.losses[0]! + parts[1]!.losses[0]!], gradients }, { ...whole, losses: whole.losses.slice(0, 1) });
  });
});

test("a micro-batch without targets adds nothing", () => {
  const { losses, gradients } = outcome(ODD_MODELS["MoEUT"]!, [0], true, 0);
  expect(losses[0]).toBe(0);
  for (const gradient of Object.values(gradients)) expect(gradient.every((x) => x === 0)).toBe(true);
});
