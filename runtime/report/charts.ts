/** Loss over steps and over work. */
import type { CompareResults, VariantResult } from "../compare/results.ts";
import { mean } from "../statistics/describe.ts";
import { axis, GRID, render, roundRange, seriesColor, type AxisRange } from "./plot.ts";

interface Point {
  readonly x: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Mean, least and greatest over the seeds at each step where all seeds have a value. */
function spread(variant: VariantResult, which: "train_loss" | "validation_loss", scale: number): readonly Point[] {
  const curves = variant.runs.filter((run) => run.failed === null)
    .map((run) => new Map(run.curve.map((point) => [point.step, point[which]])));
  return [...(curves[0]?.keys() ?? [])].flatMap((step) => {
    const values = curves.map((curve) => curve.get(step)).filter((x) => x !== undefined && x !== null);
    return values.length < curves.length ? []
      : [{ x: step * scale, mean: mean(values), low: Math.min(...values), high: Math.max(...values) }];
  });
}

/** A line of means in a band from the least to the greatest. */
function lineAndBand(name: string, color: string, points: readonly Point[]): readonly object[] {
  const quiet = { type: "line", symbol: "none", silent: true, lineStyle: { opacity: 0 }, stack: `band ${name}` };
  const line = {
    type: "line", name, color, data: points.map((p) => [p.x, p.mean]), symbol: points.length > 40 ? "none" : "circle", symbolSize: 5,
    lineStyle: { width: 2, color }, itemStyle: { color }, z: 3,
  };
  if (points.every((p) => p.low === p.high)) return [line];
  return [
    { ...quiet, data: points.map((p) => [p.x, p.low]) },
    { ...quiet, data: points.map((p) => [p.x, p.high - p.low]), areaStyle: { color, opacity: 0.18 } },
    line,
  ];
}

/** Loss against `scale` times the step. The axis leaves out the first steep fall, where all variants look alike. */
function lossChart(
  id: string, results: CompareResults, which: "train_loss" | "validation_loss", axisName: string,
  scaleOf: (variant: VariantResult) => number,
): string {
  const curves = results.variants.map((variant) => spread(variant, which, scaleOf(variant)));
  const series = curves.flatMap((points, i) => lineAndBand(results.variants[i]!.name, seriesColor(i), points));
  return render(id, 360, {
    grid: GRID,
    legend: {
      top: 8, left: GRID.left, icon: "roundRect", itemGap: 22, itemWidth: 14, itemHeight: 4,
      textStyle: { color: "var(--ink)" }, data: results.variants.map((v) => v.name),
    },
    xAxis: axis(axisName, { type: "value", min: 0, axisLabel: { color: "var(--muted)", formatter: shortNumber } }),
    yAxis: axis("loss, nats per token", {
      type: "value", ...window(curves), nameGap: 44,
      axisLabel: { color: "var(--muted)", formatter: (x: number) => String(Number(x.toFixed(2))) },
    }),
    series: series as never,
  });
}

/** From just under the least value to the value after the first fifth of the longest curve, or a little over the least. */
function window(curves: readonly (readonly Point[])[]): AxisRange {
  const least = Math.min(...curves.flat().map((p) => p.low));
  const settled = Math.max(...curves.flatMap((points) => points.slice(Math.floor(points.length / 5)).map((p) => p.high)));
  const pad = Math.max(0.02, (settled - least) * 0.08);
  return roundRange(least - pad, settled + pad);
}

/** Of an axis: "1.5G", with no zeros behind. */
function shortNumber(n: number): string {
  const units = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const;
  for (const [size, letter] of units) if (n >= size) return `${Number((n / size).toPrecision(3))}${letter}`;
  return String(Number(n.toPrecision(3)));
}

export const validationChart = (results: CompareResults): string => lossChart("validation", results, "validation_loss", "steps", () => 1);
export const trainingChart = (results: CompareResults): string => lossChart("training", results, "train_loss", "steps", () => 1);

/** Against the work of the forward passes so far: who learns more per multiplication. */
export function computeChart(results: CompareResults): string {
  const tokensPerStep = results.budget.batch * results.budget.seq_len;
  return lossChart("compute", results, "validation_loss", "multiply-accumulates of all forward passes so far",
    (variant) => variant.macs_per_token.full * tokensPerStep);
}
