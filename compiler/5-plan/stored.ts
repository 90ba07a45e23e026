/** Which values are stored, and why: rule 1 of fusion (fuse.ts). */
import type { Node, ValueId } from "../ir/graph.ts";
import { isRowScalar, sizeOf, type Facts, type FusionRole } from "./facts.ts";
import type { Fusion, Reads, Step, Stored } from "./step.ts";

/** WebGPU guarantees 8 storage buffers per stage. */
export const MAX_STORAGE = 8;
/** Values that an expression may read: a kernel has room for it, one more result, and the order and tiles of a grouped product. */
const MAX_READS = MAX_STORAGE - 3;

/** First half: what is computed once, and pointwise values that somebody can only read from storage. */
export function storedForUse(facts: Facts, keep: readonly ValueId[]): Stored {
  const stored = new Map([...computedOnce(facts), ...readFromStorage(facts, keep)].reverse()); // the first reason is the last that is set
  for (const node of facts.graph.nodes) keepFewReads(facts, node, stored);
  return stored;
}

type Reason = readonly [value: ValueId, why: string];

function readFromStorage({ graph, base, through }: Facts, keep: readonly ValueId[]): readonly Reason[] {
  const read: readonly (readonly [values: readonly ValueId[], why: string])[] = [
    [keep, "the host reads it"],
    ...graph.gradients.map(({ param, contributions }) => [contributions, `part of the gradient of ${graph.params[param]!.name}`] as const),
    ...graph.nodes.map(({ op: { kind }, inputs }) => (
      kind === "view" ? [[], ""] as const
      : kind === "map" || kind === "reduce" ? [inputs.filter((input) => base(input) !== through(input)), "a view rearranges it"] as const
      : [inputs, `${kind} reads it`] as const)),
  ];
  return read.flatMap(([values, why]) => values.map((value) => [base(value), why] as const));
}

/** Every value, as if there were no fusion. */
export const storedAll = (facts: Facts): Stored =>
  new Map([...pointwise(facts).map((value) => [value, "nothing is fused"] as const), ...computedOnce(facts)]);

const pointwise = (facts: Facts): readonly ValueId[] =>
  facts.graph.nodes.flatMap(({ outputs }) => outputs).filter((value) => ["map", "slotSum"].includes(facts.role(value)));

function computedOnce({ graph, role }: Facts): readonly Reason[] {
  const sum = "a sum or maximum of many";
  const reasons: Readonly<Record<FusionRole, string | null>> = {
    given: "it is there before", anchor: "a launch of its own makes it", rowReduce: sum, columnSum: sum,
    view: null, map: null, slotSum: null,
  };
  return graph.nodes.flatMap(({ outputs }) => outputs).flatMap((value) => {
    const why = reasons[role(value)];
    return why === null ? [] : [[value, why] as const];
  });
}

/** No expression, and no sum of one, may need more bindings than a kernel has: it is stored, then those of its inputs that read most. */
function keepFewReads(facts: Facts, { op, inputs, outputs }: Node, stored: Map<ValueId, string>): void {
  if (op.kind !== "map" && op.kind !== "reduce") return;
  const value = outputs[0]!;
  while (readsOf(facts, stored, value).size > MAX_READS) {
    if (!stored.has(value)) stored.set(value, "it reads as much as one launch may");
    const open = inputs.map((input) => facts.base(facts.through(input))).filter((v) => !stored.has(v));
    const [most] = open.map((v) => ({ v, reads: readsOf(facts, stored, v).size })).sort((a, b) => b.reads - a.reads);
    if (most === undefined) return;
    stored.set(most.v, "who reads it would bind too many buffers");
  }
}

/** What `Reads` says of one value. @param known what it says of others, added to */
export function readsOf(
  facts: Facts, stored: Stored, value: ValueId, known: Map<ValueId, ReadonlySet<ValueId>> = new Map(),
): ReadonlySet<ValueId> {
  const found = known.get(value);
  if (found !== undefined) return found;
  const reads = new Set<ValueId>();
  for (const input of facts.producer(value).inputs) {
    const seen = facts.through(input);
    if (stored.has(facts.base(seen))) reads.add(facts.base(seen));
    else for (const read of readsOf(facts, stored, seen, known)) reads.add(read);
  }
  known.set(value, reads);
  return reads;
}

/** Second half: values with several ingredients that more than one of the steps would compute again. */
export function storedForPrice(facts: Facts, { stored, steps, reads }: Fusion): Stored {
  const users = facts.graph.values.map(() => new Set<Step>());
  for (const step of steps) for (const value of step.values) users[value]!.add(step);
  const dear = new Map<ValueId, string>();
  for (const { op, inputs, outputs } of [...facts.graph.nodes].reverse()) {
    const value = outputs[0]!;
    if ((op.kind !== "map" && op.kind !== "reduce") || users[value]!.size === 0) continue; // or nobody needs it
    if (!stored.has(value) && users[value]!.size > 1 && loadsOf(facts, reads, value) > 1) {
      dear.set(value, "several launches would load more to compute it again");
      continue; // its ingredients are then needed once, by whoever stores it
    }
    for (const input of inputs) {
      const seen = facts.through(input);
      if (!stored.has(facts.base(seen))) for (const step of users[value]!) users[seen]!.add(step);
    }
  }
  return dear;
}

/** Loads per element to compute a value: its stored ingredients of full size, slots counted each. */
function loadsOf(facts: Facts, reads: Reads, value: ValueId): number {
  if (isRowScalar(facts.type(value))) return 0;
  const size = sizeOf(facts.type(value));
  const sizes = [...reads.get(value)!].map((read) => sizeOf(facts.type(read)));
  return sizes.filter((each) => each >= size).reduce((sum, each) => sum + each / size, 0);
}
