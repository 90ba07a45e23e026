/** Loss and accuracy against the number of passes, of recurrent variants. */
import type { CompareResults, DepthPoint, DepthResults } from "../compare/results.ts";
import type { OverRuns } from "../statistics/describe.ts";
import { nameCell } from "./cells.ts";
import { lineAndBand, type Point } from "./charts.ts";
import { escape, figure, folded, htmlTable } from "./page.ts";
import { axis, GRID, legend, rangeLabel, render, roundRange, seriesColor } from "./plot.ts";
import { shareText } from "./task-words.ts";
import { listOf, loss, signed } from "./words.ts";

interface Deep {
  readonly name: string;
  readonly color: string;
  readonly depths: DepthResults;
}

/** What is shown of each depth. */
interface Figure {
  readonly id: string;
  readonly axisName: string;
  readonly of: (point: DepthPoint) => OverRuns | null;
  readonly ofRun: (run: DepthPoint["per_seed"][number]) => number | null;
  /** Where the axis ends at the latest; it begins at 0 at the earliest. */
  readonly greatest: number;
  readonly caption: string;
}

const LOSS: Figure = {
  id: "depth", axisName: "final loss, nats per token", of: (point) => point.loss, ofRun: (run) => run.loss, greatest: Infinity,
  caption: "Final loss with what repeats applied more or fewer times than in training (large dots), on the same text.",
};

const accuracyOf = ({ data }: CompareResults): Figure => ({
  id: "depth-accuracy", axisName: `share of ${unitOf(data)} that is right`,
  of: (point) => point.accuracy ?? null, ofRun: (run) => run.accuracy ?? null, greatest: 1, caption: ACCURACY[unitOf(data)],
});

type Unit = "tokens" | "answers";

/** Of pairs, whole answers count. */
const unitOf = ({ positions }: CompareResults["data"]): Unit => (positions === undefined ? "tokens" : "answers");

const ACCURACY: Readonly<Record<Unit, string>> = {
  tokens: "Share of the tokens that are the most probable ones at their place.",
  answers: "Share of the held-out pairs whose answer is right word for word and ends there, as greedy decoding gives it.",
};

export function depthSection(results: CompareResults): readonly string[] {
  const deep = results.variants.flatMap(({ name, depths }, i): readonly Deep[] =>
    (depths === null ? [] : [{ name, depths, color: seriesColor(i) }]));
  if (deep.length === 0) return [];
  const band = results.seeds.length > 1 ? " Bands reach from the least to the greatest of the seeds." : "";
  const isMeasured = ({ of }: Figure): boolean => deep.some(({ depths }) => depths.points.some((point) => of(point) !== null));
  const figures = [LOSS, accuracyOf(results)].filter(isMeasured);
  const words = deep.map((one) => depthInWords(one, unitOf(results.data)));
  return [
    ...words.map((text) => `<p>${escape(text)}</p>`),
    ...figures.map((one) => figure(depthPlot(deep, one, words.join(" ")), one.caption + band)),
    folded("These numbers as a table", depthTable(results, figures)),
  ];
}

/**
 * "a, trained with 4 passes, has its lowest loss there; the loss changes by +0.5000 at 1 and +0.0123 at 8. Of the tokens, 0.1200 at 1,
 * 0.4100 at 4 and 0.4000 at 8 are right."
 */
export function depthInWords({ name, depths: { trained, points } }: Pick<Deep, "name" | "depths">, unit: Unit): string {
  const at = points.find(({ passes }) => passes === trained)!;
  const best = points.reduce((least, point) => (point.loss.mean < least.loss.mean ? point : least), at);
  const others = points.filter((point) => point !== at && point !== best && (point.passes === 1 || point === points.at(-1)));
  const from = (point: DepthPoint): string => `${signed(point.loss.mean - at.loss.mean)} at ${point.passes}`;
  const where = best === at ? "there" : `at ${best.passes} (${signed(best.loss.mean - at.loss.mean)})`;
  const rest = others.length === 0 ? "" : `; the loss changes by ${others.map(from).join(" and ")}`;
  const lowest = `${name}, trained with ${trained} ${trained === 1 ? "pass" : "passes"}, has its lowest loss ${where}${rest}.`;
  const right = points.flatMap(({ passes, accuracy = null }) => (accuracy === null ? [] : [`${shareText(accuracy.mean)} at ${passes}`]));
  return right.length === 0 ? lowest : `${lowest} Of the ${unit}, ${listOf(right)} are right.`;
}

/** null if no run has a number there. */
function pointOf(point: DepthPoint, { of, ofRun }: Figure): Point | null {
  const [found, values] = [of(point), point.per_seed.flatMap((run) => ofRun(run) ?? [])];
  return found === null ? null : { x: point.passes, mean: found.mean, low: Math.min(...values), high: Math.max(...values) };
}

function depthPlot(deep: readonly Deep[], shown: Figure, description: string): string {
  const curves = deep.map((one) => ({ ...one, points: one.depths.points.flatMap((point) => pointOf(point, shown) ?? []) }));
  const all = curves.flatMap(({ points }) => points);
  const trained = curves.map(({ color, depths, points }) => ({
    type: "scatter", symbolSize: 12, z: 4, itemStyle: { color },
    data: points.filter(({ x }) => x === depths.trained).map(({ x, mean }) => [x, mean]),
  }));
  const { min, max, interval } = roundRange(Math.min(...all.map(({ low }) => low)), Math.max(...all.map(({ high }) => high)));
  const range = { min: Math.max(0, min), max: Math.min(shown.greatest, max), interval };
  return render({ id: shown.id, height: 320, description }, {
    grid: GRID, legend: legend(deep.map(({ name }) => name)),
    xAxis: axis("passes", { type: "value", min: 0, minInterval: 1 }),
    yAxis: axis(shown.axisName, { ...range, nameGap: 44, axisLabel: rangeLabel(range) }),
    series: [...curves.flatMap(({ name, color, points }) => lineAndBand(name, color, points)), ...trained] as never,
  });
}

/** A row for each variant and what is shown. */
function depthTable(results: CompareResults, figures: readonly Figure[]): string {
  const deep = results.variants.filter(({ depths }) => depths !== null);
  const passes = [...new Set(deep.flatMap(({ depths }) => depths!.points.map((point) => point.passes)))].sort((a, b) => a - b);
  const cell = (points: readonly DepthPoint[], n: number, { of }: Figure): string => {
    const point = points.find((one) => one.passes === n);
    const found = point === undefined ? null : of(point);
    return found === null ? "–" : `${loss(found.mean)}${found.sd === null ? "" : `<small>± ${loss(found.sd)}</small>`}`;
  };
  return figures.map((one) => htmlTable([
    [`${escape(one.axisName)}, by passes`, ...passes.map(String)],
    ...deep.map((v) => [nameCell(results, v), ...passes.map((n) => cell(v.depths!.points, n, one))]),
  ])).join("");
}
