/** Losses: curves, and differences from the baseline. */
import type { CompareResults, Difference } from "../compare/results.ts";
import { nameCell } from "./cells.ts";
import { computeChart, spread, trainingChart, validationChart } from "./charts.ts";
import { differenceChart } from "./difference-chart.ts";
import { escape, figure, folded, htmlTable } from "./page.ts";
import { grouped } from "../units.ts";
import { interval, loss, signed } from "./words.ts";

/** Curves, each with its numbers. */
export function lossFigures(results: CompareResults): readonly string[] {
  const band = results.seeds.length > 1 ? " Lines are means, bands reach from the least to the greatest of the seeds." : "";
  const wasMeasured = results.variants.some(({ runs }) =>
    runs.some(({ curve }) => curve.filter((point) => point.validation_loss !== null).length > 1));
  const training = figure(trainingChart(results), `Training loss (cross-entropy alone, averaged over neighbouring steps).${band}`);
  if (!wasMeasured) return [training];
  return [
    figure(validationChart(results), `Held-out loss during training.${band}`), folded("These losses as a table", curveTable(results)),
    training,
    figure(computeChart(results), "Held-out loss against the multiplications spent: the comparison at equal compute. "
      + "Curves that end further left did less work per step."),
  ];
}

/** Mean held-out loss by step, where all sound runs of a variant were measured. */
function curveTable(results: CompareResults): string {
  const curves = results.variants.map((variant) => new Map(spread(variant, "validation_loss").map(({ x, mean }) => [x, mean])));
  const steps = [...new Set(curves.flatMap((curve) => [...curve.keys()]))].sort((a, b) => a - b);
  const cell = (mean: number | undefined): string => (mean === undefined ? "–" : loss(mean));
  const rows = steps.map((step) => [grouped(step), ...curves.map((curve) => cell(curve.get(step)))]);
  return htmlTable([["step", ...results.variants.map(({ name }) => escape(name))], ...rows]);
}

export function pairedDifferences(results: CompareResults): readonly string[] {
  if (results.variants.every(({ difference }) => difference === null)) return [];
  return [figure(differenceChart(results), differenceCaption(results)), ...(results.seeds.length > 1 ? [seedTable(results)] : [])];
}

const differenceCaption = ({ baseline }: CompareResults): string =>
  `Final differences from ${escape(baseline)}: square and bar are the mean and its 95 % interval over seeds, dots the single seeds; `
  + "the thin grey bar is the 95 % interval over the text, which says nothing of other seeds.";

function seedTable(results: CompareResults): string {
  const compared = results.variants.filter((v) => v.difference !== null);
  const head = [`against ${escape(results.baseline)}, seed`, ...results.seeds.map(String), "95 % over seeds"];
  const cell = (d: Difference, seed: number): string => {
    const found = d.per_seed.find((s) => s.seed === seed);
    return found === undefined ? "–" : signed(found.difference);
  };
  const over = ({ seed_interval: found }: Difference): string => (found === null ? "needs two seeds" : interval(found));
  return htmlTable([
    head, ...compared.map((v) => [nameCell(results, v), ...results.seeds.map((seed) => cell(v.difference!, seed)), over(v.difference!)]),
  ]);
}
