/** Steps → launches: one rule per operation. */
import type { Node, ValueId } from "../ir/graph.ts";
import { bug, elements, unreachable } from "../ir/tensor-type.ts";
import { attentionGradLaunches, attentionLaunch } from "./attention.ts";
import { columnShapeOf, partialSumsLaunch } from "./columns.ts";
import type { PlanContext } from "./context.ts";
import { expertMatmulLaunches, expertOuterLaunches, matmulLaunch } from "./contractions.ts";
import { epilogueOf } from "./epilogue.ts";
import { colsOf, rowsOf, sizeOf } from "./facts.ts";
import { flat, type Launch, type Unlabelled } from "./launch.ts";
import { rowsLaunch } from "./rows.ts";
import { valuesOf, type Step } from "./step.ts";

export function lowerStep(c: PlanContext, step: Step): readonly Launch[] {
  const { graph, producer } = c.facts;
  const read = valuesOf(step).filter(c.isRead);
  if (read.length === 0) return [];
  const name = (v: ValueId): string => graph.values[v]!.name;
  const { origin } = producer(read[0]!);
  const fused = (step.kind === "anchor" ? step.stores : valuesOf(step)).map(name);
  const main = step.kind === "anchor" ? `${step.node.op.kind} ${name(step.node.outputs[0]!)}` : read.map(name).join(", ");
  const stores = read.map((v) => ({ name: name(v), why: c.whyStored(v) }));
  return launchesOf(c, step).map((launch) => (launch.work.kind.startsWith("route")
    ? { ...launch, label: `slots by expert for ${main}`, fused: [], stores: [], origin } : { ...launch, label: main, fused, stores, origin }));
}

function launchesOf(c: PlanContext, step: Step): readonly Unlabelled[] {
  switch (step.kind) {
    case "anchor": return lowerAnchor(c, step.node, step.stores);
    case "rows": {
      const { work, bound, tiles } = rowsLaunch(c, step);
      return [{ work, refs: bound.values.map(c.ref), sizes: bound.sizeValues, grid: [tiles] }];
    }
    case "columns": return lowerColumns(c, step.reduces.filter(c.isRead));
    default: return unreachable(step);
  }
}

/** Partial sums of all reductions in one launch, then the total of each. */
function lowerColumns(c: PlanContext, reduces: readonly ValueId[]): readonly Unlabelled[] {
  const { outer, chunks, innerRows, cols } = columnShapeOf(c.facts, reduces[0]!);
  const inner = innerRows * cols;
  const { work, bound, tiles } = partialSumsLaunch(c, reduces);
  const partial = new Map(reduces.map((v) => [v, c.scratch(4 * outer * chunks * inner)]));
  const lanes = cols % 4 === 0 ? "vec4f" : "f32";
  const width = lanes === "vec4f" ? inner / 4 : inner;
  return [
    { work, refs: bound.values.map((v) => partial.get(v) ?? c.ref(v)), sizes: bound.sizeValues, grid: [tiles] },
    ...reduces.map((v): Unlabelled => ({
      work: { kind: "columnTotals", lanes, add: c.accumulates(v) }, refs: [partial.get(v)!, c.ref(v)], sizes: [outer, chunks, width], grid: flat(outer * width),
    })),
  ];
}

function lowerAnchor(c: PlanContext, node: Node, stores: readonly ValueId[]): readonly Unlabelled[] {
  const { op, inputs, outputs } = node;
  const [first, second] = inputs as [ValueId, ValueId];
  const [out] = outputs as [ValueId];
  const [x, y] = [c.facts.type(first), c.facts.type(out)];
  /** A launch with one job per invocation that binds all inputs and outputs. */
  const moves = (
    kind: "random" | "rope" | "cache" | "gatherLast" | "scatterLast", sizes: readonly number[], jobs: number,
  ): readonly Unlabelled[] => {
    const work = kind === "random" ? { kind, distribution: op.kind === "random" ? op.distribution : bug("no distribution") } as const
      : { kind };
    return [{ work, refs: [...inputs, out].map(c.ref), sizes, grid: flat(jobs) }];
  };
  switch (op.kind) {
    case "matmul": return [matmulLaunch(c, node, op, stores)];
    case "expertMatmul": return expertMatmulLaunches(c, node, op, stores);
    case "expertOuter": return expertOuterLaunches(c, node, op);
    case "attention": return [attentionLaunch(c, node, op)];
    case "attentionGrad": return attentionGradLaunches(c, node, op);
    case "random": {
      const columns = y.shape.at(-1)!;
      const blocks = Math.ceil(columns / 4);
      return moves(
        "random", [rowsOf(y), elements(y.shape.slice(2, -1)), y.shape[1]!, columns, colsOf(y), blocks, op.stream], rowsOf(y) * blocks,
      );
    }
    case "rope": return moves("rope", [rowsOf(x), x.shape[2]!, x.shape[1]!, colsOf(x), op.nRotate / 2, op.inverse ? 0 : 1], sizeOf(x));
    case "cache": return moves("cache", [sizeOf(x) / 4, sizeOf(x) / x.shape[0]! / 4, sizeOf(y) / y.shape[0]! / 4, sizeOf(x) / x.shape[0]! / x.shape[1]! / 4], sizeOf(x) / 4);
    case "gatherLast": return moves("gatherLast", [rowsOf(x), colsOf(x), c.facts.type(second).shape.at(-1)!], sizeOf(y));
    case "scatterLast": return moves("scatterLast", [rowsOf(y), colsOf(y), c.facts.type(second).shape.at(-1)!], sizeOf(y));
    case "topK": {
      const { heads, expert } = c.tables.numbering(out);
      return [{ work: { kind: "topK" }, refs: [c.ref(first), c.ref(out), expert], sizes: [rowsOf(x), x.shape.at(-1)!, colsOf(x), op.k, heads], grid: flat(rowsOf(x)) }];
    }
    case "gatherRows": {
      const n4 = colsOf(y) / 4;
      const { epilogue, refs, sizes } = epilogueOf(c, node, stores);
      return [{ work: { kind: "gatherRows", epilogue }, refs: [c.ref(first), c.ref(second), ...refs], sizes: [rowsOf(y), n4, ...sizes], grid: flat(rowsOf(y) * n4) }];
    }
    case "scatterRows": {
      const n4 = colsOf(y) / 4;
      const groups = y.shape[0]!;
      const { launches, order, ranges } = c.tables.sorted(second, 1, groups, 1);
      return [
        ...launches,
        { work: { kind: "scatterRows" }, refs: [c.ref(first), order, ranges, c.ref(out)], sizes: [groups, n4], grid: flat(groups * n4) },
      ];
    }
    case "input": case "param": case "ropeTable": case "sinusoid": case "map": case "reduce": case "view": return bug(`${op.kind} has no launch of its own`);
    default: return unreachable(op);
  }
}
