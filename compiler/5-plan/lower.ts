/** Steps → launches: one rule per operation. */
import type { AttentionMask, Node, ValueId } from "../ir/graph.ts";
import type { Profile } from "../ir/plan.ts";
import { bug, elements } from "../ir/tensor-type.ts";
import { attentionGradBiasKernel, attentionGradKeysKernel, attentionGradQueriesKernel, attentionKernel, channelTiles, tileOf, vectorsPerLane } from "../kernels/attention.ts";
import { expertMatmulKernel, expertOuterKernel } from "../kernels/expert.ts";
import * as gather from "../kernels/gather.ts";
import { matmulKernel, type Epilogue } from "../kernels/matmul.ts";
import { randomKernel } from "../kernels/random.ts";
import { topKKernel } from "../kernels/routing.ts";
import type { KernelParts } from "../kernels/text.ts";
import { columnShapeOf, partialSumsLaunch, totalSumsKernel } from "./columns.ts";
import { createBindings, type BoundNames } from "./bindings.ts";
import { createEmitter, elementKey, emitValue, masked, padsWithZero, type Place } from "./emit-value.ts";
import { erfWgsl } from "./expr-wgsl.ts";
import { colsOf, isRowScalar, rowsOf, sizeOf, type Facts } from "./facts.ts";
import { epilogueColumns, type Step } from "./fuse.ts";
import type { Launch, Ref } from "./launch.ts";
import { rowsLaunch } from "./rows.ts";
import type { Tables } from "./tables.ts";

export interface LowerContext {
  readonly facts: Facts;
  readonly profile: Profile;
  readonly isStored: (value: ValueId) => boolean;
  /** Stored values that another step or the host reads. */
  readonly isRead: (value: ValueId) => boolean;
  /** Storage of a value; gradients of parameters have theirs. */
  readonly ref: (value: ValueId) => Ref;
  /** Whether a value is added to what its storage holds. */
  readonly accumulates: (value: ValueId) => boolean;
  readonly scratch: (bytes: number) => Ref;
  readonly tables: Tables;
}

/** A launch without its label. */
type Shape = Pick<Launch, "kernel" | "refs" | "sizes" | "grid">;

const shape = (kernel: KernelParts, refs: readonly Ref[], sizes: readonly number[], grid: readonly number[]): Shape => ({ kernel, refs, sizes, grid });
/** A row of tiles of `gather.WIDTH` jobs each. */
const flat = (jobs: number): readonly number[] => [Math.ceil(jobs / gather.WIDTH)];

export function lowerStep(c: LowerContext, step: Step): readonly Launch[] {
  const { facts } = c;
  const values = step.kind === "anchor" ? [...step.node.outputs, ...step.stores] : step.kind === "rows" ? [...step.reduces, ...step.stores] : step.reduces;
  const read = values.filter(c.isRead);
  if (read.length === 0) return [];
  const name = (v: ValueId): string => facts.graph.values[v]!.name;
  const origin = facts.producer(read[0]!).origin;
  const fused = step.kind === "anchor" ? step.stores.map(name) : values.map(name);
  const shapes = step.kind === "anchor" ? lowerAnchor(c, step.node, step.stores) : step.kind === "rows" ? [lowerRows(c, step, read)] : lowerColumns(c, step.reduces.filter(c.isRead));
  const main = step.kind === "anchor" ? `${step.node.op.kind} ${name(step.node.outputs[0]!)}` : read.map(name).join(", ");
  return shapes.map((s) => (s.kernel.name.startsWith("route_") ? { ...s, label: `slots by expert for ${main}`, fused: [], origin } : { ...s, label: main, fused, origin }));
}

function bound(c: LowerContext, b: BoundNames): { refs: Ref[]; sizes: readonly number[] } {
  return { refs: b.values.map(c.ref), sizes: b.sizeValues };
}

function lowerRows(c: LowerContext, step: Extract<Step, { kind: "rows" }>, read: readonly ValueId[]): Shape {
  const launch = rowsLaunch(c.facts, step, c.isStored, new Set(read), c.profile);
  const { refs, sizes } = bound(c, launch.bound);
  return shape(launch.kernel, refs, sizes, launch.grid);
}

