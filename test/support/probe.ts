/** Small graphs with a training loss, planned and run like a model's "train" entry. */
import { createBuilder, emitOne, shapeOf } from "../../compiler/graph/builder.ts";
import type { GraphBuilder } from "../../compiler/graph/builder.ts";
import { map, sum, view } from "../../compiler/graph/dsl.ts";
import { addGradients } from "../../compiler/4-grad/index.ts";
import { add, input, mul } from "../../compiler/ir/expr.ts";
import type { InputName, OpGraph, Param, TensorType, ValueId } from "../../compiler/ir/graph.ts";
import { plain } from "../../compiler/ir/tensor-type.ts";

export interface ProbeBuilder extends GraphBuilder {
  readonly param: (type: TensorType) => ValueId;
  readonly input: (name: InputName, shape: readonly number[]) => ValueId;
}

/**
 * The loss is the sum of all elements of each of `build`'s results, each times a parameter "weight NAME" of its own. Parameters are p0, p1, …
 * in order of declaration; results are outputs by name.
 */
export function probeGraph(build: (b: ProbeBuilder) => Readonly<Record<string, ValueId>>): OpGraph {
  const params: Param[] = [];
  const base = createBuilder();
  const declare = (name: string, type: TensorType): ValueId => {
    const value = emitOne(base, name, { kind: "param", param: params.length }, [], type);
    params.push({ name, value, official: { tensor: name, shape: type.shape, start: 0 }, init: { kind: "zeros" } });
    return value;
  };
  const source = (name: InputName, shape: readonly number[]): ValueId =>
    emitOne(base, name, { kind: "input", name }, [], plain(shape, name === "loss_scale" ? "f32" : "u32"));
  const b: ProbeBuilder = Object.assign(base, { param: (type: TensorType) => declare(`p${params.length}`, type), input: source });
  const results = build(b);
  const terms = Object.entries(results).filter(([, value]) => b.values[value]!.type.dtype === "f32").map(([name, value]) => {
    const weighted = map(b, "weighted", mul(input(0), input(1)), [value, declare(`weight ${name}`, b.values[value]!.type)]);
    const summed = shapeOf(b, weighted).reduceRight((x, _, axis) => sum(b, "sum", x, axis), weighted);
    return view(b, "term", summed, [1]);
  });
  const loss = terms.reduce((total, term) => map(b, "loss", add(input(0), input(1)), [total, term]));
  return addGradients({ name: "train", values: b.values, nodes: b.nodes, params, outputs: { ...results, loss }, gradients: [] }, "loss");
}
