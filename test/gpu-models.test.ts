/**
 * Whole models at sizes that are multiples of nothing: every value a user sees and every parameter's gradient against the float64
 * reference.
 */
import { afterAll, describe, expect, test } from "vitest";
import { graphOf } from "../compiler/compile.ts";
import type { OpGraph } from "../compiler/ir/graph.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph, gradientsOf } from "../compiler/reference/index.ts";
import type { AdapterKind } from "../runtime/adapter/index.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import { deviation } from "./support/golden.ts";
import { deviceOf, MAIN, OTHERS, PROFILES, rounded, runGraph, WEBGPU } from "./support/gpu.ts";
import { NOISE, ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const BATCH = 3;
/** Of the greatest entry of a tensor; losses relative. The same bounds as for golden folders. */
const BOUND = { logits: 1e-4, gradient: 1e-4, loss: 1e-5 } as const;

interface Case {
  readonly why: string;
  readonly kind: AdapterKind;
  readonly profile: keyof typeof PROFILES;
  readonly unfused?: boolean;
  readonly models: readonly string[];
}

const ALL = Object.keys(ODD_MODELS);
const VARIED = ["MoEUT", "post", "experts on all projections", "tied head, scaled and normalized embedding"];
/** Everything that attention may be asked for at once. */
const ATTENTION = "relative positions in a window, encoder";
const CASES: readonly Case[] = [
  { why: "every option", kind: MAIN, profile: "own", models: ALL },
  { why: "no fusion", kind: MAIN, profile: "own", unfused: true, models: VARIED },
  ...WEBGPU.flatMap((kind): readonly Case[] => [
    { why: "exchange through workgroup memory, as where there are no subgroups", kind, profile: "portable", models: VARIED },
    { why: "one invocation at a time, as on CPUs", kind, profile: "cpu", models: ["MoEUT", ATTENTION] },
    { why: "a team per row, as on GPUs", kind, profile: "team", models: VARIED },
  ]),
  ...OTHERS.map((kind): Case => (
    { why: "another adapter", kind, profile: "own", models: [...VARIED, ATTENTION, "softmax over the chosen", "dropout of experts"] })),
];

const inputs = {
  tokens: Array.from({ length: BATCH * T }, (_, i) => (i * 31 + 7) % V),
  targets: Array.from({ length: BATCH * T }, (_, i) => (i * 17 + 3) % V),
  loss_scale: [0.5], noise: NOISE, positions: [...Array(T).keys()],
};

interface Want {
  readonly graph: OpGraph;
  readonly params: Readonly<Record<string, Float64Array>>;
  readonly output: (name: string) => Float64Array;
  readonly grads: Readonly<Record<string, Float64Array>>;
}

const references = new Map<ModelSpec, Want>();

function referenceOf(spec: ModelSpec): Want {
  const known = references.get(spec);
  if (known !== undefined) return known;
  const graph = graphOf(spec, "train", { batch: BATCH, seqLen: T });
  const { params, values } = clearNumbers(graph);
  const want = { graph, params, output: (name: string) => values[graph.outputs[name]!]!, grads: gradientsOf(graph, values) };
  references.set(spec, want);
  return want;
}

/**
 * Random parameters for which no choice of an expert and no kink of relu is so close that float32 may fall on its other side, and on
 * whose last bits no gradient hangs: passes that tokens leave can magnify a rounding a hundredfold.
 */
function clearNumbers(graph: OpGraph): { readonly params: Record<string, Float64Array>; readonly values: readonly Float64Array[] } {
  for (let seed = 5; ; seed++) {
    const params = rounded(randomParams(graph, seed, 0.3));
    const values = evaluateGraph(graph, { params, inputs });
    const clear = graph.nodes.every((node) => distanceToTurn(graph, node, values) > 1e-5);
    if (clear && magnification(graph, params, values) < BOUND.gradient / 10) return { params, values };
  }
}

/** How much gradients change, of their greatest entry, when every parameter is off by half a unit in float32's last place. */
function magnification(graph: OpGraph, params: Readonly<Record<string, Float64Array>>, values: readonly Float64Array[]): number {
  const moved = Object.fromEntries(Object.entries(params).map(([name, data]) => {
    const random = createRandom(1, name);
    return [name, data.map((x, i) => x * (1 + (2 * random.uniform(i) - 1) * 2 ** -24))];
  }));
  const [before, after] = [values, evaluateGraph(graph, { params: moved, inputs })].map((v) => gradientsOf(graph, v));
  return Math.max(...Object.entries(before!).map(([name, grad]) => deviation(after![name]!, grad)));
}

/** How far a value is from where the gradient jumps: rows of topK from a tie, hidden units of experts from 0. */
function distanceToTurn(
  graph: OpGraph, { op, inputs: [x], outputs: [y] }: OpGraph["nodes"][number], values: readonly Float64Array[],
): number {
  if (op.kind === "expertMatmul" && graph.values[y!]!.name.endsWith(".up")) return values[y!]!.reduce(
    (least, v) => Math.min(least, Math.abs(v)), Infinity,
  );
  if (op.kind !== "topK") return Infinity;
  const n = graph.values[x!]!.type.shape.at(-1)!;
  const gaps = Array.from({ length: values[x!]!.length / n }, (_, row) => {
    const sorted = Array.from(values[x!]!.subarray(row * n, (row + 1) * n)).sort((a, b) => b - a);
    const [last, next] = [sorted[op.k - 1]!, sorted[op.k]];
    return next === undefined || next < -1e20 ? Infinity : last - next; // excluded experts are far below all others, and equal
  });
  return Math.min(...gaps);
}

/** The worst of each run, for people who watch: share of the bound. */
const worst = { share: 0, where: "" };
function within(got: ArrayLike<number>, want: ArrayLike<number>, bound: number, what: string): void {
  const error = deviation(got, want);
  if (error / bound > worst.share) Object.assign(worst, { share: error / bound, where: what });
  expect(error, what).toBeLessThan(bound);
}
afterAll(() => process.env["MOEUT_SHOW_WORST"] && console.log(`worst of all models: ${worst.share.toPrecision(3)} of its bound, ${worst.where}`));

describe.each(CASES)("$kind, profile $profile: $why", ({ kind, profile, unfused = false, models }) => {
  test.each(models)("%s", async (name) => {
    const { graph, params, output, grads } = referenceOf(ODD_MODELS[name]!);
    const handle = await deviceOf(kind);
    const outputs = ["logits", "ce_loss", "reg_loss", "token_loss"];
    const got = await runGraph(handle, PROFILES[profile](handle), graph, { params, inputs, outputs, unfused });
    const label = (what: string): string => `${what}: ${name} on ${kind}, ${profile}${unfused ? ", unfused" : ""}`;
    expect(Object.keys(got.grads).sort()).toEqual(Object.keys(params).sort());
    for (const [param, grad] of Object.entries(grads)) within(got.grads[param]!, grad, BOUND.gradient, label(`gradient of ${param}`));
    for (const out of outputs) within(
      got.outputs[out]!, output(out), out.endsWith("loss") && out !== "token_loss" ? BOUND.loss : BOUND.logits, label(out),
    );
  });
});
