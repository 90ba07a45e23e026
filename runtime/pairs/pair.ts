/** Sequence-to-sequence tasks: what is asked and what is to be answered, both words with single spaces between. */
import { permutation } from "../data/shuffle.ts";

export interface Pair {
  readonly source: string;
  readonly target: string;
  /** What results are broken down by: a kind of example, its depth, the length of its answer. */
  readonly kind: string;
}

/** Test items by the name of their set. */
export interface TestSet {
  readonly name: string;
  readonly pairs: readonly Pair[];
}

export interface PairTask {
  /** Every word that can occur, or null: those of training, and all others are one unknown word. */
  readonly words: readonly string[] | null;
  /** Words beside those of training; none where `words` says all. */
  readonly more: readonly string[];
  readonly train: () => readonly Pair[];
  /** What training is watched with, never test items; null: part of training is held back for that. */
  readonly validation: () => readonly Pair[] | null;
  /** @param folder where the published files are, if not where training found them */
  readonly tests: (folder: string | null) => readonly TestSet[];
  /** Every answer is one word, which is not followed to its end. */
  readonly oneWord: boolean;
  /** What kinds are. */
  readonly by: "kind" | "length" | "depth";
}

export const wordsOf = (text: string): readonly string[] => (text === "" ? [] : text.split(" "));

/** Share of the sources that is held back from training. */
const HELD_BACK = 0.1;

/** Holds back a tenth at random by source, so that a repeated line is not on both sides. The same for every seed of training. */
export function holdBack(pairs: readonly Pair[]): { readonly train: readonly Pair[]; readonly validation: readonly Pair[] } {
  const sources = [...new Set(pairs.map(({ source }) => source))];
  const order = permutation(sources.length, 0, "held back");
  const held = new Set(Array.from(order.subarray(0, Math.max(1, Math.floor(sources.length * HELD_BACK))), (i) => sources[i]!));
  return { train: pairs.filter(({ source }) => !held.has(source)), validation: pairs.filter(({ source }) => held.has(source)) };
}
