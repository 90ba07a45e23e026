/** Where everything is stored that the steps of a graph read, make, or hand to each other. */
import type { ValueId } from "../ir/graph.ts";
import { ropeKey } from "../ir/model-spec.ts";
import { sizeOf, type Facts } from "./facts.ts";
import { lasting, passing, type Tensor } from "./launch.ts";
import { chunksOf, type Reads, type Step } from "./step.ts";

/** Tensors in the order in which launches meet them: lasting buffers are numbered so. */
export interface Storage {
  /** Of values that are no views. */
  readonly values: ReadonlyMap<ValueId, Tensor>;
  /** Those that are added to the gradient of a parameter, with its name. */
  readonly gradients: ReadonlyMap<ValueId, string>;
  /** What the launches of a step hand to each other or to those of other steps, besides values. */
  readonly scratch: ReadonlyMap<Step, readonly Tensor[]>;
}

interface Output {
  readonly name: string;
  readonly value: ValueId;
}

/** @param outputs values that the host reads */
export function assignStorage(facts: Facts, steps: readonly Step[], reads: Reads, outputs: readonly Output[]): Storage {
  const gradients = addedInPlace(facts);
  const names = new Map(outputs.map(({ name, value }) => [facts.base(value), name]));
  const made = steps.flatMap((step) => (step.kind === "anchor" ? [...step.stores, ...step.node.outputs] : step.values)); // epilogues first
  const met = made.flatMap((value) => [...reads.get(value)!, value]);
  let scratches = 0;
  const scratch = (words: number): Tensor => passing(`scratch/${facts.graph.name}/${scratches++}`, words);
  return {
    values: new Map([...met, ...names.keys()].map((value) => [value, tensorOf(facts, gradients, names, value)])),
    gradients,
    scratch: new Map(steps.map((step) => [step, scratchWords(facts, step).map(scratch)])),
  };
}

function tensorOf(
  { graph, producer, type: typeOf }: Facts, gradients: ReadonlyMap<ValueId, string>, outputs: ReadonlyMap<ValueId, string>, value: ValueId,
): Tensor {
  const { op } = producer(value);
  const type = typeOf(value);
  const words = sizeOf(type);
  const [gradient, output] = [gradients.get(value), outputs.get(value)];
  switch (op.kind) {
    case "param": return lasting(`param/${graph.params[op.param]!.name}`, words, "parameters");
    case "input": return lasting(`input/${op.name}/${type.shape.join("x")}`, words, "inputs");
    case "cache": return lasting(`cache/${op.name}`, words, "caches");
    case "ropeTable": {
      const { kind: _, fn, ...rotary } = op;
      return lasting(`table/${fn}/${ropeKey(rotary)}`, words, "tables", { fn, ...rotary });
    }
    case "sinusoid": {
      const { first, base } = op;
      const [[rows, width], [, stride]] = [type.shape, type.physical] as [[number, number], [number, number]];
      return lasting(`table/sinusoid/${first}/${rows}/${base}`, words, "tables", { fn: "sinusoid", first, base, width, stride });
    }
    default:
      return gradient !== undefined ? lasting(`grad/${gradient}`, words, "gradients")
        : output !== undefined ? lasting(`out/${graph.name}/${output}`, words, "outputs")
        : passing(`value/${graph.name}/${value}`, words, graph.values[value]!.name);
  }
}

/** Gradient contributions whose own kernel can add them to the parameter's gradient, and its name. */
function addedInPlace(facts: Facts): ReadonlyMap<ValueId, string> {
  const { graph } = facts;
  const all = graph.gradients.flatMap((g) => g.contributions.map((c) => ({ base: facts.base(c), name: graph.params[g.param]!.name })));
  const uses = new Map<ValueId, number>();
  for (const { base } of all) uses.set(base, (uses.get(base) ?? 0) + 1);
  const canAdd = (base: ValueId): boolean => {
    const { op } = facts.producer(base);
    const adds = op.kind === "matmul" || op.kind === "expertOuter" || op.kind === "scatterRows" || facts.role(base) === "columnSum";
    return adds && uses.get(base) === 1 && isReadOnlyThroughViews(facts, base);
  };
  return new Map(all.filter((c) => canAdd(c.base)).map((c) => [c.base, c.name]));
}

const isReadOnlyThroughViews = (facts: Facts, value: ValueId): boolean =>
  facts.consumers(value).every((node) => node.op.kind === "view" && isReadOnlyThroughViews(facts, node.outputs[0]!));

/** Words of each tensor of scratch: for topK the experts numbered over all heads; for sums of columns the partial sums of each. */
function scratchWords(facts: Facts, step: Step): readonly number[] {
  switch (step.kind) {
    case "rows": return [];
    case "anchor": return step.node.op.kind === "topK" ? [sizeOf(facts.type(step.node.outputs[0]!))] : [];
    case "columns": return step.reduces.map((value) => sizeOf(facts.type(value)) * chunksOf(step));
    case "tables": {
      const { groups, slots, blocks, nTiles } = step;
      return [blocks * groups, groups, slots, 2 * groups, 4 * nTiles]; // counts, totals, order, ranges, tiles
    }
  }
}
