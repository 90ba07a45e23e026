/** Removes what nobody reads. */
import type { Node, OpGraph, ValueId } from "../ir/graph.ts";

/**
 * Keeps the named outputs, all gradients, and what they are computed from. Parameters stay, used or not. Values are numbered anew.
 * @param keep names of outputs
 */
export function pruneGraph(graph: OpGraph, keep: readonly string[]): OpGraph {
  const kept = new Set(keep);
  const outputs = Object.fromEntries(Object.entries(graph.outputs).filter(([name]) => kept.has(name)));
  const nodes = liveNodes(graph, [...Object.values(outputs), ...graph.gradients.flatMap((g) => g.contributions)]);
  const values = nodes.flatMap((node) => node.outputs);
  const renumbered: ValueId[] = [];
  values.forEach((id, index) => (renumbered[id] = index));
  const at = (id: ValueId): ValueId => renumbered[id]!;
  return {
    ...graph,
    values: values.map((id, index) => ({ ...graph.values[id]!, id: index })),
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(at), outputs: node.outputs.map(at) })),
    params: graph.params.map((p) => ({ ...p, value: at(p.value) })),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, id]) => [name, at(id)])),
    gradients: graph.gradients.map((g) => ({ ...g, contributions: g.contributions.map(at) })),
  };
}

function liveNodes(graph: OpGraph, roots: readonly ValueId[]): readonly Node[] {
  const live = graph.values.map(() => false);
  for (const id of roots) live[id] = true;
  const kept = graph.nodes.toReversed().filter((node) => {
    const isLive = node.op.kind === "param" || node.outputs.some((id) => live[id]);
    if (isLive) for (const id of node.inputs) live[id] = true;
    return isLive;
  });
  return kept.toReversed();
}
