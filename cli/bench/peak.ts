/** What an adapter can do at most, measured by two kernels that do nothing else: the yardstick of a kernel's speed. */
import type { EntryPlan, KernelPlan, Profile } from "../../compiler/ir/plan.ts";
import { kernelText, numbered, read, times, wgsl, workgroupsFor, write, type KernelParts } from "../../compiler/kernels/text.ts";
import { WIDTH } from "../../compiler/kernels/tiles.ts";
import type { Executor } from "../../runtime/standalone/types.ts";

export interface Peak {
  /** A multiply-add counts two. */
  readonly flopsPerSecond: number;
  /** Read and written, of buffers that no cache holds. */
  readonly bytesPerSecond: number;
}

const CHAINS = 12;
const UNROLL = 8;
const FLOPS_A_ROUND = 8 * CHAINS * UNROLL; // a vec4 of multiply-adds each
const RUN = 16;

/** Independent chains of multiply-adds in registers; factor and term come from the host, so that nothing can be folded. */
const flopsKernel: KernelParts = {
  name: "peak_flops",
  doc: [`${CHAINS} chains of vec4 multiply-adds per invocation, ${UNROLL} in each round.`],
  sizes: ["rounds"],
  storage: [read("given", "f32", "[2] a factor and a term"), write("out", "vec4f", "[jobs]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${numbered("job")}
    let a = vec4f(given[0]);
    let b = vec4f(given[1]);
    ${times(CHAINS, (i) => `var x${i} = vec4f(f32(job + ${i}u));`)}
    for (var round = 0u; round < sizes.rounds; round++) {
      ${times(UNROLL, () => times(CHAINS, (i) => `x${i} = fma(x${i}, a, b);`))}
    }
    out[job] = ${times(CHAINS, (i) => `x${i}`, " + ")};
  `,
};

/** Neighbouring lanes of a GPU copy neighbouring words; where one invocation runs after the other, each copies a run. */
const copyKernel = ({ rowOwner }: Profile): KernelParts => ({
  name: "peak_bytes",
  doc: [`Copies ${RUN} vec4s per invocation.`],
  sizes: ["jobs"],
  storage: [read("source", "vec4f", `[${RUN} · jobs]`), write("copied", "vec4f", `[${RUN} · jobs]`)],
  workgroupSize: WIDTH,
  body: wgsl`
    ${numbered("job")}
    for (var i = 0u; i < ${RUN}u; i++) {
      let at = ${rowOwner === "thread" ? `job * ${RUN}u + i` : "i * sizes.jobs + job"};
      copied[at] = source[at];
    }
  `,
});

interface Scale {
  readonly rounds: number;
  /** Invocations of either kernel. */
  readonly flopsJobs: number;
  readonly copyJobs: number;
}

/** Some ten milliseconds of work each: far more than a launch takes. */
const scaleOf = ({ rowOwner }: Profile): Scale =>
  rowOwner === "thread" ? { rounds: 100, flopsJobs: 2 ** 12, copyJobs: 2 ** 18 } : { rounds: 400, flopsJobs: 2 ** 20, copyJobs: 2 ** 22 };

const NOTHING = { parameters: 0, gradients: 0, optimizer: 0, activations: 0, outputs: 0, caches: 0, tables: 0, inputs: 0 } as const;

/** A plan like any model's, with an entry for each kernel. */
export function peakPlan(profile: Profile): KernelPlan {
  const { rounds, flopsJobs, copyJobs } = scaleOf(profile);
  const sizes = [16, 16 * flopsJobs, 16 * RUN * copyJobs, 16 * RUN * copyJobs];
  const total = sizes.reduce((a, b) => a + b, 0);
  const launch = (kernel: number, buffers: readonly number[], size: number, jobs: number): EntryPlan => {
    const grid = [jobs / WIDTH];
    const words = { sizes: [size, ...grid], workgroups: workgroupsFor(grid) };
    return { dispatches: [{ kernel, buffers, ...words, label: "peak", origin: { path: "peak", span: null }, fused: [] }] };
  };
  return {
    model: "peak", profile, params: [],
    kernels: [kernelText(flopsKernel), kernelText(copyKernel(profile))],
    buffers: sizes.map((bytes, i) => ({ label: `peak ${i}`, kind: "activations", bytes, table: null })),
    tensors: { given: { buffer: 0, dtype: "f32", shape: [2], physical: [4] } },
    entries: { flops: launch(0, [0, 1], rounds, flopsJobs), bytes: launch(1, [2, 3], copyJobs, copyJobs) },
    memory: { total, byKind: { ...NOTHING, activations: total } },
  };
}

/** @param executor of peakPlan(profile) */
export async function measurePeak(executor: Executor, profile: Profile): Promise<Peak> {
  const { rounds, flopsJobs, copyJobs } = scaleOf(profile);
  executor.write("given", Float32Array.of(0.999, 0.001));
  return {
    flopsPerSecond: (FLOPS_A_ROUND * rounds * flopsJobs) / (await best(executor, "flops")),
    bytesPerSecond: (2 * 16 * RUN * copyJobs) / (await best(executor, "bytes")),
  };
}

/** Seconds, of a few runs. */
async function best(executor: Executor, entry: string): Promise<number> {
  let least = Infinity;
  for (let run = 0; run < 6; run++) {
    const started = performance.now();
    await executor.run([entry]);
    least = Math.min(least, performance.now() - started);
  }
  return least / 1000;
}
