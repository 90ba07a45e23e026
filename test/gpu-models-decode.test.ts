/** Decoding with caches agrees with the full forward at every position, however the text is cut into chunks. */
import { describe, expect, test } from "vitest";
import { graphOf, type CompileOptions } from "../compiler/compile.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { decode, prefill } from "../runtime/standalone/generate.ts";
import { writePositions } from "../runtime/standalone/positions.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { deviation } from "./support/golden.ts";
import { deviceOf, MAIN, OTHERS, rounded, withModel, writeParams } from "./support/gpu.ts";
import { ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const BOUND = 1e-4;
const text = Array.from({ length: T }, (_, i) => (i * 31 + 7) % V);

const CASES = [
  ...["MoEUT", "experts on all projections", "head gates", "no positions", "learned positions", "parallel blocks", "stretched positions", "core, injected by a gate, sinusoidal passes and positions", "core from noise", "core of two layers that tokens leave by sums"].map((name) => ({ kind: MAIN, name })),
  ...OTHERS.map((kind) => ({ kind, name: "MoEUT" })),
];

describe.each(CASES)("$name on $kind", ({ kind, name }) => {
  const spec = ODD_MODELS[name]!;
  const full = graphOf(spec, "evaluate", { batch: 1, seqLen: T });
  const params = rounded(randomParams(full, 5, 0.3));
  const want = evaluateGraph(full, { params, inputs: { tokens: text, targets: text } })[full.outputs["logits"]!]!;
  const expectAt = (logits: ArrayLike<number>, position: number): void =>
    expect(deviation(logits, want.subarray(position * V, (position + 1) * V)), `position ${position}`).toBeLessThan(BOUND);

  const run = async (options: Partial<CompileOptions>, use: (executor: Executor) => Promise<void>): Promise<void> =>
    withModel(await deviceOf(kind), spec, { batch: 1, seqLen: T, entries: ["prefill", "decode"], ...options }, async (executor) => {
      writeParams(executor, params);
      await use(executor);
    });
  const ALL = { chunk: 7, entries: ["evaluate", "prefill", "decode"], keep: { evaluate: ["logits"] } } as const;

  test("evaluation, then decoding from nothing, then prefill in chunks of 7", () => run(ALL, async (executor) => {
    executor.write("evaluate/tokens", Uint32Array.from(text));
    executor.write("evaluate/targets", Uint32Array.from(text));
    writePositions(executor, "evaluate", 0);
    const { "evaluate/logits": logits } = await executor.run(["evaluate"], ["evaluate/logits"]);
    for (let t = 0; t < T; t++) expectAt(logits!.subarray(t * V, (t + 1) * V), t);
    for (let t = 0; t < T; t++) expectAt(await decode(executor, [text[t]!], t), t);
    await expectPrefill(executor);
  }));

  test.each([1, 4, T])("prefill in chunks of %i up to every length, then decoding", (chunk) => run({ chunk }, expectPrefill));

  async function expectPrefill(executor: Executor): Promise<void> {
    for (let length = 1; length <= T; length += 3) {
      expectAt(await prefill(executor, [text.slice(0, length)], T), length - 1); // over caches that hold the previous text
      for (let t = length; t < Math.min(length + 2, T); t++) expectAt(await decode(executor, [text[t]!], t), t);
    }
  }
});
