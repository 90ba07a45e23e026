/** A diff as text: one line for each change, what training differs in apart. */
import type { Change, Counts, FieldChange, ModelDiff } from "./changes.ts";

/** @param names of the two models */
export function describeDiff(diff: ModelDiff, [a, b]: readonly [string, string]): string {
  const head = diff.same
    ? [`${a} and ${b} are the same architecture (hash ${diff.hashes[0]})`]
    : [
      `${a} → ${b}`, ...diff.changes.map((change) => `  ${sentence(change)}`), ...diff.functions.map((fn) => `  with ${fn}`),
      `  in all: ${effectText(minus(diff.after, diff.before)) || "the same counts"}`,
      `  parameters ${count(diff.before.params)} → ${count(diff.after.params)}`,
    ];
  const training = diff.training.length === 0 ? [] : [
    "trained differently (no part of the identity):", ...diff.training.map((change) => `  train.${fieldText(change)}`),
  ];
  return [...head, ...training, ""].join("\n");
}

function sentence(change: Change): string {
  const where = change.layers === null ? "" : ` in ${listed(change.layers)}`;
  const effect = change.effect === null ? "counted with the next" : effectText(change.effect) || "no change in counts";
  return `${fieldText(change)}${where}: ${effect}`;
}

function fieldText({ path, from, to, details }: FieldChange): string {
  const added = details.length === 0 ? "" : ` (${details.join(", ")})`;
  return `${path} ${from ?? "(not there)"} → ${to ?? "(not there)"}${added}`;
}

function effectText({ params, active, macs }: Counts): string {
  const parts = [[params, "parameters"], [active, "active"], [macs, "MACs per token"]] as const;
  return parts.filter(([n]) => n !== 0).map(([n, what]) => `${n > 0 ? "+" : "−"}${count(Math.abs(n))} ${what}`).join(", ");
}

const minus = (x: Counts, y: Counts): Counts => ({ params: x.params - y.params, active: x.active - y.active, macs: x.macs - y.macs });

const listed = (names: readonly string[]): string =>
  (names.length === 1 ? names[0]! : `${names.slice(0, -1).join(", ")} and ${names.at(-1)!}`);

/** 101.6M, 12.3K, 412 */
export function count(n: number): string {
  const units = [[1e9, "B"], [1e6, "M"], [1e3, "K"]] as const;
  for (const [size, letter] of units) if (n >= 0.9995 * size) return `${(n / size).toFixed(n >= 100 * size ? 1 : 2)}${letter}`;
  return String(Math.round(n * 100) / 100);
}
