/** Runs a plan on a device. Everything is created here, once; a run only writes inputs, encodes dispatches and submits. */
import { pack, product, unpack } from "./layout.ts";
import { watchLife } from "./life.ts";
import { bindingKey } from "./limits.ts";
import { tableWords } from "./tables.ts";
import { entryOf, holdsNonFinite, roundUp, tensorOf, writtenBy } from "./tensors.ts";
import type { Dispatch, KernelPlan, TensorPlan } from "./plan.ts";
import type { Executor, HostArray } from "./types.ts";

/** WebGPU's flag values, spelled out because Node has no globals for them. */
const USAGE = { mapRead: 1, copySrc: 4, copyDst: 8, uniform: 64, storage: 128, queryResolve: 512 } as const;
const COMPUTE_STAGE = 4;
const MAP_READ = 1;

interface Command {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/**
 * @param plan its buffers must fit the device's limits
 * Throws what the device reports about a shader or a buffer; a plan made for this adapter gives no such error. Of a lost device, every call
 * says that it was lost.
 */
export async function createExecutor(device: GPUDevice, plan: KernelPlan): Promise<Executor> {
  const life = watchLife(device);
  const usage = USAGE.storage | USAGE.copySrc | USAGE.copyDst;
  const buffers = plan.buffers.map(({ label, bytes }) => device.createBuffer({ label, size: roundUp(bytes, 16), usage }));
  plan.buffers.forEach((b, i) => b.table && device.queue.writeBuffer(buffers[i]!, 0, tableWords(b.table, b.bytes / 4)));
  const sizes = createSizes(device, Object.values(plan.entries).flatMap((e) => e.dispatches));
  const commands = await life.during(() => createCommands(device, plan, buffers, sizes.binding));
  const staging = createStaging(device, plan);
  const tensor = (name: string): TensorPlan => tensorOf(plan, name);
  const commandsOf = (entry: string): readonly Command[] => (entryOf(plan, entry), commands[entry]!);
  const readBack = async (names: readonly string[], encoder: GPUCommandEncoder): Promise<Record<string, HostArray>> => {
    const read = staging.begin(names);
    for (const { tensor: { buffer }, offset, bytes } of read.tensors) {
      encoder.copyBufferToBuffer(buffers[buffer]!, 0, read.buffer, offset, bytes);
    }
    device.queue.submit([encoder.finish()]);
    return staging.finish(read);
  };
  return {
    entries: Object.keys(plan.entries),
    has: (name) => Object.hasOwn(plan.tensors, name),
    shape: (name) => tensor(name).shape,
    write: (name, data) => {
      life.check();
      device.queue.writeBuffer(buffers[tensor(name).buffer]!, 0, pack(data, tensor(name)) as Uint32Array<ArrayBuffer>);
    },
    read: (name) => life.during(async () => (await readBack([name], device.createCommandEncoder()))[name]!),
    run: (entries, reads = []) => life.during(async () => {
      const encoder = device.createCommandEncoder();
      for (const entry of entries) encodePass(encoder, commandsOf(entry));
      if (reads.length > 0) return readBack(reads, encoder);
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return {};
    }),
    time: (entry) => life.during(() => timeEntry(device, commandsOf(entry))),
    busy: () => null,
    firstNonFinite: (entry) => life.during(() => findNonFinite(device, plan, buffers, entry, commandsOf(entry))),
    destroy: () => {
      life.end("this model was destroyed");
      [...buffers, sizes.buffer, ...staging.buffers].forEach((b) => b.destroy());
    },
  };
}

function encodePass(encoder: GPUCommandEncoder, commands: readonly Command[], timestampWrites?: GPUComputePassTimestampWrites): void {
  const pass = encoder.beginComputePass(timestampWrites === undefined ? {} : { timestampWrites });
  for (const { pipeline, bindGroup, workgroups } of commands) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
}

/** Nanoseconds of each dispatch, each in a pass of its own. */
async function timeEntry(device: GPUDevice, commands: readonly Command[]): Promise<readonly number[] | null> {
  if (!device.features.has("timestamp-query")) return null;
  const count = 2 * commands.length;
  const bytes = 8 * count;
  const resolved = device.createBuffer({ label: "timestamps", size: bytes, usage: USAGE.queryResolve | USAGE.copySrc });
  const readable = device.createBuffer({ label: "timestamps read", size: bytes, usage: USAGE.mapRead | USAGE.copyDst });
  const encoder = device.createCommandEncoder();
  for (let first = 0; first < commands.length; first += 2048) { // a query set holds 4096 timestamps
    const part = commands.slice(first, first + 2048);
    const querySet = device.createQuerySet({ type: "timestamp", count: 2 * part.length });
    part.forEach((command, i) =>
      encodePass(encoder, [command], { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 }));
    encoder.resolveQuerySet(querySet, 0, 2 * part.length, resolved, 16 * first);
  }
  encoder.copyBufferToBuffer(resolved, 0, readable, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await readable.mapAsync(MAP_READ);
  const stamps = new BigUint64Array(readable.getMappedRange().slice(0));
  resolved.destroy();
  readable.destroy();
  return commands.map((_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!));
}

/** Runs an entry dispatch by dispatch and looks at the bits of everything written. Slow: for finding out what went wrong. */
async function findNonFinite(
  device: GPUDevice, plan: KernelPlan, buffers: readonly GPUBuffer[], entry: string, commands: readonly Command[],
): Promise<string | null> {
  const dispatches = plan.entries[entry]!.dispatches;
  const clear = device.createCommandEncoder(); // what earlier runs left in shared buffers is not this run's
  plan.buffers.forEach((b, i) => b.kind === "activations" && clear.clearBuffer(buffers[i]!));
  device.queue.submit([clear.finish()]);
  for (const [i, command] of commands.entries()) {
    const dispatch = dispatches[i]!;
    const encoder = device.createCommandEncoder();
    encodePass(encoder, [command]);
    device.queue.submit([encoder.finish()]);
    for (const buffer of writtenBy(dispatch, plan)) if (await isNonFinite(device, buffers[buffer]!)) return dispatch.label;
  }
  return null;
}

async function isNonFinite(device: GPUDevice, buffer: GPUBuffer): Promise<boolean> {
  const copy = device.createBuffer({ label: "inspected", size: buffer.size, usage: USAGE.mapRead | USAGE.copyDst });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(MAP_READ);
  const bad = holdsNonFinite(new Uint32Array(copy.getMappedRange()));
  copy.destroy();
  return bad;
}

/** One pipeline per kernel; one bind group for all dispatches that bind the same: those of a pass come again in the next. */
async function createCommands(
  device: GPUDevice, plan: KernelPlan, buffers: readonly GPUBuffer[], sizesOf: (d: Dispatch) => GPUBufferBinding,
): Promise<Record<string, readonly Command[]>> {
  const kernels = await Promise.all(plan.kernels.map(async (kernel) => {
    const storage = kernel.access.map((access) => (access === "read" ? "read-only-storage" as const : "storage" as const));
    const types = ["uniform" as const, ...storage];
    const entries = types.map((type, binding) => ({ binding, visibility: COMPUTE_STAGE, buffer: { type } }));
    const layout = device.createBindGroupLayout({ label: kernel.name, entries });
    const module = device.createShaderModule({ label: kernel.name, code: kernel.wgsl });
    const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
    const compute = { module, entryPoint: "main" };
    const pipeline = await device.createComputePipelineAsync({ label: kernel.name, layout: pipelineLayout, compute })
      .catch((error: unknown) => refuse(kernel.name, module, error));
    return { layout, pipeline };
  }));
  const bindGroups = new Map<string, GPUBindGroup>();
  const bind = (d: Dispatch): GPUBindGroup => {
    const storage = d.buffers.map((b, i) => ({ binding: i + 1, resource: { buffer: buffers[b]! } }));
    const entries = [{ binding: 0, resource: sizesOf(d) }, ...storage];
    return device.createBindGroup({ label: d.label, layout: kernels[d.kernel]!.layout, entries });
  };
  const command = (d: Dispatch): Command => {
    const key = bindingKey(d);
    const bindGroup = bindGroups.get(key) ?? bind(d);
    bindGroups.set(key, bindGroup);
    return { pipeline: kernels[d.kernel]!.pipeline, bindGroup, workgroups: d.workgroups };
  };
  return Object.fromEntries(Object.entries(plan.entries).map(([name, entry]) => [name, entry.dispatches.map(command)]));
}

/** A pipeline error names only the kernel; the module knows the line. */
async function refuse(name: string, module: GPUShaderModule, error: unknown): Promise<never> {
  const { messages } = await module.getCompilationInfo();
  const lines = messages.filter((m) => m.type === "error").map((m) => `${name}.wgsl:${m.lineNum}:${m.linePos}: ${m.message}`);
  throw new Error([`the device refuses the kernel ${name}`, ...lines, String(error)].join("\n"));
}

/** The sizes of all dispatches in one uniform buffer; equal lists share one place. */
function createSizes(
  device: GPUDevice, dispatches: readonly Dispatch[],
): { readonly buffer: GPUBuffer; readonly binding: (d: Dispatch) => GPUBufferBinding } {
  const bytes = roundUp(dispatches.reduce((most, d) => Math.max(most, 4 * d.sizes.length), 16), 16);
  const stride = roundUp(bytes, device.limits.minUniformBufferOffsetAlignment);
  const at = new Map<string, number>();
  for (const { sizes } of dispatches) if (!at.has(sizes.join())) at.set(sizes.join(), at.size * stride);
  const words = new Uint32Array((at.size * stride) / 4);
  for (const { sizes } of dispatches) words.set(sizes, at.get(sizes.join())! / 4);
  const buffer = device.createBuffer({ label: "sizes", size: Math.max(stride, words.byteLength), usage: USAGE.uniform | USAGE.copyDst });
  device.queue.writeBuffer(buffer, 0, words);
  return { buffer, binding: (d) => ({ buffer, offset: at.get(d.sizes.join())!, size: bytes }) };
}

/** A tensor that is read, and where it lies in the staging buffer. */
interface StagedTensor {
  readonly name: string;
  readonly tensor: TensorPlan;
  readonly offset: number;
  readonly bytes: number;
}

interface Reading {
  readonly buffer: GPUBuffer;
  readonly tensors: readonly StagedTensor[];
}

interface Staging {
  readonly begin: (names: readonly string[]) => Reading;
  readonly finish: (read: Reading) => Promise<Record<string, HostArray>>;
  /** All that exist, for the end. */
  readonly buffers: ReadonlySet<GPUBuffer>;
}

/**
 * The way back to the host: mappable buffers, one for each read that is under way at the same time. Made anew only if more or larger
 * reads come than any before.
 */
function createStaging(device: GPUDevice, plan: KernelPlan): Staging {
  const buffers = new Set<GPUBuffer>();
  const idle: GPUBuffer[] = [];
  const take = (bytes: number): GPUBuffer => {
    const fits = idle.findIndex((b) => b.size >= bytes);
    if (fits >= 0) return idle.splice(fits, 1)[0]!;
    const small = idle.pop();
    if (small !== undefined) drop(small);
    const buffer = device.createBuffer({ label: "staging", size: roundUp(bytes, 4096), usage: USAGE.mapRead | USAGE.copyDst });
    buffers.add(buffer);
    return buffer;
  };
  const drop = (buffer: GPUBuffer): void => {
    buffers.delete(buffer);
    buffer.destroy();
  };
  idle.push(take(4096));
  return {
    buffers,
    begin: (names) => {
      const tensors = stagedTensors(plan, names);
      return { tensors, buffer: take(bytesIn(tensors)) };
    },
    finish: async ({ buffer, tensors }) => {
      const size = bytesIn(tensors);
      await buffer.mapAsync(MAP_READ, 0, size);
      const bytes = buffer.getMappedRange(0, size).slice(0);
      buffer.unmap();
      idle.push(buffer);
      return Object.fromEntries(tensors.map(({ name, tensor, offset }) => [name, unpack(bytes, offset, tensor)]));
    },
  };
}

const bytesIn = (tensors: readonly StagedTensor[]): number => tensors.reduce((sum, { bytes }) => sum + bytes, 0);

/** Tensors one behind the other. */
function stagedTensors(plan: KernelPlan, names: readonly string[]): readonly StagedTensor[] {
  let offset = 0;
  return names.map((name) => {
    const tensor = tensorOf(plan, name);
    const bytes = 4 * product(tensor.physical);
    offset += bytes;
    return { name, tensor, offset: offset - bytes, bytes };
  });
}
