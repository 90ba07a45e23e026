/** What describes a sample. */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Sample standard deviation; null for fewer than two values. */
export function deviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (values.length - 1));
}

/** Of runs that differ in their seed. */
export interface OverRuns {
  readonly mean: number;
  /** null of one run. */
  readonly sd: number | null;
}

export const overRuns = (values: readonly number[]): OverRuns => ({ mean: mean(values), sd: deviation(values) });

/** Linear interpolation between order statistics, p from 0 to 1 (the default of R and NumPy). */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (at - Math.floor(at)) * (high - low);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);
