/** Plots as SVG text. Colours are CSS variables of the page, so that one file serves light, dark and print. */
import { LineChart, CustomChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { CompareResults, Difference, VariantResult } from "../compare/results.ts";
import { mean, type Interval } from "../compare/statistics.ts";

echarts.use([LineChart, ScatterChart, CustomChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);

const WIDTH = 860;
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";
export const seriesColor = (index: number): string => `var(--series-${index % 8})`;

type Option = Parameters<ReturnType<typeof echarts.init>["setOption"]>[0];

/** @param id of the plot, unique in a page */
function render(id: string, height: number, option: Option): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: FONT, fontSize: 12 }, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg
    .replace(/^<svg width="\d+" height="\d+"/, '<svg width="100%" role="img"') // the page decides; the viewBox keeps the proportions
    .replace(/<style\s*>.*?<\/style>/gs, "").replace(/ (?:class|ecmeta_\w+)="[^"]*"/g, "") // hover effects of a page with scripts
    .replace(/zr\d+-c(\d+)/g, `${id}-clip$1`); // the library counts on from plot to plot
}

const axis = (name: string, extra: object = {}): object => ({
  name, nameLocation: "middle", nameGap: 34, nameTextStyle: { color: "var(--muted)" }, axisLabel: { color: "var(--muted)" },
  axisLine: { show: true, lineStyle: { color: "var(--rule)" } }, axisTick: { lineStyle: { color: "var(--rule)" } },
  splitLine: { show: true, lineStyle: { color: "var(--grid)" } }, ...extra,
});

const GRID = { left: 64, right: 24, top: 44, bottom: 52 };

