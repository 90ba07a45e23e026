/**
 * Decides what is stored and which operations share a kernel. Input: a graph. Output: steps in order, each one launch
 * (or a fixed few). Rules, all about loads because loads are what costs:
 *   1. A contraction reads stored operands. Pointwise values are stored only if a contraction or the host reads them, if a view
 *      rearranges them, or if several kernels would each have to load more to recompute them than to read them back.
 *   2. A pointwise value whose last ingredient comes out of a contraction is finished in that contraction's epilogue.
 *   3. Row reductions and pointwise values over the same rows and columns share one kernel when they share loads.
 */
import type { Node, ValueId } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { colsOf, isRowScalar, rowsOf, sizeOf, type Facts } from "./facts.ts";
import { padsWithZero } from "./padding.ts";

export type Step =
  /** A launch of its own; `stores` are values finished in its epilogue, besides its own outputs if those are read. */
  | { readonly kind: "anchor"; readonly node: Node; readonly stores: ValueId[] }
  /** Row reductions and pointwise stores over one matrix. */
  | { readonly kind: "rows"; readonly rows: number; readonly cols: number; readonly reduces: ValueId[]; readonly stores: ValueId[] }
  /** Sums over a long axis that is not the last. */
  | { readonly kind: "columns"; readonly shape: string; readonly reduces: ValueId[] };

export interface Fusion {
  readonly steps: readonly Step[];
  readonly isStored: (value: ValueId) => boolean;
  /** For people: why a value is stored. */
  readonly whyStored: (value: ValueId) => string;
}

/** Pointwise values that are to be stored, each with the first reason found. */
type Forced = ReadonlyMap<ValueId, string>;

/** WebGPU guarantees 8 storage buffers per stage. */
const MAX_STORAGE = 8;
/** A sum over an axis this short is recomputed inside its consumers instead of stored. */
const SHORT_AXIS = 32;

const isFusable = (facts: Facts, value: ValueId): boolean => {
  const { op } = facts.producer(value);
  return op.kind === "map" || isSlotSum(facts, value);
};

/** A sum over the few slots of each token: axis before the last, short, not a gradient of a parameter. */
function isSlotSum(facts: Facts, value: ValueId): boolean {
  const node = facts.producer(value);
  if (node.op.kind !== "reduce" || node.op.how !== "sum") return false;
  const { shape } = facts.type(node.inputs[0]!);
  return node.op.axis === shape.length - 2 && shape[node.op.axis]! <= SHORT_AXIS && !facts.isContribution(value);
}

const isRowReduce = (facts: Facts, value: ValueId): boolean => {
  const node = facts.producer(value);
  return node.op.kind === "reduce" && node.op.axis === facts.type(node.inputs[0]!).shape.length - 1;
};

const SOURCES: ReadonlySet<string> = new Set(["input", "param", "ropeTable", "sinusoid"]);
const EPILOGUES: ReadonlySet<string> = new Set(["matmul", "expertMatmul", "gatherRows"]);

/** What is stored for its price changes what others cost; it settles in two or three rounds, and the result is right after any. */
const MAX_ROUNDS = 8;

/** @param unfused stores every value with a kernel of its own: slow, and what fusion is tested against */
export function fuse(facts: Facts, keep: readonly ValueId[], unfused: boolean): Fusion {
  if (unfused) return arrange(facts, new Map(facts.graph.nodes.flatMap((node) => node.outputs).filter((v) => isFusable(facts, v)).map((v) => [v, "nothing is fused"])), false);
  let forced = mustStore(facts, keep);
  for (let round = 0; ; round++) {
    const fusion = arrange(facts, forced, true);
    const more = tooDearToRecompute(facts, fusion, forced);
    if (more.length === 0 || round === MAX_ROUNDS) return fusion;
    forced = new Map([...more.map((v) => [v, "several launches would load more to compute it again"] as const), ...forced]);
  }
}

/** Rule 1, first half: pointwise values that somebody can only read from storage. */
function mustStore(facts: Facts, keep: readonly ValueId[]): Forced {
  const forced = new Map<ValueId, string>();
  const force = (value: ValueId, why: string): void => {
    const base = facts.base(value);
    if (isFusable(facts, base) && !forced.has(base)) forced.set(base, why);
  };
  for (const value of keep) force(value, "the host reads it");
  for (const { param, contributions } of facts.graph.gradients) for (const value of contributions) force(value, `part of the gradient of ${facts.graph.params[param]!.name}`);
  for (const { op, inputs } of facts.graph.nodes) {
    if (op.kind === "map" || op.kind === "reduce") {
      for (const input of inputs) if (facts.base(input) !== facts.through(input)) force(input, "a view rearranges it");
    } else if (op.kind !== "view") for (const input of inputs) force(input, `${op.kind} reads it`);
  }
  for (const node of facts.graph.nodes) keepFewLeaves(facts, node, forced);
  return forced;
}

