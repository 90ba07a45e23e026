/** What the variants cost. */
import type { CompareResults, StepSeconds } from "../compare/results.ts";
import { nameCell } from "./cells.ts";
import { htmlTable } from "./page.ts";
import { bytes, grouped, time } from "../units.ts";
import { durationText } from "./spent.ts";
import { ratioText } from "./words.ts";

export function costTable(results: CompareResults): string {
  const head = [
    "variant", "parameters", "active per token", "MACs per token<small>everything</small>",
    "MACs per token<small>as in the MoEUT paper</small>", "step", "training<small>of a run</small>", "memory",
  ];
  return htmlTable([head, ...results.variants.map((v) => [
    nameCell(results, v), ...[v.parameters.unique, v.parameters.active, v.macs_per_token.full, v.macs_per_token.moeut].map(grouped),
    v.step_seconds === null ? "–" : stepCell(v.step_seconds, v.name === results.baseline),
    v.train_seconds === null ? "–" : durationText(v.train_seconds.mean),
    v.memory_bytes === null ? "–" : bytes(v.memory_bytes),
  ])]);
}

function stepCell({ median, spread, ratio, ratio_spread: around, measured }: StepSeconds, isBaseline: boolean): string {
  const against = ratio === null || around === null || isBaseline ? "" : `<small>× ${ratioText(ratio, around)}</small>`;
  const note = measured === "in turn" ? against : `<small>${measured}</small>`;
  return `${time(median)}<small>${time(spread.low)} to ${time(spread.high)}</small>${note}`;
}
