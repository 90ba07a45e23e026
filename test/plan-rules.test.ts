/** What every plan must keep to, whatever the model: WebGPU's limits, texts that depend on the group alone, memory that adds up. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { compileModel, compilerFor, type CompileOptions, type EntryName } from "../compiler/compile.ts";
import { countParams } from "../compiler/counts/index.ts";
import { CPU, PORTABLE, profileFor } from "../compiler/5-plan/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan, Profile } from "../compiler/ir/plan.ts";
import { openDevice } from "../runtime/adapter/index.ts";
import { createExecutor } from "../runtime/standalone/executor.ts";
import { layer, model, scheduleOf } from "./support/models.ts";
import { dense, mha, moe, ODD_MODELS, switchhead, T } from "./support/odd-models.ts";
import { modelSpec } from "./support/spec-arbitrary.ts";

const ENTRIES: readonly EntryName[] = ["train", "update", "evaluate", "prefill", "decode"];
const PROFILES: readonly Profile[] = [
  PORTABLE,
  profileFor({ kind: "gpu", subgroups: true, subgroupMin: 32, subgroupMax: 32 }),
  profileFor({ kind: "lavapipe", subgroups: true, subgroupMin: 8, subgroupMax: 8 }),
  profileFor({ kind: "swiftshader", subgroups: true, subgroupMin: 4, subgroupMax: 4 }),
  CPU,
];

const options = (spec: ModelSpec, over: Partial<CompileOptions> = {}): CompileOptions =>
  ({ batch: 2, seqLen: spec.seqLen, entries: ENTRIES, chunk: Math.min(7, spec.seqLen), ...over });
const plan = (spec: ModelSpec, over: Partial<CompileOptions> = {}): KernelPlan => compileModel(spec, options(spec, over));

const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1);

/** Everything that is wrong with a plan, in words. */
function problems(p: KernelPlan): readonly string[] {
  const found: string[] = [];
  const check = (ok: boolean, what: string): void => void (ok || found.push(what));
  for (const [name, { dispatches }] of Object.entries(p.entries)) {
    for (const d of dispatches) {
      const { access } = p.kernels[d.kernel]!;
      const where = `${name}: ${d.label}`;
      check(
        d.buffers.length === access.length && access.length <= 8, `${where} binds ${d.buffers.length} buffers to ${access.length} bindings`,
      );
      check(d.workgroups.every((n) => Number.isInteger(n) && n >= 1 && n <= 65535), `${where} starts ${d.workgroups} workgroups`);
      check(d.sizes.length <= 32 && d.sizes.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32), `${where} has sizes ${d.sizes}`);
      const written = d.buffers.filter((_, i) => access[i] === "read_write");
      check(
        written.every((buffer) => d.buffers.filter((b) => b === buffer).length === 1),
        `${where} binds a buffer that it writes a second time`,
      );
    }
  }
  for (const b of p.buffers) check(b.bytes > 0 && b.bytes % 4 === 0, `${b.label} has ${b.bytes} bytes`);
  for (const [name, t] of Object.entries(p.tensors)) check(
    4 * product(t.physical) <= (p.buffers[t.buffer]?.bytes ?? 0), `${name} does not fit its buffer`,
  );
  check(p.memory.total === p.buffers.reduce((sum, b) => sum + b.bytes, 0), "the total is not the sum of the buffers");
  check(p.memory.total === Object.values(p.memory.byKind).reduce((a, b) => a + b, 0), "the total is not the sum of the kinds");
  check(
    new Set(p.kernels.map((k) => k.wgsl)).size === p.kernels.length && new Set(p.kernels.map((k) => k.name)).size === p.kernels.length,
    "kernels are not distinct",
  );
  return found;
}

describe.each(Object.entries(ODD_MODELS))("%s", (_, spec) => {
  let planFor: (profile: Profile) => KernelPlan;
  beforeAll(() => void (planFor = compilerFor(spec, options(spec))));
  test.each(PROFILES)("$name keeps to the limits", (profile) => expect(problems(planFor(profile))).toEqual([]));
  test("unfused as well", () => expect(problems(plan(spec, { unfused: true }))).toEqual([]));
});

