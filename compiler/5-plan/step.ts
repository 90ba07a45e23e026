/** What fusion decides: which values are stored, and what one launch does, or a fixed few. */
import type { Node, ValueId } from "../ir/graph.ts";
import { CHUNK } from "../kernels/tiles.ts";
import type { Ref } from "./launch.ts";

export interface Fusion {
  readonly steps: readonly Step[];
  readonly stored: Stored;
  readonly reads: Reads;
}

/** The values in storage, each with the first reason found, for people. A view is stored where what it shows is. */
export type Stored = ReadonlyMap<ValueId, string>;

/** For a value, the stored values that it is computed from, directly or through values that are not stored. */
export type Reads = ReadonlyMap<ValueId, ReadonlySet<ValueId>>;

export type Step = AnchorStep | RowsStep | ColumnsStep | TablesStep;

interface Values {
  /** All that it computes, whether somebody reads it or not. */
  readonly values: readonly ValueId[];
}

/** A launch of its own; `stores` are values finished in its epilogue, besides its own outputs if those are read. */
export interface AnchorStep extends Values {
  readonly kind: "anchor";
  readonly node: Node;
  /** Of the result as its kernel sees it, in words. */
  readonly columns: number;
  readonly stores: readonly ValueId[];
}

/** Row reductions and pointwise stores over one matrix. */
export interface RowsStep extends Values {
  readonly kind: "rows";
  readonly rows: number;
  readonly cols: number;
  readonly reduces: readonly ValueId[];
  readonly stores: readonly ValueId[];
}

/** Sums over a long axis that is not the last. */
export interface ColumnsStep extends Values {
  readonly kind: "columns";
  /** Of what is summed, as the mathematics sees it. */
  readonly shape: readonly number[];
  readonly axis: number;
  readonly reduces: readonly ValueId[];
}

/** Parts of the axis that are summed one by one. */
export const chunksOf = ({ shape, axis }: ColumnsStep): number => Math.ceil(shape[axis]! / CHUNK);

/** Slots sorted by expert, for every step that is routed by one selection to as many matrices in tiles of as many rows (tables.ts). */
export interface TablesStep extends Values {
  readonly kind: "tables";
  /** The first of those steps. */
  readonly user: AnchorStep;
  readonly selection: ValueId;
  /** The topK that makes the selection, and numbers its experts over all heads; null where it is given. */
  readonly choice: AnchorStep | null;
  readonly slots: number;
  readonly groups: number;
  readonly tileRows: number;
  readonly nTiles: number;
  /** Slots are counted in blocks of so many. */
  readonly block: number;
  readonly blocks: number;
  /** Where slots of each expert are added up over all runs, or null. */
  readonly counter: Ref | null;
}

/** The tables that each routed operation reads. */
export type TablesOf = ReadonlyMap<Node, TablesStep>;
