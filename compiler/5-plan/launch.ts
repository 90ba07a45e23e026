/** A launch before buffers are assigned: its work, with the names of the tensors it is bound to. */
import type { TensorType } from "../ir/graph.ts";
import type { PlannedLaunch } from "../ir/launch.ts";
import type { BufferKind, BufferPlan } from "../ir/plan.ts";
import { elements } from "../ir/tensor-type.ts";
import { WIDTH } from "../kernels/tiles.ts";

/** Name of a tensor in storage: "param/a.attention.q" and the like last forever, "value/…" and "scratch/…" live within one entry. */
export type Ref = string;

export interface RefInfo {
  readonly bytes: number;
  readonly kind: BufferKind;
  readonly lasting: boolean;
  readonly table: BufferPlan["table"];
  /** For messages: what a person would call it. */
  readonly label: string;
}

export interface Launch extends Omit<PlannedLaunch, "buffers" | "bytes"> {
  readonly refs: readonly Ref[];
}

/** A launch that nobody has said what it is for. */
export type Unlabelled = Pick<Launch, "work" | "refs" | "sizes" | "grid" | "flops">;

/** A row of tiles with a job for each invocation. */
export const flat = (jobs: number): readonly number[] => [Math.ceil(jobs / WIDTH)];

/** All tensors of a plan, by name. */
export type RefTable = Map<Ref, RefInfo>;

export function declare(
  refs: RefTable, ref: Ref, bytes: number, kind: BufferKind, lasting: boolean, table: BufferPlan["table"] = null, label: string = ref,
): Ref {
  const known = refs.get(ref);
  if (known === undefined) refs.set(ref, { bytes, kind, lasting, table, label });
  else if (known.bytes < bytes) refs.set(ref, { ...known, bytes });
  return ref;
}

/** Bytes of a tensor in storage; bindings are at least one vec4. */
export const bytesOf = (type: TensorType): number => Math.max(16, 4 * elements(type.physical));
