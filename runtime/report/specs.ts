/** What was compared: resolved specs and their differences. */
import type { CompareResults } from "../compare/results.ts";
import { nameCell } from "./cells.ts";
import { escape, folded } from "./page.ts";

export function specs(results: CompareResults): readonly string[] {
  return results.variants.map((v) => {
    const title = `<h3>${nameCell(results, v)}</h3>`;
    const full = `<pre class="spec">${escape(v.spec)}</pre>`;
    if (v.spec_diff === null) return `${title}${full}`;
    return `${title}<p>What differs from ${escape(results.baseline)}:</p><pre class="spec">${diff(v.spec_diff)}</pre>`
      + folded("The whole spec", full);
  });
}

/** Changed lines with two lines around them. */
function diff(text: string): string {
  const lines = text.split("\n");
  const isChange = (line: string | undefined): boolean => line !== undefined && !line.startsWith(" ") && line !== "";
  const near = (i: number): boolean => [-2, -1, 0, 1, 2].some((d) => isChange(lines[i + d]));
  const shown = lines.flatMap((line, i) => (near(i) ? [line] : near(i - 1) ? ["  …"] : []));
  const kindOf = (line: string): string => (line.startsWith("+") ? " added" : line.startsWith("-") ? " removed" : "");
  return shown.map((line) => `<span class="line${kindOf(line)}">${escape(line)}</span>`).join("");
}
