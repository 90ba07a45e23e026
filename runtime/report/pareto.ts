/** Loss against what it costs: which variants are such that none is cheaper and better. */
import type { CompareResults, VariantResult } from "../compare/results.ts";
import { key } from "./cells.ts";
import { escape } from "./page.ts";
import { axis, rangeLabel, render, roundRange, seriesColor, type AxisRange } from "./plot.ts";
import { bytes, short, time } from "../units.ts";
import { listOf, loss } from "./words.ts";

interface Cost {
  readonly name: string;
  readonly of: (variant: VariantResult) => number | null;
  readonly words: (cost: number) => string;
  /** What is 1 on the axis, where that is not 1. */
  readonly unit?: { readonly name: string; readonly size: number };
}

const COSTS: readonly Cost[] = [
  { name: "parameters", of: (v) => v.parameters.unique, words: short },
  { name: "active parameters", of: (v) => v.parameters.active, words: short },
  { name: "MACs per token", of: (v) => v.macs_per_token.full, words: short },
  { name: "memory", of: (v) => v.memory_bytes, words: bytes, unit: { name: "MiB", size: 2 ** 20 } },
  { name: "time per step", of: (v) => v.step_seconds?.median ?? null, words: time, unit: { name: "ms", size: 1e-3 } },
];

export interface CostPoint {
  readonly variant: VariantResult;
  readonly cost: number;
  readonly loss: number;
}

/** Those that no other beats in one of cost and mean loss without losing in the other; cheapest first. */
export const frontOf = (points: readonly CostPoint[]): readonly CostPoint[] =>
  points.filter((point) => !points.some((other) => beats(other, point))).toSorted((a, b) => a.cost - b.cost);

const beats = (one: CostPoint, other: CostPoint): boolean =>
  one.cost <= other.cost && one.loss <= other.loss && (one.cost < other.cost || one.loss < other.loss);

/** A small plot for each cost in which the variants differ, and the fronts in words. */
export function paretoSection(results: CompareResults): readonly string[] {
  const panels = COSTS.map((cost) => ({ cost, points: pointsOf(results, cost) })).filter(({ points }) => isSpread(points));
  if (panels.length === 0) return [];
  const names = results.variants.map((variant) => `<span>${key(results, variant)}</span>`).join("");
  const plots = panels.map(({ cost, points }) => `<figure>${paretoPlot(results, cost, points)}</figure>`).join("");
  return [
    `<p class="keys">${names}</p><div class="panels">${plots}</div>`,
    ...panels.map(({ cost, points }) => `<p>${escape(frontInWords(cost, points))}</p>`),
    "<p class=\"note\">A variant is on a front (large dots) if no other is cheaper without being worse, or better without costing more. "
      + "Fronts go by mean losses, bars reach from the least to the greatest of the seeds: whether two variants really differ is said "
      + "by the paired differences.</p>",
  ];
}

const pointsOf = ({ variants }: CompareResults, { of }: Cost): readonly CostPoint[] => variants.flatMap((variant) => {
  const [cost, found] = [of(variant), variant.validation_loss];
  return cost === null || found === null ? [] : [{ variant, cost, loss: found.mean }];
});

const isSpread = (points: readonly CostPoint[]): boolean => new Set(points.map(({ cost }) => cost)).size > 1;

/** "Front of loss and memory: a (1.2 MiB, loss 2.3100) and b (2.0 MiB, loss 2.2000); beaten: c." */
export function frontInWords({ name, words }: Pick<Cost, "name" | "words">, points: readonly CostPoint[]): string {
  const front = frontOf(points);
  const said = front.map(({ variant, cost, loss: found }) => `${variant.name} (${words(cost)}, loss ${loss(found)})`);
  const beaten = points.filter((point) => !front.includes(point)).map(({ variant }) => variant.name);
  return `Front of loss and ${name}: ${listOf(said)}${beaten.length === 0 ? "" : `; beaten: ${listOf(beaten)}`}.`;
}

function paretoPlot({ variants }: CompareResults, cost: Cost, found: readonly CostPoint[]): string {
  const { size, name: unit } = cost.unit ?? { size: 1, name: null };
  const points = found.map((point) => ({ ...point, cost: point.cost / size }));
  const front = frontOf(points);
  const colorOf = ({ variant }: CostPoint): string => seriesColor(variants.indexOf(variant));
  const bars = points.map((point) => {
    const losses = point.variant.runs.flatMap(({ validation_loss: found }) => found ?? []);
    const ends = [Math.min(...losses), Math.max(...losses)].map((y) => [point.cost, y]);
    return { ...QUIET, data: ends, lineStyle: { color: colorOf(point), width: 1.5 } };
  });
  const dots = points.map((point) => ({
    value: [point.cost, point.loss], symbolSize: front.includes(point) ? 11 : 7, itemStyle: { color: colorOf(point) },
  }));
  const all = bars.flatMap(({ data }) => data.map(([, y]) => y!));
  const costs = roundRange(Math.min(...points.map((p) => p.cost)), Math.max(...points.map((p) => p.cost)), 3);
  const losses = roundRange(Math.min(...all), Math.max(...all), 4);
  const id = `pareto-${cost.name.replaceAll(" ", "-")}`;
  return render({ id, width: 300, height: 230, description: frontInWords(cost, found) }, {
    grid: { left: 50, right: 14, top: 12, bottom: 44 },
    xAxis: axis(unit === null ? cost.name : `${cost.name}, ${unit}`, { ...costs, nameGap: 26, axisLabel: labelOf(costs) }),
    yAxis: axis("loss", { ...losses, nameGap: 36, axisLabel: labelOf(losses) }),
    series: [
      { ...QUIET, data: stairs(front), lineStyle: { color: "var(--muted)", width: 1.2, type: "dashed" } }, ...bars,
      { type: "scatter", data: dots },
    ] as never,
  });
}

const QUIET = { type: "line", symbol: "none", silent: true } as const;

const labelOf = (range: AxisRange): object => ({ ...rangeLabel(range), hideOverlap: true });

/** From each point of a front along its loss to the cost of the next, and down. */
const stairs = (front: readonly CostPoint[]): readonly (readonly number[])[] => front.flatMap(({ cost, loss: found }, i) =>
  (i === 0 ? [[cost, found]] : [[cost, front[i - 1]!.loss], [cost, found]]));
