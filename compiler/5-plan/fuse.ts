/**
 * Decides what is stored and which operations share a kernel. Input: a graph. Output: steps in order, each one launch
 * (or a fixed few). Rules, all about loads because loads are what costs:
 *   1. A contraction reads stored operands. Pointwise values are stored only if a contraction or the host reads them, if a view
 *      rearranges them, or if several kernels would each have to load more to recompute them than to read them back (stored.ts).
 *   2. A pointwise value whose last ingredient comes out of a contraction is finished in that contraction's epilogue.
 *   3. Row reductions and pointwise values over the same rows and columns share one kernel when they share loads.
 * docs/architecture.md follows one small graph through them.
 */
import type { ValueId } from "../ir/graph.ts";
import { colsOf, isRowScalar, rowsOf, sizeOf, type Facts } from "./facts.ts";
import { padsWithZero } from "./padding.ts";
import { columnShape, epilogueColumns, extentOf, newStep, valuesOf, type AnchorStep, type RowsStep, type Step } from "./step.ts";
import { leaves, MAX_STORAGE, storedAll, storedForPrice, storedForUse, type Stored } from "./stored.ts";

export interface Fusion {
  readonly steps: readonly Step[];
  readonly stored: Stored;
}

/** Operations whose kernels finish each element of their result in a register. */
const EPILOGUES: ReadonlySet<string> = new Set(["matmul", "expertMatmul", "gatherRows"]);

/** What is stored for its price changes what others cost; it settles in two or three rounds, and the result is right after any. */
const MAX_ROUNDS = 8;

/** @param unfused stores every value with a kernel of its own: slow, and what fusion is tested against */
export function fuse(facts: Facts, keep: readonly ValueId[], unfused: boolean): Fusion {
  if (unfused) return arrange(facts, storedAll(facts), startStep);
  let stored = storedForUse(facts, keep);
  for (let round = 0; ; round++) {
    const fusion = arrange(facts, stored, joinOrStart);
    const dear = storedForPrice(facts, stored, fusion.steps);
    if (dear.size === 0 || round === MAX_ROUNDS) return fusion;
    stored = new Map([...stored, ...dear]);
  }
}

/** Steps so far, and where things are in them. */
interface Arrangement {
  readonly facts: Facts;
  readonly stored: Stored;
  readonly steps: Step[];
  /** The step that makes a value. */
  readonly stepOf: Map<ValueId, number>;
  /** Steps of which a pointwise value or sum reads a stored value, ascending. */
  readonly readers: Map<ValueId, number[]>;
}

/** One pass in topological order. @param place finds or makes the step of a stored value that no operation's own kernel makes */
function arrange(facts: Facts, stored: Stored, place: (c: Arrangement, value: ValueId) => number): Fusion {
  const c: Arrangement = { facts, stored, steps: [], stepOf: new Map(), readers: new Map() };
  for (const node of facts.graph.nodes) {
    const value = node.outputs[0]!;
    const role = facts.role(value);
    if (role === "given" || !stored.has(value)) continue;
    const at = role === "anchor" ? c.steps.push({ kind: "anchor", node, stores: [] }) - 1 : place(c, value);
    for (const output of node.outputs) c.stepOf.set(output, at);
  }
  return { steps: c.steps, stored };
}

const startStep = (c: Arrangement, value: ValueId): number => c.steps.push(newStep(c.facts, value)) - 1;

/** Rules 2 and 3: a value joins the earliest step that it may, or starts its own. */
function joinOrStart(c: Arrangement, value: ValueId): number {
  const needs = leaves(c.facts, c.stored, [value]);
  const ready = Math.max(BEFORE_ALL, ...[...needs].map((leaf) => c.stepOf.get(leaf) ?? BEFORE_ALL));
  const found = companions(c, needs, ready).find((at) => canJoin(c, c.steps[at]!, value, at === ready));
  if (found !== undefined) joinStep(c.steps[found]!, value, c.facts.role(value) === "rowReduce");
  const at = found ?? startStep(c, value);
  for (const leaf of needs) noteReader(c, leaf, at);
  return at;
}

/** In place of the step of what is given, which no step makes. */
const BEFORE_ALL = -1;

/** Steps that make the last ingredient or share loads with a value, once its ingredients are there; in order. */
function companions({ facts, readers }: Arrangement, needs: ReadonlySet<ValueId>, ready: number): readonly number[] {
  const found = new Set(ready === BEFORE_ALL ? [] : [ready]);
  for (const leaf of needs) {
    if (isRowScalar(facts.type(leaf))) continue;
    const steps = readers.get(leaf) ?? [];
    for (let i = steps.length - 1; i >= 0 && steps[i]! >= ready; i--) found.add(steps[i]!);
  }
  return [...found].sort((a, b) => a - b);
}

