/** table.csv of a comparison: a row for each variant and metric, with all digits. */
import type { CompareResults, Difference, TaskComparison, VariantResult } from "../compare/results.ts";

const NUMBERS = ["value", "sd", "low", "high", "p", "verdict"] as const;

/** Empty where there is none. low, high: a 95 % interval. */
type Row = { readonly metric: string } & { readonly [Column in (typeof NUMBERS)[number]]?: string | number | null };

/** As RFC 4180 has it. Losses in nats per token, seconds, bytes; differences from the baseline, of tasks in shares of items. */
export function csv(results: CompareResults): string {
  const rows = results.variants.flatMap((variant, i) =>
    [...rowsOf(variant), ...results.tasks.flatMap((task) => taskRows(task, i))].map((row) => ({ ...row, variant: variant.name })));
  const cells = rows.map((row) => [row.variant, row.metric, ...NUMBERS.map((column) => row[column] ?? "")]);
  return [["variant", "metric", ...NUMBERS], ...cells].map((row) => `${row.map((value) => quoted(String(value))).join(",")}\r\n`).join("");
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** What was not measured has no row. */
function rowsOf(v: VariantResult): readonly Row[] {
  const numbers: readonly Row[] = [
    { metric: "perplexity", value: v.perplexity }, { metric: "bits_per_byte", value: v.bits_per_byte },
    { metric: "seeds", value: v.runs.filter((run) => run.validation_loss !== null).length },
    { metric: "lr", value: v.recipe.optimizer.lr }, { metric: "parameters", value: v.parameters.unique },
    { metric: "active_parameters", value: v.parameters.active }, { metric: "macs_per_token", value: v.macs_per_token.full },
    { metric: "step_seconds", value: v.step_seconds?.median ?? null }, { metric: "memory_bytes", value: v.memory_bytes },
    { metric: "train_seconds", value: v.train_seconds?.mean ?? null, sd: v.train_seconds?.sd ?? null },
  ];
  const depths = v.depths?.points ?? [];
  return [
    ...(v.validation_loss === null ? [] : [{ metric: "loss", value: v.validation_loss.mean, sd: v.validation_loss.sd }]),
    ...differenceRows("loss_difference", v.difference), ...numbers.filter(({ value }) => value !== null),
    ...depths.flatMap(({ passes, loss, accuracy = null }) => [
      { metric: `loss at ${passes} passes`, value: loss.mean, sd: loss.sd },
      ...(accuracy === null ? [] : [{ metric: `accuracy at ${passes} passes`, value: accuracy.mean, sd: accuracy.sd }]),
    ]),
  ];
}

/** Over seeds; over seeds and items together; what equivalence has; the seeds to add. */
function differenceRows(metric: string, d: Difference | null): readonly Row[] {
  if (d === null) return [];
  const [over, joint] = [d.seed_interval, d.joint_interval];
  return [
    { metric, value: d.mean, ...over, p: d.p, verdict: d.outcome },
    ...(joint === null ? [] : [{ metric: `${metric}_joint`, value: d.mean, ...joint }]),
    ...(d.p_equivalent === null ? [] : [{ metric: `${metric}_equivalent`, p: d.p_equivalent }]),
    ...(d.more_seeds === null ? [] : [{ metric: `${metric}_more_seeds`, value: d.more_seeds }]),
  ];
}

/** Of the variant with a number; groups of items behind what they are divided by. */
function taskRows({ task, metric, step, variants }: TaskComparison, i: number): readonly Row[] {
  const { value, sd, parts, difference } = variants[i]!;
  const name = `${task} ${metric}${step === null ? "" : ` at step ${step}`}`;
  const groups = Object.entries(parts).flatMap(([by, shares]) =>
    Object.entries(shares).map(([kind, share]) => ({ metric: `${name}: ${by} ${kind}`, value: share })));
  return value === null ? [] : [{ metric: name, value, sd }, ...differenceRows(`${name}_difference`, difference), ...groups];
}
