/** Gradient rules, one per operation. */
import { emit, emitOne, shapeOf, typeOf } from "../graph/builder.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { expertMatmul, expertOuter, gatherLast, gatherRows, map, matmul, rope, sum, view } from "../graph/dsl.ts";
import { compactInputs, readsColumn, simplify } from "../expr/simplify.ts";
import { constant, input, mul } from "../ir/expr.ts";
import type { Node, Op, ValueId } from "../ir/graph.ts";
import { bug, elements, exactElements, plain, sameType } from "../ir/tensor-type.ts";
import { reshapeGradient, sumDown, widen } from "./broadcast.ts";
import { derivative } from "./derivative.ts";

type Kind = Op["kind"];
type NodeOf<K extends Kind> = Node & { readonly op: Extract<Op, { kind: K }> };

/** Gradients of the inputs, in order; null where there is none. `wanted` says which will be used. */
export type InputGradients = readonly (ValueId | null)[];
type Rule<K extends Kind> = (
  b: GraphBuilder, node: NodeOf<K>, grads: readonly (ValueId | null)[], wanted: readonly boolean[],
) => InputGradients;

const notDifferentiable = (b: GraphBuilder, node: Node): never =>
  bug(`no gradient of ${node.op.kind} (${b.values[node.outputs[0]!]!.name})`);
const noInputs = (): InputGradients => [];

const RULES: { readonly [K in Kind]: Rule<K> } = {
  input: noInputs,
  param: noInputs,
  ropeTable: noInputs,
  sinusoid: noInputs,
  random: () => [null, null],
  map: mapRule,
  // The sum's gradient is that of each term. A maximum is only ever subtracted for range, where its gradient cancels.
  reduce: (_b, { op }, [grad]) => [op.how === "sum" ? grad! : null],
  view: (b, { inputs, outputs }, [grad]) =>
    [reshapeGradient(b, gradName(b, inputs[0]!), grad!, typeOf(b, outputs[0]!), typeOf(b, inputs[0]!))],
  matmul: matmulRule,
  expertMatmul: expertMatmulRule,
  expertOuter: notDifferentiable,
  attention: attentionRule,
  attentionGrad: notDifferentiable,
  rope: (b, node, [grad]) => {
    const [x, cos, sin, position] = node.inputs as [ValueId, ValueId, ValueId, ValueId];
    const table = { cos, sin, nRotate: node.op.nRotate };
    return [rope(b, gradName(b, x), widen(b, gradName(b, x), grad!, typeOf(b, x)), table, position, !node.op.inverse), null, null, null];
  },
  cache: notDifferentiable,
  topK: () => [null],
  gatherLast: (b, { inputs: [x, selection], outputs: [y] }, [grad]) => {
    const name = gradName(b, x!);
    return [emitOne(b, name, { kind: "scatterLast" }, [widen(b, name, grad!, typeOf(b, y!)), selection!], typeOf(b, x!)), null];
  },
  scatterLast: (b, { inputs: [y, selection], outputs: [x] }, [grad]) =>
    [gatherLast(b, gradName(b, y!), widen(b, gradName(b, y!), grad!, typeOf(b, x!)), selection!), null],
  gatherRows: (b, { inputs: [table, rows], outputs: [y] }, [grad]) => {
    const name = gradName(b, table!);
    return [emitOne(b, name, { kind: "scatterRows" }, [widen(b, name, grad!, typeOf(b, y!)), rows!], typeOf(b, table!)), null];
  },
  scatterRows: (b, { inputs: [y, rows], outputs: [table] }, [grad]) =>
    [gatherRows(b, gradName(b, y!), widen(b, gradName(b, y!), grad!, typeOf(b, table!)), rows!), null],
};

export const gradName = (b: GraphBuilder, id: ValueId): string => `grad/${b.values[id]!.name}`;

/** @param grads gradients of the outputs, each null if nothing depends on it */
export const inputGradients = (
  b: GraphBuilder, node: Node, grads: readonly (ValueId | null)[], wanted: readonly boolean[],
): InputGradients =>
  (RULES[node.op.kind] as Rule<Kind>)(b, node as never, grads, wanted);

/** A map's gradient is a map of its inputs and the gradient of its output, summed where the input was broadcast. */
function mapRule(b: GraphBuilder, node: NodeOf<"map">, [grad]: readonly (ValueId | null)[], wanted: readonly boolean[]): InputGradients {
  const out = typeOf(b, node.outputs[0]!);
  return node.inputs.map((x, index) => {
    if (!wanted[index] || node.inputs.indexOf(x) !== index) return null;
    const name = gradName(b, x);
    const local = pointGradient(b, name, node, x, grad!);
    return local === null ? null : sumDown(b, name, local, out.shape, shapeOf(b, x));
  });
}

/** grad · ∂expr/∂x before any sum; an input that occurs at several places counts at all of them. */
function pointGradient(b: GraphBuilder, name: string, node: NodeOf<"map">, x: ValueId, grad: ValueId): ValueId | null {
  const places = node.inputs.flatMap((id, index) => (id === x ? [index] : []));
  const slope = places.map((index) => derivative(node.op.expr, index)).reduce((a, c) => simplify({ op: "add", a, b: c }));
  const known = constantOf(b, grad);
  const full = simplify(mul(known === null ? input(node.inputs.length) : constant(known), slope));
  if (full.op === "const" && full.value === 0) return null;
  const { expr, inputs } = compactInputs(full, [...node.inputs, grad]);
  if (expr.op === "in") return inputs[0]!;
  // Columns count along the last axis of the output, which its inputs might not have in full.
  const out = typeOf(b, node.outputs[0]!);
  return map(b, name, expr, inputs, readsColumn(expr) ? out : inputs.length === 0 ? plain(out.shape.map(() => 1)) : undefined);
}

