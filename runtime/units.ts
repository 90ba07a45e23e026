/** Numbers as people read them: the same in tables, in messages and in reports. */

/** 44,345,792 */
export const grouped = (n: number): string => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** 0.8000 ± 0.0918; without an error where none can be estimated. */
export const withError = (value: number, error: number | null, digits: number): string =>
  `${value.toFixed(digits)}${error === null ? "" : ` ± ${error.toFixed(digits)}`}`;

/** "44.3M", "1.04B": three digits. */
export function short(n: number): string {
  const units = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]] as const;
  for (const [size, letter] of units) if (n >= size * 0.9995) return `${(n / size).toPrecision(3)}${letter}`;
  return String(Math.round(n));
}

/** Of a step: "12.3 s", "1.23 s", "98 ms". */
export function time(seconds: number): string {
  if (seconds >= 10) return `${seconds.toFixed(1)} s`;
  return seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
}

/** 1536 → "1.5 KiB" */
export function bytes(n: number): string {
  const units = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]] as const;
  for (const [size, unit] of units) if (n >= size) return `${(n / size).toFixed(n >= 100 * size ? 0 : 1)} ${unit}`;
  return `${n} B`;
}
