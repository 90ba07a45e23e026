/**
 * Decides what is stored and which operations share a kernel. Input: a graph. Output: steps in order, each one launch
 * (or a fixed few). Rules, all about loads because loads are what costs:
 *   1. A contraction reads stored operands. Pointwise values are stored only if a contraction or the host reads them, if a view
 *      rearranges them, or if several kernels would each have to load more to recompute them than to read them back (stored.ts).
 *   2. A pointwise value whose last ingredient comes out of a contraction is finished in that contraction's epilogue.
 *   3. Row reductions and pointwise values over the same rows and columns share one kernel when they share loads.
 * docs/architecture.md follows one small graph through them.
 */
import type { Node, ValueId } from "../ir/graph.ts";
import { elements, sameList } from "../ir/tensor-type.ts";
import { colsOf, isRowScalar, rowsOf, sizeOf, type Facts } from "./facts.ts";
import { padsWithZero } from "./padding.ts";
import type { AnchorStep, ColumnsStep, Fusion, RowsStep, Stored } from "./step.ts";
import { MAX_STORAGE, readsOf, storedAll, storedForPrice, storedForUse } from "./stored.ts";

/** Operations whose kernels finish each element of their result in a register. */
const EPILOGUES: ReadonlySet<string> = new Set(["matmul", "expertMatmul", "gatherRows"]);

/** What is stored for its price changes what others cost; it settles in two or three rounds, and the result is right after any. */
const MAX_ROUNDS = 8;

/** @param unfused stores every value with a kernel of its own: slow, and what fusion is tested against */
export function fuse(facts: Facts, keep: readonly ValueId[], unfused: boolean): Fusion {
  if (unfused) return arrange(facts, storedAll(facts), () => undefined);
  let stored = storedForUse(facts, keep);
  for (let round = 0; ; round++) {
    const fusion = arrange(facts, stored, earliestStep);
    const dear = storedForPrice(facts, fusion);
    if (dear.size === 0 || round === MAX_ROUNDS) return fusion;
    stored = new Map([...stored, ...dear]);
  }
}

/** A step that may still grow. */
type Draft = Growing & (
  Pick<AnchorStep, "kind" | "node" | "columns"> | Pick<RowsStep, "kind" | "rows" | "cols"> | Pick<ColumnsStep, "kind" | "shape" | "axis">
);
type AnchorDraft = Extract<Draft, { kind: "anchor" }>;
type ColumnsDraft = Extract<Draft, { kind: "columns" }>;
type RowsDraft = Extract<Draft, { kind: "rows" }>;

interface Growing {
  /** Its place among the steps. */
  readonly at: number;
  readonly outputs: readonly ValueId[];
  readonly reduces: ValueId[];
  readonly stores: ValueId[];
  /** Buffers that it needs to compute and store all these. */
  readonly binds: Set<ValueId>;
}

/** Steps so far, and where things are in them. */
interface Arrangement {
  readonly facts: Facts;
  readonly stored: Stored;
  readonly reads: Map<ValueId, ReadonlySet<ValueId>>;
  readonly steps: Draft[];
  /** The step that makes a value. */
  readonly stepOf: Map<ValueId, Draft>;
  /** Steps of which a pointwise value or sum reads a stored value. */
  readonly readers: Map<ValueId, Set<Draft>>;
}

/** One pass in topological order. @param find an earlier step for a stored value that no operation's own kernel makes */
function arrange(facts: Facts, stored: Stored, find: (c: Arrangement, value: ValueId) => Draft | undefined): Fusion {
  const c: Arrangement = { facts, stored, reads: new Map(), steps: [], stepOf: new Map(), readers: new Map() };
  for (const node of facts.graph.nodes) {
    const value = node.outputs[0]!;
    const role = facts.role(value);
    if (role === "given" || !stored.has(value)) continue;
    for (const output of node.outputs) readsOf(facts, stored, output, c.reads);
    if (role === "anchor") startAnchor(c, node);
    else join(c, find(c, value) ?? startStep(c, value), value);
  }
  const steps = c.steps.map((step) => ({ ...step, values: [...step.outputs, ...step.reduces, ...step.stores] }));
  return { steps, stored, reads: c.reads };
}

const growing = ({ steps }: Arrangement): Growing => ({ at: steps.length, outputs: [], reduces: [], stores: [], binds: new Set() });

function startAnchor(c: Arrangement, node: Node): void {
  const binds = new Set([...node.outputs, ...c.reads.get(node.outputs[0]!)!]);
  const step: Draft = { ...growing(c), kind: "anchor", node, columns: kernelColumns(c.facts, node), outputs: node.outputs, binds };
  c.steps.push(step);
  for (const output of node.outputs) c.stepOf.set(output, step);
}

/** Columns (in words) of an anchor's result as its kernel sees it. */
function kernelColumns(facts: Facts, { op, inputs, outputs }: Node): number {
  const output = facts.type(outputs[0]!);
  if (op.kind !== "matmul") return colsOf(output);
  const { physical } = facts.type(inputs[0]!);
  return sizeOf(output) / elements(op.layout === "tn" ? physical.slice(op.aSplit) : physical.slice(0, op.aSplit));
}

