/** From the scores in the folders of runs to what tasks say about the variants. */
import { join } from "node:path";
import { deviation, mean } from "../statistics/describe.ts";
import { differenceOf, hasDiverged, type PairedRun } from "./difference.ts";
import { runFolder, type FinalRecord } from "./folder.ts";
import type { Difference, TaskComparison, VariantScore } from "./results.ts";
import { isScore, readScore, type CompareTask, type TaskScore } from "./scores.ts";
import type { Variant } from "./variant.ts";
import { judge } from "./verdict.ts";

interface Asked {
  readonly out: string;
  /** Name of a variant. */
  readonly baseline: string;
  readonly tasks: readonly CompareTask[];
  readonly scoreAt: readonly number[];
}

interface Finished {
  readonly variant: Variant;
  readonly runs: readonly { readonly seed: number; readonly final: FinalRecord | null }[];
}

/** A variant and what a task found of each run. */
interface Scored {
  readonly variant: Variant;
  readonly runs: readonly ScoredRun[];
}

interface ScoredRun {
  readonly seed: number;
  readonly score: TaskScore | null;
  readonly failed: string | null;
  readonly diverged: boolean;
}

/** The end first, then the steps that were asked for; all tasks of a step are judged together. */
export function compareTasks(asked: Asked, finished: readonly Finished[], margin: number): readonly TaskComparison[] {
  return [null, ...asked.scoreAt].flatMap((step) => {
    const scored = asked.tasks.map((task) => finished.map((one) => scoredOf(asked.out, one, task, step)));
    const estimates = scored.flatMap((variants) => {
      const base = variants.find(({ variant }) => variant.name === asked.baseline)!;
      return variants.map((one) => (one === base ? null : differenceOf(paired(one), paired(base), groupsOf(variants))));
    });
    const differences = judge(estimates, margin, "higher");
    return scored.flatMap((variants, i) =>
      comparisonOf(asked.tasks[i]!, step, margin, variants, differences.slice(i * finished.length, (i + 1) * finished.length)) ?? []);
  });
}

function scoredOf(out: string, { variant, runs }: Finished, task: CompareTask, step: number | null): Scored {
  return { variant, runs: runs.map(({ seed, final }): ScoredRun => {
    const record = readScore(join(out, runFolder(variant, seed)), task, step ?? variant.recipe.steps);
    const failed = record === null || isScore(record) ? null : record.failed;
    return { seed, score: isScore(record) ? record : null, failed, diverged: record === null && hasDiverged(final) };
  }) };
}

const paired = ({ runs }: Scored): readonly PairedRun[] =>
  runs.map(({ seed, score, diverged }) => ({ seed, values: score?.values ?? null, diverged }));

const scoresOf = (variants: readonly Scored[]): readonly TaskScore[] =>
  variants.flatMap(({ runs }) => runs.flatMap(({ score }) => score ?? []));

const groupsOf = (variants: readonly Scored[]): readonly number[] | undefined => scoresOf(variants)[0]?.groups;

/** null if no run was measured, and none failed. */
function comparisonOf(
  task: CompareTask, step: number | null, margin: number, variants: readonly Scored[], differences: readonly (Difference | null)[],
): TaskComparison | null {
  const [first] = scoresOf(variants);
  if (first === undefined && variants.every(({ runs }) => runs.every(({ failed }) => failed === null))) return null;
  return {
    task: task.name, metric: first?.metric ?? "", step, items: first?.values.length ?? 0, chance: first?.chance ?? null, margin,
    variants: variants.map((one, i) => variantScore(one, differences[i]!)),
  };
}

function variantScore({ variant, runs }: Scored, difference: Difference | null): VariantScore {
  const scores = runs.flatMap(({ score }) => score ?? []);
  const values = scores.map(({ value }) => value);
  return {
    name: variant.name, value: values.length === 0 ? null : mean(values), sd: deviation(values), parts: meanParts(scores), difference,
    runs: runs.map(({ seed, score, failed }) => ({ seed, value: score?.value ?? null, failed })),
  };
}

/** Over runs. */
function meanParts(scores: readonly TaskScore[]): VariantScore["parts"] {
  const kinds = Object.entries(scores[0]?.parts ?? {});
  return Object.fromEntries(kinds.map(([kind, parts]) =>
    [kind, Object.fromEntries(Object.keys(parts).map((part) => [part, mean(scores.map((score) => score.parts[kind]![part]!))]))]));
}