/** Bindings that an expression may need: a kernel has room for it, one more result, and the order and tiles of a grouped product. */
const MAX_LEAVES = MAX_STORAGE - 3;

/** No expression, and no sum of one, may need more bindings than a kernel has: its ingredients with most leaves are stored first, then it is itself. */
function keepFewLeaves(facts: Facts, node: Node, forced: Map<ValueId, string>): void {
  if (node.op.kind !== "map" && node.op.kind !== "reduce") return;
  const isStored = (v: ValueId): boolean => isStoredWith(facts, forced, v);
  const value = node.outputs[0]!;
  const count = (v: ValueId): number => leaves(facts, isStored, [v]).size;
  if (count(value) <= MAX_LEAVES) return;
  if (!forced.has(value)) forced.set(value, "it reads as much as one launch may");
  while (count(value) > MAX_LEAVES) {
    const open = node.inputs.map((input) => facts.base(facts.through(input))).filter((v) => !isStored(v));
    if (open.length === 0) return;
    forced.set(open.reduce((most, v) => (count(v) > count(most) ? v : most)), "who reads it would bind too many buffers");
  }
}

/** Without the pointwise values that are not forced, everything is in storage. */
const isStoredWith = (facts: Facts, forced: Forced, value: ValueId): boolean => forced.has(value) || !isFusable(facts, value);

/** Stored values that the given values read, directly or through values that are not stored. */
export function leaves(facts: Facts, isStored: (value: ValueId) => boolean, values: readonly ValueId[], into: Set<ValueId> = new Set()): Set<ValueId> {
  const visited = new Set<ValueId>();
  const visit = (value: ValueId): void => {
    if (visited.has(value)) return;
    visited.add(value);
    for (const input of facts.producer(value).inputs) {
      const seen = facts.through(input);
      if (isStored(facts.base(seen))) into.add(facts.base(seen));
      else visit(seen);
    }
  };
  values.forEach(visit);
  return into;
}

/** Steps so far, and where things are in them. */
interface Arrangement {
  readonly steps: Step[];
  /** The step that makes a value. */
  readonly stepOf: Map<ValueId, number>;
  /** Steps of which a pointwise value or sum reads a stored value, ascending. */
  readonly readers: Map<ValueId, number[]>;
}

/** Rules 2 and 3: one pass in topological order; each item joins the earliest step that it may, or starts its own. */
function arrange(facts: Facts, forced: Forced, join: boolean): Fusion {
  const isStored = (value: ValueId): boolean => isStoredWith(facts, forced, value);
  const so: Arrangement = { steps: [], stepOf: new Map(), readers: new Map() };
  const { steps, stepOf } = so;
  const add = (value: ValueId, step: number): void => void stepOf.set(value, step);
  for (const node of facts.graph.nodes) {
    const value = node.outputs[0]!;
    if (SOURCES.has(node.op.kind) || node.op.kind === "view") continue;
    if (node.op.kind === "map" || node.op.kind === "reduce") {
      if (!isStored(value)) continue;
      if (!join) steps.push(newStep(facts, value));
      add(value, join ? placeItem(facts, isStored, so, value) : steps.length - 1);
    } else {
      steps.push({ kind: "anchor", node, stores: [] });
      for (const output of node.outputs) add(output, steps.length - 1);
    }
  }
  const whyStored = (value: ValueId): string => forced.get(value) ?? (facts.producer(value).op.kind === "reduce" ? "a sum or maximum of many" : "a launch of its own makes it");
  return { steps, isStored, whyStored };
}

function placeItem(facts: Facts, isStored: (v: ValueId) => boolean, so: Arrangement, value: ValueId): number {
  const needs = leaves(facts, isStored, [value]);
  const ready = Math.max(-1, ...[...needs].map((leaf) => so.stepOf.get(leaf) ?? -1));
  const found = companions(facts, so, needs, ready).find((at) => canJoin(facts, isStored, so.steps[at]!, value, at === ready));
  const at = found ?? so.steps.push(newStep(facts, value)) - 1;
  if (found !== undefined) joinStep(facts, so.steps[at]!, value);
  for (const leaf of needs) noteReader(so, leaf, at);
  return at;
}

/** Steps that make the last ingredient or share loads with a value, once its ingredients are there; in order. */
function companions(facts: Facts, { readers }: Arrangement, needs: ReadonlySet<ValueId>, ready: number): readonly number[] {
  const found = new Set(ready < 0 ? [] : [ready]);
  for (const leaf of needs) {
    if (isRowScalar(facts.type(leaf))) continue;
    const steps = readers.get(leaf) ?? [];
    for (let i = steps.length - 1; i >= 0 && steps[i]! >= ready; i--) found.add(steps[i]!);
  }
  return [...found].sort((a, b) => a - b);
}

