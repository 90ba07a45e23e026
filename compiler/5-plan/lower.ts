/** Steps → launches: one rule per operation. */
import type { Node, Op } from "../ir/graph.ts";
import type { Work } from "../ir/launch.ts";
import { elements } from "../ir/tensor-type.ts";
import { isPacked } from "../kernels/tiles.ts";
import { attentionGradLaunches, attentionLaunch } from "./attention.ts";
import { columnLaunches } from "./columns.ts";
import type { PlanContext } from "./context.ts";
import { expertMatmulLaunch, expertOuterLaunch, matmulLaunch } from "./contractions.ts";
import { epilogueOf } from "./epilogue.ts";
import { colsOf, rowsOf, sizeOf } from "./facts.ts";
import { flat, type Launch, type Unlabelled } from "./launch.ts";
import { rowsLaunch } from "./rows.ts";
import type { AnchorStep, Step } from "./step.ts";
import { headsOf, tableLaunches } from "./tables.ts";

export function lowerStep(c: PlanContext, step: Step): readonly Unlabelled[] {
  switch (step.kind) {
    case "anchor": return (RULES[step.node.op.kind as AnchorKind] as Rule<AnchorKind>)(c, step, step.node.op as never);
    case "rows": return [rowsLaunch(c, step)];
    case "columns": return columnLaunches(c, step);
    case "tables": return tableLaunches(c, step);
  }
}

/** Kinds with a launch of their own. */
type AnchorKind = Exclude<Op["kind"], "input" | "param" | "ropeTable" | "sinusoid" | "map" | "reduce" | "view">;
type Rule<K extends AnchorKind> = (c: PlanContext, step: AnchorStep, op: Extract<Op, { kind: K }>) => readonly Unlabelled[];

const RULES: { readonly [K in AnchorKind]: Rule<K> } = {
  matmul: (c, step, op) => [matmulLaunch(c, step, op)],
  expertMatmul: (c, step, op) => [expertMatmulLaunch(c, step, op)],
  expertOuter: (c, step) => [expertOuterLaunch(c, step)],
  attention: (c, { node }, op) => [attentionLaunch(c, node, op)],
  attentionGrad: (c, { node }, op) => attentionGradLaunches(c, node, op),
  random: (c, { node }, { distribution, stream }) => {
    const y = c.facts.type(node.outputs[0]!);
    const columns = y.shape.at(-1)!;
    const blocks = Math.ceil(columns / 4);
    const sizes = [rowsOf(y), elements(y.shape.slice(2, -1)), y.shape[1]!, columns, colsOf(y), blocks, stream];
    return [bindAll(c, node, { kind: "random", distribution }, sizes, rowsOf(y) * blocks)];
  },
  rope: (c, { node }, { nRotate, inverse }) => {
    const x = c.facts.type(node.inputs[0]!);
    const [, positions, heads] = x.shape as readonly [number, number, number];
    const width = isPacked(c.profile) && nRotate % 8 === 0 ? 4 : 1; // four channels turn at once where halves begin at a multiple of four
    const sizes = [rowsOf(x), heads, positions, colsOf(x) / width, nRotate / 2 / width, inverse ? 0 : 1];
    return [bindAll(c, node, { kind: "rope", lanes: width === 4 ? "vec4f" : "f32" }, sizes, sizeOf(x) / width)];
  },
  cache: (c, { node }) => {
    const [x, y] = [c.facts.type(node.inputs[0]!), c.facts.type(node.outputs[0]!)];
    const [n4, chunk4, cache4] = [sizeOf(x) / 4, sizeOf(x) / x.shape[0]! / 4, sizeOf(y) / y.shape[0]! / 4];
    return [bindAll(c, node, { kind: "cache" }, [n4, chunk4, cache4, chunk4 / x.shape[1]!], n4)];
  },
  gatherLast: (c, { node }) => {
    const [x, selection] = [c.facts.type(node.inputs[0]!), c.facts.type(node.inputs[1]!)];
    return [bindAll(c, node, { kind: "gatherLast" }, [rowsOf(x), colsOf(x), selection.shape.at(-1)!], sizeOf(selection))];
  },
  scatterLast: (c, { node }) => {
    const [selection, y] = [c.facts.type(node.inputs[1]!), c.facts.type(node.outputs[0]!)];
    return [bindAll(c, node, { kind: "scatterLast" }, [rowsOf(y), colsOf(y), selection.shape.at(-1)!], sizeOf(y))];
  },
  topK: (c, step, { k }) => {
    const x = c.facts.type(step.node.inputs[0]!);
    return [{
      work: { kind: "topK" }, refs: [...[...step.node.inputs, ...step.node.outputs].map(c.ref), ...c.scratch(step)],
      sizes: [rowsOf(x), x.shape.at(-1)!, colsOf(x), k, headsOf(c.facts, step.node.outputs[0]!)], grid: flat(rowsOf(x)),
    }];
  },
  gatherRows: (c, step) => {
    const y = c.facts.type(step.node.outputs[0]!);
    const n4 = colsOf(y) / 4;
    const { epilogue, refs, sizes } = epilogueOf(c, step);
    return [{
      work: { kind: "gatherRows", epilogue }, refs: [...step.node.inputs.map(c.ref), ...refs], sizes: [rowsOf(y), n4, ...sizes],
      grid: flat(rowsOf(y) * n4),
    }];
  },
  scatterRows: (c, { node }) => {
    const y = c.facts.type(node.outputs[0]!);
    const [groups, n4] = [y.shape[0]!, colsOf(y) / 4];
    const { order, ranges } = c.tables(node);
    return [{
      work: { kind: "scatterRows" }, refs: [c.ref(node.inputs[0]!), order, ranges, c.ref(node.outputs[0]!)], sizes: [groups, n4],
      grid: flat(groups * n4),
    }];
  },
};

/** A launch with one job per invocation that binds all inputs and outputs. */
const bindAll = (c: PlanContext, { inputs, outputs }: Node, work: Work, sizes: readonly number[], jobs: number): Unlabelled =>
  ({ work, refs: [...inputs, ...outputs].map(c.ref), sizes, grid: flat(jobs) });

type About = Pick<Launch, "label" | "fused" | "stores" | "origin">;

/** What people read of a step's launches. */
export function aboutStep({ facts: { name, producer }, isRead, whyStored }: PlanContext, step: Step): About {
  const main = step.kind === "tables" ? step.user : step;
  const read = main.values.filter(isRead);
  const label = main.kind === "anchor" ? `${main.node.op.kind} ${name(main.node.outputs[0]!)}` : read.map(name).join(", ");
  const { origin } = producer(read[0]!);
  if (step.kind === "tables") return { label: `slots by expert for ${label}`, fused: [], stores: [], origin };
  const fused = step.kind === "anchor" ? step.stores : step.values;
  return { label, fused: fused.map(name), stores: read.map((v) => ({ name: name(v), why: whyStored(v) })), origin };
}
