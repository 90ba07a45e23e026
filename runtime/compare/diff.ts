/** Line by line difference of two short texts. */

export interface DiffLine {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
}

/** The shortest edit script by longest common subsequence; removals come before additions. */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const [a, b] = [before, after].map((text) => text.replace(/\n$/, "").split("\n")) as [string[], string[]];
  const common = commonLengths(a, b);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ kind: "same", text: a[i++]! }), j++;
    else if (i < a.length && (j === b.length || common[i + 1]![j]! >= common[i]![j + 1]!)) lines.push({ kind: "removed", text: a[i++]! });
    else lines.push({ kind: "added", text: b[j++]! });
  }
  return lines;
}

/** common[i][j]: length of the longest common subsequence of a from i on and b from j on. */
function commonLengths(a: readonly string[], b: readonly string[]): readonly (readonly number[])[] {
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    const [row, next] = [common[i]!, common[i + 1]!];
    for (let j = b.length - 1; j >= 0; j--) row[j] = a[i] === b[j] ? next[j + 1]! + 1 : Math.max(next[j]!, row[j + 1]!);
  }
  return common;
}

/** As a unified diff without headers. */
export const showDiff = (lines: readonly DiffLine[]): string =>
  lines.map(({ kind, text }) => `${kind === "same" ? " " : kind === "added" ? "+" : "-"} ${text}`.trimEnd()).join("\n");
