/** A launch before buffers are assigned: its work, with the names of the tensors it is bound to. */
import type { PlannedLaunch } from "../ir/launch.ts";
import type { BufferKind, BufferPlan } from "../ir/plan.ts";
import { WIDTH } from "../kernels/tiles.ts";

/** Name of a tensor in storage: "param/a.attention.q" and the like last forever, "value/…" and "scratch/…" live within one entry. */
export type Ref = string;

/** What a buffer holds, or holds for a while. */
export interface Tensor {
  readonly ref: Ref;
  readonly bytes: number;
  readonly kind: BufferKind;
  readonly lasting: boolean;
  readonly table: BufferPlan["table"];
  /** For messages: what a person would call it. */
  readonly label: string;
}

/** Bindings are at least one vec4. */
const MIN_BYTES = 16;

/** A tensor with a buffer of its own. */
export const lasting = (ref: Ref, words: number, kind: BufferKind, table: BufferPlan["table"] = null): Tensor =>
  ({ ref, bytes: Math.max(MIN_BYTES, 4 * words), kind, lasting: true, table, label: ref });

/** A tensor that lives within one run of an entry. */
export const passing = (ref: Ref, words: number, label: string = ref): Tensor =>
  ({ ref, bytes: Math.max(MIN_BYTES, 4 * words), kind: "activations", lasting: false, table: null, label });

export interface Launch extends Omit<PlannedLaunch, "buffers" | "bytes"> {
  readonly refs: readonly Ref[];
}

/** A launch that nobody has said what it is for. */
export type Unlabelled = Pick<Launch, "work" | "refs" | "sizes" | "grid" | "flops">;

/** A row of tiles with a job for each invocation. */
export const flat = (jobs: number): readonly number[] => [Math.ceil(jobs / WIDTH)];
