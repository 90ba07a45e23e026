import { EnvironmentError } from "../errors.ts";
import type { BufferPlan, KernelPlan, TensorPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";

/**
 * One small dispatch whose every result is known: arithmetic, a division that does not terminate in binary, workgroup
 * memory behind a barrier and, if the device has them, a subgroup sum and shuffle. Row i of the output [N, 4] is
 *   x·2 + 1,  1 / x,  the x of the mirrored lane,  (subgroup sum of lane numbers) + (lane number of the neighbour)
 * with x = input[i].
 */
const SUBGROUP_INPUTS = ", @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) size: u32";
const SUBGROUP_SUM = `let lanes = subgroupAdd(lane) * 1000u + subgroupShuffleXor(lane, 1u) * 2u + u32(size == 0u);
  let expected = size * (size - 1u) / 2u * 1000u + (lane ^ 1u) * 2u;`;

const shader = (lanes: number, subgroups: boolean): string => `${subgroups ? "enable subgroups;\n" : ""}
@group(0) @binding(0) var<storage, read> input: array<f32>;               // [N]
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;      // [N]
var<workgroup> mirror: array<f32, ${lanes}>;

@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) i: u32${subgroups ? SUBGROUP_INPUTS : ""}) {
  let x = input[i];
  mirror[i] = x;
  workgroupBarrier();
  ${subgroups ? SUBGROUP_SUM : "let lanes = 0u;\n  let expected = 0u;"}
  output[i] = vec4f(x * 2.0 + 1.0, 1.0 / x, mirror[${lanes - 1}u - i], select(0.0, 1.0, lanes == expected));
}`;

/** Throws an EnvironmentError that names the adapter if it computes wrong results. */
export async function selfTest(device: GPUDevice, name: string, subgroupMaxSize: number): Promise<void> {
  // At least one full subgroup, whatever size the driver picks.
  const lanes = Math.max(64, subgroupMaxSize);
  const input = Float32Array.from({ length: lanes }, (_, i) => i + 1);
  const output = await dispatch(device, shader(lanes, device.features.has("subgroups")), input);
  requireEqual(input, output, name);
}

function requireEqual(input: Float32Array, output: Float32Array, name: string): void {
  const bad = firstDifference(input, output);
  const broken = "its driver is broken, choose another with --adapter";
  if (bad !== null) throw new EnvironmentError(`the adapter "${name}" computes wrong results in a self-test (${bad}); ${broken}`);
}

/** The same for what is no device: without lanes, and long enough that several threads share it. */
export async function selfTestPlan(createExecutor: (plan: KernelPlan) => Promise<Executor>, name: string): Promise<void> {
  const input = Float32Array.from({ length: 4096 }, (_, i) => i + 1);
  const executor = await createExecutor(planOver(input.length));
  try {
    executor.write("input", input);
    const { output } = await executor.run(["test"], ["output"]);
    requireEqual(input, output as Float32Array, name);
  } finally {
    executor.destroy();
  }
}

const KERNEL = `
struct Sizes { count: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> input: array<f32>;          // [N]
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>; // [N]
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let i = group.x;
  let x = input[i];
  output[i] = vec4f(x * 2.0 + 1.0, 1.0 / x, input[sizes.count - 1u - i], 1.0);
}`;

function planOver(n: number): KernelPlan {
  const tensor = (buffer: number, shape: readonly number[]): TensorPlan => ({ buffer, dtype: "f32", shape, physical: shape });
  const buffer = (label: string, bytes: number): BufferPlan => ({ label, kind: "outputs", bytes, table: null });
  const origin = { path: "", span: null };
  return {
    model: "self-test", profile: { name: "cpu", lanes: 1, exchange: "none", tileRows: 1, rowOwner: "thread" }, params: [],
    kernels: [{ name: "self-test", wgsl: KERNEL, access: ["read", "read_write"] }],
    buffers: [buffer("input", 4 * n), buffer("output", 16 * n)],
    tensors: { input: tensor(0, [n]), output: tensor(1, [n, 4]) },
    entries: { test: { dispatches: [{ kernel: 0, buffers: [0, 1], sizes: [n], workgroups: [n, 1, 1], label: "", origin, fused: [] }] } },
    memory: {
      total: 20 * n,
      byKind: { parameters: 0, gradients: 0, optimizer: 0, activations: 0, outputs: 20 * n, caches: 0, tables: 0, inputs: 0 },
    },
  };
}

/** Division may be off by 2.5 units in the last place; the rest is exact. */
function firstDifference(input: Float32Array, output: Float32Array): string | null {
  const names = ["arithmetic", "division", "workgroup memory", "subgroup operations"];
  for (const [i, x] of input.entries()) {
    const want = [x * 2 + 1, 1 / x, input[input.length - 1 - i]!, 1];
    for (const [j, expected] of want.entries()) {
      const got = output[4 * i + j]!;
      if (!(Math.abs(got - expected) <= 4 * 2 ** -23 * expected)) return `${names[j]}: lane ${i} gives ${got}, not ${expected}`;
    }
  }
  return null;
}

async function dispatch(device: GPUDevice, code: string, input: Float32Array): Promise<Float32Array> {
  const label = "adapter self-test";
  const bytes = input.byteLength * 4;
  const source = device.createBuffer({ label, size: input.byteLength, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const result = device.createBuffer({ label, size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const staging = device.createBuffer({ label, size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(source, 0, input as GPUAllowSharedBufferSource);
  const pipeline = device.createComputePipeline({ label, layout: "auto", compute: { module: device.createShaderModule({ label, code }) } });
  const entries = [source, result].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const bindings = device.createBindGroup({ label, layout: pipeline.getBindGroupLayout(0), entries });
  const encoder = device.createCommandEncoder({ label });
  const pass = encoder.beginComputePass({ label });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  for (const buffer of [source, result, staging]) buffer.destroy();
  return values;
}
