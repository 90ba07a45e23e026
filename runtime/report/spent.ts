/** What each variant had of a common budget, and how near that came to it. */
import type { CompareResults, VariantResult } from "../compare/results.ts";
import { formatDuration } from "../train/index.ts";
import { time } from "../units.ts";
import { listOf, signed, stepsText } from "./words.ts";

/** "12.3 s", "3 min 05 s" */
export const durationText = (seconds: number): string => (seconds < 60 ? time(seconds) : formatDuration(seconds));

/** A column of tables that have no other times, where the budget is one: its head, and what stands below. */
export const timeHead = ({ budget }: CompareResults): readonly string[] => (budget.seconds === undefined ? [] : ["training"]);
export const timeCell = ({ budget }: CompareResults, { train_seconds: took }: VariantResult): readonly string[] =>
  (budget.seconds === undefined ? [] : [took === null ? "none" : durationText(took.mean)]);

export const spentWords = (results: CompareResults): readonly string[] => [...stepsOfEach(results), ...missedSeconds(results)];

/** Where that is not the same number of steps for all. */
function stepsOfEach({ budget, variants }: CompareResults): readonly string[] {
  const isOne = new Set(variants.map(({ recipe }) => recipe.steps)).size === 1;
  return budget.given === null || isOne ? [] : [`Each variant had a budget of ${budget.given}: ${stepsText(variants)}.`];
}

/** The part of a budget of seconds by which training may miss it without a word. */
const NEAR = 0.1;

function missedSeconds({ budget: { seconds: asked }, variants }: CompareResults): readonly string[] {
  if (asked === undefined) return [];
  const missed = variants.flatMap(({ name, train_seconds: took }) => {
    const by = took === null ? 0 : took.mean / asked - 1;
    return Math.abs(by) > NEAR ? [`${name} trained for ${durationText(took!.mean)} (${signed(100 * by, 0)} %)`] : [];
  });
  if (missed.length === 0) return [];
  return [`Steps took other times than when they were measured for the budget of ${durationText(asked)}: ${listOf(missed)}.`];
}
