/** The table of all pairs of variants. */
import type { CompareResults, Difference } from "../compare/results.ts";
import { nameCell, tone } from "./cells.ts";
import { escape, htmlTable } from "./page.ts";
import { interval, outcomeText, signed } from "./words.ts";

/** Final loss of the row's variant less that of the column's. */
export function pairTable(results: CompareResults): string {
  const { variants } = results;
  const head = ["loss of the row less that of the column", ...variants.slice(0, -1).map(({ name }) => escape(name))];
  const differenceOf = (row: string, column: string): Difference | null =>
    results.pairs.find((pair) => pair.variant === row && pair.against === column)!.difference;
  const rows = variants.slice(1).map((row, i) => [
    nameCell(results, row), ...variants.slice(0, -1).map((column, j) => (j > i ? "" : cell(differenceOf(row.name, column.name)))),
  ]);
  return htmlTable([head, ...rows]);
}

function cell(d: Difference | null): string {
  if (d === null) return "–";
  const over = d.seed_interval === null ? "one seed" : `${outcomeText(d)}</small><small>${interval(d.seed_interval)}`;
  return `<span${tone(d)}>${signed(d.mean)}</span><small>${over}</small>`;
}
