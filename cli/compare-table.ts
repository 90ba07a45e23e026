/** What a comparison found, for the terminal. */
import type { CompareResults, StepSeconds } from "../runtime/compare/results.ts";
import { conclusion } from "../runtime/report/conclusion.ts";
import { timeCell, timeHead } from "../runtime/report/spent.ts";
import { scoreText } from "../runtime/report/tables.ts";
import { finalTasks } from "../runtime/report/task-words.ts";
import { differenceText, loss, ratioText } from "../runtime/report/words.ts";
import { bytes, short, time } from "../runtime/units.ts";
import { table } from "./terminal.ts";

/** The table, and what it says in sentences. */
export const asText = (results: CompareResults): string => `\n${resultTable(results)}\n${conclusion(results).join("\n")}\n`;

/** Columns of words, by how their names begin. */
const LEFT: readonly string[] = ["variant", "against", "step"];

/** A row for each variant; below it, where tasks measured them, another of what they found. */
function resultTable(results: CompareResults): string {
  const { variants, baseline } = results;
  const rows = variants.map((v) => [
    v.name, short(v.parameters.unique), short(v.parameters.active), short(v.macs_per_token.full),
    v.validation_loss === null ? "none" : loss(v.validation_loss.mean),
    v.bits_per_byte === null ? "" : loss(v.bits_per_byte),
    v.name === baseline ? "baseline" : v.difference === null ? "" : differenceText(v.difference),
    v.step_seconds === null ? "" : stepText(v.step_seconds, v.name === baseline),
    ...timeCell(results, v), v.memory_bytes === null ? "" : bytes(v.memory_bytes),
  ]);
  const costs = ["step", ...timeHead(results), "memory"];
  const head = ["variant", "params", "active", "MACs/token", "loss", "bits/byte", `against ${baseline}`, ...costs];
  const tasks = finalTasks(results);
  const scores = [
    ["variant", ...tasks.map(({ task, metric }) => `${task} ${metric}`)],
    ...variants.map((v, i) => [v.name, ...tasks.map((task) => scoreText(task.variants[i]!))]),
  ];
  return table([head, ...rows], head.map((name) => (LEFT.includes(name.split(" ")[0]!) ? "left" : "right")))
    + (tasks.length === 0 ? "" : `\n${table(scores, scores[0]!.map(() => "left"))}`);
}

/** "98.7 ms × 1.63 (1.51 to 1.70)" */
function stepText({ median, ratio, ratio_spread: around }: StepSeconds, isBaseline: boolean): string {
  return ratio === null || around === null || isBaseline ? time(median) : `${time(median)} × ${ratioText(ratio, around)}`;
}
