/** Numbers with units, for people. */

/** 1536 → "1.5 KiB" */
export function bytes(n: number): string {
  const units = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]] as const;
  for (const [size, unit] of units) if (n >= size) return `${(n / size).toFixed(n >= 100 * size ? 0 : 1)} ${unit}`;
  return `${n} B`;
}
