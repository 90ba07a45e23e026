/**
 * The shape rule of every operation: what its output types are, and which types it accepts.
 * `checkOp` is the one authority; `resultTypes` derives the outputs where the inputs determine them.
 */
import type { Op, TensorType } from "../ir/graph.ts";
import { bug, channels, exactElements, plain, sameType, showType, viewType } from "../ir/tensor-type.ts";

type Kind = Op["kind"];
type OpOf<K extends Kind> = Extract<Op, { kind: K }>;

/** Output types, or null where the operation needs them given. */
type Results<K extends Kind> = (op: OpOf<K>, inputs: readonly TensorType[]) => readonly TensorType[] | null;

const RESULTS: { readonly [K in Kind]: Results<K> } = {
  input: () => null,
  param: () => null,
  ropeTable: () => null,
  sinusoid: () => null,
  random: () => null,
  map: (_, inputs) => (inputs.length === 0 ? null : [broadcastType(inputs)]),
  reduce: (op, [x]) => [withAxis(x!, op.axis, 1, 1)],
  view: () => null,
  matmul: (op, [a, b]) => [matmulType(op, a!, b!)],
  expertMatmul: (op, [, w, selection]) => [appendAxis(selection!, w!, op.transposed ? 1 : 2)],
  expertOuter: (_, inputs) => (inputs.length === 3 ? null : bug("expertOuter takes x, y, selection")),
  attention: (_, [q]) => [q!, plain([...q!.shape.slice(0, 3), 1])],
  attentionGrad: (op, [q, k, v, , , , , bias]) => (op.relative === undefined ? [q!, k!, v!] : [q!, k!, v!, bias!]),
  rope: (_, [x]) => [x!],
  cache: () => null,
  topK: (op, [x]) => [plain([...x!.shape.slice(0, -1), op.k], "u32")],
  gatherLast: (_, [, selection]) => [plain(selection!.shape)],
  scatterLast: () => null,
  gatherRows: (_, [table, rows]) => [appendAxis(rows!, table!, 1)],
  scatterRows: () => null,
};

export function resultTypes(op: Op, inputs: readonly TensorType[]): readonly TensorType[] | null {
  return (RESULTS[op.kind] as Results<Kind>)(op as never, inputs);
}

function broadcastType(inputs: readonly TensorType[]): TensorType {
  const first = inputs[0] ?? bug("a map without inputs needs a type");
  const shape = first.shape.map((_, axis) => Math.max(...inputs.map((t) => t.shape[axis] ?? bug("map inputs differ in rank"))));
  const physical = shape.map((extent, axis) =>
    Math.max(...inputs.filter((t) => t.shape[axis] === extent).map((t) => t.physical[axis]!)));
  return { dtype: "f32", shape, physical };
}

const withAxis = (t: TensorType, axis: number, extent: number, physical: number): TensorType => ({
  dtype: t.dtype,
  shape: t.shape.with(axis, extent),
  physical: t.physical.with(axis, physical),
});

/** The shape of `rows` plus one axis of `matrix`. */
const appendAxis = (rows: TensorType, matrix: TensorType, axis: number): TensorType => ({
  dtype: "f32",
  shape: [...rows.shape, matrix.shape[axis]!],
  physical: [...rows.physical, matrix.physical[axis]!],
});

function matmulType(op: OpOf<"matmul">, a: TensorType, b: TensorType): TensorType {
  const rows = op.layout === "tn" ? [op.aSplit, a.shape.length] : [0, op.aSplit];
  const columns = op.layout === "nt" ? [0, op.bSplit] : [op.bSplit, b.shape.length];
  return {
    dtype: "f32",
    shape: [...a.shape.slice(...rows), ...b.shape.slice(...columns)],
    physical: [...a.physical.slice(...rows), ...b.physical.slice(...columns)],
  };
}

/** Null where all is well, else what is wrong. */
type Check<K extends Kind> = (op: OpOf<K>, inputs: readonly TensorType[], outputs: readonly TensorType[]) => string | null;