function joinStep(facts: Facts, step: Step, value: ValueId): void {
  if (step.kind === "columns" || (step.kind === "rows" && isRowReduce(facts, value))) step.reduces.push(value);
  else step.stores.push(value);
}

/** Steps are noted mostly in order, so the place is near the end. */
function noteReader({ readers }: Arrangement, leaf: ValueId, step: number): void {
  const steps = readers.get(leaf) ?? [];
  readers.set(leaf, steps);
  let at = steps.length;
  while (at > 0 && steps[at - 1]! > step) at--;
  if (steps[at - 1] !== step) steps.splice(at, 0, step);
}

function newStep(facts: Facts, value: ValueId): Step {
  if (isRowReduce(facts, value)) {
    const input = facts.type(facts.producer(value).inputs[0]!);
    return { kind: "rows", rows: rowsOf(input), cols: colsOf(input), reduces: [value], stores: [] };
  }
  const type = facts.type(value);
  if (facts.producer(value).op.kind === "map" || isSlotSum(facts, value)) return { kind: "rows", rows: rowsOf(type), cols: colsOf(type), reduces: [], stores: [value] };
  return { kind: "columns", shape: columnShape(facts, value), reduces: [value] };
}

/** Sums over the same axis of the same shape. */
const columnShape = (facts: Facts, value: ValueId): string => {
  const node = facts.producer(value);
  return `${facts.type(node.inputs[0]!).shape.join("x")}/${node.op.kind === "reduce" ? node.op.axis : ""}`;
};

/** @param step one of the value's companions  @param producesInput whether it makes the last ingredient */
function canJoin(facts: Facts, isStored: (v: ValueId) => boolean, step: Step, value: ValueId, producesInput: boolean): boolean {
  if (bindingsOf(facts, isStored, [...valuesOf(step), value]).size > MAX_STORAGE) return false;
  switch (step.kind) {
    case "anchor": return producesInput && fitsEpilogue(facts, isStored, step.node, value) && keepsPadding(facts, isStored, step, value);
    case "columns": return !producesInput && isColumnReduce(facts, value) && columnShape(facts, value) === step.shape;
    case "rows": return !isColumnReduce(facts, value) && sameMatrix(facts, step, value) && staysInRow(facts, isStored, step, value);
  }
}

/** The values of a step: what its launch makes, whether somebody reads it or not. */
export const valuesOf = (step: Step): readonly ValueId[] =>
  step.kind === "anchor" ? [...step.node.outputs, ...step.stores] : step.kind === "rows" ? [...step.reduces, ...step.stores] : step.reduces;

export const isColumnReduce = (facts: Facts, value: ValueId): boolean =>
  facts.producer(value).op.kind === "reduce" && !isRowReduce(facts, value) && !isSlotSum(facts, value);

/** Buffers that a step needs to compute and store these values. */
function bindingsOf(facts: Facts, isStored: (v: ValueId) => boolean, values: readonly ValueId[]): ReadonlySet<ValueId> {
  const all = new Set<ValueId>(values.map((v) => facts.base(v)));
  for (const value of values) {
    const node = facts.producer(value);
    if (node.op.kind === "map" || node.op.kind === "reduce") leaves(facts, isStored, [value], all);
    else node.inputs.forEach((input) => all.add(facts.base(input)));
    if (node.op.kind === "expertMatmul") all.add(-1).add(-2); // order and tiles
  }
  return all;
}

function sameMatrix(facts: Facts, step: Extract<Step, { kind: "rows" }>, value: ValueId): boolean {
  if (isRowReduce(facts, value)) {
    const input = facts.type(facts.producer(value).inputs[0]!);
    return rowsOf(input) === step.rows && colsOf(input) === step.cols;
  }
  const type = facts.type(value);
  return rowsOf(type) === step.rows && (colsOf(type) === step.cols || (isRowScalar(type) && step.reduces.length > 0));
}

/** What this step itself produces may be read only in the row that is being computed: other rows belong to other invocations. */
function staysInRow(facts: Facts, isStored: (v: ValueId) => boolean, step: Step, value: ValueId): boolean {
  const node = facts.producer(value);
  const rows = isRowReduce(facts, value) ? rowsOf(facts.type(node.inputs[0]!)) : rowsOf(facts.type(value));
  const visited = new Set<string>();
  const visit = (v: ValueId, sameRow: boolean): boolean => {
    const key = `${v}/${sameRow}`;
    if (visited.has(key)) return true;
    visited.add(key);
    return facts.producer(v).inputs.every((input) => {
      const seen = facts.through(input);
      const aligned = sameRow && !isSlotSum(facts, v) && rowsOf(facts.type(seen)) === rows; // even one slot has a row name of its own
      return isStored(facts.base(seen)) ? aligned || !valuesOf(step).includes(facts.base(seen)) : visit(seen, aligned);
    });
  };
  return visit(value, true);
}

