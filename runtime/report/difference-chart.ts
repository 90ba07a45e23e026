/** Differences from the baseline. */
import type { CompareResults, Difference } from "../compare/results.ts";
import type { Interval } from "../statistics/describe.ts";
import { differenceText } from "./words.ts";
import { axis, GRID, render, roundRange, seriesColor } from "./plot.ts";

interface DifferenceRow {
  readonly name: string;
  readonly color: string;
  readonly difference: Difference;
}

/** One row per variant: the difference from the baseline, its interval over seeds in colour, that over the text in grey, a dot per seed. */
export function differenceChart(results: CompareResults): string {
  const rows = rowsOf(results);
  const differences = rows.map(({ difference }) => difference);
  const text = intervals(differences.map((d) => d.text_interval), () => "var(--muted)", { lineWidth: 1.2, cap: 4, below: 11 });
  const seeds = intervals(differences.map((d) => d.seed_interval), (row) => rows[row]!.color, { lineWidth: 2.5, cap: 6, below: 0 });
  const means = points(rows.map(({ difference, color }, row) => ({ x: difference.mean, row, color })), { symbol: "rect", symbolSize: 8 });
  const single = rows.flatMap(({ difference, color }, row) => difference.per_seed.map((s) => ({ x: s.difference, row, color })));
  const dots = points(single, { symbolSize: 6, itemStyle: { opacity: 0.55 } });
  const found = differences.flatMap((d) => [d.seed_interval, d.text_interval]).filter((interval) => interval !== null);
  const ends = found.flatMap(({ low, high }) => [low, high]);
  const all = [0, ...ends, ...single.map(({ x }) => x)];
  return render({ id: "differences", height: 96 + 48 * rows.length, description: inWords(results, rows) }, {
    grid: { ...GRID, left: 24 + 8 * Math.max(...rows.map(({ name }) => name.length)), top: 20 },
    xAxis: axis(`loss less that of ${results.baseline}, nats per token (left is better)`, {
      type: "value", ...roundRange(Math.min(...all), Math.max(...all)),
    }),
    yAxis: axis("", {
      type: "category", data: rows.map(({ name }) => name), axisLabel: { color: "var(--ink)" }, splitLine: { show: false },
    }),
    series: [ZERO, text, seeds, dots, means] as never,
  });
}

function inWords({ baseline }: CompareResults, rows: readonly DifferenceRow[]): string {
  const each = rows.toReversed().map(({ name, difference }) => `${name}: ${differenceText(difference)}`);
  return `Final loss less that of ${baseline}. ${each.join("; ")}.`;
}

const rowsOf = ({ variants }: CompareResults): readonly DifferenceRow[] => variants.flatMap(({ name, difference }, i) =>
  difference === null ? [] : [{ name, difference, color: seriesColor(i) }]).reverse();

const ZERO = {
  type: "line", data: [],
  markLine: {
    symbol: "none", silent: true, label: { show: false }, lineStyle: { color: "var(--muted)", type: "dashed" }, data: [{ xAxis: 0 }],
  },
};

const points = (values: readonly { readonly x: number; readonly row: number; readonly color: string }[], style: object): object =>
  ({ type: "scatter", data: values.map(({ x, row, color }) => ({ value: [x, row], itemStyle: { color } })), ...style });

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
    const style = { stroke: colorOf(row), lineWidth, fill: "none" };
    const line = (x1: number, y1: number, x2: number, y2: number): object => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
    return { type: "group", children: [line(low, y, high, y), line(low, y - cap, low, y + cap), line(high, y - cap, high, y + cap)] };
  };
  const data = rows.flatMap((found, row) => (found === null ? [] : [[found.low, found.high, row]]));
  return { type: "custom", renderItem, data, encode: { x: [0, 1], y: 2 } };
}
