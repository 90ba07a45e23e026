/** One short function per operation: what model builders and gradient rules are written in. */
import type { Expr } from "../ir/expr.ts";
import { CAUSAL } from "../ir/graph.ts";
import type { AttentionMask, Distribution, TensorType, ValueId } from "../ir/graph.ts";
import { bug, paddedAxes, showType, viewType } from "../ir/tensor-type.ts";
import { emit, emitOne, typeOf } from "./builder.ts";
import type { GraphBuilder } from "./builder.ts";

/** @param type wider than the inputs' common shape where the result is broadcast */
export const map = (b: GraphBuilder, name: string, expr: Expr, inputs: readonly ValueId[], type?: TensorType): ValueId =>
  emitOne(b, name, { kind: "map", expr }, inputs, type);

export const sum = (b: GraphBuilder, name: string, x: ValueId, axis: number): ValueId =>
  emitOne(b, name, { kind: "reduce", how: "sum", axis: axis < 0 ? typeOf(b, x).shape.length + axis : axis }, [x]);

/** The greatest entry of each row [..., 1]; a constant to the gradient. */
export const rowMax = (b: GraphBuilder, name: string, x: ValueId): ValueId =>
  emitOne(b, name, { kind: "reduce", how: "max", axis: typeOf(b, x).shape.length - 1 }, [x]);

export function view(b: GraphBuilder, name: string, x: ValueId, shape: readonly number[]): ValueId {
  const from = typeOf(b, x);
  const type = viewType(from, shape) ?? bug(`view of ${showType(from)} as [${shape}] would change the storage`);
  return emitOne(b, name, { kind: "view" }, [x], type);
}

export type Layout = "nn" | "nt" | "tn";

/** a · b, each a matrix whose rows are its first `split` axes. */
export const matmul = (
  builder: GraphBuilder, name: string, layout: Layout, a: ValueId, aSplit: number, b: ValueId, bSplit: number,
): ValueId => emitOne(builder, name, { kind: "matmul", layout, aSplit, bSplit }, [a, b]);

/** x times the transpose of weight [out axes..., in axes...]: `nIn` axes of x and weight are contracted. */
export function linear(b: GraphBuilder, name: string, x: ValueId, weight: ValueId, nIn = 1): ValueId {
  return matmul(b, name, "nt", x, typeOf(b, x).shape.length - nIn, weight, typeOf(b, weight).shape.length - nIn);
}

export const expertMatmul = (
  b: GraphBuilder, name: string, a: ValueId, w: ValueId, selection: ValueId, heads: number, transposed = false,
): ValueId =>
  emitOne(b, name, { kind: "expertMatmul", heads, transposed }, [a, w, selection]);

export const expertOuter = (
  b: GraphBuilder, name: string, x: ValueId, y: ValueId, selection: ValueId, heads: number, type: TensorType,
): ValueId =>
  emitOne(b, name, { kind: "expertOuter", heads }, [x, y, selection], type);

export const topK = (b: GraphBuilder, name: string, x: ValueId, k: number): ValueId => emitOne(b, name, { kind: "topK", k }, [x]);

export const gatherLast = (b: GraphBuilder, name: string, x: ValueId, selection: ValueId): ValueId =>
  emitOne(b, name, { kind: "gatherLast" }, [x, selection]);

/** @param type of the result: rows of which only the selected places are not 0 */
export const scatterLast = (b: GraphBuilder, name: string, y: ValueId, selection: ValueId, type: TensorType): ValueId =>
  emitOne(b, name, { kind: "scatterLast" }, [y, selection], type);

export const gatherRows = (b: GraphBuilder, name: string, table: ValueId, rows: ValueId): ValueId =>
  emitOne(b, name, { kind: "gatherRows" }, [table, rows]);

/** Sines and cosines of rows first …, [rows, width]. */
export const sinusoid = (
  b: GraphBuilder, name: string, of: { readonly first: number; readonly base: number }, rows: number, width: number,
): ValueId =>
  emitOne(b, name, { kind: "sinusoid", ...of }, [], paddedAxes([rows, width], [1]));
/** @param stream another one for other numbers @param type [B, T, …], the last axis padded or not */
export const random = (
  b: GraphBuilder, name: string, distribution: Distribution, stream: number, noise: ValueId, position: ValueId, type: TensorType,
): ValueId =>
  emitOne(b, name, { kind: "random", distribution, stream }, [noise, position], type);

export interface Rotary {
  readonly cos: ValueId;
  readonly sin: ValueId;
  readonly nRotate: number;
}

export const rope = (b: GraphBuilder, name: string, x: ValueId, table: Rotary, position: ValueId, inverse = false): ValueId =>
  emitOne(b, name, { kind: "rope", nRotate: table.nRotate, inverse }, [x, table.cos, table.sin, position]);

/** A score per query and clamped distance, [B, T, H, 2 · reach + 1]. */
export interface RelativeBias {
  readonly reach: number; // P
  readonly bias: ValueId;
}

/** @returns [z, lse] */
export const attention = (
  b: GraphBuilder, name: string, q: ValueId, k: ValueId, v: ValueId, position: ValueId,
  mask: AttentionMask = CAUSAL, relative: RelativeBias | null = null,
): readonly ValueId[] => relative === null
  ? emit(b, name, { kind: "attention", mask }, [q, k, v, position])
  : emit(b, name, { kind: "attention", mask, relative: relative.reach }, [q, k, v, position, relative.bias]);
