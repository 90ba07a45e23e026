/** What commands print: documents and tables on standard output, what is going on on standard error. */

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
