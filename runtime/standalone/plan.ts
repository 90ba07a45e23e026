/**
 * KernelPlan: everything a device needs to run a model. Sizes, buffers, dispatch order and shader text are final;
 * the executor creates all of it once and then only submits. Plain readonly data.
 */
import type { InitRule } from "./init-rule.ts";

/** A part of an official checkpoint tensor: contiguous, row-major. */
export interface OfficialPlace {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly start: number;
}

/** Where a launch comes from: a dotted path in the model and the spec text behind it. */
export interface LaunchOrigin {
  readonly path: string;
  readonly span: { readonly file: string; readonly start: number; readonly end: number } | null;
}

export interface KernelPlan {
  readonly model: string;
  readonly profile: Profile;
  readonly kernels: readonly Kernel[];
  readonly buffers: readonly BufferPlan[];
  /** Tensors that the host may write or read, by name (see runtime/standalone/types.ts). */
  readonly tensors: Readonly<Record<string, TensorPlan>>;
  readonly entries: Readonly<Record<string, EntryPlan>>;
  readonly params: readonly ParamPlan[];
  readonly memory: { readonly total: number; readonly byKind: Readonly<Record<BufferKind, number>> };
}

/** A plan for the processor as a file: its kernels have no text here, they are in a module of WebAssembly. */
export interface CpuPlan extends KernelPlan {
  /** Checksum of the module's bytes. */
  readonly wasm: number;
}

/**
 * How kernels are shaped for a class of adapters. A team is the group of lanes that shares a tile; it exchanges registers by
 * subgroup shuffles, by subgroup broadcasts from literal lanes (unrolled; faster on SwiftShader), or through workgroup memory (portable).
 * A team of one has nothing to exchange: its kernels need no subgroup operation, barrier or atomic, and its workgroup memory is scratch.
 */
export interface Profile {
  readonly name: string;
  readonly lanes: number;
  readonly exchange: "shuffle" | "broadcast" | "workgroup" | "none";
  /** Rows of a contraction tile; expert groups are cut into tiles of this many slots. */
  readonly tileRows: number;
  /** Who reduces a row: one invocation (software adapters) or a whole team (GPUs). */
  readonly rowOwner: "thread" | "team";
  /** Teams of a workgroup that share the sum of a contraction that has too few tiles to fill a GPU; each tile has one team if absent. */
  readonly teams?: number;
}

/** Binding 0 of every kernel is a uniform block of sizes, so one text serves all shapes; bindings 1… are storage. */
export interface Kernel {
  readonly name: string;
  readonly wgsl: string;
  readonly access: readonly ("read" | "read_write")[];
}

export type BufferKind = "parameters" | "gradients" | "optimizer" | "activations" | "outputs" | "caches" | "tables" | "inputs";

export interface BufferPlan {
  readonly label: string;
  readonly kind: BufferKind;
  readonly bytes: number;
  /** Contents made on the host when the plan is loaded. */
  readonly table: TablePlan | null;
}

/**
 * Channels that turn less than `low` times in `length` positions turn `factor` times more slowly, those that turn more than `high` times as
 * before, those between in between.
 */
export interface Stretch {
  readonly factor: number;
  readonly length: number;
  readonly low: number;
  readonly high: number;
}

/**
 * cos or sin of position · base^(−2j/nRotate) for positions and j < nRotate/2; sin((first + i) · base^(−2j/width)) and its cosine in
 * columns 2j and 2j + 1 of rows i, stored `stride` apart; both in float64; or u32 words as they are.
 */
export type TablePlan =
  | { readonly fn: "cos" | "sin"; readonly nRotate: number; readonly base: number; readonly stretch?: Stretch }
  | { readonly fn: "sinusoid"; readonly first: number; readonly base: number; readonly width: number; readonly stride: number }
  | { readonly fn: "words"; readonly words: readonly number[] };

export interface TensorPlan {
  readonly buffer: number;
  readonly dtype: "f32" | "u32";
  readonly shape: readonly number[];
  readonly physical: readonly number[];
}

export interface EntryPlan {
  readonly dispatches: readonly Dispatch[];
}

export interface Dispatch {
  readonly kernel: number;
  /** Buffer of each storage binding. */
  readonly buffers: readonly number[];
  /** Contents of the uniform block, u32 words. */
  readonly sizes: readonly number[];
  readonly workgroups: readonly [number, number, number];
  /** What this launch computes, for people: the values it stores and the operations fused into it. */
  readonly label: string;
  readonly origin: LaunchOrigin;
  readonly fused: readonly string[];
}

export interface ParamPlan {
  readonly name: string;
  readonly shape: readonly number[];
  readonly official: OfficialPlace;
  readonly init: InitRule;
}
