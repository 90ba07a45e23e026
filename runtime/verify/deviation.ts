/** How far numbers are from what they should be. NaN counts as infinitely far. */

/** What float32 may leave of a 0, as a fraction of the numbers that cancel. */
const NOISE = 2 ** -18;

/**
 * Greatest absolute difference over the greatest absolute entry of `want`.
 * @param scale size of the numbers that cancel where all of `want` is 0; without any, only zeros are as they should be
 */
export function ofLargest(got: ArrayLike<number>, want: ArrayLike<number>, scale = 0): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error = Math.max(error, distance(got[i]!, want[i]!));
    size = Math.max(size, Math.abs(want[i]!));
  }
  return size > 0 ? error / size : fromZero(error, scale);
}

/** Of the number itself, where it is not 0. */
export const relative = (got: number, want: number, scale = 0): number => ofLargest([got], [want], scale);

/** ‖(got − start) − (want − start)‖ / ‖want − start‖, in the 2-norm. */
export function ofChange(got: ArrayLike<number>, want: ArrayLike<number>, start: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error += distance(got[i]!, want[i]!) ** 2;
    size += (want[i]! - start[i]!) ** 2;
  }
  return size > 0 ? Math.sqrt(error / size) : fromZero(Math.sqrt(error), 0);
}

/** There is no proportion to 0: rounding noise is small beside what cancelled, anything else is infinitely far. */
function fromZero(error: number, scale: number): number {
  if (error === 0) return 0;
  return error <= NOISE * scale ? error / scale : Infinity;
}

/** Greatest absolute value. */
export const largest = (values: Float32Array): number => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** Rows of k numbers that differ as sets. */
export function differentSets(got: ArrayLike<number>, want: ArrayLike<number>, k: number): number {
  const sorted = (values: ArrayLike<number>, row: number): string =>
    Array.from({ length: k }, (_, i) => values[row * k + i]!).sort((a, b) => a - b).join();
  return Array.from({ length: want.length / k }, (_, row) => sorted(got, row) !== sorted(want, row)).filter(Boolean).length;
}

function distance(a: number, b: number): number {
  const d = Math.abs(a - b);
  return Number.isNaN(d) ? Infinity : d;
}
