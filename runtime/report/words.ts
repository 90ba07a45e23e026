/** Rounded numbers of results, the same in the report and on the terminal. */
import type { Difference } from "../compare/results.ts";
import type { Interval } from "../statistics/describe.ts";
import type { DataInfo } from "../train/index.ts";
import { grouped } from "../units.ts";

export const loss = (x: number): string => x.toFixed(4);

/** What rounds to zero has no sign. */
export function signed(x: number, digits = 4): string {
  const size = Math.abs(x).toFixed(digits);
  return `${Number(size) === 0 ? "" : x < 0 ? "−" : "+"}${size}`;
}

export const interval = ({ low, high }: Interval): string => `${signed(low)} to ${signed(high)}`;

/** "a, b and c" */
export const listOf = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** "0.1", or of which each is: "0.1 (a, b) or 0.01 (c)" */
export function valueText(of: readonly { readonly name: string; readonly value: string }[]): string {
  const values = [...new Set(of.map(({ value }) => value))];
  const namesOf = (value: string): string => of.filter((one) => one.value === value).map(({ name }) => name).join(", ");
  return values.length === 1 ? values[0]! : values.map((value) => `${value} (${namesOf(value)})`).join(" or ");
}

type Trained = { readonly name: string; readonly recipe: { readonly steps: number } };

/** "1,000 steps", or of each variant: "120 (a) or 80 (b) steps" */
export const stepsText = (variants: readonly Trained[]): string =>
  `${valueText(variants.map(({ name, recipe }) => ({ name, value: grouped(recipe.steps) })))} steps`;

/** Of texts or of pairs. */
type Kind = Pick<DataInfo, "positions">;

/** What losses and budgets count: of pairs, whose questions are read but not predicted, the answers alone. */
export const countedTokens = ({ positions }: Kind): string => (positions === undefined ? "tokens" : "answered tokens");

/** "16 × 128 tokens", "16 pairs of at most 33 positions" */
export const batchText = (batch: number, seqLen: number, { positions }: Kind): string =>
  (positions === undefined ? `${batch} × ${seqLen} tokens` : `${batch} pairs of at most ${positions} positions`);

/** "1.63 (1.51 to 1.70)" */
export const ratioText = (ratio: number, { low, high }: Interval): string =>
  `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;

/** Other seeds would not change the sign. One seed says nothing of that. */
export const isClear = ({ outcome }: Pick<Difference, "outcome">): boolean => outcome === "better" || outcome === "worse";

/** In a cell of a table; empty for one seed. */
export function outcomeText({ outcome, more_seeds: more }: Difference): string {
  if (outcome === "one seed") return "";
  return outcome === "open" ? `run ${more === null ? "many" : more} more` : outcome;
}

/** "p = 0.012", "p < 0.0001" */
export const pText = (p: number): string => (p < 1e-4 ? "p < 0.0001" : `p = ${Number(p.toPrecision(2))}`);

/** "−0.0123 (−0.0200 to −0.0046 over 3 seeds): better" */
export function differenceText(d: Difference): string {
  const { mean, seed_interval: seeds, text_interval: text, per_seed: runs } = d;
  if (seeds === null) return `${signed(mean)} (one seed${text === null ? "" : `; ${interval(text)} over the text`})`;
  return `${signed(mean)} (${interval(seeds)} over ${runs.length} seeds): ${outcomeText(d)}`;
}