const CHECKS: { readonly [K in Kind]: Check<K> } = {
  input: (_, inputs, [out]) => expect(inputs.length === 0, "takes no inputs")
    ?? expect(sameType(out!, plain(out!.shape, out!.dtype)), "is padded"),
  param: (_, inputs, [out]) => expect(inputs.length === 0, "takes no inputs") ?? expect(out!.dtype === "f32", "must be f32"),
  ropeTable: (op, _, [out]) => expect(out!.shape.length === 2 && out!.shape[1] === op.nRotate / 2, "must be [positions, nRotate/2]"),
  sinusoid: (_, inputs, [out]) =>
    expect(inputs.length === 0 && out!.dtype === "f32" && out!.shape.length === 2, "is a table [N, D] without inputs"),
  random: (_, inputs, [out]) => checkRandom(inputs, out!),
  map: (_, inputs, [out]) => checkMap(inputs, out!),
  reduce: (op, inputs) => expect(inputs.length === 1 && op.axis < inputs[0]!.shape.length, "axis out of range"),
  view: (_, [x], [out]) => checkView(x!, out!),
  matmul: (op, [a, b]) => checkMatmul(op, a!, b!),
  expertMatmul: (op, inputs) => checkExpertMatmul(op, inputs),
  expertOuter: (op, inputs, [out]) => checkExpertOuter(op, inputs, out!),
  attention: (op, inputs) => checkAttention(inputs) ?? checkBias(op.relative, inputs[0]!, inputs.slice(4)),
  attentionGrad: (op, inputs) => checkAttention(inputs) ?? expect(sameType(inputs[0]!, inputs[6]!), "grad_z must be like q")
    ?? checkBias(op.relative, inputs[0]!, inputs.slice(7)),
  rope: (op, [x, cos, sin]) => expect(op.nRotate % 2 === 0 && op.nRotate <= x!.shape.at(-1)!, "nRotate must be even and fit the head")
    ?? expect(cos!.shape[0]! >= x!.shape[1]! && sameType(cos!, sin!), "tables too short"),
  cache: (_, [x], [out]) => expect(out!.shape.length === 4 && out!.shape[1]! >= x!.shape[1]!, "capacity is smaller than a chunk")
    ?? expect(sameType(withAxis(x!, 1, 1, 1), withAxis(out!, 1, 1, 1)), "cache rows differ from its input's"),
  topK: (op, [x]) => expect(op.k <= x!.shape.at(-1)!, "k exceeds the row"),
  gatherLast: (_, [x, selection]) => checkSameRows(x!, selection!),
  scatterLast: (_, [y, selection], [out]) => expect(`${y!.shape}` === `${selection!.shape}`, "y and selection differ")
    ?? checkSameRows(out!, selection!),
  gatherRows: (_, [table, rows]) => expect(table!.shape.length === 2 && rows!.dtype === "u32", "takes a table [V, D] and u32 rows"),
  scatterRows: (_, [y, rows], [out]) => expect(`${y!.shape}` === `${[...rows!.shape, out!.shape[1]]}`, "y must be [rows..., D]"),
};

/** What is wrong with a node of these types, or null. */
export function checkOp(op: Op, inputs: readonly TensorType[], outputs: readonly TensorType[]): string | null {
  const problem = (CHECKS[op.kind] as Check<Kind>)(op as never, inputs, outputs) ?? checkResults(op, inputs, outputs);
  const show = (types: readonly TensorType[]): string => types.map(showType).join(", ");
  return problem === null ? null : `${op.kind} ${problem}: (${show(inputs)}) → (${show(outputs)})`;
}

function checkResults(op: Op, inputs: readonly TensorType[], outputs: readonly TensorType[]): string | null {
  if (op.kind === "map") return null; // may be wider than its inputs: checkMap has looked
  const results = resultTypes(op, inputs);
  if (results === null) return expect(outputs.length === 1, "has one output");
  return expect(results.length === outputs.length && results.every((t, i) => sameType(t, outputs[i]!)), "has other output types");
}

const expect = (ok: boolean, problem: string): string | null => (ok ? null : problem);

function checkRandom([noise, position]: readonly TensorType[], out: TensorType): string | null {
  const isWhole = [plain, channels].some((type) => sameType(out, type(out.shape)));
  return expect(sameType(noise!, plain([4], "u32")) && sameType(position!, plain([1], "u32")), "takes noise u32 [4] and position u32 [1]")
    ?? expect(out.shape.length > 2 && isWhole, "gives f32 [B, T, …], its last axis padded to a multiple of 4 or not at all");
}