const GROUPED = {
  layers: [layer("a", switchhead(["v", "o"]), moe(), "peri"), layer("b", mha(), dense(), "peri")], vocabSize: 53, seqLen: T, dModel: 37,
};
/** Texts without the numbers in expressions, some of which are 1 / batch or the like. */
const texts = (p: KernelPlan): readonly string[] =>
  [...new Set(p.kernels.map((k) => k.wgsl.replace(/(f32|vec4f)\(-?[\d.e-]+\)/g, "$1(number)")))].sort();

test("the passes of a group share their kernels: depth adds none", () => {
  const deep = (passes: number): ModelSpec =>
    model({ ...GROUPED, schedule: scheduleOf(Array.from({ length: 2 * passes }, (_, i) => i % 2)) });
  const count = (passes: number): number => plan(deep(passes)).kernels.length;
  // What all passes give is added up by kernels of several operands; the last of them may have fewer.
  for (const passes of [8, 11, 24]) expect(count(passes)).toBeLessThanOrEqual(count(4) + 3);
  expect(problems(plan(deep(24)))).toEqual([]);
});

test("layers of equal sizes share their kernels: a group of two adds none", () => {
  const twins = (names: readonly string[]): ModelSpec =>
    model({
      ...GROUPED, layers: names.map((name) => layer(name, switchhead(["v", "o"]), moe(), "peri")),
      schedule: scheduleOf([...names.keys(), ...names.keys()]),
    });
  expect(texts(plan(twins(["a", "b"]))).length).toBeLessThanOrEqual(texts(plan(twins(["a"]))).length + 2);
});

test.each(["MoEUT", "post", "dense", "experts on all projections"])("no text depends on batch or sequence length: %s", (name) => {
  const spec = ODD_MODELS[name]!;
  const [planFor, larger] = [compilerFor(spec, options(spec)), compilerFor(spec, options(spec, { batch: 5 }))];
  const longer = compilerFor({ ...spec, seqLen: 23 }, options(spec, { seqLen: 23 }));
  for (const profile of PROFILES) {
    const reference = texts(planFor(profile));
    expect(texts(larger(profile)), "batch").toEqual(reference);
    expect(texts(longer(profile)), "length").toEqual(reference);
  }
});

test("a plan is the same every time", () => {
  for (const spec of Object.values(ODD_MODELS).slice(0, 4)) expect(JSON.stringify(plan(spec))).toBe(JSON.stringify(plan(spec)));
});

describe("any valid spec", () => {
  test("is planned within the limits, and its parameters are those that were counted", () => {
    fc.assert(fc.property(modelSpec, fc.constantFrom(...PROFILES), fc.boolean(), fc.integer({ min: 1, max: 3 }), (spec, profile, unfused, batch) => {
      const p = plan(spec, { profile, unfused, batch });
      expect(problems(p)).toEqual([]);
      const allocated = p.params.reduce(
        (sum, { name, shape }) => sum + (p.tensors[`param/${name}`]!.shape.join() === shape.join() ? product(shape) : NaN), 0,
      );
      expect(allocated).toBe(countParams(spec).total);
    }), { numRuns: 60, seed: 1 });
  });

  test("gives shaders and bindings that Dawn accepts, on all profiles", async () => {
    const { device, checkErrors, close } = await openDevice({ adapter: "null" });
    try {
      await fc.assert(fc.asyncProperty(modelSpec, fc.constantFrom(...PROFILES), fc.boolean(), async (spec, profile, unfused) => {
        const executor = await createExecutor(device, plan(spec, { profile, unfused }));
        await executor.run(ENTRIES);
        executor.destroy();
        checkErrors();
      }), { numRuns: 40, seed: 2 });
    } finally {
      close();
    }
  });
});