/** A map over exactly the result of a contraction, whose other operands line up with its rows or columns. */
function fitsEpilogue(facts: Facts, isStored: (v: ValueId) => boolean, anchor: Node, value: ValueId): boolean {
  if (!EPILOGUES.has(anchor.op.kind) || facts.producer(value).op.kind !== "map") return false;
  const output = facts.type(anchor.outputs[0]!);
  if (sizeOf(facts.type(value)) !== sizeOf(output) || isRowScalar(facts.type(value))) return false;
  return fitsOperands(facts, isStored, anchor, value);
}

/** Where an epilogue sees several padded axes as one row, it cannot mask: what it finishes there must be zero in the padding by itself. */
function keepsPadding(facts: Facts, isStored: (v: ValueId) => boolean, step: Extract<Step, { kind: "anchor" }>, value: ValueId): boolean {
  const type = facts.type(value);
  if (type.shape.at(-1) === colsOf(type) || colsOf(type) === epilogueColumns(facts, step.node)) return true;
  return padsWithZero(facts, (v) => (isStored(v) && !step.stores.includes(v) && v !== value) || v === step.node.outputs[0], value);
}

function fitsOperands(facts: Facts, isStored: (v: ValueId) => boolean, anchor: Node, value: ValueId, visited: Set<ValueId> = new Set()): boolean {
  if (visited.has(value)) return true;
  visited.add(value);
  const type = facts.type(value);
  const oneAxis = colsOf(type) === epilogueColumns(facts, anchor);
  return facts.producer(value).inputs.every((input) => {
    const seen = facts.through(input);
    const operand = facts.type(input);
    const full = sizeOf(operand) === sizeOf(type) && operand.shape.join() === type.shape.join();
    if (facts.base(seen) === anchor.outputs[0] && seen !== anchor.outputs[0]) return false; // its rows seen as others: not those being finished
    if (!full && (!oneAxis || facts.base(seen) === anchor.outputs[0])) return false; // the result itself must not broadcast: its padding may hide that
    if (isStored(facts.base(seen))) return true;
    return full && facts.producer(seen).op.kind === "map" && fitsOperands(facts, isStored, anchor, seen, visited);
  });
}

/** Columns (in words) of an anchor's result as its kernel sees it. */
export function epilogueColumns(facts: Facts, anchor: Node): number {
  const output = facts.type(anchor.outputs[0]!);
  if (anchor.op.kind !== "matmul") return colsOf(output);
  const rows = anchor.op.layout === "tn" ? facts.type(anchor.inputs[0]!).physical.slice(anchor.op.aSplit) : facts.type(anchor.inputs[0]!).physical.slice(0, anchor.op.aSplit);
  return sizeOf(output) / elements(rows);
}

/** Rule 1, second half: values with several ingredients that more than one kernel would compute again. */
function tooDearToRecompute(facts: Facts, fusion: Fusion, forced: Forced): readonly ValueId[] {
  const users = new Map<ValueId, Set<number>>();
  const use = (value: ValueId, step: number): void => void (users.get(value) ?? users.set(value, new Set()).get(value)!).add(step);
  fusion.steps.forEach((step, at) => valuesOf(step).forEach((value) => use(value, at)));
  const dear: ValueId[] = [];
  for (const node of [...facts.graph.nodes].reverse()) {
    const value = node.outputs[0]!;
    if (node.op.kind !== "map" && node.op.kind !== "reduce") continue;
    const mine = users.get(value);
    if (mine === undefined) continue; // nobody needs it
    const fused = isFusable(facts, value) && !forced.has(value);
    if (fused && mine.size > 1 && loadsOf(facts, fusion.isStored, value) > 1) {
      dear.push(value);
      continue; // its ingredients are then needed once, by whoever stores it
    }
    for (const input of node.inputs) {
      const seen = facts.through(input);
      if (!fusion.isStored(facts.base(seen))) for (const step of mine) use(seen, step);
    }
  }
  return dear;
}

/** Loads per element to compute a value: its stored ingredients of full size, slots counted each. */
function loadsOf(facts: Facts, isStored: (v: ValueId) => boolean, value: ValueId): number {
  if (isRowScalar(facts.type(value))) return 0;
  const all = leaves(facts, isStored, [value]);
  return [...all].filter((leaf) => sizeOf(facts.type(leaf)) >= sizeOf(facts.type(value)))
    .reduce((sum, leaf) => sum + sizeOf(facts.type(leaf)) / sizeOf(facts.type(value)), 0);
}
