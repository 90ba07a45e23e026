/** Statistics of repeated runs. */

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

/** Linear interpolation between order statistics, p from 0 to 1 (the default of R and NumPy). */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (at - Math.floor(at)) * (high - low);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** 97.5 % quantiles of Student's t for 1 … 30 degrees of freedom. */
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
]; // prettier-ignore

/** 95 % interval of the mean of independent values, by Student's t; null for fewer than two. */
export function studentInterval(values: readonly number[]): Interval | null {
  const sd = deviation(values);
  if (sd === null) return null;
  const freedom = values.length - 1;
  const half = ((T[freedom - 1] ?? 1.96 + 2.4 / freedom) * sd) / Math.sqrt(values.length); // the tail is right to 0.001
  const center = mean(values);
  return { low: center - half, high: center + half };
}
