/** Logits of models of many kinds on the processor: those of a beginning do not depend on what fills the context behind it. */
import { expect, test } from "vitest";
import { CPU } from "../compiler/5-plan/index.ts";
import { compileModel, isCausal } from "../compiler/compile.ts";
import { assemble } from "../compiler/wasm/index.ts";
import { createCpuExecutor } from "../runtime/standalone/cpu/executor.ts";
import { inferenceOver, type Inference } from "../runtime/standalone/inference.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { ODD_MODELS } from "./support/odd-models.ts";

const KINDS = [
  "MoEUT", "mixture of heads", "norm on v and experts, halting", "halting by sums", "core from noise", "shared experts", "no positions",
  "core, injected by a gate, sinusoidal passes and positions", "core of two layers that tokens leave",
  "relative positions in a window, encoder",
];

test.each(KINDS)("%s", async (kind) => {
  const model = ODD_MODELS[kind]!;
  const { seqLen, vocabSize } = model;
  const entries = ["evaluate", "logits", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])] as const;
  const plan = compileModel(model, { batch: 1, seqLen, entries, profile: CPU });
  const executor = await createCpuExecutor(plan, assemble(plan.kernels), { threads: 1 });
  initializeParameters(executor, plan.params, 3);
  const inference: Inference<string> = inferenceOver(executor, plan.params, { seqLen, vocabSize, text: null });
  const text = Array.from({ length: seqLen + 1 }, (_, i) => (7 * i + 3 * i * i) % vocabSize);
  const [tokens, targets] = [text.slice(0, -1), text.slice(1)];

  const all = await inference.logits(tokens);
  const losses = await inference.forward({ tokens: Uint32Array.from(tokens), targets: Uint32Array.from(targets) });
  const row = (i: number): Float32Array => all.subarray(i * vocabSize, (i + 1) * vocabSize);
  targets.forEach((target, i) => {
    const sum = row(i).reduce((total, logit) => total + Math.exp(logit), 0);
    expect(Math.log(sum) - row(i)[target]!).toBeCloseTo(losses[i]!, 4);
  });

  if (isCausal(model)) for (const length of [1, 7, seqLen - 1]) {
    const beginning = await inference.logits(tokens.slice(0, length));
    expect(beginning).toEqual(all.slice(0, length * vocabSize));
  }
  else await expect(inference.logits(tokens.slice(1))).rejects.toThrow(/the model takes \d+, because its attention sees what follows/);
  inference.destroy();
});
