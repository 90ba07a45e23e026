/**
 * What all plots of a report share: SVG text whose colours are CSS variables of the page, so that one file serves light, dark and print.
 */
import { LineChart, CustomChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { escape } from "./page.ts";

echarts.use([LineChart, ScatterChart, CustomChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);

/** Pixels, of plots that take the page's whole width. */
const WIDTH = 680;
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";
export const seriesColor = (index: number): string => `var(--series-${index % 8})`;

type Option = Parameters<ReturnType<typeof echarts.init>["setOption"]>[0];

export interface PlotFrame {
  /** Unique in a page. */
  readonly id: string;
  /** What it shows, in words: for those who do not see it. */
  readonly description: string;
  readonly width?: number;
  readonly height: number;
}

export function render({ id, description, width = WIDTH, height }: PlotFrame, option: Option): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: FONT, fontSize: 12 }, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  const label = `aria-label="${escape(description)}"`;
  return svg
    // The page decides on the size; the viewBox keeps the proportions.
    .replace(/^<svg width="\d+" height="\d+"/, () => `<svg width="100%" role="img" ${label}`)
    .replace(/<style\s*>.*?<\/style>/gs, "").replace(/ (?:class|ecmeta_\w+)="[^"]*"/g, "") // hover effects of a page with scripts
    .replace(/zr\d+-c(\d+)/g, `${id}-clip$1`); // the library counts on from plot to plot
}

export const axis = (name: string, extra: object = {}): object => ({
  name, nameLocation: "middle", nameGap: 34, nameTextStyle: { color: "var(--muted)" }, axisLabel: { color: "var(--muted)" },
  axisLine: { show: true, lineStyle: { color: "var(--rule)" } }, axisTick: { lineStyle: { color: "var(--rule)" } },
  splitLine: { show: true, lineStyle: { color: "var(--grid)" } }, ...extra,
});

export const GRID = { left: 64, right: 24, top: 44, bottom: 52 };

export interface AxisRange {
  readonly min: number;
  readonly max: number;
  /** Between marks. */
  readonly interval: number;
}

/** A range that is a smaller part of its values is drawn as wide as that. */
const NARROWEST = 1e-9;

/** That a multiple of it has, at most. */
const decimals = (interval: number): number => Math.max(0, Math.ceil(-Math.log10(interval) - 1e-9));

/** Round limits a little outside of the values, in some `parts` steps of 1, 2 or 5 times a power of ten. */
export function roundRange(least: number, greatest: number, parts = 5): AxisRange {
  const rough = Math.max(greatest - least || 0.01, NARROWEST * Math.abs(greatest)) / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const interval = [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough)!;
  const limit = (x: number, round: (n: number) => number): number => Number((round(x / interval) * interval).toFixed(decimals(interval)));
  return { min: limit(least - interval / 4, Math.floor), max: limit(greatest + interval / 4, Math.ceil), interval };
}

const SIZES = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const;

const sizeOf = (n: number): readonly [number, string] => SIZES.find(([least]) => n >= least) ?? [1, ""];

/** Of a mark on an axis that begins at 0. */
export function shortNumber(n: number): string {
  const [size, letter] = sizeOf(n);
  return `${Number((n / size).toPrecision(3))}${letter}`;
}

/** Of the marks on an axis, with as many decimals as tell one from the next. */
export const rangeLabel = ({ min, max, interval }: AxisRange): object => {
  const [size, letter] = sizeOf(Math.max(Math.abs(min), Math.abs(max)));
  const formatter = (mark: number): string => `${(mark / size).toFixed(decimals(interval / size))}${letter}`;
  return { color: "var(--muted)", formatter };
};

export const legend = (names: readonly string[]): object => ({
  top: 8, left: GRID.left, icon: "roundRect", itemGap: 22, itemWidth: 14, itemHeight: 4, textStyle: { color: "var(--ink)" }, data: names,
});
