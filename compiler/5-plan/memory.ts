/** Which tensors share a buffer: a tensor's buffer is free again after the last launch that touches it. */
import type { BufferKind, BufferPlan } from "../ir/plan.ts";
import { bug } from "../ir/tensor-type.ts";
import type { Launch, Ref, Tensor } from "./launch.ts";
import { timetable } from "./timetable.ts";

/** A tensor from the first launch that touches it to the last; launches are numbered through all entries. */
interface Life {
  readonly tensor: Tensor;
  readonly from: number;
  to: number;
}

/** A buffer that several tensors use in turn. */
interface Slot {
  readonly largest: Tensor;
  readonly lives: Life[];
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
 * Lasting tensors get a buffer each. The others share slots, the largest first, so a slot is never too small for whom it is free. Entries
 * never run at the same time, so they share the slots as well. A launch never reads and writes one buffer under two names: it is part of
 * the life of all that it touches.
 */
export function assignBuffers(tensors: ReadonlyMap<Ref, Tensor>, entries: readonly (readonly Launch[])[]): BufferAssignment {
  const lasting = [...tensors.values()].filter((tensor) => tensor.lasting);
  const slots = slotsOf(livesOf(tensors, entries.flat()));
  const bufferOf = new Map(lasting.map(({ ref }, i) => [ref, i]));
  slots.forEach(({ lives }, i) => lives.forEach(({ tensor }) => bufferOf.set(tensor.ref, lasting.length + i)));
  const own = lasting.map(({ ref, kind, bytes, table }) => ({ label: ref, kind, bytes, table }));
  const shared = slots.map(({ largest: { label, bytes } }, i) =>
    ({ label: `slot ${i} (${label})`, kind: "activations", bytes, table: null }) as const);
  return { buffers: [...own, ...shared], bufferOf };
}

/** Of all that does not last, in the order of their first launches. */
function livesOf(tensors: ReadonlyMap<Ref, Tensor>, launches: readonly Launch[]): readonly Life[] {
  const lives = new Map<Ref, Life>();
  launches.forEach(({ refs }, at) => refs.forEach((ref) => {
    const tensor = tensors.get(ref) ?? bug(`tensor "${ref}" was never declared`);
    if (tensor.lasting) return;
    const life = lives.get(ref) ?? { tensor, from: at, to: at };
    life.to = at;
    lives.set(ref, life);
  }));
  return [...lives.values()];
}

/**
 * The smallest slot that is free, whatever happened before: so a pass over layers finds the slots that the pass before it found, and binds
 * what is bound already.
 */
function slotsOf(lives: readonly Life[]): readonly Slot[] {
  const slots: Slot[] = [];
  const takeSlot = timetable(lives.length);
  for (const life of lives.toSorted((a, b) => b.tensor.bytes - a.tensor.bytes)) {
    (slots[takeSlot(life)] ??= { largest: life.tensor, lives: [] }).lives.push(life);
  }
  return slots;
}

/** See LaunchPlan: what lasts, and the most that lives at one moment besides. */
export function leastBytes(tensors: ReadonlyMap<Ref, Tensor>, entries: readonly (readonly Launch[])[]): number {
  const launches = entries.flat();
  const change = new Float64Array(launches.length + 1); // of what lives, from one launch to the next
  for (const { tensor, from, to } of livesOf(tensors, launches)) {
    change[from]! += tensor.bytes;
    change[to + 1]! -= tensor.bytes;
  }
  let [now, most] = [0, 0];
  for (const by of change) {
    now += by;
    most = Math.max(most, now);
  }
  return most + [...tensors.values()].reduce((sum, { bytes, lasting }) => sum + (lasting ? bytes : 0), 0);
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
