/**
 * What all plots of a report share: SVG text whose colours are CSS variables of the page, so that one file serves light, dark and print.
 */
import { LineChart, CustomChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

echarts.use([LineChart, ScatterChart, CustomChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);

const WIDTH = 860;
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";
export const seriesColor = (index: number): string => `var(--series-${index % 8})`;

type Option = Parameters<ReturnType<typeof echarts.init>["setOption"]>[0];

/** @param id of the plot, unique in a page */
export function render(id: string, height: number, option: Option): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: FONT, fontSize: 12 }, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg
    .replace(/^<svg width="\d+" height="\d+"/, '<svg width="100%" role="img"') // the page decides; the viewBox keeps the proportions
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

/** Round limits a little outside of the values, in a step of 1, 2 or 5 times a power of ten. */
export function roundRange(least: number, greatest: number): AxisRange {
  const rough = (greatest - least || 0.01) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const interval = [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough)!;
  const limit = (x: number, round: (n: number) => number): number => Number((round(x / interval) * interval).toPrecision(6));
  return { min: limit(least - interval / 4, Math.floor), max: limit(greatest + interval / 4, Math.ceil), interval };
}
