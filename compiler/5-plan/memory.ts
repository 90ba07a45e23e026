/** Which tensors share a buffer: a tensor's buffer is free again after the last launch that touches it. */
import type { BufferKind, BufferPlan } from "../ir/plan.ts";
import { bug } from "../ir/tensor-type.ts";
import type { Launch, Ref, Tensor } from "./launch.ts";

/** A buffer that several tensors use in turn; it is as large as the largest of them. */
interface Slot {
  readonly bytes: number;
  readonly buffer: number;
  readonly largest: string;
}

/** Tensors of one name are one, as large as the largest of them. */
export function tensorTable(tensors: readonly Tensor[]): ReadonlyMap<Ref, Tensor> {
  const table = new Map<Ref, Tensor>();
  for (const tensor of tensors) {
    const { bytes, ...known } = table.get(tensor.ref) ?? tensor;
    table.set(tensor.ref, { ...known, bytes: Math.max(bytes, tensor.bytes) });
  }
  return table;
}

export interface BufferAssignment {
  readonly buffers: readonly BufferPlan[];
  readonly bufferOf: ReadonlyMap<Ref, number>;
}

/**
 * Lasting tensors get a buffer each. The others share slots, found first by best fit, in launch order; entries never run at
 * the same time, so they share the slots as well.
 * A launch never reads and writes one buffer under two names: its outputs are placed before its inputs are freed.
 */
export function assignBuffers(tensors: ReadonlyMap<Ref, Tensor>, entries: readonly (readonly Launch[])[]): BufferAssignment {
  const buffers: BufferPlan[] = [];
  const bufferOf = new Map<Ref, number>();
  for (const { ref, kind, bytes, table, lasting } of tensors.values()) {
    if (!lasting) continue;
    bufferOf.set(ref, buffers.length);
    buffers.push({ label: ref, kind, bytes, table });
  }
  const slots: Slot[] = [];
  for (const launches of entries) shareSlots(tensors, launches, slots, bufferOf, buffers.length);
  const shared = slots.map(({ bytes, largest }, i) =>
    ({ label: `slot ${i} (${largest})`, kind: "activations", bytes, table: null }) as const);
  return { buffers: [...buffers, ...shared], bufferOf };
}

function shareSlots(
  tensors: ReadonlyMap<Ref, Tensor>, launches: readonly Launch[], slots: Slot[], bufferOf: Map<Ref, number>, firstSlot: number,
): void {
  const last = new Map<Ref, number>();
  launches.forEach((launch, at) => launch.refs.forEach((ref) => last.set(ref, at)));
  const free: FreeSlots = new Map();
  slots.forEach((slot, i) => release(free, slot.bytes, i));
  launches.forEach((launch, at) => {
    for (const ref of launch.refs) {
      if (bufferOf.has(ref)) continue;
      const tensor = tensors.get(ref) ?? bug(`tensor "${ref}" was never declared`);
      const slot = takeSlot(slots, free, tensor, firstSlot);
      bufferOf.set(ref, slots[slot]!.buffer);
    }
    for (const ref of new Set(launch.refs)) {
      if (last.get(ref) !== at || tensors.get(ref)!.lasting) continue;
      const slot = bufferOf.get(ref)! - firstSlot;
      release(free, slots[slot]!.bytes, slot);
    }
  });
}

/** Free slots by size, those of one size in the order in which they became free. Sizes are few, however deep a model is. */
type FreeSlots = Map<number, number[]>;

function release(free: FreeSlots, bytes: number, slot: number): void {
  const same = free.get(bytes);
  if (same === undefined) free.set(bytes, [slot]);
  else same.push(slot);
}

/** The smallest free slot that is large enough, else the largest free one, grown, else a new one. */
function takeSlot(slots: Slot[], free: FreeSlots, { bytes, label }: Tensor, firstSlot: number): number {
  const sizes = [...free.keys()];
  const fitting = sizes.reduce((least, size) => (size >= bytes && size < least ? size : least), Infinity);
  const size = fitting < Infinity ? fitting : sizes.reduce((most, size) => Math.max(most, size), 0);
  const same = free.get(size);
  if (same === undefined) {
    slots.push({ bytes, buffer: firstSlot + slots.length, largest: label });
    return slots.length - 1;
  }
  const slot = fitting < Infinity ? same.shift()! : same.pop()!;
  if (same.length === 0) free.delete(size);
  if (bytes > slots[slot]!.bytes) slots[slot] = { ...slots[slot]!, bytes, largest: label };
  return slot;
}

interface Memory {
  readonly total: number;
  readonly byKind: Readonly<Record<BufferKind, number>>;
}

export function memoryByKind(buffers: readonly BufferPlan[]): Memory {
  const byKind: Record<BufferKind, number> = {
    parameters: 0, gradients: 0, optimizer: 0, activations: 0, outputs: 0, caches: 0, tables: 0, inputs: 0,
  };
  for (const buffer of buffers) byKind[buffer.kind] += buffer.bytes;
  return { total: Object.values(byKind).reduce((a, b) => a + b, 0), byKind };
}
