/**
 * What another pass is worth: the recurrence-equivalence exponent φ of loss = E + A·(N_once + r^φ·N_rec)^−α, for models that are trained
 * on equally much data (Schwethelm et al. 2026, arXiv:2604.21106, whose term B·D^−β is then part of E).
 */
import { createRandom } from "../standalone/random.ts";
import { mean, quantile, type Interval } from "./describe.ts";
import { normalCdf } from "./special.ts";
import { criticalT } from "./student.ts";

/** A model with the losses of its runs. */
export interface RecurrencePoint {
  /** Parameters applied once. */
  readonly once: number;
  /** Parameters applied in each pass. */
  readonly repeated: number;
  readonly passes: number; // r
  readonly losses: readonly number[];
}

export interface RecurrenceFit {
  readonly phi: number;
  /** 95 %, by the bootstrap over runs; an end at a bound of BOUNDS means that nothing bounds it there. */
  readonly interval: Interval;
  readonly alpha: number;
}

/** What is fitted: φ and α; E and A follow by linear least squares. */
type Theta = readonly [phi: number, alpha: number];

export const BOUNDS = { phi: [-1, 3], alpha: [0, 4] } as const;

/** E, A, φ and α. */
const PARAMETERS = 4;

const REPLICATES = 500;

/** Fewer make the tails of the bootstrap longer than its replicates tell. */
export const LEAST_RUNS = PARAMETERS + 4;

/**
 * Least squares; φ's interval by percentiles of a bootstrap that adds residuals of runs, drawn from those of all models, to the fitted
 * losses. Residuals of few runs are too small and percentiles too narrow, so the one are scaled by √(n / (n − 4)) and the other taken
 * where Student's t with n − 4 degrees of freedom has 95 % (Hesterberg 2015). The same losses give the same interval.
 * @param points at least LEAST_RUNS runs in all
 */
export function fitRecurrence(points: readonly RecurrencePoint[]): RecurrenceFit {
  const losses = points.map((point) => mean(point.losses));
  const best = STARTS.map((start) => descend(points, losses, start)).reduce((a, b) => (b.squares < a.squares ? b : a));
  const fitted = losses.map((loss, i) => loss - best.residuals[i]!);
  const runs = points.reduce((total, point) => total + point.losses.length, 0);
  const scale = Math.sqrt(runs / (runs - PARAMETERS));
  const residuals = points.flatMap((point, i) => point.losses.map((loss) => scale * (loss - fitted[i]!)));
  const random = createRandom(0, "recurrence");
  let drawn = 0;
  const draw = (): number => residuals[Math.floor(random.uniform(drawn++) * runs)]!;
  const phis = Array.from({ length: REPLICATES }, () => {
    const again = points.map((point, i) => fitted[i]! + mean(point.losses.map(draw)));
    return descend(points, again, best.theta).theta[0];
  });
  const tail = normalCdf(-criticalT(0.05, runs - PARAMETERS));
  return { phi: best.theta[0], alpha: best.theta[1], interval: { low: quantile(phis, tail), high: quantile(phis, 1 - tail) } };
}

const STARTS: readonly Theta[] = [0, 0.5, 1].flatMap((phi) => [[phi, 0.2], [phi, 1]] as const);

interface Projection {
  /** Of the mean losses. */
  readonly residuals: Float64Array;
  /** Their sum of squares, each as often as it has runs. */
  readonly squares: number;
}

/** The best E and A for φ and α. In place of N^−α stands (N^−α − 1) / α, which is −log N at α = 0. */
function project(points: readonly RecurrencePoint[], losses: readonly number[], phi: number, alpha: number): Projection {
  const residuals = new Float64Array(points.length);
  const unit = Math.log(points[0]!.once + points[0]!.repeated);
  let [n, x, y, xx, xy, squares] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < points.length; i++) {
    const { once, repeated, passes, losses: { length: weight } } = points[i]!;
    const size = Math.log(once + passes ** phi * repeated) - unit;
    residuals[i] = alpha < 1e-6 ? -size : Math.expm1(-alpha * size) / alpha;
    [n, x, y] = [n + weight, x + weight * residuals[i]!, y + weight * losses[i]!];
  }
  [x, y] = [x / n, y / n];
  for (let i = 0; i < points.length; i++) {
    const weight = points[i]!.losses.length;
    [xx, xy] = [xx + weight * (residuals[i]! - x) ** 2, xy + weight * (residuals[i]! - x) * (losses[i]! - y)];
  }
  const slope = xx === 0 ? 0 : Math.max(0, xy / xx); // more parameters do not raise the loss
  for (let i = 0; i < points.length; i++) {
    residuals[i] = losses[i]! - y - slope * (residuals[i]! - x);
    squares += points[i]!.losses.length * residuals[i]! ** 2;
  }
  return { residuals, squares };
}

/** From here on steps change nothing that matters: less than this part of the sum of squares. */
const SMALL_GAIN = 1e-6;

/** By the method of Levenberg and Marquardt, with derivatives by differences. */
function descend(points: readonly RecurrencePoint[], losses: readonly number[], start: Theta): Projection & { readonly theta: Theta } {
  let [theta, here, damping, gain] = [start, project(points, losses, ...start), 1e-3, 1];
  for (let i = 0; i < 60 && damping < 1e6 && gain > SMALL_GAIN; i++) {
    const next = stepFrom(points, losses, theta, here, damping);
    const there = project(points, losses, ...next);
    if (there.squares < here.squares) [theta, here, damping, gain] = [next, there, damping / 8, 1 - there.squares / here.squares];
    else damping *= 8;
  }
  return { ...here, theta };
}

const DIFFERENCE = 1e-5;

function stepFrom(
  points: readonly RecurrencePoint[], losses: readonly number[], [phi, alpha]: Theta, { residuals }: Projection, damping: number,
): Theta {
  const byPhi = project(points, losses, phi + DIFFERENCE, alpha).residuals;
  const byAlpha = project(points, losses, phi, alpha + DIFFERENCE).residuals;
  let [aa, ab, bb, ar, br] = [0, 0, 0, 0, 0];
  for (let i = 0; i < points.length; i++) {
    const [weight, r] = [points[i]!.losses.length, residuals[i]!];
    const [a, b] = [(byPhi[i]! - r) / DIFFERENCE, (byAlpha[i]! - r) / DIFFERENCE];
    [aa, ab, bb, ar, br] = [aa + weight * a * a, ab + weight * a * b, bb + weight * b * b, ar + weight * a * r, br + weight * b * r];
  }
  [aa, bb] = [aa * (1 + damping), bb * (1 + damping)];
  const determinant = aa * bb - ab * ab;
  if (determinant === 0) return [phi, alpha];
  return [clamp(phi - (ar * bb - br * ab) / determinant, BOUNDS.phi), clamp(alpha - (br * aa - ar * ab) / determinant, BOUNDS.alpha)];
}

const clamp = (x: number, [least, most]: readonly [number, number]): number => Math.min(most, Math.max(least, x));