function lowerColumns(c: LowerContext, reduces: readonly ValueId[]): readonly Shape[] {
  const dims = columnShapeOf(c.facts, reduces[0]!);
  const inner = dims.innerRows * dims.cols;
  const launch = partialSumsLaunch(c.facts, reduces, c.isStored);
  const partial = new Map(reduces.map((v) => [v, c.scratch(4 * dims.outer * dims.chunks * inner)]));
  const refs = launch.bound.values.map((v) => partial.get(v) ?? c.ref(v));
  const vec4 = dims.cols % 4 === 0;
  const elements = vec4 ? inner / 4 : inner;
  return [
    shape(launch.kernel, refs, launch.bound.sizeValues, launch.grid),
    ...reduces.map((v) => shape(totalSumsKernel(vec4, c.accumulates(v)), [partial.get(v)!, c.ref(v)], [dims.outer, dims.chunks, elements], flat(dims.outer * elements))),
  ];
}

function lowerAnchor(c: LowerContext, node: Node, stores: readonly ValueId[]): readonly Shape[] {
  const { facts, profile } = c;
  const { op, inputs, outputs } = node;
  const [first, second] = inputs as [ValueId, ValueId];
  const type = facts.type;
  const out = outputs[0]!;
  switch (op.kind) {
    case "matmul": return [lowerMatmul(c, node, stores)];
    case "expertMatmul": return lowerExpertMatmul(c, node, stores);
    case "expertOuter": return lowerExpertOuter(c, node);
    case "attention": {
      const { heads, c4, sizes } = attentionSizes(c, op, first, second, inputs[4]);
      const perLane = vectorsPerLane(profile, c4);
      const [z, lse] = outputs as [ValueId, ValueId];
      return [shape(attentionKernel(profile, perLane, op.relative !== undefined), [...inputs, z, lse].map(c.ref), sizes,
        [Math.ceil(type(first).shape[1]! / tileOf(perLane)), type(first).shape[0]! * heads, channelTiles(profile, c4)])];
    }
    case "attentionGrad": return lowerAttentionGrad(c, node);
    case "random": {
      const t = type(out);
      const columns = t.shape.at(-1)!;
      const blocks = Math.ceil(columns / 4);
      return [shape(randomKernel(op.distribution), [...inputs, out].map(c.ref),
        [rowsOf(t), elements(t.shape.slice(2, -1)), t.shape[1]!, columns, colsOf(t), blocks, op.stream], flat(rowsOf(t) * blocks))];
    }
    case "rope": {
      const x = type(first);
      return [shape(gather.ropeKernel(), [...inputs, out].map(c.ref), [rowsOf(x), x.shape[2]!, x.shape[1]!, colsOf(x), op.nRotate / 2, op.inverse ? 0 : 1], flat(sizeOf(x)))];
    }
    case "cache": {
      const x = type(first);
      const row4 = sizeOf(x) / x.shape[1]! / 4;
      return [shape(gather.cacheKernel(), [first, second, out].map(c.ref), [sizeOf(x) / 4, row4, type(out).shape[1]!], flat(sizeOf(x) / 4))];
    }
    case "topK": {
      const x = type(first);
      const { heads, expert } = c.tables.numbering(out);
      return [shape(topKKernel(), [c.ref(first), c.ref(out), expert], [rowsOf(x), x.shape.at(-1)!, colsOf(x), op.k, heads], flat(rowsOf(x)))];
    }
    case "gatherLast":
      return [shape(gather.gatherLastKernel(), [first, second, out].map(c.ref), [rowsOf(type(first)), colsOf(type(first)), type(second).shape.at(-1)!], flat(sizeOf(type(out))))];
    case "scatterLast":
      return [shape(gather.scatterLastKernel(), [first, second, out].map(c.ref), [rowsOf(type(out)), colsOf(type(out)), type(second).shape.at(-1)!], flat(sizeOf(type(out))))];
    case "gatherRows": {
      const n4 = colsOf(type(out)) / 4;
      const e = epilogueOf(c, node, stores, "n4");
      return [shape(gather.gatherRowsKernel(e.epilogue), [c.ref(first), c.ref(second), ...e.refs], [rowsOf(type(out)), n4, ...e.sizes], flat(rowsOf(type(out)) * n4))];
    }
    case "scatterRows": {
      const n4 = colsOf(type(out)) / 4;
      const groups = type(out).shape[0]!;
      const sorted = c.tables.sorted(second, 1, groups, 1);
      const target = { name: "table", element: "vec4f", access: "read_write", note: "[V, n], added to" } as const;
      return [...sorted.launches, shape(gather.scatterRowsKernel(target), [c.ref(first), sorted.order, sorted.ranges, c.ref(out)], [groups, n4], flat(groups * n4))];
    }
    default: bug(`no kernel for ${op.kind}`);
  }
}

