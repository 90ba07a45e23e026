/**
 * How likely n paired differences are to decide, if they are normal with a given mean and standard deviation. Exact: given the
 * deviation s of the sample, its mean is normal and independent of s, and s has a chi distribution over which is integrated.
 */
import { logGamma, normalCdf } from "./special.ts";
import { criticalT } from "./student.ts";

/** In the unit of the values. */
export interface Population {
  readonly mean: number;
  readonly sd: number;
}

/** Chance that the mean is found to differ from 0, two-sided at alpha. */
export function powerToDiffer(n: number, { mean, sd }: Population, alpha: number): number {
  const [t, shift] = [criticalT(alpha, n - 1), (Math.abs(mean) / sd) * Math.sqrt(n)];
  return overDeviations(n - 1, (s) => normalCdf(shift - t * s) + normalCdf(-shift - t * s));
}

/** Chance that the mean is found to lie within ± margin, by two one-sided tests at alpha each. */
export function powerToEquate(n: number, { mean, sd }: Population, margin: number, alpha: number): number {
  const [t, scale] = [criticalT(2 * alpha, n - 1), Math.sqrt(n) / sd];
  return overDeviations(n - 1, (s) => {
    const half = margin * scale - t * s;
    return half <= 0 ? 0 : normalCdf(half - mean * scale) - normalCdf(-half - mean * scale);
  });
}

/** Intervals of Simpson's rule. */
const INTERVALS = 120;

/** Mean of f(s) where freedom · s² is chi-squared. The points are denser at small s, where f may be steep. */
function overDeviations(freedom: number, f: (s: number) => number): number {
  const reach = 8 / Math.sqrt(2 * freedom); // standard deviations of s
  const low = Math.max(1e-12, 1 - reach);
  const logNorm = Math.log(2) + (freedom / 2) * Math.log(freedom / 2) - logGamma(freedom / 2);
  let sum = 0;
  for (let i = 0; i <= INTERVALS; i++) {
    const u = i / INTERVALS;
    const s = low + (1 + reach - low) * u * u;
    const density = Math.exp(logNorm + (freedom - 1) * Math.log(s) - (freedom * s * s) / 2);
    sum += (i === 0 || i === INTERVALS ? 1 : i % 2 === 1 ? 4 : 2) * density * f(s) * 2 * (1 + reach - low) * u;
  }
  return sum / (3 * INTERVALS);
}

/** More seeds than this are no advice. */
export const MOST_SEEDS = 1000;

/** The least n from `from` to MOST_SEEDS with chance(n) ≥ power, where chances grow with n; null if there is none. */
export function leastSeeds(chance: (n: number) => number, power: number, from: number): number | null {
  if (from > MOST_SEEDS || chance(MOST_SEEDS) < power) return null;
  let [low, high] = [from, MOST_SEEDS];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (chance(middle) >= power) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** The least true difference that n seeds find with this power, two-sided at alpha: to four digits. */
export function detectable(n: number, sd: number, alpha: number, power: number): number {
  if (sd === 0) return 0;
  let [low, high] = [0, sd];
  while (powerToDiffer(n, { mean: high, sd }, alpha) < power) [low, high] = [high, 2 * high];
  for (let i = 0; i < 15; i++) {
    const middle = (low + high) / 2;
    if (powerToDiffer(n, { mean: middle, sd }, alpha) < power) low = middle;
    else high = middle;
  }
  return high;
}
