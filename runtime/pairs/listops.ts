/**
 * ListOps (Nangia and Bowman 2018): nested lists of digits under operators, and the digit that they come to. Generated as published,
 * without the round brackets that stand for a parse.
 */
import { permutation } from "../data/shuffle.ts";
import { createRandom } from "../standalone/random.ts";
import type { Pair } from "./pair.ts";

const OPERATORS = ["[MIN", "[MAX", "[MED", "[SM"] as const;
type Operator = (typeof OPERATORS)[number];
type Tree = number | { readonly operator: Operator; readonly arguments: readonly Tree[] };

export const LISTOPS_WORDS: readonly string[] = [...OPERATORS, "]", ...Array.from({ length: 10 }, (_, digit) => String(digit))];

/** The root is at depth 1, and everything at this depth is a digit. */
const GREATEST_DEPTH = 20;
const OPERATOR_SHARE = 0.25;
const [FEWEST, MOST] = [2, 5];

/** The digit that an operator gives. The median of an even number of digits is the mean of the two in the middle, truncated. */
export function apply(operator: Operator, digits: readonly number[]): number {
  const sorted = digits.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  switch (operator) {
    case "[MIN": return sorted[0]!;
    case "[MAX": return sorted.at(-1)!;
    case "[MED": return Math.trunc((sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2);
    case "[SM": return digits.reduce((a, b) => a + b, 0) % 10;
  }
}

const valueOf = (tree: Tree): number => (typeof tree === "number" ? tree : apply(tree.operator, tree.arguments.map(valueOf)));

/** How many operators are around the innermost digit. */
const nestingOf = (tree: Tree): number => (typeof tree === "number" ? 0 : 1 + Math.max(...tree.arguments.map(nestingOf)));

const textOf = (tree: Tree): string =>
  (typeof tree === "number" ? String(tree) : `${tree.operator} ${tree.arguments.map(textOf).join(" ")} ]`);

/** @param next the next random number in [0, 1) */
function sample(next: () => number, depth = 1): Tree {
  const below = (n: number): number => Math.floor(next() * n);
  if (depth === GREATEST_DEPTH || next() >= OPERATOR_SHARE) return below(10);
  const count = FEWEST + below(MOST - FEWEST + 1);
  const inner = Array.from({ length: count }, () => sample(next, depth + 1));
  return { operator: OPERATORS[below(OPERATORS.length)]!, arguments: inner };
}

/** So many different expressions in random order: a function of count and seed. Their kind is how deep they nest. */
export function listops(count: number, seed = 0): readonly Pair[] {
  const random = createRandom(seed, "listops");
  let drawn = 0;
  const pairs = new Map<string, Pair>();
  while (pairs.size < count) {
    const tree = sample(() => random.uniform(drawn++));
    const source = textOf(tree);
    pairs.set(source, { source, target: String(valueOf(tree)), kind: String(nestingOf(tree)) });
  }
  const all = [...pairs.values()];
  return Array.from(permutation(count, seed, "listops order"), (i) => all[i]!);
}
