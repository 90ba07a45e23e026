/**
 * Access maps: which row of an operand belongs to which row of the element being computed, when leading axes broadcast.
 * Fusion trusts these and never element counts, since a broadcast operand may have as many elements as a dense one.
 */
import { bug } from "../ir/tensor-type.ts";

/** A row index as a chain of integer steps on `row`; at most div, then mod, then a scaled recombination. */
export type RowAccess =
  | { readonly kind: "same" }
  | { readonly kind: "zero" }
  | { readonly kind: "div"; readonly by: number } // trailing axes broadcast
  | { readonly kind: "mod"; readonly by: number } // leading axes broadcast
  | { readonly kind: "divMod"; readonly div: number; readonly mod: number } // outer and inner axes broadcast
  /** A middle run broadcasts: (row / (inner · middle)) · inner + row % inner. */
  | { readonly kind: "skip"; readonly inner: number; readonly middle: number };

interface Run {
  readonly kept: boolean;
  readonly extent: number;
}

/** @param domain leading extents of the element's shape  @param operand those of the operand: equal, or 1 where it broadcasts */
export function rowAccess(domain: readonly number[], operand: readonly number[]): RowAccess {
  const runs = mergeRuns(domain, operand);
  const pattern = runs.map((run) => (run.kept ? "k" : "b")).join("");
  const extent = (index: number): number => runs[index]!.extent;
  switch (pattern) {
    case "": case "k": return { kind: "same" };
    case "b": return { kind: "zero" };
    case "kb": return { kind: "div", by: extent(1) };
    case "bk": return { kind: "mod", by: extent(1) };
    case "bkb": return { kind: "divMod", div: extent(2), mod: extent(1) };
    case "kbk": return { kind: "skip", inner: extent(2), middle: extent(1) };
    default: bug(`no access map for shape [${operand}] broadcast to [${domain}]`);
  }
}

function mergeRuns(domain: readonly number[], operand: readonly number[]): readonly Run[] {
  const runs: Run[] = [];
  domain.forEach((extent, axis) => {
    if (extent === 1) return; // belongs to either kind of run
    const kept = operand[axis] === extent;
    const last = runs.at(-1);
    if (last !== undefined && last.kept === kept) runs[runs.length - 1] = { kept, extent: last.extent * extent };
    else runs.push({ kept, extent });
  });
  return runs;
}
