/** Which values are stored, and why: rule 1 of fusion (fuse.ts). */
import type { Node, ValueId } from "../ir/graph.ts";
import { isRowScalar, sizeOf, type Facts } from "./facts.ts";
import { valuesOf, type Step } from "./step.ts";

/** The values in storage, each with the first reason found, for people. A view is stored where what it shows is. */
export type Stored = ReadonlyMap<ValueId, string>;

/** WebGPU guarantees 8 storage buffers per stage. */
export const MAX_STORAGE = 8;
/** Bindings that an expression may need: a kernel has room for it, one more result, and the order and tiles of a grouped product. */
const MAX_LEAVES = MAX_STORAGE - 3;

/** First half: what is computed once, and pointwise values that somebody can only read from storage. */
export function storedForUse(facts: Facts, keep: readonly ValueId[]): Stored {
  const stored = new Map(computedOnce(facts));
  const store = (value: ValueId, why: string): void => {
    const base = facts.base(value);
    if (!stored.has(base)) stored.set(base, why);
  };
  for (const value of keep) store(value, "the host reads it");
  for (const { param, contributions } of facts.graph.gradients) {
    for (const value of contributions) store(value, `part of the gradient of ${facts.graph.params[param]!.name}`);
  }
  for (const { op, inputs } of facts.graph.nodes) {
    if (op.kind === "map" || op.kind === "reduce") {
      for (const input of inputs) if (facts.base(input) !== facts.through(input)) store(input, "a view rearranges it");
    } else if (op.kind !== "view") for (const input of inputs) store(input, `${op.kind} reads it`);
  }
  for (const node of facts.graph.nodes) keepFewLeaves(facts, node, stored);
  return stored;
}

/** Every value, as if there were no fusion. */
export const storedAll = (facts: Facts): Stored =>
  new Map([...pointwise(facts).map((value) => [value, "nothing is fused"] as const), ...computedOnce(facts)]);

const pointwise = (facts: Facts): readonly ValueId[] =>
  facts.graph.nodes.flatMap(({ outputs }) => outputs).filter((value) => ["map", "slotSum"].includes(facts.role(value)));

function computedOnce(facts: Facts): Stored {
  const reasons = { given: "it is there before", anchor: "a launch of its own makes it", rowReduce: SUM, columnSum: SUM };
  const stored = new Map<ValueId, string>();
  for (const value of facts.graph.nodes.flatMap(({ outputs }) => outputs)) {
    const role = facts.role(value);
    if (role in reasons) stored.set(value, reasons[role as keyof typeof reasons]);
  }
  return stored;
}

const SUM = "a sum or maximum of many";

/**
 * No expression, and no sum of one, may need more bindings than a kernel has: its ingredients with most leaves are stored first, then it is
 * itself.
 */
function keepFewLeaves(facts: Facts, { op, inputs, outputs }: Node, stored: Map<ValueId, string>): void {
  if (op.kind !== "map" && op.kind !== "reduce") return;
  const value = outputs[0]!;
  const count = (v: ValueId): number => leaves(facts, stored, [v]).size;
  if (count(value) <= MAX_LEAVES) return;
  if (!stored.has(value)) stored.set(value, "it reads as much as one launch may");
  while (count(value) > MAX_LEAVES) {
    const open = inputs.map((input) => facts.base(facts.through(input))).filter((v) => !stored.has(v));
    if (open.length === 0) return;
    stored.set(open.reduce((most, v) => (count(v) > count(most) ? v : most)), "who reads it would bind too many buffers");
  }
}

/** Stored values that the given values read, directly or through values that are not stored. */
export function leaves(facts: Facts, stored: Stored, values: readonly ValueId[], into: Set<ValueId> = new Set()): Set<ValueId> {
  const visited = new Set<ValueId>();
  const visit = (value: ValueId): void => {
    if (visited.has(value)) return;
    visited.add(value);
    for (const input of facts.producer(value).inputs) {
      const seen = facts.through(input);
      if (stored.has(facts.base(seen))) into.add(facts.base(seen));
      else visit(seen);
    }
  };
  values.forEach(visit);
  return into;
}

/** Second half: values with several ingredients that more than one of the steps would compute again. */
export function storedForPrice(facts: Facts, stored: Stored, steps: readonly Step[]): Stored {
  const users = new Map<ValueId, Set<number>>();
  const use = (value: ValueId, step: number): void => void (users.get(value) ?? users.set(value, new Set()).get(value)!).add(step);
  steps.forEach((step, at) => valuesOf(step).forEach((value) => use(value, at)));
  const dear = new Map<ValueId, string>();
  for (const { op, inputs, outputs } of [...facts.graph.nodes].reverse()) {
    const value = outputs[0]!;
    const mine = users.get(value);
    if ((op.kind !== "map" && op.kind !== "reduce") || mine === undefined) continue; // or nobody needs it
    if (!stored.has(value) && mine.size > 1 && loadsOf(facts, stored, value) > 1) {
      dear.set(value, "several launches would load more to compute it again");
      continue; // its ingredients are then needed once, by whoever stores it
    }
    for (const input of inputs) {
      const seen = facts.through(input);
      if (!stored.has(facts.base(seen))) for (const step of mine) use(seen, step);
    }
  }
  return dear;
}

/** Loads per element to compute a value: its stored ingredients of full size, slots counted each. */
function loadsOf(facts: Facts, stored: Stored, value: ValueId): number {
  if (isRowScalar(facts.type(value))) return 0;
  const size = sizeOf(facts.type(value));
  const sizes = [...leaves(facts, stored, [value])].map((leaf) => sizeOf(facts.type(leaf)));
  return sizes.filter((each) => each >= size).reduce((sum, each) => sum + each / size, 0);
}
