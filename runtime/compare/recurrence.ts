/** What another pass is worth, where the variants are a grid over passes and sizes. */
import { BOUNDS, fitRecurrence, LEAST_RUNS, type RecurrencePoint } from "../statistics/recurrence.ts";
import type { Recurrence } from "./results.ts";
import type { Variant } from "./variant.ts";

export interface Measured {
  readonly variant: Pick<Variant, "name" | "family" | "applied">;
  /** Final losses of the sound runs. */
  readonly losses: readonly number[];
}

/** E, A and α take as many sizes at one number of passes. */
const LEAST_SIZES = 3;

/** One for each family whose variants do not all have the same number of passes. */
export function recurrenceOf(measured: readonly Measured[]): readonly Recurrence[] {
  const sound = measured.filter(({ losses }) => losses.length > 0);
  return groups(sound, ({ variant }) => variant.family)
    .filter((family) => groups(family, ({ variant }) => variant.applied.passes).length > 1).map(ofFamily);
}

/** Of equal keys, in the order in which these appear. */
const groups = <T>(items: readonly T[], keyOf: (item: T) => unknown): readonly (readonly T[])[] =>
  [...new Set(items.map(keyOf))].map((key) => items.filter((item) => keyOf(item) === key));

function ofFamily(family: readonly Measured[]): Recurrence {
  const points = family.map(({ variant: { applied }, losses }): RecurrencePoint => ({ ...applied, losses }));
  const runs = points.reduce((sum, { losses }) => sum + losses.length, 0);
  const about = { variants: family.map(({ variant }) => variant.name), runs };
  const missing = missingIn(points, runs);
  if (missing !== null) return { ...about, fit: null, problem: missing };
  const fit = fitRecurrence(points);
  const [least, most] = BOUNDS.phi;
  const isOpen = fit.interval.low <= least || fit.interval.high >= most;
  return isOpen ? { ...about, fit: null, problem: OPEN } : { ...about, fit, problem: null };
}

const OPEN = `the losses of these runs leave it open: no bound between ${BOUNDS.phi.join(" and ")} holds in 95 % of the bootstrap`;

function missingIn(points: readonly RecurrencePoint[], runs: number): string | null {
  const sizes = groups(points, ({ passes }) => passes).map((same) => groups(same, ({ once, repeated }) => once + repeated).length);
  const most = Math.max(...sizes);
  if (most < LEAST_SIZES) {
    return `it takes ${LEAST_SIZES} sizes with the same number of passes, of which there ${most === 1 ? "is 1" : `are ${most}`}`;
  }
  return runs < LEAST_RUNS ? `it takes ${LEAST_RUNS} runs, of which there are ${runs}` : null;
}
