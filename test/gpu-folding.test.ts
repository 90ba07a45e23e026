/** A grid of tiles folded into workgroups gives the numbers of a grid that needed no folding, to the bit. */
import { expect, test } from "vitest";
import { compileModel } from "../compiler/compile.ts";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import { initializeParameters } from "../runtime/standalone/parameters.ts";
import { updateWords } from "../runtime/standalone/schedule.ts";
import { writeBatch } from "../runtime/standalone/train-step.ts";
import type { Executor, HostArray } from "../runtime/standalone/types.ts";
import { recipeOf } from "../runtime/train/index.ts";
import { deviceOf, ownProfile, WEBGPU, withExecutor } from "./support/gpu.ts";
import { ODD_MODELS, T, V } from "./support/odd-models.ts";

const BATCH = 3;
const RECIPE = recipeOf(ODD_MODELS["MoEUT"]!.train);

/**
 * With every entry once more, as "folded NAME", launched as where a dimension may have `limit` workgroups: rows of tiles that mostly end
 * beyond the last.
 */
function withFolded(plan: KernelPlan, limit: number): KernelPlan {
  const fold = ([x, y, z]: readonly [number, number, number]): readonly [number, number, number] =>
    [limit, Math.ceil((x * y * z) / limit), 1];
  const folded = Object.entries(plan.entries).map(([name, { dispatches }]) => [`folded ${name}`, { dispatches: dispatches.map((d) => ({ ...d, workgroups: fold(d.workgroups) })) }]);
  return { ...plan, entries: { ...plan.entries, ...Object.fromEntries(folded) } };
}

const tokensFrom = (first: number): Uint32Array => Uint32Array.from({ length: BATCH * T }, (_, i) => (i * 31 + first) % V);

/** Losses of tokens, gradients, and weights after a step, by name. @param prefix of the entries */
async function numbers(executor: Executor, { params }: KernelPlan, prefix: string): Promise<Readonly<Record<string, HostArray>>> {
  const batch = { tokens: tokensFrom(7), targets: tokensFrom(3) };
  initializeParameters(executor, params, 1);
  for (const entry of ["train", "evaluate"] as const) writeBatch(executor, entry, batch);
  executor.write("train/loss_scale", Float32Array.of(1));
  executor.write("update", updateWords(RECIPE, 0));
  const gradients = await executor.run([`${prefix}train`, `${prefix}evaluate`], ["evaluate/token_loss", ...params.map((p) => `grad/${p.name}`)]);
  return { ...gradients, ...await executor.run([`${prefix}update`], params.map((p) => `param/${p.name}`)) };
}

/** Between them, nearly every kernel of a training step. */
const MODELS = ["experts on all projections", "halting, dropout, experts drawn"];
test.each(WEBGPU.flatMap((kind) => MODELS.map((name) => [kind, name] as const)))("on %s: %s", async (kind, name) => {
  const handle = await deviceOf(kind);
  const plan = compileModel(ODD_MODELS[name]!, {
    batch: BATCH, seqLen: T, entries: ["train", "update", "evaluate"], profile: ownProfile(handle),
  });
  await withExecutor(handle, withFolded(plan, 7), async (executor) => {
    expect(await numbers(executor, plan, "folded ")).toEqual(await numbers(executor, plan, ""));
  });
});