function checkMap(inputs: readonly TensorType[], out: TensorType): string | null {
  const fits = (t: TensorType): boolean => t.shape.length === out.shape.length && t.shape.every((extent, axis) =>
    extent === 1 || (extent === out.shape[axis] && t.physical[axis] === out.physical[axis]));
  return expect(inputs.every(fits), "inputs do not broadcast to the output") ?? expect(out.dtype === "f32", "gives f32");
}

function checkView(x: TensorType, out: TensorType): string | null {
  if (exactElements(x.shape) !== exactElements(out.shape)) return "changes the number of elements";
  const type = viewType(x, out.shape);
  return expect(type !== null && sameType(type, out), "would change the storage");
}

function checkMatmul(op: OpOf<"matmul">, a: TensorType, b: TensorType): string | null {
  const inner = (t: TensorType, split: number, rows: boolean): string =>
    `${t.shape.slice(...(rows ? [0, split] : [split]))}/${t.physical.slice(...(rows ? [0, split] : [split]))}`;
  const innerA = inner(a, op.aSplit, op.layout === "tn");
  const innerB = inner(b, op.bSplit, op.layout !== "nt");
  const columns = op.layout === "nt" ? b.physical.slice(0, op.bSplit) : b.physical.slice(op.bSplit);
  return expect(innerA === innerB, `contracts ${innerA} with ${innerB}`)
    ?? expect(exactElements(columns) % 4n === 0n, "stores columns that are no whole number of vec4s");
}

const rowsOf = (t: TensorType): bigint => exactElements(t.shape.slice(0, -1));

/** Rows of x must divide the slots of the selection, and heads the rows of the selection. */
function checkRows(x: TensorType, selection: TensorType, heads: number): string | null {
  return expect(selection.dtype === "u32", "selects by u32")
    ?? expect(exactElements(selection.shape) % rowsOf(x) === 0n, "rows do not divide the slots")
    ?? expect(rowsOf(selection) % BigInt(heads) === 0n, "heads do not divide the rows");
}

function checkExpertMatmul(op: OpOf<"expertMatmul">, [a, w, selection]: readonly TensorType[]): string | null {
  const axis = op.transposed ? 2 : 1;
  return checkRows(a!, selection!, op.heads)
    ?? expect(w!.shape.length === 3 && w!.shape[0]! % op.heads === 0, "weights must be [heads · experts, K, N]")
    ?? expect(a!.shape.at(-1) === w!.shape[axis] && a!.physical.at(-1) === w!.physical[axis], "contracted axes differ");
}

function checkExpertOuter(op: OpOf<"expertOuter">, [x, y, selection]: readonly TensorType[], out: TensorType): string | null {
  const same = (t: TensorType, axis: number): boolean => t.shape.at(-1) === out.shape[axis] && t.physical.at(-1) === out.physical[axis];
  return checkRows(x!, selection!, op.heads) ?? checkRows(y!, selection!, op.heads)
    ?? expect(out.shape.length === 3 && same(x!, 1) && same(y!, 2), "gives [G, K, N]");
}

function checkAttention([q, k, v, position]: readonly TensorType[]): string | null {
  const channels = (t: TensorType): TensorType => withAxis(withAxis(t, 1, 1, 1), 2, 1, 1);
  return expect(q!.shape.length === 4 && sameType(channels(q!), channels(k!)) && sameType(k!, v!), "q, k, v differ")
    ?? expect(q!.shape[2]! % k!.shape[2]! === 0, "the heads of k do not divide those of q")
    ?? expect(sameType(position!, plain([1], "u32")), "position must be u32 [1]");
}

function checkBias(relative: number | undefined, q: TensorType, [bias]: readonly TensorType[]): string | null {
  if (relative === undefined) return expect(bias === undefined, "has a bias without relative positions");
  return expect(
    bias !== undefined && `${bias.shape}` === `${[...q.shape.slice(0, 3), 2 * relative + 1]}`, "bias must be [B, T, H, 2P + 1]",
  );
}

function checkSameRows(x: TensorType, selection: TensorType): string | null {
  return expect(
    selection.dtype === "u32" && `${x.shape.slice(0, -1)}` === `${selection.shape.slice(0, -1)}`, "rows differ from the selection's",
  );
}

