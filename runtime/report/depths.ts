/** Loss against the number of passes, of recurrent variants. */
import type { CompareResults, DepthPoint, DepthResults } from "../compare/results.ts";
import { nameCell } from "./cells.ts";
import { lineAndBand, type Point } from "./charts.ts";
import { escape, figure, folded, htmlTable } from "./page.ts";
import { axis, GRID, legend, render, roundRange, seriesColor, shortNumber } from "./plot.ts";
import { loss, signed } from "./words.ts";

interface Deep {
  readonly name: string;
  readonly color: string;
  readonly depths: DepthResults;
}

export function depthSection(results: CompareResults): readonly string[] {
  const deep = results.variants.flatMap(({ name, depths }, i): readonly Deep[] =>
    (depths === null ? [] : [{ name, depths, color: seriesColor(i) }]));
  if (deep.length === 0) return [];
  const band = results.seeds.length > 1 ? " Bands reach from the least to the greatest of the seeds." : "";
  const caption = "Final loss with what repeats applied more or fewer times than in training (large dots), on the same text.";
  return [
    ...deep.map((one) => `<p>${escape(depthInWords(one))}</p>`),
    figure(depthPlot(deep), caption + band), folded("These losses as a table", depthTable(results)),
  ];
}

/** "a, trained with 4 passes, has its lowest loss there; the loss changes by +0.5000 at 1 and +0.0123 at 8." */
export function depthInWords({ name, depths: { trained, points } }: Pick<Deep, "name" | "depths">): string {
  const at = points.find(({ passes }) => passes === trained)!;
  const best = points.reduce((least, point) => (point.loss.mean < least.loss.mean ? point : least), at);
  const others = points.filter((point) => point !== at && point !== best && (point.passes === 1 || point === points.at(-1)));
  const from = (point: DepthPoint): string => `${signed(point.loss.mean - at.loss.mean)} at ${point.passes}`;
  const where = best === at ? "there" : `at ${best.passes} (${signed(best.loss.mean - at.loss.mean)})`;
  const rest = others.length === 0 ? "" : `; the loss changes by ${others.map(from).join(" and ")}`;
  return `${name}, trained with ${trained} ${trained === 1 ? "pass" : "passes"}, has its lowest loss ${where}${rest}.`;
}

const pointOf = ({ passes, loss: { mean }, per_seed: runs }: DepthPoint): Point => {
  const losses = runs.map((run) => run.loss);
  return { x: passes, mean, low: Math.min(...losses), high: Math.max(...losses) };
};

function depthPlot(deep: readonly Deep[]): string {
  const all = deep.flatMap(({ depths }) => depths.points.map(pointOf));
  const curves = deep.flatMap(({ name, color, depths }) => lineAndBand(name, color, depths.points.map(pointOf)));
  const trained = deep.map(({ color, depths: { trained, points } }) => ({
    type: "scatter", symbolSize: 12, z: 4, itemStyle: { color }, data: points.filter(({ passes }) => passes === trained)
      .map(({ passes, loss: { mean } }) => [passes, mean]),
  }));
  return render({ id: "depth", height: 320, description: deep.map(depthInWords).join(" ") }, {
    grid: GRID, legend: legend(deep.map(({ name }) => name)),
    xAxis: axis("passes", { type: "value", min: 0, minInterval: 1 }),
    yAxis: axis("final loss, nats per token", {
      ...roundRange(Math.min(...all.map(({ low }) => low)), Math.max(...all.map(({ high }) => high))), nameGap: 44,
      axisLabel: { color: "var(--muted)", formatter: shortNumber },
    }),
    series: [...curves, ...trained] as never,
  });
}

function depthTable(results: CompareResults): string {
  const deep = results.variants.filter(({ depths }) => depths !== null);
  const passes = [...new Set(deep.flatMap(({ depths }) => depths!.points.map((point) => point.passes)))].sort((a, b) => a - b);
  const cell = (points: readonly DepthPoint[], n: number): string => {
    const found = points.find((point) => point.passes === n)?.loss;
    return found === undefined ? "–" : `${loss(found.mean)}${found.sd === null ? "" : `<small>± ${loss(found.sd)}</small>`}`;
  };
  return htmlTable([
    ["passes", ...passes.map(String)], ...deep.map((v) => [nameCell(results, v), ...passes.map((n) => cell(v.depths!.points, n))]),
  ]);
}
