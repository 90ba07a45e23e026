/** The one memory that all threads share: what lies where, and what the host puts there and takes out. */
import { unpack } from "../layout.ts";
import type { Dispatch, KernelPlan, TensorPlan } from "../plan.ts";
import { tableWords } from "../tables.ts";
import { roundUp } from "../tensors.ts";
import type { HostArray } from "../types.ts";
import { createMemory, type WasmMemory } from "./platform.ts";

/** A cache line: nothing that different threads write shares one. */
const LINE = 64;
const PAGE = 65536;
/** WebAssembly counts addresses in 32 bits. */
const MAX_BYTES = 2 ** 32;
/** Kernels may load a few words beyond the end of a buffer. */
const SLACK = PAGE;

/** Addresses in bytes. */
export interface MemoryLayout {
  /** By their number in the plan. */
  readonly buffers: readonly number[];
  /** A dispatch's uniform words; equal ones share a place. */
  readonly sizesOf: (d: Dispatch) => number;
  /** Each thread's own memory. */
  readonly scratch: readonly number[];
  readonly pages: number;
}

/** @param control bytes to leave free at the beginning. An Error for a plan that needs more than 4 GiB */
export function layMemory(plan: KernelPlan, control: number, threads: number, scratchBytes: number): MemoryLayout {
  let top = roundUp(control, LINE);
  const place = (bytes: number): number => {
    const at = top;
    top = roundUp(at + bytes, LINE);
    return at;
  };
  const sizes = new Map<string, number>();
  for (const d of dispatchesOf(plan)) if (!sizes.has(d.sizes.join())) sizes.set(d.sizes.join(), place(4 * d.sizes.length));
  const scratch = Array.from({ length: threads }, () => place(scratchBytes));
  const buffers = plan.buffers.map((b) => place(b.bytes));
  const bytes = top + SLACK;
  if (bytes > MAX_BYTES) throw new Error(`${plan.model} needs ${bytes} bytes for ${threads} threads, and WebAssembly has ${MAX_BYTES}`);
  return { buffers, scratch, sizesOf: (d) => sizes.get(d.sizes.join())!, pages: Math.ceil(bytes / PAGE) };
}

export const dispatchesOf = (plan: KernelPlan): readonly Dispatch[] => Object.values(plan.entries).flatMap((entry) => entry.dispatches);

export interface Store {
  readonly memory: WasmMemory;
  write(tensor: TensorPlan, packed: HostArray): void;
  read(tensor: TensorPlan): HostArray;
  /** The words of a buffer as they are. */
  words(buffer: number): Uint32Array;
}

/** Takes the memory, with tables and uniform words in place and zeros elsewhere. A RangeError from the engine if it cannot have it. */
export function createStore(plan: KernelPlan, layout: MemoryLayout): Store {
  const memory = createMemory(layout.pages);
  const words = (address: number, length: number): Uint32Array => new Uint32Array(memory.buffer, address, length);
  const put = (address: number, data: HostArray): void => words(address, data.length).set(bitsOf(data));
  for (const d of dispatchesOf(plan)) put(layout.sizesOf(d), Uint32Array.from(d.sizes));
  plan.buffers.forEach((b, i) => b.table && put(layout.buffers[i]!, tableWords(b.table, b.bytes / 4)));
  return {
    memory,
    write: (tensor, packed) => put(layout.buffers[tensor.buffer]!, packed),
    read: (tensor) => unpack(memory.buffer, layout.buffers[tensor.buffer]!, tensor),
    words: (buffer) => words(layout.buffers[buffer]!, plan.buffers[buffer]!.bytes / 4),
  };
}

const bitsOf = (data: HostArray): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);
