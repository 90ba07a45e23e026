/** Whether a device can run a plan. A wrong subgroup size would give wrong numbers without any error. */
import type { KernelPlan } from "./plan.ts";

/** Throws an Error that says what the device lacks. */
export function requireDevice(device: GPUDevice, { profile, buffers, kernels }: KernelPlan): void {
  if (profile.exchange !== "workgroup") requireSubgroups(device, profile.lanes);
  const largest = buffers.reduce((most, b) => (b.bytes > most.bytes ? b : most));
  const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } = device.limits;
  const allowed = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  if (largest.bytes > allowed) throw new Error(`${largest.label} needs a buffer of ${largest.bytes} bytes, and the device allows ${allowed}; was it requested with the limits it needs?`);
  const bindings = Math.max(...kernels.map((k) => k.access.length));
  if (bindings > maxStorageBuffersPerShaderStage) throw new Error(`kernels bind ${bindings} storage buffers, and the device allows ${maxStorageBuffersPerShaderStage}`);
}

function requireSubgroups({ features, adapterInfo }: GPUDevice, lanes: number): void {
  if (!features.has("subgroups")) throw new Error(`these kernels need the feature "subgroups"; request the device with it, or compile for the target "portable"`);
  const { subgroupMinSize: min, subgroupMaxSize: max } = adapterInfo;
  if (min !== lanes || max !== lanes) throw new Error(`these kernels are for subgroups of ${lanes} lanes, and this adapter has ${min} to ${max}; compile on it, or for the target "portable"`);
}
