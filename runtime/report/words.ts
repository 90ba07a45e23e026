/** Results in words and rounded numbers, the same in the report and on the terminal. */
import type { CompareResults, Difference, VariantResult } from "../compare/results.ts";

export const loss = (x: number): string => x.toFixed(4);
export const signed = (x: number, digits = 4): string => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(digits)}`;
export const interval = ({ interval: { low, high } }: Difference): string => `${signed(low)} to ${signed(high)}`;

/** "44.3M", "1.04B" */
export function count(n: number): string {
  for (const [size, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]] as const) if (n >= size * 0.9995) return `${(n / size).toPrecision(3)}${letter}`;
  return String(Math.round(n));
}

export function memory(n: number): string {
  for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]] as const) if (n >= size) return `${(n / size).toFixed(n >= 100 * size ? 0 : 1)} ${unit}`;
  return `${n} B`;
}

export function time(seconds: number): string {
  if (seconds >= 10) return `${seconds.toFixed(1)} s`;
  return seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
}

/** Whether an interval lies on one side of zero. */
export const isClear = ({ interval: { low, high } }: Difference): boolean => low > 0 || high < 0;

/** One sentence per variant other than the baseline. */
export function verdicts({ variants, baseline, seeds }: CompareResults): readonly string[] {
  return variants.filter((variant) => variant.name !== baseline).map((variant) => verdict(variant, baseline, seeds.length));
}

function verdict({ name, difference: d, runs }: VariantResult, baseline: string, seeds: number): string {
  const failed = runs.filter((run) => run.diverged !== null).length;
  const note = failed > 0 ? ` ${failed} of ${seeds} runs diverged and are left out.` : "";
  if (d === null) return `${name}: no pair of runs with ${baseline} was completed.${note}`;
  const size = `${loss(Math.abs(d.mean))} nats (95 % interval ${interval(d)})`;
  const basis = seeds === 1 ? "; one seed only" : `, over ${d.per_seed.length} seeds`;
  if (!isClear(d)) return `${name} and ${baseline} cannot be told apart: the difference is ${signed(d.mean)} nats (95 % interval ${interval(d)})${basis}.${note}`;
  return `${name} ends ${d.mean < 0 ? "lower" : "higher"} than ${baseline} by ${size}${basis}${doubt(d)}.${note}`;
}

/** Few seeds can agree by chance, which the bootstrap over them does not see. */
function doubt({ seed_interval: student }: Difference): string {
  if (student === null || student.low > 0 || student.high < 0) return "";
  return `; so few seeds alone do not settle it (Student's t over seeds: ${signed(student.low)} to ${signed(student.high)})`;
}

export const tokens = (n: number): string => n.toString().replace(/\B(?=(\d{3})+$)/g, ",");
