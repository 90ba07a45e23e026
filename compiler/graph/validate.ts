/** Whether a graph is well formed: what every later phase relies on. */
import type { OpGraph } from "../ir/graph.ts";
import { sameType, showType } from "../ir/tensor-type.ts";
import { checkOp } from "./op-types.ts";

/** @returns what is wrong, empty if nothing */
export function validateGraph(graph: OpGraph): readonly string[] {
  return [...validateNodes(graph), ...validateNames(graph), ...validateGradients(graph)];
}

function validateNodes(graph: OpGraph): readonly string[] {
  const problems: string[] = [];
  const defined = graph.values.map(() => false);
  graph.values.forEach((value, index) => value.id !== index && problems.push(`value ${index} has id ${value.id}`));
  graph.nodes.forEach((node, index) => {
    const where = `node ${index} (${node.op.kind} ${graph.values[node.outputs[0]!]?.name})`;
    for (const id of node.inputs) if (!defined[id]) problems.push(`${where} reads value ${id} before it is made`);
    for (const id of node.outputs) {
      if (defined[id]) problems.push(`${where} makes value ${id} again`);
      defined[id] = true;
    }
    const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]!.type);
    const problem = checkOp(node.op, types(node.inputs), types(node.outputs));
    if (problem !== null) problems.push(`${where}: ${problem}`);
  });
  defined.forEach((made, id) => !made && problems.push(`value ${id} (${graph.values[id]!.name}) is never made`));
  return problems;
}

function validateNames(graph: OpGraph): readonly string[] {
  const problems = Object.entries(graph.outputs).filter(([, id]) => graph.values[id] === undefined)
    .map(([name]) => `output ${name} is no value`);
  const names = new Set<string>();
  const repeated = graph.params.filter(({ name }) => names.size === names.add(name).size)
    .map(({ name }) => `two parameters are called ${name}`);
  const nodes = graph.nodes.filter((node) => node.op.kind === "param");
  const once = nodes.length === graph.params.length ? [] : [`${graph.params.length} parameters, but ${nodes.length} param nodes`];
  return [...problems, ...repeated, ...once];
}

function validateGradients(graph: OpGraph): readonly string[] {
  return graph.gradients.flatMap(({ param, contributions }) => {
    const { name, value } = graph.params[param]!;
    const type = graph.values[value]!.type;
    return contributions.filter((id) => !sameType(graph.values[id]!.type, type))
      .map((id) => `a gradient of ${name} is ${showType(graph.values[id]!.type)}, not ${showType(type)}`);
  });
}
