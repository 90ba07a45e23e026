/** Whatever a spec asks for is either planned within a device's limits, or what exceeds them is named. Nothing runs here. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { requireFit } from "../api/fit.ts";
import { shortcomings } from "../cli/variants.ts";
import { compilerFor, isCausal, type EntryName } from "../compiler/compile.ts";
import { CPU, PORTABLE, profileFor } from "../compiler/5-plan/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan, Profile } from "../compiler/ir/plan.ts";
import type { AdapterInfo } from "../runtime/adapter/index.ts";
import { planProblems, type PlanLimits } from "../runtime/standalone/limits.ts";
import { checkFile, checkText, specsIn } from "./support/corpus.ts";

/** A GPU as they are today. */
const GPU: PlanLimits = {
  maxBufferSize: 2 ** 31 - 4, maxStorageBufferBindingSize: 2 ** 31 - 4, maxUniformBufferBindingSize: 65_536,
  maxStorageBuffersPerShaderStage: 8, maxComputeWorkgroupsPerDimension: 65_535,
};
const NO_LIMITS: PlanLimits = {
  maxBufferSize: Infinity, maxStorageBufferBindingSize: Infinity, maxUniformBufferBindingSize: Infinity,
  maxStorageBuffersPerShaderStage: Infinity, maxComputeWorkgroupsPerDimension: Infinity,
};
const PROFILES: readonly Profile[] = [
  PORTABLE,
  profileFor({ kind: "gpu", subgroups: true, subgroupMin: 32, subgroupMax: 32 }),
  profileFor({ kind: "swiftshader", subgroups: true, subgroupMin: 4, subgroupMax: 4 }),
  CPU,
];

const ENTRIES: readonly EntryName[] = ["train", "update", "evaluate", "prefill", "decode"];
const modelOf = (text: string): ModelSpec => checkText(text).models[0]!;
const planner = (model: ModelSpec): ((profile: Profile) => KernelPlan) => {
  const { train: { batch, accumulate }, seqLen } = model;
  return compilerFor(model, { batch: batch / accumulate, seqLen, entries: ENTRIES.slice(0, isCausal(model) ? 5 : 3) });
};
const planOf = (model: ModelSpec, profile: Profile): KernelPlan => planner(model)(profile);

/** Launches with more workgroups in a dimension than WebGPU guarantees, or with fewer than there are tiles. */
function badLaunches(plan: KernelPlan): readonly string[] {
  const tiles = (kernel: number, sizes: readonly number[]): number => {
    const names = /struct Sizes \{ (.*) \}/.exec(plan.kernels[kernel]!.wgsl)![1]!.split(", ");
    const axes = /let tile = vec(\d)u/.exec(plan.kernels[kernel]!.wgsl)?.[1] ?? "1";
    if (names.length !== sizes.length) throw new Error(`${plan.kernels[kernel]!.name} has ${names.length} sizes and gets ${sizes.length}`);
    return sizes.slice(-Number(axes)).reduce((a, b) => a * b, 1);
  };
  return Object.values(plan.entries).flatMap(({ dispatches }) => dispatches).filter(({ kernel, sizes, workgroups: [x, y, z] }) =>
    x > 65_535 || y > 65_535 || z !== 1 || x * y < tiles(kernel, sizes)).map((d) => `${d.label}: ${d.workgroups.join(" × ")} for ${d.sizes.join(", ")}`);
}

interface Written {
  readonly vocab?: number;
  readonly seq?: number;
  readonly width?: number;
  readonly attention?: string;
  readonly feedForward?: string;
  readonly batch?: number;
}

/** Small but for what is given. */
const spec = ({ vocab = 5, seq = 4, width = 4, attention = "attention mha { n_heads 1  d_head 4 }", feedForward = "feed_forward dense { d_ff 4 }", batch = 1 }: Written): string =>
  `moeut 1\nmodel m { vocab_size ${vocab}  seq_len ${seq}  d_model ${width}  layer a { ${attention}  ${feedForward} }  train { batch ${batch} } }`;