/** The number that a scalar value is known to be (the gradient of the loss is 1), or null. */
function constantOf(b: GraphBuilder, id: ValueId): number | null {
  if (elements(shapeOf(b, id)) !== 1) return null;
  const { op } = b.producers[id]!;
  return op.kind === "map" && op.expr.op === "const" ? op.expr.value : null;
}

function matmulRule(
  b: GraphBuilder, node: NodeOf<"matmul">, [grad]: readonly (ValueId | null)[], wanted: readonly boolean[],
): InputGradients {
  const [a, c] = node.inputs as [ValueId, ValueId];
  const { layout, aSplit, bSplit } = node.op;
  const g = widen(b, gradName(b, node.outputs[0]!), grad!, typeOf(b, node.outputs[0]!));
  const gSplit = layout === "tn" ? shapeOf(b, a).length - aSplit : aSplit;
  const make = {
    // C = A·B    ∂A = G·Bᵀ   ∂B = Aᵀ·G
    nn: [() => matmul(b, gradName(b, a), "nt", g, gSplit, c, bSplit), () => matmul(b, gradName(b, c), "tn", a, aSplit, g, gSplit)],
    // C = A·Bᵀ   ∂A = G·B    ∂B = Gᵀ·A
    nt: [() => matmul(b, gradName(b, a), "nn", g, gSplit, c, bSplit), () => matmul(b, gradName(b, c), "tn", g, gSplit, a, aSplit)],
    // C = Aᵀ·B   ∂A = B·Gᵀ   ∂B = A·G
    tn: [() => matmul(b, gradName(b, a), "nt", c, bSplit, g, gSplit), () => matmul(b, gradName(b, c), "nn", a, aSplit, g, gSplit)],
  }[layout];
  return [wanted[0] ? make[0]!() : null, wanted[1] ? make[1]!() : null];
}

/** Slots of one row of `a` are neighbours: their gradients add up. */
function expertMatmulRule(
  b: GraphBuilder, node: NodeOf<"expertMatmul">, [grad]: readonly (ValueId | null)[], wanted: readonly boolean[],
): InputGradients {
  const [a, w, selection] = node.inputs as [ValueId, ValueId, ValueId];
  const { heads, transposed } = node.op;
  const g = slotRows(b, gradName(b, node.outputs[0]!), grad!, node.outputs[0]!);
  const gradW = (): ValueId => transposed
    ? expertOuter(b, gradName(b, w), g, a, selection, heads, typeOf(b, w))
    : expertOuter(b, gradName(b, w), a, g, selection, heads, typeOf(b, w));
  const gradA = (): ValueId => sumSlots(b, expertMatmul(b, `${gradName(b, a)}.slots`, g, w, selection, heads, !transposed), a);
  return [wanted[0] ? gradA() : null, wanted[1] ? gradW() : null, null];
}

/** The gradient as rows for expertMatmul, which repeats a row over neighbouring slots by itself. */
function slotRows(b: GraphBuilder, name: string, grad: ValueId, out: ValueId): ValueId {
  const narrow = shapeOf(b, grad);
  const wide = shapeOf(b, out);
  const first = wide.findIndex((extent, axis) => extent !== narrow[axis]);
  const isNeighbours = first < 0 || wide.slice(first, -1).every((_, i) => narrow[first + i] === 1);
  return isNeighbours && narrow.at(-1) === wide.at(-1) ? grad : widen(b, name, grad, typeOf(b, out));
}

/** [slots..., N] → the shape of `a`, summing the slots of each row. */
function sumSlots(b: GraphBuilder, slots: ValueId, a: ValueId): ValueId {
  const target = typeOf(b, a);
  if (sameType(typeOf(b, slots), target)) return slots;
  const name = gradName(b, a);
  const rows = (shape: readonly number[]): bigint => exactElements(shape.slice(0, -1));
  const width = target.shape.at(-1)!;
  const perRow = Number(rows(shapeOf(b, slots)) / rows(target.shape));
  if (perRow === 1) return view(b, name, slots, target.shape);
  const grouped = view(b, name, slots, [...target.shape.slice(0, -1), perRow, width]);
  return view(b, name, sum(b, name, grouped, -2), target.shape);
}

function attentionRule(b: GraphBuilder, node: NodeOf<"attention">, [gradZ, gradLse]: readonly (ValueId | null)[]): InputGradients {
  if (gradLse != null) bug("the log-sum-exp of attention has no gradient");
  const [q, k, v, position, ...bias] = node.inputs as [ValueId, ValueId, ValueId, ValueId, ...ValueId[]];
  const [z, lse] = node.outputs as [ValueId, ValueId];
  const g = widen(b, gradName(b, z), gradZ!, typeOf(b, z));
  const delta = sum(b, `${gradName(b, z)}.delta`, map(b, `${gradName(b, z)}.delta`, mul(input(0), input(1)), [z, g]), -1);
  const [gradQ, gradK, gradV, ...gradBias] = emit(b, gradName(b, q), { ...node.op, kind: "attentionGrad" }, [
    q, k, v, position, lse, delta, g, ...bias,
  ]);
  return [gradQ!, gradK!, gradV!, null, ...gradBias];
}