/** Further than any position, and still safe to add to one. */
const EVERYWHERE = 2 ** 30;

function attentionSizes(c: LowerContext, { mask: { causal, window }, relative }: { readonly mask: AttentionMask; readonly relative?: number }, q: ValueId, k: ValueId, bias: ValueId | undefined): { heads: number; keyHeads: number; c4: number; sizes: readonly number[] } {
  const [queries, keys] = [c.facts.type(q), c.facts.type(k)];
  const [heads, keyHeads] = [queries.shape[2]!, keys.shape[2]!];
  const c4 = colsOf(queries) / 4;
  const before = window === null ? EVERYWHERE : window - 1;
  const positions = relative === undefined ? [] : [relative, colsOf(c.facts.type(bias!))];
  return { heads, keyHeads, c4, sizes: [heads, heads / keyHeads, queries.shape[1]!, keys.shape[1]!, c4, before, causal ? 0 : before, ...positions] };
}

/** Inputs q, k, v, position, lse, delta, grad_z, and bias with relative positions; queries of a training step stand at 0, so position is not read. */
function lowerAttentionGrad(c: LowerContext, node: Node): readonly Shape[] {
  const [q, k, v, , lse, delta, gradZ] = node.inputs as [ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId];
  const bias = node.inputs[7];
  const [gradQ, gradK, gradV, gradBias] = node.outputs as [ValueId, ValueId, ValueId, ValueId | undefined];
  if (node.op.kind !== "attentionGrad") bug("not an attentionGrad");
  const { heads, keyHeads, c4, sizes } = attentionSizes(c, node.op, q, k, bias);
  const perLane = vectorsPerLane(c.profile, c4);
  const extra = bias === undefined ? [] : [bias];
  const shared = [q, k, v, lse, delta, gradZ, ...extra].map(c.ref);
  const [batch, queries] = c.facts.type(q).shape as [number, number];
  const keys = c.facts.type(k).shape[1]!;
  const keyGrid = [Math.ceil(keys / tileOf(2 * perLane)), batch * keyHeads, channelTiles(c.profile, c4)];
  const ofQueries = shape(attentionGradQueriesKernel(c.profile, perLane, bias !== undefined), [...shared, c.ref(gradQ)], sizes, [Math.ceil(queries / tileOf(perLane)), batch * heads, channelTiles(c.profile, c4)]);
  if (gradBias === undefined) return [ofQueries, shape(attentionGradKeysKernel(c.profile, perLane, false, "kv"), [...shared, c.ref(gradK), c.ref(gradV)], sizes, keyGrid)];
  return [
    ofQueries,
    shape(attentionGradKeysKernel(c.profile, perLane, true, "k"), [...shared, c.ref(gradK)], sizes, keyGrid),
    shape(attentionGradKeysKernel(c.profile, perLane, true, "v"), [...[q, k, lse, gradZ, ...extra].map(c.ref), c.ref(gradV)], sizes, keyGrid),
    shape(attentionGradBiasKernel(c.profile), [...shared, c.ref(gradBias)], sizes, [queries, batch * heads]),
  ];
}

function lowerMatmul(c: LowerContext, node: Node, stores: readonly ValueId[]): Shape {
  const { op } = node;
  if (op.kind !== "matmul") bug("not a matmul");
  const [a, b] = node.inputs.map(c.facts.type) as [ReturnType<Facts["type"]>, ReturnType<Facts["type"]>];
  const aRows = elements(a.physical.slice(0, op.aSplit));
  const aCols = elements(a.physical.slice(op.aSplit));
  const n = elements(op.layout === "nt" ? b.physical.slice(0, op.bSplit) : b.physical.slice(op.bSplit));
  const [m, k] = op.layout === "tn" ? [aCols, aRows] : [aRows, aCols];
  const e = epilogueOf(c, node, stores, "n4");
  const { lanes, tileRows } = c.profile;
  return shape(matmulKernel(op.layout, c.profile, e.epilogue), [...node.inputs.map(c.ref), ...e.refs], [m, n / 4, k, Math.floor(k / 4), ...e.sizes],
    [Math.ceil(n / 4 / lanes), Math.ceil(m / tileRows)]);
}