/** An empty step over what this value goes over. */
function startStep(c: Arrangement, value: ValueId): Draft {
  const { op, inputs } = c.facts.producer(value);
  const step: Draft = op.kind === "reduce" && c.facts.role(value) === "columnSum"
    ? { ...growing(c), kind: "columns", shape: c.facts.type(inputs[0]!).shape, axis: op.axis }
    : { ...growing(c), kind: "rows", ...extentOf(c.facts, value) };
  c.steps.push(step);
  return step;
}

/** The matrix that a row reduction or a pointwise value goes over. */
function extentOf(facts: Facts, value: ValueId): { readonly rows: number; readonly cols: number } {
  const type = facts.type(facts.role(value) === "rowReduce" ? facts.producer(value).inputs[0]! : value);
  return { rows: rowsOf(type), cols: colsOf(type) };
}

function join({ facts, reads, stepOf, readers }: Arrangement, step: Draft, value: ValueId): void {
  (["rowReduce", "columnSum"].includes(facts.role(value)) ? step.reduces : step.stores).push(value);
  stepOf.set(value, step);
  step.binds.add(value);
  for (const read of reads.get(value)!) {
    step.binds.add(read);
    readers.set(read, (readers.get(read) ?? new Set()).add(step));
  }
}

/** Rules 2 and 3: the earliest step that a value may join. */
function earliestStep(c: Arrangement, value: ValueId): Draft | undefined {
  const reads = [...c.reads.get(value)!];
  const makers = reads.flatMap((read) => c.stepOf.get(read) ?? []);
  const sharing = reads.filter((read) => !isRowScalar(c.facts.type(read))).flatMap((read) => [...c.readers.get(read) ?? []]);
  const last = Math.max(...makers.map(({ at }) => at));
  const ready = [...new Set([...makers, ...sharing])].filter(({ at }) => at >= last).sort((a, b) => a.at - b.at);
  return ready.find((step) => canJoin(c, step, value, step.at === last));
}

/** @param makesLast whether this step makes the last that the value reads */
function canJoin(c: Arrangement, step: Draft, value: ValueId, makesLast: boolean): boolean {
  const isColumnSum = c.facts.role(value) === "columnSum";
  const isRouted = step.kind === "anchor" && step.node.op.kind === "expertMatmul"; // binds the order of slots and the tiles, too
  if (new Set([...step.binds, value, ...c.reads.get(value)!]).size > MAX_STORAGE - (isRouted ? 2 : 0)) return false;
  switch (step.kind) {
    case "anchor": return makesLast && fitsEpilogue(c, step, value) && keepsPadding(c, step, value);
    case "columns": return !makesLast && isColumnSum && sumsTheSame(c.facts, step, value);
    case "rows": return !isColumnSum && sameMatrix(c, step, value) && staysInRow(c, step, value);
  }
}

function sumsTheSame(facts: Facts, { shape, axis }: ColumnsDraft, value: ValueId): boolean {
  const { op, inputs } = facts.producer(value);
  return op.kind === "reduce" && op.axis === axis && sameList(facts.type(inputs[0]!).shape, shape);
}

function sameMatrix({ facts }: Arrangement, step: RowsDraft, value: ValueId): boolean {
  const { rows, cols } = extentOf(facts, value);
  const isOfRow = facts.role(value) !== "rowReduce" && isRowScalar(facts.type(value)) && step.reduces.length > 0;
  return rows === step.rows && (cols === step.cols || isOfRow);
}

/**
 * What this step itself produces may be read only in the row that is being computed: other rows belong to other invocations.
 * @param sameRow whether that is the row in which this value is needed
 */
function staysInRow(c: Arrangement, step: RowsDraft, value: ValueId, sameRow: boolean = true, visited: Set<string> = new Set()): boolean {
  const { facts, stored, stepOf } = c;
  const key = `${value}/${sameRow}`;
  if (visited.has(key)) return true;
  visited.add(key);
  const isSlots = facts.role(value) === "slotSum"; // even one slot has a row name of its own
  return facts.producer(value).inputs.every((input) => {
    const seen = facts.through(input);
    const aligned = sameRow && !isSlots && rowsOf(facts.type(seen)) === step.rows;
    if (!stored.has(facts.base(seen))) return staysInRow(c, step, seen, aligned, visited);
    return aligned || stepOf.get(facts.base(seen)) !== step;
  });
}

/** A map over exactly the result of a contraction, whose other operands line up with its rows or columns. */
function fitsEpilogue(c: Arrangement, { node, columns }: AnchorDraft, value: ValueId): boolean {
  const type = c.facts.type(value);
  if (!EPILOGUES.has(node.op.kind) || c.facts.role(value) !== "map" || isRowScalar(type)) return false;
  const result = node.outputs[0]!;
  return sizeOf(type) === sizeOf(c.facts.type(result)) && fitsOperands(c, result, columns, value);
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
function keepsPadding({ facts, stored }: Arrangement, { node, columns, stores }: AnchorDraft, value: ValueId): boolean {
  const type = facts.type(value);
  if (type.shape.at(-1) === colsOf(type) || colsOf(type) === columns) return true;
  return padsWithZero(facts, (v) => (stored.has(v) && !stores.includes(v) && v !== value) || v === node.outputs[0], value);
}
