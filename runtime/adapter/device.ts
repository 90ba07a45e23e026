import { EnvironmentError, messageOf } from "../errors.ts";
import { choicesFrom, type AdapterKind, type Candidate, type Choice } from "./choose.ts";
import { watchDevice } from "./watch.ts";
import { findAdapters, requestOf, type Findings } from "./find.ts";
import { requestAdapter } from "./instance.ts";
import { restWhileWaiting } from "./rest.ts";
import { selfTest } from "./self-test.ts";

export interface DeviceOptions {
  /** "gpu", "lavapipe", "swiftshader", "null" or a part of an adapter's name. Default: MOEUT_ADAPTER, else the best there is. */
  readonly adapter?: string | undefined;
  /** Called once if the device is lost without `close` having been called. */
  readonly onLost?: ((error: Error) => void) | undefined;
}

export interface DeviceInfo {
  readonly kind: AdapterKind;
  readonly name: string;
  /** Smallest and greatest subgroup size; 0 and 0 without the feature "subgroups". */
  readonly subgroupMin: number;
  readonly subgroupMax: number;
  readonly limits: Readonly<Record<LimitName, number>>;
  readonly features: readonly string[];
  /** Why this adapter was chosen: one sentence. */
  readonly why: string;
}

export interface DeviceHandle {
  readonly device: GPUDevice;
  readonly info: DeviceInfo;
  /** The first error that no call reported, or null. */
  firstError(): Error | null;
  /** Throws the first error: an EnvironmentError if the machine is at fault. Call after each submission was waited for. */
  checkErrors(): void;
  close(): void;
}

/** Limits that a compute compiler meets; the adapter's best is requested, because the defaults are far lower. */
const LIMITS = [
  "maxBufferSize", "maxStorageBufferBindingSize", "maxUniformBufferBindingSize", "maxStorageBuffersPerShaderStage", "maxUniformBuffersPerShaderStage",
  "maxBindingsPerBindGroup", "minStorageBufferOffsetAlignment", "minUniformBufferOffsetAlignment", "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup", "maxComputeWorkgroupSizeX", "maxComputeWorkgroupSizeY", "maxComputeWorkgroupSizeZ", "maxComputeWorkgroupsPerDimension",
] as const; // prettier-ignore
export type LimitName = (typeof LIMITS)[number];

const FEATURES = ["subgroups", "shader-f16", "timestamp-query"] as const;

/**
 * Opens the best adapter that works, or the requested one, tests it and returns a device with the adapter's limits and the features
 * "subgroups", "shader-f16" and "timestamp-query" where it has them. EnvironmentError if there is none.
 */
export async function openDevice(options: DeviceOptions = {}): Promise<DeviceHandle> {
  const request = requestOf(options.adapter);
  const findings = await findAdapters(request?.name);
  const failures: string[] = [];
  for (const choice of choicesFrom(findings.candidates, request)) {
    try {
      return await open(withFailures(choice, failures), options);
    } catch (error) {
      failures.push(`${choice.candidate.name}: ${messageOf(error)}`);
    }
  }
  throw noAdapter(findings, failures);
}

const withFailures = (choice: Choice, failures: readonly string[]): Choice =>
  failures.length === 0 ? choice : { ...choice, why: `${choice.why}; better ones failed (${failures.join("; ")})` };

function noAdapter(findings: Findings, failures: readonly string[]): EnvironmentError {
  const reasons = [...findings.notes, ...failures];
  return new EnvironmentError(`no usable WebGPU adapter: ${reasons.join("; ")}. \`moeut doctor\` says what to install`);
}

async function open({ candidate, why }: Choice, options: DeviceOptions): Promise<DeviceHandle> {
  const adapter = await requestAdapter(candidate.source, flagsFor(candidate));
  if (adapter === null) throw new EnvironmentError("the driver gives no adapter");
  const device = await requestDevice(adapter);
  if (adapter.info.isFallbackAdapter) restWhileWaiting(device);
  keepPipelines(device);
  const watch = watchDevice(device, candidate.name, options.onLost);
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
  return { device, info, firstError: watch.firstError, checkErrors: () => raise(watch.firstError()), close };
}

function raise(error: Error | null): void {
  if (error !== null) throw error;
}

/** `adapter=` chooses by name; toggles that a driver lacks are ignored. */
function flagsFor(candidate: Candidate): readonly string[] {
  if (candidate.source === "null") return ["backend=null"];
  // Timestamps are rounded to 65 µs by default. SwiftShader compiles kernels with workgroup memory for
  // seconds if Vulkan does the zero-initialization; without, Dawn does it with the same meaning.
  const off = ["timestamp_quantization", ...(candidate.kind === "swiftshader" ? ["use_vulkan_zero_initialize_workgroup_memory_extension"] : [])];
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
    why,
  };
}