/** More than 65,535 tiles along each axis of each kernel, in models that fit a GPU. */
const LONG: Readonly<Record<string, Written>> = {
  "sequences × heads": { attention: "attention mha { n_heads 64  d_head 4 }", batch: 1040 },
  "sequences × heads of keys": { attention: "attention mha { n_heads 128  n_kv_heads 64  d_head 4  positions relative { max 2 } }", batch: 1040 },
  "rows of a matrix product": { batch: 140_000 },
  "tiles of positions": { seq: 600_000 },
  "vocabulary": { vocab: 9_000_000 },
  "slots of experts": { seq: 1024, feedForward: "feed_forward moe { n_experts 7  expert_size 4  top_k 4 }", batch: 132 },
  "experts": { feedForward: "feed_forward moe { n_experts 70_000  expert_size 4  top_k 2 }" },
  "experts chosen": { seq: 8, feedForward: "feed_forward moe { n_experts 70_000  expert_size 4  top_k 70_000 }" },
  "experts of heads": { attention: "attention switchhead { n_heads 300  d_head 4  n_experts 300 on q, k, v, o  top_k 2 }" },
  "columns": { feedForward: "feed_forward dense { d_ff 9_000_000 }" },
  "heads wide and many": { seq: 64, attention: "attention mha { n_heads 700  d_head 4096 }" },
  "everything, as published": { seq: 1024, attention: "attention switchhead { n_heads 4  d_head 8  n_experts 8 on v, o  top_k 2 }", batch: 64 },
};

describe.each(Object.entries(LONG))("long: %s", (_, written) => {
  let planFor: (profile: Profile) => KernelPlan;
  beforeAll(() => void (planFor = planner(modelOf(spec(written)))));
  test.each(PROFILES)("$name", (profile) => {
    const plan = planFor(profile);
    expect(Object.values(plan.entries).some(({ dispatches }) => dispatches.some((d) => d.workgroups[1] > 1)), "something is folded")
      .toBe(true);
    expect(badLaunches(plan)).toEqual([]);
    expect(planProblems(plan, GPU).map((p) => p.text)).toEqual([]);
    expectPortable(plan);
  });
});

const size = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max: 1, noNaN: true }).map((x) => Math.floor(max ** x));

/** Any sizes that the language allows. */
const anySizes = fc.record({
  batch: size(2 ** 20), seqLen: size(2 ** 20), dModel: size(2 ** 20), vocabSize: size(2 ** 24), heads: size(65_536), dHead: size(2 ** 18), experts: size(65_536), hidden: size(2 ** 20), topK: size(64),
  ff: fc.constantFrom("dense", "moe"), attention: fc.constantFrom("mha", "switchhead", "relative"), profile: fc.constantFrom(...PROFILES),
}).map((n) => ({
  profile: n.profile,
  text: spec({
    vocab: n.vocabSize, seq: n.seqLen, width: n.dModel, batch: n.batch,
    attention: n.attention === "switchhead" ? `attention switchhead { n_heads ${n.heads}  d_head ${4 * n.dHead}  n_experts ${n.experts} on q, v, o  top_k ${Math.min(n.topK, n.experts)} }`
      : `attention mha { n_heads ${n.heads}  d_head ${4 * n.dHead}  ${n.attention === "mha" ? "" : "positions relative { max 7 }"} }`,
    feedForward: n.ff === "dense" ? `feed_forward dense { d_ff ${n.hidden} }` : `feed_forward moe { n_experts ${n.experts}  expert_size ${n.hidden}  top_k ${Math.min(n.topK, n.experts)} }`,
  }),
}));

test("lavapipe, which ends the process when the system maps no more memory for it: that is said before", () => {
  const layer = "layer a { attention mha {}  feed_forward dense { d_ff 4 } }";
  const plan = planOf(modelOf(`moeut 1 model m { vocab_size 8  seq_len 4  d_model 4  ${layer} }`), PORTABLE);
  const device = (kind: string) => ({ kind, name: kind, limits: GPU }) as unknown as Parameters<typeof requireFit>[1];
  const fit = (kind: string, maps: number) => () => requireFit(plan, device(kind), { memory: 1e9, maps });
  expect(fit("lavapipe", 8_010)).toThrow(/^m is too deep for lavapipe .* needs \d+ pieces .* 8010 .*fewer layers/);
  expect(fit("lavapipe", 65_530)).not.toThrow();
  expect(fit("gpu", 8_010)).not.toThrow();
});

