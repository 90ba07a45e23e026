/**
 * Rows of texts in columns two spaces apart. @param widest for each column the longest text that is aligned; a longer one pushes its own
 * row only
 */
export function columns(rows: readonly (readonly string[])[], widest: readonly number[]): string {
  const widths = widest.map((limit, at) => Math.max(0, ...rows.map((row) => row[at]?.length ?? 0).filter((width) => width <= limit)));
  return rows.map((row) => `${row.map((text, at) => (at === row.length - 1 ? text : text.padEnd(widths[at] ?? 0))).join("  ").trimEnd()}\n`)
    .join("");
}
