/** Graph → graph, before anything is planned: only what somebody needs, and no copies that nobody has to make. */
import type { Node, OpGraph, ValueId } from "../ir/graph.ts";
import { rowAccess } from "./access.ts";
import { colsOf, gatherFacts, type Facts } from "./facts.ts";

/** @param keep values that the host reads */
export const simplify = (graph: OpGraph, keep: readonly ValueId[]): OpGraph => prune(elideBroadcasts(graph), keep);

/** An expert product reads its row once per slot anyway: a copy of the row for each slot need not exist. */
function elideBroadcasts(graph: OpGraph): OpGraph {
  const facts = gatherFacts(graph);
  const nodes = graph.nodes.map((node): Node => {
    const rowInputs = node.op.kind === "expertMatmul" ? 1 : node.op.kind === "expertOuter" ? 2 : 0;
    return rowInputs === 0 ? node : { ...node, inputs: node.inputs.map((v, i) => (i < rowInputs ? beforeCopies(facts, v) : v)) };
  });
  return { ...graph, nodes };
}

/** The value of which this one is a copy for each slot, or itself. */
function beforeCopies(facts: Facts, value: ValueId): ValueId {
  const { op, inputs, outputs } = facts.producer(facts.through(value));
  if (op.kind !== "map" || op.expr.op !== "in") return value;
  const operand = inputs[op.expr.index]!;
  const [to, from] = [facts.type(outputs[0]!), facts.type(operand)];
  if (colsOf(to) !== colsOf(from)) return value;
  const access = rowAccess(to.shape.slice(0, -1), from.shape.slice(0, -1));
  return access.kind === "div" || access.kind === "same" ? beforeCopies(facts, operand) : value;
}

/** Only what the host or a parameter's gradient needs. */
function prune(graph: OpGraph, keep: readonly ValueId[]): OpGraph {
  const needed = new Set<ValueId>([...keep, ...graph.gradients.flatMap((g) => g.contributions)]);
  const nodes = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some((v) => needed.has(v))) return false;
    node.inputs.forEach((v) => needed.add(v));
    return true;
  });
  return { ...graph, nodes: nodes.reverse() };
}