describe("any sizes that the language allows", () => {
  test("also more elements than a number can count", () => {
    const attention = "attention switchhead { n_heads 65375  d_head 4  n_experts 1 on q, v, o  top_k 1 }";
    const [problem] = planProblems(planOf(modelOf(spec({ batch: 132_851, seq: 1_037_883, attention })), PORTABLE), GPU);
    expect(problem?.buffer?.bytes).toBeGreaterThan(2 ** 53);
  });

  test("are launched within the limits, or something that is too large is named", () => {
    fc.assert(fc.property(anySizes, ({ profile, text }) => {
      const plan = planOf(modelOf(text), profile);
      const [problem] = planProblems(plan, GPU);
      if (problem === undefined) expect(badLaunches(plan)).toEqual([]);
      else {
        expect(problem.buffer?.bytes, problem.text).toBeGreaterThan(GPU.maxBufferSize);
        const device = { kind: "gpu", name: "a GPU", limits: GPU } as unknown as Parameters<typeof requireFit>[1];
        expect(() => requireFit(plan, device)).toThrow(/^m is too large for a GPU: .+ needs .+ in one buffer, and the device allows 2\.0 GiB; choose /);
      }
      // Where nothing limits buffers, what kernels cannot count is still found.
      const sizes = Object.values(plan.entries).flatMap(({ dispatches }) => dispatches.flatMap((d) => d.sizes));
      if (plan.buffers.some((b) => b.bytes > 2 ** 32) || sizes.some((n) => n >= 2 ** 32)) expect(planProblems(plan, NO_LIMITS)).not.toEqual([]);
    }), { numRuns: 60 });
  });
});

const SPECS = new URL("../specs/", import.meta.url);
const shipped = specsIn(SPECS).flatMap((name) => checkFile(SPECS, name).models.map((model) => ({ name, model })));

const oneAtATime = ({ kernels }: KernelPlan): void => {
  for (const { name, wgsl } of kernels) expect(wgsl, name).not.toMatch(/subgroup|Barrier|atomic/);
};

describe.each(shipped)("specs/$name, $model.name", ({ model }) => {
  let planFor: (profile: Profile) => KernelPlan;
  beforeAll(() => void (planFor = planner(model)));

  /** Batches and contexts of papers may need more than a buffer holds: then that is named, and the remedy is to accumulate. */
  test("at its own recipe", () => {
    const plan = planFor(PROFILES[1]!);
    expect(badLaunches(plan)).toEqual([]);
    for (const { buffer } of planProblems(plan, GPU)) expect(buffer?.bytes).toBeGreaterThan(GPU.maxBufferSize);
  });

  test("one invocation at a time exchanges nothing", () => oneAtATime(planFor(CPU)));
});

test("relative positions, one invocation at a time, exchange nothing", () =>
  oneAtATime(planOf(modelOf(spec(LONG["sequences × heads of keys"]!)), CPU)));

test("what a comparison has no room for is known before it trains", () => {
  const info = { kind: "gpu", name: "a small GPU", subgroupMin: 32, subgroupMax: 32, limits: { ...GPU, maxBufferSize: 2 ** 20 }, features: [], why: "" } as unknown as AdapterInfo;
  const named = (name: string, written: Written): ModelSpec => ({ ...modelOf(spec(written)), name });
  const found = shortcomings([
    named("fits", {}), named("large", { vocab: 300_000 }),
    named("encoder", { attention: "attention mha { n_heads 1  d_head 4  causal false }" }),
  ], { source: [], id: "", tokenizer: "bytes", tokens: 0 }, info);
  expect(found).toEqual([expect.stringMatching(/^large cannot be trained here: large is too large for a small GPU: .+ in one buffer, and the device allows 1\.0 MiB; choose /)]);
});

test.each(PROFILES)("kernels stay within what every device guarantees for a workgroup, of the widest heads too: $name", (profile) => {
  expectPortable(planOf(modelOf(spec({ attention: "attention mha { n_heads 1  d_head 1_048_576 }" })), profile));
});

/** Kernels that every device takes. */
function expectPortable({ kernels }: KernelPlan): void {
  for (const { wgsl } of kernels) {
    expect(Number(/@workgroup_size\((\d+)\)/.exec(wgsl)![1])).toBeLessThanOrEqual(256);
    expect(workgroupBytes(wgsl)).toBeLessThanOrEqual(16_384);
    expect(wgsl.length).toBeLessThan(100_000);
  }
}

/** Bytes of `var<workgroup>` arrays. */
function workgroupBytes(wgsl: string): number {
  const element: Readonly<Record<string, number>> = { f32: 4, u32: 4, vec4f: 16 };
  return [...wgsl.matchAll(/var<workgroup> \w+: (?:array<array<(\w+), (\d+)>, (\d+)>|array<(\w+), (\d+)>|(\w+));/g)]
    .reduce((sum, [, inner, n = "1", m = "1", flat, k = "1", one]) => sum + element[inner ?? flat ?? one!]! * Number(n) * Number(m) * Number(k), 0);
}
