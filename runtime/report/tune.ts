/** How learning rates were chosen: a table of all trials, and sentences. */
import type { CompareResults, TrialResult, TuningResult } from "../compare/results.ts";
import { nameCell } from "./cells.ts";
import { escape, htmlTable } from "./page.ts";
import { listOf, loss, valueText } from "./words.ts";

/** A row for each variant, a column for each value; the chosen one is marked. */
export function tuneSection(results: CompareResults): readonly string[] {
  const { tuning } = results;
  if (tuning === null) return [];
  const values = tuning.variants[0]!.trials.map(({ lr }) => String(lr));
  const rows = results.variants.map((v) => {
    const { chosen, sound, trials } = tuning.variants.find(({ name }) => name === v.name)!;
    return [nameCell(results, v), ...trials.map((trial) => cell(trial, sound && trial.lr === chosen))];
  });
  return [`<p>${escape(howChosen(tuning))}</p>`, htmlTable([["held-out loss of trials with lr", ...values], ...rows])];
}

function cell({ validation_loss: found, runs }: TrialResult, isChosen: boolean): string {
  if (found !== null) return isChosen ? `<span class="good">${loss(found)}</span><small>chosen</small>` : loss(found);
  const [diverged, failed] = [runs.some((run) => run.diverged !== null), runs.find((run) => run.failed !== null)?.failed];
  return `–<small class="bad">${diverged ? "diverged" : escape(failed ?? "not finished")}</small>`;
}

const howChosen = ({ seeds, steps }: TuningResult): string =>
  `${seeds.length === 1 ? "One trial" : `${seeds.length} trials`} ${steps === null ? "as long as a run" : `of ${steps} steps`} `
  + "with each value, "
  + "on seeds that are not compared; the least held-out loss chooses.";

/** What was chosen, and what makes that doubtful. */
export function tuneWords({ tuning }: CompareResults): readonly string[] {
  if (tuning === null) return [];
  const chosen = valueText(tuning.variants.map(({ name, chosen: lr }) => ({ name, value: String(lr) })));
  return [
    `Each variant has a learning rate of its own, chosen on other seeds: ${chosen}.`,
    ...(["least", "greatest"] as const).flatMap((edge) => edgeWords(edge, tuning.variants.filter((one) => one.edge === edge))),
    ...unsoundWords(tuning.variants.filter(({ sound }) => !sound)),
  ];
}

type Tuned = TuningResult["variants"];

/** All have the same grid, so its edge is the same value. */
function edgeWords(edge: "least" | "greatest", variants: Tuned): readonly string[] {
  if (variants.length === 0) return [];
  const names = listOf(variants.map(({ name }) => name));
  return [`The best learning rate of ${names} is the ${edge} that was tried, ${variants[0]!.chosen}: `
    + "extend the grid, a better one may lie beyond."];
}

function unsoundWords(variants: Tuned): readonly string[] {
  if (variants.length === 0) return [];
  const [names, has] = [listOf(variants.map(({ name }) => name)), variants.length === 1 ? "it has" : "they have"];
  return [`No trial of ${names} ended with a result with every seed; `
    + `${has} the least learning rate, ${variants[0]!.chosen}: try lower ones.`];
}