interface Point {
  readonly x: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Mean, least and greatest over the seeds at each step where all seeds have a value. */
export function spread(variant: VariantResult, which: "train_loss" | "validation_loss", scale: number): readonly Point[] {
  const curves = variant.runs.filter((run) => run.failed === null).map((run) => new Map(run.curve.map((point) => [point.step, point[which]])));
  return [...(curves[0]?.keys() ?? [])].flatMap((step) => {
    const values = curves.map((curve) => curve.get(step)).filter((x) => x !== undefined && x !== null);
    return values.length < curves.length ? [] : [{ x: step * scale, mean: mean(values), low: Math.min(...values), high: Math.max(...values) }];
  });
}

/** A line of means in a band from the least to the greatest. */
function lineAndBand(name: string, color: string, points: readonly Point[]): readonly object[] {
  const quiet = { type: "line", symbol: "none", silent: true, lineStyle: { opacity: 0 }, stack: `band ${name}` };
  const line = { type: "line", name, color, data: points.map((p) => [p.x, p.mean]), symbol: points.length > 40 ? "none" : "circle", symbolSize: 5, lineStyle: { width: 2, color }, itemStyle: { color }, z: 3 };
  if (points.every((p) => p.low === p.high)) return [line];
  return [
    { ...quiet, data: points.map((p) => [p.x, p.low]) },
    { ...quiet, data: points.map((p) => [p.x, p.high - p.low]), areaStyle: { color, opacity: 0.18 } },
    line,
  ];
}

/** Loss against `scale` times the step. The axis leaves out the first steep fall, where all variants look alike. */
function lossChart(id: string, results: CompareResults, which: "train_loss" | "validation_loss", axisName: string, scaleOf: (variant: VariantResult) => number): string {
  const curves = results.variants.map((variant) => spread(variant, which, scaleOf(variant)));
  const series = curves.flatMap((points, i) => lineAndBand(results.variants[i]!.name, seriesColor(i), points));
  return render(id, 360, {
    grid: GRID,
    legend: { top: 8, left: GRID.left, icon: "roundRect", itemGap: 22, itemWidth: 14, itemHeight: 4, textStyle: { color: "var(--ink)" }, data: results.variants.map((v) => v.name) },
    xAxis: axis(axisName, { type: "value", min: 0, axisLabel: { color: "var(--muted)", formatter: shortNumber } }),
    yAxis: axis("loss, nats per token", { type: "value", ...window(curves), nameGap: 44, axisLabel: { color: "var(--muted)", formatter: (x: number) => String(Number(x.toFixed(2))) } }),
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

export function shortNumber(n: number): string {
  for (const [size, letter] of [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) if (n >= size) return `${Number((n / size).toPrecision(3))}${letter}`;
  return String(Number(n.toPrecision(3)));
}

export const validationChart = (results: CompareResults): string => lossChart("validation", results, "validation_loss", "steps", () => 1);
export const trainingChart = (results: CompareResults): string => lossChart("training", results, "train_loss", "steps", () => 1);

/** Against the work of the forward passes so far: who learns more per multiplication. */
export function computeChart(results: CompareResults): string {
  const tokensPerStep = results.budget.batch * results.budget.seq_len;
  return lossChart("compute", results, "validation_loss", "multiply-accumulates of all forward passes so far", (variant) => variant.macs_per_token.full * tokensPerStep);
}

interface DifferenceRow {
  readonly name: string;
  readonly color: string;
  readonly difference: Difference;
}

/** One row per variant: the difference from the baseline, its interval over seeds in colour, that over the text in grey, and a dot per seed. */
export function differenceChart(results: CompareResults): string {
  const rows = results.variants.flatMap(({ name, difference }, i): readonly DifferenceRow[] => (difference === null ? [] : [{ name, difference, color: seriesColor(i) }])).reverse();
  const text = intervals(rows.map(({ difference: d }) => d.text_interval), () => "var(--muted)", { lineWidth: 1.2, cap: 4, below: 11 });
  const seeds = intervals(rows.map(({ difference: d }) => d.seed_interval), (row) => rows[row]!.color, { lineWidth: 2.5, cap: 6, below: 0 });
  const means = { type: "scatter", symbol: "rect", symbolSize: 8, data: rows.map(({ difference, color }, i) => ({ value: [difference.mean, i], itemStyle: { color } })) };
  const dots = { type: "scatter", symbolSize: 6, data: rows.flatMap(({ difference, color }, i) => difference.per_seed.map((s) => ({ value: [s.difference, i], itemStyle: { color, opacity: 0.55 } }))) };
  const zero = { type: "line", data: [], markLine: { symbol: "none", silent: true, label: { show: false }, lineStyle: { color: "var(--muted)", type: "dashed" }, data: [{ xAxis: 0 }] } };
  const limits = rows.flatMap(({ difference: d }) => [d.seed_interval, d.text_interval].flatMap((found) => (found === null ? [] : [found.low, found.high])));
  const all = [...limits, ...rows.flatMap(({ difference: d }) => d.per_seed.map((s) => s.difference))];
  return render("differences", 96 + 48 * rows.length, {
    grid: { ...GRID, left: 24 + 8 * Math.max(...rows.map(({ name }) => name.length)), top: 20 },
    xAxis: axis(`loss less that of ${results.baseline}, nats per token (left is better)`, { type: "value", ...roundRange(Math.min(0, ...all), Math.max(0, ...all)) }),
    yAxis: axis("", { type: "category", data: rows.map(({ name }) => name), axisLabel: { color: "var(--ink)" }, splitLine: { show: false } }),
    series: [zero, text, seeds, dots, means] as never,
  });
}

interface AxisRange {
  readonly min: number;
  readonly max: number;
  /** Between marks. */
  readonly interval: number;
}

/** Round limits a little outside of the values, in a step of 1, 2 or 5 times a power of ten. */
function roundRange(least: number, greatest: number): AxisRange {
  const rough = (greatest - least || 0.01) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const interval = [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough)!;
  const limit = (x: number, round: (n: number) => number): number => Number((round(x / interval) * interval).toPrecision(6));
  return { min: limit(least - interval / 4, Math.floor), max: limit(greatest + interval / 4, Math.ceil), interval };
}

interface RenderApi {
  value(dimension: number): number;
  coord(point: readonly [number, number]): [number, number];
}

interface IntervalStyle {
  readonly lineWidth: number;
  /** Half the height of the ends. */
  readonly cap: number;
  /** Pixels under the middle of the row. */
  readonly below: number;
}

/** A series of bars with ends, one per row; null leaves a row out. */
function intervals(rows: readonly (Interval | null)[], colorOf: (row: number) => string, { lineWidth, cap, below }: IntervalStyle): object {
  const renderItem = (_: unknown, api: RenderApi): object => {
    const row = api.value(2);
    const [low, middle] = api.coord([api.value(0), row]);
    const [high] = api.coord([api.value(1), row]);
    const y = middle + below;
    const line = (x1: number, y1: number, x2: number, y2: number): object => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colorOf(row), lineWidth, fill: "none" } });
    return { type: "group", children: [line(low, y, high, y), line(low, y - cap, low, y + cap), line(high, y - cap, high, y + cap)] };
  };
  const data = rows.flatMap((found, row) => (found === null ? [] : [[found.low, found.high, row]]));
  return { type: "custom", renderItem, data, encode: { x: [0, 1], y: 2 } };
}
