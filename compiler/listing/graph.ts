/** A graph as a listing: one line a node, `v41 = matmul nt v40 v7 : [B, T, 2, 4]  attention.router_v.logits of a, use 2`. */
import type { Node, Op, OpGraph, TensorType, ValueId } from "../ir/graph.ts";
import { columns } from "./columns.ts";
import { exprText } from "./expr.ts";

export function listGraph(graph: OpGraph): string {
  const tokens = tokenAxes(graph);
  const perToken = tokens === null ? new Set<ValueId>() : valuesOfTokens(graph, tokens);
  const names = createNames(graph);
  const rows = graph.nodes.map((node) => {
    const types = node.outputs.map((id) => typeText(graph.values[id]!.type, perToken.has(id)));
    return [`${node.outputs.map(valueName).join(", ")} = ${operation(graph, node)}`, `: ${types.join(", ")}`, names(node)];
  });
  const extents = tokens === null ? "" : `, B = ${tokens[0]}, T = ${tokens[1]}`;
  return [`graph ${graph.name}${extents}\n`, columns(rows, [56, 30]), ...outputLines(graph)].join("");
}

const valueName = (id: ValueId): string => `v${id}`;

/** What a node does, and to what. */
function operation({ params }: OpGraph, { op, inputs }: Node): string {
  const operands = inputs.map(valueName);
  switch (op.kind) {
    case "map": return exprText(op.expr, operands);
    case "param": return `param ${params[op.param]!.name}`;
    case "matmul": return ["matmul", op.layout, ...operands].join(" "); // how axes are rows or columns shows in the shapes
    default: return [op.kind, ...attributes(op), ...operands].join(" ");
  }
}

/** What an operation is beside its kind: `sum axis 3`, `heads 2 transposed`. */
const attributes = ({ kind: _, ...rest }: Op): readonly string[] => Object.entries(rest).flatMap(([key, value]) => attribute(key, value));

/** Words speak for themselves, numbers need their name, and flags that are off are left out. */
function attribute(key: string, value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "number") return [`${key} ${value}`];
  if (typeof value === "object" && value !== null) return Object.entries(value).flatMap(([inner, part]) => attribute(inner, part));
  return value === true ? [key] : [];
}

type TokenAxes = readonly [B: number, T: number];

/** Extents of B and T: those of the tokens that the graph reads; null where it reads none. */
function tokenAxes(graph: OpGraph): TokenAxes | null {
  const tokens = graph.nodes.find(({ op }) => op.kind === "input" && op.name === "tokens");
  return tokens === undefined ? null : graph.values[tokens.outputs[0]!]!.type.shape as unknown as TokenAxes;
}

/** Values whose first two axes are those of tokens: computed from such, and of such extents (which weights may have by chance). */
function valuesOfTokens({ nodes, values }: OpGraph, [B, T]: TokenAxes): ReadonlySet<ValueId> {
  const found = new Set<ValueId>();
  for (const { op, inputs, outputs } of nodes) {
    const sumsTokens = (op.kind === "matmul" && op.layout === "tn") || op.kind === "expertOuter" || op.kind === "scatterRows";
    if (sumsTokens || (op.kind !== "input" && !inputs.some((id) => found.has(id)))) continue;
    for (const id of outputs) if (values[id]!.type.shape[0] === B && values[id]!.type.shape[1] === T) found.add(id);
  }
  return found;
}

/** Letters for the axes of tokens, extents for the rest; `41→44` is stored wider than it is. */
function typeText({ dtype, shape, physical }: TensorType, perToken: boolean): string {
  const extents = shape.map((extent, axis) => (
    perToken && axis < 2 ? "BT"[axis]! : physical[axis] === extent ? `${extent}` : `${extent}→${physical[axis]}`));
  return `${dtype === "f32" ? "" : `${dtype} `}[${extents.join(", ")}]`;
}

/**
 * "attention.q of a, use 2": the layer comes last, and what every pass computes anew is numbered. Views have the number of what they show.
 */
function createNames({ values, nodes, params }: OpGraph): (node: Node) => string {
  const layers = new Set(params.flatMap(({ name }) => /^(.+)\.(?:attention|feed_forward)\./.exec(name)?.[1] ?? []));
  const isComputed = ({ op }: Node): boolean => op.kind !== "view" && op.kind !== "param";
  const nameOf = ({ outputs }: Node): string => values[outputs[0]!]!.name;
  const total = new Map<string, number>();
  for (const node of nodes.filter(isComputed)) total.set(nameOf(node), (total.get(nameOf(node)) ?? 0) + 1);
  const seen = new Map<string, number>();
  return (node) => {
    if (node.op.kind === "param") return "";
    const name = nameOf(node);
    if (isComputed(node)) seen.set(name, (seen.get(name) ?? 0) + 1);
    return `${ofLayer(name, layers)}${(total.get(name) ?? 0) > 1 ? `, use ${seen.get(name) ?? 1}` : ""}`;
  };
}

function ofLayer(name: string, layers: ReadonlySet<string>): string {
  const [, grad, bare] = /^(grad\/)?(.*)$/.exec(name)!;
  const layer = [...layers].find((candidate) => bare!.startsWith(`${candidate}.`));
  return `${grad === undefined ? "" : "gradient: "}${layer === undefined ? bare! : `${bare!.slice(layer.length + 1)} of ${layer}`}`;
}

function outputLines({ outputs, gradients, params }: OpGraph): readonly string[] {
  const read = Object.entries(outputs).map(([name, id]) => `output ${name} = ${valueName(id)}\n`);
  return [
    ...read,
    ...gradients.map(({ param, contributions }) => `gradient of ${params[param]!.name} = ${contributions.map(valueName).join(" + ")}\n`),
  ];
}
