/** Student's t over independent values that are nearly normal: here the differences of paired runs. */
import { deviation, mean, type Interval } from "./describe.ts";
import { incompleteBeta } from "./special.ts";

/** P(|T| > t) of Student's t. @param freedom degrees of it, at least 1 */
export const studentTail = (t: number, freedom: number): number => incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);

/** The t with P(|T| > t) = alpha, for alpha from 1e-12 to below 1. */
export function criticalT(alpha: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (studentTail(high, freedom) > alpha) [low, high] = [high, 2 * high];
  while (high - low > 1e-13 * high) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (studentTail(middle, freedom) > alpha) low = middle;
    else high = middle;
  }
  return high;
}

/** Interval of the mean; null for fewer than two values. */
export function studentInterval(values: readonly number[], confidence = 0.95): Interval | null {
  const error = standardError(values);
  return error === null ? null : around(mean(values), criticalT(1 - confidence, values.length - 1) * error);
}

export const around = (center: number, half: number): Interval => ({ low: center - half, high: center + half });

/** Of the mean; null for fewer than two values. */
function standardError(values: readonly number[]): number | null {
  const sd = deviation(values);
  return sd === null ? null : sd / Math.sqrt(values.length);
}

/** Two-sided p of the hypothesis that the mean is 0; null for fewer than two values. */
export function differenceP(values: readonly number[]): number | null {
  const error = standardError(values);
  if (error === null) return null;
  const size = Math.abs(mean(values));
  return size === 0 ? 1 : studentTail(size / error, values.length - 1); // without any spread, t is infinite and p is 0
}

/**
 * p of the hypothesis that the mean lies outside of ± margin, by two one-sided tests (Schuirmann 1987): the greater of the two.
 * null for fewer than two values.
 */
export function equivalenceP(values: readonly number[], margin: number): number | null {
  const error = standardError(values);
  if (error === null) return null;
  const room = margin - Math.abs(mean(values));
  if (room === 0) return 0.5;
  const half = studentTail(room / error, values.length - 1) / 2;
  return room > 0 ? half : 1 - half;
}

/** p values of a family of tests, corrected so that any false finding at all is as rare as stated (Holm 1979). */
export function holm(p: readonly number[]): readonly number[] {
  const order = p.map((_, i) => i).sort((a, b) => p[a]! - p[b]!);
  const corrected: number[] = [];
  let least = 0;
  for (const [rank, i] of order.entries()) corrected[i] = least = Math.max(least, Math.min(1, (p.length - rank) * p[i]!));
  return corrected;
}
