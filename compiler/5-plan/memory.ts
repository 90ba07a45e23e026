/** Which tensors share a buffer: a tensor's buffer is free again after the last launch that touches it. */
import type { BufferKind, BufferPlan } from "../ir/plan.ts";
import { bug } from "../ir/tensor-type.ts";
import type { Launch, Ref, RefInfo, RefTable } from "./launch.ts";

/** A buffer that several tensors use in turn; it is as large as the largest of them. */
interface Slot {
  readonly bytes: number;
  readonly buffer: number;
  readonly largest: string;
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
export function assignBuffers(refs: RefTable, entries: readonly (readonly Launch[])[]): BufferAssignment {
  const buffers: BufferPlan[] = [];
  const bufferOf = new Map<Ref, number>();
  for (const [ref, info] of refs) {
    if (!info.lasting) continue;
    bufferOf.set(ref, buffers.length);
    buffers.push({ label: ref, kind: info.kind, bytes: info.bytes, table: info.table });
  }
  const slots: Slot[] = [];
  for (const launches of entries) shareSlots(refs, launches, slots, bufferOf, buffers.length);
  return { buffers: [...buffers, ...slots.map((slot, i) => ({ label: `slot ${i} (${slot.largest})`, kind: "activations" as const, bytes: slot.bytes, table: null }))], bufferOf };
}

function shareSlots(refs: RefTable, launches: readonly Launch[], slots: Slot[], bufferOf: Map<Ref, number>, firstSlot: number): void {
  const last = new Map<Ref, number>();
  launches.forEach((launch, at) => launch.refs.forEach((ref) => last.set(ref, at)));
  const free = new Set(slots.map((_, i) => i));
  launches.forEach((launch, at) => {
    for (const ref of launch.refs) {
      if (bufferOf.has(ref)) continue;
      const info = refs.get(ref);
      if (info === undefined) bug(`tensor "${ref}" was never declared`);
      const slot = takeSlot(slots, free, info, firstSlot);
      bufferOf.set(ref, slots[slot]!.buffer);
    }
    for (const ref of new Set(launch.refs)) {
      if (last.get(ref) === at && !refs.get(ref)!.lasting) free.add(bufferOf.get(ref)! - firstSlot);
    }
  });
}

/** The smallest free slot that is large enough, else the largest free one, grown, else a new one. */
function takeSlot(slots: Slot[], free: Set<number>, { bytes, label }: RefInfo, firstSlot: number): number {
  const bySize = [...free].sort((a, b) => slots[a]!.bytes - slots[b]!.bytes);
  const slot = bySize.find((i) => slots[i]!.bytes >= bytes) ?? bySize.at(-1);
  if (slot === undefined) {
    slots.push({ bytes, buffer: firstSlot + slots.length, largest: label });
    return slots.length - 1;
  }
  free.delete(slot);
  if (bytes > slots[slot]!.bytes) slots[slot] = { ...slots[slot]!, bytes, largest: label };
  return slot;
}

export function memoryByKind(buffers: readonly BufferPlan[]): { readonly total: number; readonly byKind: Readonly<Record<BufferKind, number>> } {
  const byKind: Record<BufferKind, number> = { parameters: 0, gradients: 0, optimizer: 0, activations: 0, outputs: 0, caches: 0, tables: 0, inputs: 0 };
  for (const buffer of buffers) byKind[buffer.kind] += buffer.bytes;
  return { total: Object.values(byKind).reduce((a, b) => a + b, 0), byKind };
}
