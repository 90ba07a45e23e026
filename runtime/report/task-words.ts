/** What the tasks of a comparison say: sentences for the report and the terminal, and the names of tasks in tables. */
import type { CompareResults, Difference, TaskComparison, VariantScore } from "../compare/results.ts";
import { interval, pText, signed } from "./words.ts";

/** Shares of items. */
export const shareText = (x: number): string => x.toFixed(4);

/** Those at the end of the runs. */
export const finalTasks = ({ tasks }: CompareResults): readonly TaskComparison[] =>
  tasks.filter(({ step, items }) => step === null && items > 0);

/** A sentence for each task and each variant other than the baseline. */
export const taskVerdicts = (results: CompareResults): readonly string[] => finalTasks(results).flatMap((task) => {
  const base = task.variants.find(({ name }) => name === results.baseline)!;
  return task.variants.flatMap((one) =>
    (one.difference === null || base.value === null ? [] : [`${sentence(task, one, base, one.difference, results)}.`]));
});

function sentence(
  task: TaskComparison, one: VariantScore, base: VariantScore, d: Difference, results: CompareResults,
): string {
  const what = `${task.task} (${task.metric.replaceAll("_", " ")})`;
  const values = `${shareText(one.value!)} against ${shareText(base.value!)}`;
  const [here, there] = [one.name, base.name];
  switch (d.outcome) {
    case "one seed": return `${what}: ${here} has ${values} of ${there} with one seed, which says nothing of others`;
    case "better": case "worse": return `${what}: ${here} is ${d.outcome} than ${there}, ${values} (${evidence(d, results)})`;
    case "equivalent": return `${what}: ${here} and ${there} are equivalent within ${task.margin}, ${values} (${evidence(d, results)})`;
    case "unstable": return `${what}: ${here} has ${values} of ${there} where both were trained to the end, `
      + "but the one that this speaks for diverged with other seeds";
    case "open": return `${what}: not enough seeds to tell ${here} from ${there}, ${values} (${evidence(d, results)}): `
      + advice(d, results);
  }
}

function evidence({ mean, seed_interval: over, per_seed: runs, p, joint_interval: joint }: Difference, results: CompareResults): string {
  const judged = finalTasks(results).flatMap(({ variants }) => variants.filter(({ difference }) => difference !== null)).length;
  const family = judged > 1 ? ` corrected for ${judged} differences` : "";
  const both = joint === null ? "" : `, over seeds and items ${interval(joint)}`;
  return `${signed(mean)}; 95 % over ${runs.length} seeds ${interval(over!)}${both}; ${pText(p!)}${family}`;
}

/** How many seeds will probably decide. */
export function advice({ more_seeds: more }: Difference, { seeds }: CompareResults): string {
  return more === null ? "even 1,000 would hardly do, if they go on like these" : `run ${more} more (--seeds ${seeds.length + more})`;
}

/** Standard errors from guessing's mean within which nobody is called better than that. */
const BEYOND_GUESSING = 1.96;

/** Tasks that are beyond all variants, whose differences are those of guesses. */
export const beyondAll = (results: CompareResults): readonly string[] => finalTasks(results).flatMap((found) => {
  const { task, chance, items, variants } = found;
  const guessing = chance ?? 0;
  const threshold = guessing + BEYOND_GUESSING * Math.sqrt(guessing * (1 - guessing) / items);
  if (variants.some(({ value }) => value !== null && value > threshold)) return [];
  const what = guessing === 0 ? "no variant has anything right" : `no variant is clearly better than guessing (${guessing})`;
  return [`${task}: ${what}, so it says nothing about which is better.`];
});

/** The first failure of each variant by each task, wherever it was measured. */
export const taskFailures = ({ tasks }: CompareResults): readonly string[] => [...new Set(tasks.flatMap(({ task, variants }) =>
  variants.flatMap(({ name, runs }) => {
    const failed = runs.filter((run) => run.failed !== null);
    return failed.slice(0, 1).map((first) =>
      `${task} could not measure ${failed.length} of ${runs.length} runs of ${name}: ${first.failed}.`);
  })))];
