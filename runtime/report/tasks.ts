/** What tasks say about the variants: a table of all tasks, of each its parts, and how values grew where that was measured. */
import type { CompareResults, TaskComparison, VariantScore } from "../compare/results.ts";
import { nameCell, tone } from "./cells.ts";
import { escape, htmlTable } from "./page.ts";
import { finalTasks, shareText } from "./task-words.ts";
import { grouped } from "../units.ts";
import { interval, outcomeText, signed } from "./words.ts";

export function taskSection(results: CompareResults): readonly string[] {
  const final = finalTasks(results);
  if (final.length === 0) return [];
  return [allTasks(results, final), ...final.flatMap((task) => partTables(results, task)), ...stepTables(results, final)];
}

function allTasks(results: CompareResults, tasks: readonly TaskComparison[]): string {
  const head = ["variant", ...tasks.map(({ task, metric, items, chance }) => {
    const guessing = chance === null || chance === 0 ? "" : `, chance ${chance}`;
    return `${escape(task)}<small>${escape(metric.replaceAll("_", " "))}, ${grouped(items)} items${guessing}</small>`;
  })];
  const rows = results.variants.map((v, i) => [nameCell(results, v), ...tasks.map(({ variants }) => scoreCell(variants[i]!))]);
  return htmlTable([head, ...rows]);
}

function scoreCell({ value, sd, difference: d, runs }: VariantScore): string {
  const failed = runs.filter((run) => run.failed !== null).length;
  const note = failed === 0 ? "" : `<small class="bad">${failed} failed</small>`;
  if (value === null) return `–${note}`;
  const spread = sd === null ? "" : `<small>± ${shareText(sd)} over seeds</small>`;
  return `${shareText(value)}${spread}${d === null ? "" : differenceLines(d)}${note}`;
}

function differenceLines(d: NonNullable<VariantScore["difference"]>): string {
  const over = d.seed_interval === null ? "one seed" : `${outcomeText(d)}: ${interval(d.seed_interval)} over seeds`;
  const both = d.joint_interval === null ? "" : `<small>${interval(d.joint_interval)} over seeds and items</small>`;
  return `<small><span${tone(d)}>${signed(d.mean)}</span> ${over}</small>${both}`;
}

/** More parts than that are folded away. */
const FEW_PARTS = 24;

function partTables(results: CompareResults, { task, variants }: TaskComparison): readonly string[] {
  const measured = variants.find(({ value }) => value !== null)?.parts ?? {};
  const kinds = Object.entries(measured).filter(([, parts]) => Object.keys(parts).length > 1);
  return kinds.map(([kind, parts]) => {
    const title = `${escape(task)} by ${escape(kind.replaceAll("_", " "))}`;
    const head = [title, ...results.variants.map(({ name }) => escape(name))];
    const rows = Object.keys(parts).map((part) => [escape(part.replaceAll("_", " ")), ...variants.map((v) => {
      const value = v.parts[kind]?.[part];
      return value === undefined ? "–" : shareText(value);
    })]);
    const table = htmlTable([head, ...rows]);
    return rows.length > FEW_PARTS ? `<details><summary>${title}</summary>${table}</details>` : table;
  });
}

function stepTables(results: CompareResults, final: readonly TaskComparison[]): readonly string[] {
  return final.flatMap((end) => {
    const along = results.tasks.filter(({ task, step, items }) => task === end.task && step !== null && items > 0);
    if (along.length === 0) return [];
    const head = [`${escape(end.task)} after steps`, ...along.map(({ step }) => grouped(step!)), "the end"];
    const rows = results.variants.map((v, i) => [nameCell(results, v), ...[...along, end].map(({ variants }) => {
      const { value } = variants[i]!;
      return value === null ? "–" : shareText(value);
    })]);
    return [htmlTable([head, ...rows])];
  });
}
