/** What an adapter can do at most: multiply-adds in registers, nothing else. The yardstick for shares in `bench`. */

const CHAINS = 12;
const UNROLL = 8;

/** Independent chains of multiply-adds; the sizes come from the host so that nothing can be folded. */
const kernel = (width: number): string => `
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<storage, read> given: array<f32>;
@compute @workgroup_size(${width})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = given[0];
  let b = given[1];
  let rounds = u32(given[2]);
${Array.from({ length: CHAINS }, (_, i) => `  var x${i} = f32(id.x + ${i}u);`).join("\n")}
  for (var r = 0u; r < rounds; r++) {
${Array.from({ length: UNROLL }, () => Array.from({ length: CHAINS }, (_, i) => `    x${i} = fma(x${i}, a, b);`).join("\n")).join("\n")}
  }
  out[id.x] = ${Array.from({ length: CHAINS }, (_, i) => `x${i}`).join(" + ")};
}`;

/** Best of a few runs, in flops per second (a multiply-add counts two). */
export async function measurePeak(device: GPUDevice, isSoftware: boolean): Promise<number> {
  const [width, invocations, rounds] = isSoftware ? [64, 1 << 12, 200] : [64, 1 << 20, 400];
  const storage = (size: number): GPUBuffer => device.createBuffer({ label: "peak", size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const [out, given] = [storage(4 * invocations), storage(16)];
  device.queue.writeBuffer(given, 0, Float32Array.of(0.999, 0.001, rounds, 0));
  const module = device.createShaderModule({ label: "peak", code: kernel(width) });
  const pipeline = await device.createComputePipelineAsync({ label: "peak", layout: "auto", compute: { module } });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [out, given].map((buffer, binding) => ({ binding, resource: { buffer } })) });
  let best = Infinity;
  for (let run = 0; run < 6; run++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(invocations / width);
    pass.end();
    const started = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    best = Math.min(best, performance.now() - started);
  }
  [out, given].forEach((buffer) => buffer.destroy());
  return (2 * CHAINS * UNROLL * rounds * invocations) / (best / 1000);
}
