/** Byte-pair encoding of one word: neighbours are merged, those of the lowest rank first, until no two belong together. */
import { createHeap } from "./heap.ts";

/** The rank of what two neighbours make together, or undefined if they stay apart. */
export type RankOf = (left: string, right: string) => number | undefined;

interface Candidate {
  readonly rank: number;
  readonly at: number;
  /** What it makes has this length: neighbours that changed meanwhile make something longer. */
  readonly length: number;
}

/** Of equal ranks the leftmost is merged first. In n · log n of the symbols. */
export function mergeAll(symbols: readonly string[], rankOf: RankOf): readonly string[] {
  const texts = [...symbols];
  const next = texts.map((_, i) => i + 1);
  const previous = texts.map((_, i) => i - 1);
  const heap = createHeap<Candidate>((a, b) => a.rank < b.rank || (a.rank === b.rank && a.at < b.at));
  const consider = (at: number): void => {
    const [left, right] = [texts[at], texts[next[at]!]];
    const rank = left === undefined || right === undefined ? undefined : rankOf(left, right);
    if (rank !== undefined) heap.push({ rank, at, length: left!.length + right!.length });
  };
  for (const at of texts.keys()) consider(at);
  for (let found = heap.pop(); found !== undefined; found = heap.pop()) {
    const { at, length } = found;
    const second = next[at]!;
    const right = texts[second];
    if (texts[at] === "" || right === undefined || texts[at]!.length + right.length !== length) continue;
    texts[at] += right;
    texts[second] = "";
    next[at] = next[second]!;
    if (next[at]! < texts.length) previous[next[at]!] = at;
    consider(previous[at]!);
    consider(at);
  }
  return texts.filter((text) => text !== "");
}
