/** Text for people: tables and numbers. */

export { bytes } from "../runtime/units.ts";

/** One JSON document on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export type Align = "left" | "right";

/** Columns two spaces apart; a row of null is a blank line. */
export function table(rows: readonly (readonly string[] | null)[], aligns: readonly Align[]): string {
  const widths = aligns.map((_, column) => Math.max(0, ...rows.map((row) => row?.[column]?.length ?? 0)));
  const cell = (text: string, column: number): string =>
    (aligns[column] === "right" ? text.padStart(widths[column]!) : text.padEnd(widths[column]!));
  return rows.map((row) => (row === null ? "\n" : `${aligns.map((_, column) => cell(row[column] ?? "", column)).join("  ").trimEnd()}\n`))
    .join("");
}

/** 44,345,792 */
export const grouped = (n: number): string => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** 44.3M, 1.04B: three digits. */
export function short(n: number): string {
  for (const [size, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]] as const) if (n >= size * 0.9995) return `${(n / size).toPrecision(3)}${letter}`;
  return String(Math.round(n));
}

export const milliseconds = (seconds: number): string => (seconds >= 10 ? `${seconds.toFixed(1)} s` : seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`);

/** Says what is going on, without disturbing what a script reads. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** For what is said once, however often it happens. */
export function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}
