/**
 * Launches as 5-plan decides them and 6-codegen writes them: plain data, without a word of WGSL. A launch that fuses carries its program:
 * what one invocation computes in registers. Registers and bindings have their names here already, so that a listing and the kernel say
 * the same.
 */
import type { BufferPlan, KernelPlan, Profile } from "./plan.ts";
import type { Expr } from "./expr.ts";
import type { Distribution } from "./graph.ts";
import type { Origin } from "./source.ts";

/** What a register holds: one number, or four neighbouring columns. */
export type Lanes = "f32" | "vec4f";

/** A tensor that a program reads or writes; `note` says its shape. */
export interface Operand {
  readonly name: string;
  readonly element: Lanes | "u32";
  readonly access: "read" | "read_write";
  readonly note: string;
}

/** A register that counts rows; null is row 0. */
export type Row = string | null;

/**
 * Which element of an operand: the number of a row, `stride` words from one to the next; or the current column of a row of `columns` (a
 * size).
 */
export type Address =
  | { readonly kind: "row"; readonly row: Row; readonly stride: number }
  | { readonly kind: "element"; readonly row: Row; readonly columns: string };

export type Term =
  | { readonly op: "register"; readonly name: string }
  | { readonly op: "load"; readonly operand: string; readonly element: Operand["element"]; readonly at: Address }
  /** `column`: the expression may ask which column this is; of a number per row there is only one, 0. */
  | { readonly op: "map"; readonly expr: Expr; readonly inputs: readonly Term[]; readonly lanes: Lanes; readonly column: boolean }
  /** A number in all four lanes. */
  | { readonly op: "spread"; readonly of: Term }
  /** `outside` where the column is padding: from the size `columns` on. */
  | { readonly op: "masked"; readonly of: Term; readonly outside: number; readonly lanes: Lanes; readonly columns: string };

/** How a row is found from that of the element being computed (5-plan/access.ts); `sizes` are the numbers of that map, by name. */
export interface RowStep {
  readonly kind: "div" | "mod" | "divMod" | "skip";
  readonly sizes: readonly string[];
}

export type Line =
  | { readonly do: "let"; readonly name: string; readonly value: Term }
  | { readonly do: "row"; readonly name: string; readonly of: Row; readonly step: RowStep }
  /** sum = Σ over `slot` < `slots` of `term`, with the row `row` = of · slots + slot. */
  | {
    readonly do: "sumSlots"; readonly sum: string; readonly slot: string; readonly row: string; readonly of: Row; readonly slots: string;
    readonly lanes: Lanes; readonly lines: readonly Line[]; readonly term: Term;
  }
  | { readonly do: "accumulate"; readonly how: Reduction; readonly into: string; readonly value: Term }
  | {
    readonly do: "store"; readonly operand: string; readonly at: Address | "own"; readonly value: Term; readonly add: boolean;
    /** One number in a padded place of four. */
    readonly alone: boolean;
  };

export type Reduction = "sum" | "max";

interface Bound {
  readonly operands: readonly Operand[];
  /** Names of the words of the uniform block, besides the grid. */
  readonly sizes: readonly string[];
}

/** What is finished while a contraction's result is in a register: `value` at `row` and `column`, its own place being "own". */
export interface EpilogueProgram extends Bound {
  readonly lines: readonly Line[];
  /** Values besides the contraction's own. */
  readonly fused: number;
}

/** One loop over the columns of a row: `before` needs only the row, `inside` runs for every column. */
export interface RowLoop {
  readonly before: readonly Line[];
  readonly reductions: readonly { readonly how: Reduction; readonly accumulator: string; readonly result: string }[];
  readonly inside: readonly Line[];
}

export interface RowsProgram extends Bound {
  readonly lanes: Lanes;
  readonly loops: readonly RowLoop[];
  /** Behind the loops, of the row: what is computed, and what is stored (by one lane, where a team owns the row). */
  readonly after: readonly Line[];
  readonly stores: readonly Line[];
}

export interface PointwiseProgram extends Bound {
  readonly lines: readonly Line[];
}

/** Sums over the middle axis of [outer, mid, inner], a chunk at a time. */
export interface ColumnSumsProgram extends Bound {
  readonly lanes: Lanes;
  readonly inside: readonly Line[];
  /** An accumulator for each sum and the operand that its partial sums go to. */
  readonly sums: readonly { readonly accumulator: string; readonly operand: string }[];
}

/** What a kernel computes: all that its text depends on besides the profile. `teams` share the sum of each tile of a contraction. */
export type Work =
  | { readonly kind: "matmul"; readonly layout: "nn" | "nt" | "tn"; readonly teams: number; readonly epilogue: EpilogueProgram }
  | { readonly kind: "expertMatmul"; readonly layout: "nn" | "nt"; readonly teams: number; readonly epilogue: EpilogueProgram }
  | { readonly kind: "expertOuter"; readonly teams: number }
  | { readonly kind: "gatherRows"; readonly epilogue: EpilogueProgram }
  | { readonly kind: "rows"; readonly program: RowsProgram }
  | { readonly kind: "pointwise"; readonly program: PointwiseProgram }
  | { readonly kind: "columnSums"; readonly program: ColumnSumsProgram }
  | { readonly kind: "columnTotals"; readonly lanes: Lanes; readonly add: boolean }
  | { readonly kind: "attention" | "attentionGradQueries"; readonly perLane: number; readonly relative: boolean }
  | { readonly kind: "attentionGradKeys"; readonly perLane: number; readonly relative: boolean; readonly outputs: "kv" | "k" | "v" }
  | { readonly kind: "attentionGradBias" }
  | { readonly kind: "random"; readonly distribution: Distribution }
  | { readonly kind: "rope"; readonly lanes: Lanes }
  | { readonly kind: "cache" | "topK" | "gatherLast" | "scatterLast" | "scatterRows" | "addTo" | "addLosses" }
  | { readonly kind: "routeCount" | "routeOffsets" | "routePlace" }
  /** `counted`: the totals are also added to those of earlier runs. */
  | { readonly kind: "routePrefix"; readonly counted: boolean }
  | { readonly kind: "gradPartials" | "gradTotals" | "gradNorm" | "adamw" }
  | { readonly kind: "signStep"; readonly rate: number };

/** A launch with its buffers. */
export interface PlannedLaunch {
  readonly work: Work;
  /** Buffer of each storage binding. */
  readonly buffers: readonly number[];
  readonly sizes: readonly number[];
  /** Tiles along each axis of the kernel's grid, fastest first. */
  readonly grid: readonly number[];
  /** Of a contraction, a multiply-add being two: those of the operation as it is defined, without what a kernel does beyond it. */
  readonly flops?: number;
  /** Of all tensors that are read or written, each counted once. */
  readonly bytes: number;
  readonly label: string;
  readonly fused: readonly string[];
  /** Values that it leaves in storage, and why they are not computed where they are needed. */
  readonly stores: readonly { readonly name: string; readonly why: string }[];
  readonly origin: Origin;
}

/** All that is decided about a model on a class of adapters; its kernels are not written yet. */
export interface LaunchPlan extends Pick<KernelPlan, "model" | "tensors" | "params" | "memory"> {
  readonly profile: Profile;
  readonly buffers: readonly BufferPlan[];
  readonly entries: Readonly<Record<string, readonly PlannedLaunch[]>>;
  /** Bytes that no sharing of buffers goes below in this order of launches. */
  readonly leastMemory: number;
}
