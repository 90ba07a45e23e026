/** How far numbers are from what they should be. NaN counts as infinitely far. */

/** Greatest absolute difference over the greatest absolute entry of `want` (over 1 where all of those are 0). */
export function ofLargest(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error = Math.max(error, distance(got[i]!, want[i]!));
    size = Math.max(size, Math.abs(want[i]!));
  }
  return error / (size || 1);
}

export const relative = (got: number, want: number): number => distance(got, want) / (Math.abs(want) || 1);

/** ‖(got − start) − (want − start)‖ / ‖want − start‖, in the 2-norm. */
export function ofChange(got: ArrayLike<number>, want: ArrayLike<number>, start: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error += distance(got[i]!, want[i]!) ** 2;
    size += (want[i]! - start[i]!) ** 2;
  }
  return Math.sqrt(error / (size || 1));
}

/** Rows of k numbers that differ as sets. */
export function differentSets(got: ArrayLike<number>, want: ArrayLike<number>, k: number): number {
  const sorted = (values: ArrayLike<number>, row: number): string => Array.from({ length: k }, (_, i) => values[row * k + i]!).sort((a, b) => a - b).join();
  return Array.from({ length: want.length / k }, (_, row) => sorted(got, row) !== sorted(want, row)).filter(Boolean).length;
}

function distance(a: number, b: number): number {
  const d = Math.abs(a - b);
  return Number.isNaN(d) ? Infinity : d;
}