function lowerExpertMatmul(c: LowerContext, node: Node, stores: readonly ValueId[]): readonly Shape[] {
  const { op } = node;
  if (op.kind !== "expertMatmul") bug("not an expertMatmul");
  const [a, w, selection] = node.inputs as [ValueId, ValueId, ValueId];
  const { facts, profile } = c;
  const [groups, inner, outer] = facts.type(w).physical as [number, number, number];
  const slots = sizeOf(facts.type(selection));
  const sorted = c.tables.sorted(selection, op.heads, groups, profile.tileRows);
  const [k, n] = op.transposed ? [outer, inner] : [inner, outer];
  const e = epilogueOf(c, node, stores, "n4");
  const kernel = expertMatmulKernel(op.transposed ? "nt" : "nn", profile, e.epilogue);
  const refs = [c.ref(a), c.ref(w), sorted.order, sorted.tiles, ...e.refs];
  return [...sorted.launches, shape(kernel, refs, [n / 4, k / 4, slots / rowsOf(facts.type(a)), ...e.sizes], [Math.ceil(n / 4 / profile.lanes), sorted.nTiles])];
}

function lowerExpertOuter(c: LowerContext, node: Node): readonly Shape[] {
  const { op } = node;
  if (op.kind !== "expertOuter") bug("not an expertOuter");
  const [x, y, selection] = node.inputs as [ValueId, ValueId, ValueId];
  const out = node.outputs[0]!;
  const { facts, profile } = c;
  const [groups, m, n] = facts.type(out).physical as [number, number, number];
  const slots = sizeOf(facts.type(selection));
  const sorted = c.tables.sorted(selection, op.heads, groups, profile.tileRows);
  if (!c.accumulates(out)) bug("an expert's weight gradient is always added to its parameter's");
  const target = { name: "c", element: "vec4f", access: "read_write", note: "[experts, m, n], added to" } as const;
  const refs = [c.ref(x), c.ref(y), sorted.order, sorted.ranges, c.ref(out)];
  return [...sorted.launches, shape(expertOuterKernel(profile, target), refs, [m, n / 4, slots / rowsOf(facts.type(x)), slots / rowsOf(facts.type(y))],
    [Math.ceil(n / 4 / profile.lanes), Math.ceil(m / profile.tileRows), groups])];
}

interface BoundEpilogue {
  readonly epilogue: Epilogue;
  readonly refs: readonly Ref[];
  readonly sizes: readonly number[];
}

/** Stores the result itself if somebody reads it, and the values fused behind it. */
function epilogueOf(c: LowerContext, node: Node, stores: readonly ValueId[], columns: string): BoundEpilogue {
  const { facts } = c;
  const own = node.outputs[0]!;
  const b = createBindings({}, (v) => (isRowScalar(facts.type(v)) ? "[rows, 1]" : v === own ? "c [rows, columns]" : "[rows, columns] or broadcast"));
  const e = createEmitter(facts, b, (v) => c.isStored(v) && v !== own && !stores.includes(v));
  const lines: string[] = [];
  const place: Place = { row: "row", column: "column", columns: `sizes.${columns}`, lanes: "vec4f", rowLines: lines, columnLines: lines };
  e.known.set(elementKey(own, "row", "column"), "value");
  const write = (v: ValueId, text: string): void => {
    const array = b.array(facts.base(v), "vec4f", true);
    lines.push(`${array}[at] = ${c.accumulates(v) ? `${array}[at] + ` : ""}${text};`);
  };
  if (c.isRead(own)) write(own, "value");
  for (const value of stores.filter(c.isRead)) write(value, paddedText(c, e, node, value, place));
  const result = b.result();
  const erf = lines.some((line) => line.includes("erf_vec4f(")) ? erfWgsl("vec4f") : "";
  const finish = `${erf}\nfn finish(row: u32, column: u32, value: vec4f) {\nlet at = row * sizes.${columns} + column;\n${lines.join("\n")}\n}`;
  const epilogue = { finish, storage: result.storage, sizes: result.sizeNames, note: stores.length > 0 ? `${stores.length} fused pointwise value(s)` : "" };
  return { epilogue, refs: result.values.map(c.ref), sizes: result.sizeValues };
}

function paddedText(c: LowerContext, e: ReturnType<typeof createEmitter>, node: Node, value: ValueId, place: Place): string {
  const text = emitValue(e, value, place);
  const type = c.facts.type(value);
  const logical = type.shape.at(-1)!;
  if (logical === colsOf(type) || padsWithZero({ ...e, isStored: (v) => e.isStored(v) || v === node.outputs[0] }, value)) return text;
  if (colsOf(type) !== epilogueColumns(c.facts, node)) bug("an epilogue over several padded axes must keep zeros");
  return masked(text, "0.0", place, e.bindings.size(logical));
}

