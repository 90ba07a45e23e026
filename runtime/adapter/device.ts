import { EnvironmentError } from "../errors.ts";
import { createExecutor as executorOn } from "../standalone/executor.ts";
import type { KernelPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";
import type { AdapterHandle, AdapterInfo, LossOption } from "./adapter.ts";
import type { Candidate, Choice } from "./choose.ts";
import { watchDevice } from "./watch.ts";
import { requestAdapter } from "./instance.ts";
import { restWhileWaiting } from "./rest.ts";
import { selfTest } from "./self-test.ts";

export interface DeviceInfo extends AdapterInfo {
  readonly limits: Readonly<Record<LimitName, number>>;
  readonly features: readonly string[];
}

export interface DeviceHandle extends AdapterHandle {
  readonly device: GPUDevice;
  readonly info: DeviceInfo;
}

/** Limits that a compute compiler meets; the adapter's best is requested, because the defaults are far lower. */
const LIMITS = [
  "maxBufferSize", "maxStorageBufferBindingSize", "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage", "maxUniformBuffersPerShaderStage", "maxBindingsPerBindGroup",
  "minStorageBufferOffsetAlignment", "minUniformBufferOffsetAlignment",
  "maxComputeWorkgroupStorageSize", "maxComputeInvocationsPerWorkgroup", "maxComputeWorkgroupsPerDimension",
  "maxComputeWorkgroupSizeX", "maxComputeWorkgroupSizeY", "maxComputeWorkgroupSizeZ",
] as const;
export type LimitName = (typeof LIMITS)[number];

const FEATURES = ["subgroups", "shader-f16", "timestamp-query"] as const;

/**
 * Tests the adapter and returns a device with its limits and the features "subgroups", "shader-f16" and "timestamp-query" where it has
 * them.
 */
export async function openGpu({ candidate, why }: Choice, { onLost }: LossOption): Promise<DeviceHandle> {
  const adapter = await requestAdapter(candidate.source, flagsFor(candidate));
  if (adapter === null) throw new EnvironmentError("the driver gives no adapter");
  const device = await requestDevice(adapter);
  if (adapter.info.isFallbackAdapter) restWhileWaiting(device);
  keepPipelines(device);
  const watch = watchDevice(device, candidate.name, onLost);
  const close = (): void => {
    watch.stop();
    device.destroy();
  };
  const info = describe(adapter, device, candidate, why);
  try {
    if (candidate.kind !== "null") await selfTest(device, candidate.name, info.subgroupMax);
  } catch (error) {
    close();
    throw watch.firstError() ?? error;
  }
  const createExecutor = (plan: KernelPlan): Promise<Executor> => executorOn(device, plan);
  return { device, info, createExecutor, firstError: watch.firstError, checkErrors: () => raise(watch.firstError()), close };
}

function raise(error: Error | null): void {
  if (error !== null) throw error;
}

/** `adapter=` chooses by name; toggles that a driver lacks are ignored. */
function flagsFor(candidate: Candidate): readonly string[] {
  if (candidate.source === "null") return ["backend=null"];
  // Timestamps are rounded to 65 µs by default. SwiftShader compiles kernels with workgroup memory for
  // seconds if Vulkan does the zero-initialization; without, Dawn does it with the same meaning.
  const zeroing = candidate.kind === "swiftshader" ? ["use_vulkan_zero_initialize_workgroup_memory_extension"] : [];
  const off = ["timestamp_quantization", ...zeroing];
  return [`adapter=${candidate.name}`, `disable-dawn-features=${off.join(",")}`];
}

function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  const requiredFeatures = FEATURES.filter((feature) => adapter.features.has(feature));
  return adapter.requestDevice({ label: "moeut", requiredLimits, requiredFeatures });
}

/**
 * Dawn makes equal pipelines once, as long as one of them is alive. Kept as long as the device, they are not compiled again for the
 * next run of a model, or for another model with the same kernels: seconds each time on a software driver.
 */
function keepPipelines(device: GPUDevice): void {
  const kept: GPUComputePipeline[] = [];
  const create = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = async (descriptor) => {
    const pipeline = await create(descriptor);
    kept.push(pipeline);
    return pipeline;
  };
}

function describe(adapter: GPUAdapter, device: GPUDevice, candidate: Candidate, why: string): DeviceInfo {
  const subgroups = device.features.has("subgroups");
  const limits = Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])) as Record<LimitName, number>;
  return {
    kind: candidate.kind,
    name: candidate.name,
    subgroupMin: subgroups ? adapter.info.subgroupMinSize! : 0,
    subgroupMax: subgroups ? adapter.info.subgroupMaxSize! : 0,
    limits,
    features: [...device.features].sort(),
    facts: factsOf(device),
    why,
  };
}

const MIB = 2 ** 20;

function factsOf({ adapterInfo, features, limits }: GPUDevice): Readonly<Record<string, string>> {
  const { subgroupMinSize: min, subgroupMaxSize: max } = adapterInfo;
  const [buffer, binding] = [limits.maxBufferSize, limits.maxStorageBufferBindingSize].map((n) => `${Math.floor(n / MIB)} MiB`);
  const { maxComputeInvocationsPerWorkgroup: invocations, maxComputeWorkgroupStorageSize: shared } = limits;
  return {
    subgroups: !features.has("subgroups") ? "none" : min === max ? `${min} lanes` : `${min} to ${max} lanes`,
    "one buffer": `${buffer}, one binding ${binding}, ${limits.maxStorageBuffersPerShaderStage} storage bindings per shader`,
    "a workgroup": `${invocations} invocations, ${shared / 1024} KiB of shared memory`,
    features: [...features].sort().filter((feature) => feature !== "core-features-and-limits").join(", ") || "none",
  };
}
