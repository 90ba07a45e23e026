/** Loss over steps and over work. */
import type { CompareResults, VariantResult } from "../compare/results.ts";
import { mean } from "../statistics/describe.ts";
import { axis, GRID, legend, rangeLabel, render, roundRange, seriesColor, shortNumber, type AxisRange } from "./plot.ts";

export interface Point {
  /** Step, work, or passes. */
  readonly x: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Mean, least and greatest over the seeds at each step where all seeds have a value. */
export function spread(variant: VariantResult, which: "train_loss" | "validation_loss", scale = 1): readonly Point[] {
  const curves = variant.runs.filter((run) => run.failed === null)
    .map((run) => new Map(run.curve.map((point) => [point.step, point[which]])));
  return [...(curves[0]?.keys() ?? [])].flatMap((step) => {
    const values = curves.map((curve) => curve.get(step)).filter((x) => x !== undefined && x !== null);
    return values.length < curves.length ? []
      : [{ x: step * scale, mean: mean(values), low: Math.min(...values), high: Math.max(...values) }];
  });
}

/** A line of means in a band from the least to the greatest. */
export function lineAndBand(name: string, color: string, points: readonly Point[]): readonly object[] {
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

interface LossPlot {
  readonly id: string;
  readonly which: "train_loss" | "validation_loss";
  readonly axisName: string;
  /** What a step of a variant is on the axis. */
  readonly scaleOf: (variant: VariantResult) => number;
}

/** Loss against `scale` times the step. The axis leaves out the first steep fall, where all variants look alike. */
function lossChart(results: CompareResults, { id, which, axisName, scaleOf }: LossPlot): string {
  const { variants } = results;
  const curves = variants.map((variant) => spread(variant, which, scaleOf(variant)));
  const series = curves.flatMap((points, i) => lineAndBand(variants[i]!.name, seriesColor(i), points));
  const range = window(curves);
  return render({ id, height: 360, description: curvesInWords(results, curves, which) }, {
    grid: GRID, legend: legend(variants.map(({ name }) => name)),
    xAxis: axis(axisName, { type: "value", min: 0, axisLabel: { color: "var(--muted)", formatter: shortNumber } }),
    yAxis: axis("loss, nats per token", {
      type: "value", ...range, nameGap: 44, axisLabel: rangeLabel(range),
    }),
    series: series as never,
  });
}

/** Where each curve begins and ends. */
function curvesInWords({ variants }: CompareResults, curves: readonly (readonly Point[])[], which: LossPlot["which"]): string {
  const ends = curves.flatMap((points, i) => (points.length === 0 ? []
    : [`${variants[i]!.name} from ${points[0]!.mean.toFixed(2)} to ${points.at(-1)!.mean.toFixed(2)}`]));
  return `Curves of the ${which === "train_loss" ? "training" : "held-out"} loss. ${ends.join("; ")}.`;
}

/** From just under the least value to the value after the first fifth of the longest curve, or a little over the least. */
function window(curves: readonly (readonly Point[])[]): AxisRange {
  const least = Math.min(...curves.flat().map((p) => p.low));
  const settled = Math.max(...curves.flatMap((points) => points.slice(Math.floor(points.length / 5)).map((p) => p.high)));
  const pad = Math.max(0.02, (settled - least) * 0.08);
  return roundRange(least - pad, settled + pad);
}

export const validationChart = (results: CompareResults): string =>
  lossChart(results, { id: "validation", which: "validation_loss", axisName: "steps", scaleOf: () => 1 });

export const trainingChart = (results: CompareResults): string =>
  lossChart(results, { id: "training", which: "train_loss", axisName: "steps", scaleOf: () => 1 });

/** Against the work of the forward passes so far: who learns more per multiplication. */
export function computeChart(results: CompareResults): string {
  const tokensPerStep = results.budget.batch * results.budget.seq_len;
  const axisName = "multiply-accumulates of all forward passes so far";
  const scaleOf = (variant: VariantResult): number => variant.macs_per_token.full * tokensPerStep;
  return lossChart(results, { id: "compute", which: "validation_loss", axisName, scaleOf });
}