function joinStep(step: Step, value: ValueId, isRowReduce: boolean): void {
  if (step.kind === "columns" || (step.kind === "rows" && isRowReduce)) step.reduces.push(value);
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

/** @param step one of the value's companions  @param producesInput whether it makes the last ingredient */
function canJoin(c: Arrangement, step: Step, value: ValueId, producesInput: boolean): boolean {
  const isColumnSum = c.facts.role(value) === "columnSum";
  if (countBindings(c, [...valuesOf(step), value]) > MAX_STORAGE) return false;
  switch (step.kind) {
    case "anchor": return producesInput && fitsEpilogue(c, step, value) && keepsPadding(c, step, value);
    case "columns": return !producesInput && isColumnSum && columnShape(c.facts, value) === step.shape;
    case "rows": return !isColumnSum && sameMatrix(c, step, value) && staysInRow(c, step, value);
  }
}

/** Buffers that a step needs to compute and store these values. */
function countBindings({ facts, stored }: Arrangement, values: readonly ValueId[]): number {
  const all = new Set<ValueId>(values.map((v) => facts.base(v)));
  for (const value of values) {
    if (facts.role(value) !== "anchor") leaves(facts, stored, [value], all);
    else for (const input of facts.producer(value).inputs) all.add(facts.base(input));
  }
  const routed = values.some((value) => facts.producer(value).op.kind === "expertMatmul");
  return all.size + (routed ? 2 : 0); // the order of slots, and the tiles
}

function sameMatrix({ facts }: Arrangement, step: RowsStep, value: ValueId): boolean {
  const { rows, cols } = extentOf(facts, value);
  const isOfRow = facts.role(value) !== "rowReduce" && isRowScalar(facts.type(value)) && step.reduces.length > 0;
  return rows === step.rows && (cols === step.cols || isOfRow);
}

/** What this step itself produces may be read only in the row that is being computed: other rows belong to other invocations. */
function staysInRow({ facts, stored }: Arrangement, step: RowsStep, value: ValueId): boolean {
  const { rows } = extentOf(facts, value);
  const visited = new Set<string>();
  const visit = (v: ValueId, sameRow: boolean): boolean => {
    const key = `${v}/${sameRow}`;
    if (visited.has(key)) return true;
    visited.add(key);
    return facts.producer(v).inputs.every((input) => {
      const seen = facts.through(input);
      const aligned = sameRow && facts.role(v) !== "slotSum" && rowsOf(facts.type(seen)) === rows; // even one slot has a row name of its own
      return stored.has(facts.base(seen)) ? aligned || !valuesOf(step).includes(facts.base(seen)) : visit(seen, aligned);
    });
  };
  return visit(value, true);
}

/** A map over exactly the result of a contraction, whose other operands line up with its rows or columns. */
function fitsEpilogue(c: Arrangement, { node }: AnchorStep, value: ValueId): boolean {
  const type = c.facts.type(value);
  if (!EPILOGUES.has(node.op.kind) || c.facts.role(value) !== "map" || isRowScalar(type)) return false;
  const result = node.outputs[0]!;
  return sizeOf(type) === sizeOf(c.facts.type(result)) && fitsOperands(c, result, epilogueColumns(c.facts, node), value);
}

/** @param result of the contraction, which its kernel sees in rows of `columns` words */
function fitsOperands(c: Arrangement, result: ValueId, columns: number, value: ValueId, visited: Set<ValueId> = new Set()): boolean {
  if (visited.has(value)) return true;
  visited.add(value);
  const { facts, stored } = c;
  const type = facts.type(value);
  return facts.producer(value).inputs.every((input) => {
    const seen = facts.through(input);
    const operand = facts.type(input);
    const isResult = facts.base(seen) === result;
    const full = sizeOf(operand) === sizeOf(type) && operand.shape.join() === type.shape.join();
    if (isResult && seen !== result) return false; // its rows seen as others: not those being finished
    if (!full && (colsOf(type) !== columns || isResult)) return false; // the result itself must not broadcast: its padding may hide that
    return stored.has(facts.base(seen)) || (full && facts.role(seen) === "map" && fitsOperands(c, result, columns, seen, visited));
  });
}

/** Where an epilogue sees several padded axes as one row, it cannot mask: what it finishes there must be zero in the padding by itself. */
function keepsPadding({ facts, stored }: Arrangement, { node, stores }: AnchorStep, value: ValueId): boolean {
  const type = facts.type(value);
  if (type.shape.at(-1) === colsOf(type) || colsOf(type) === epilogueColumns(facts, node)) return true;
  return padsWithZero(facts, (v) => (stored.has(v) && !stores.includes(v) && v !== value) || v === node.outputs[0], value);
}
