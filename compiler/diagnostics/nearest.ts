/** "Did you mean": the one name that is clearly closest to what was typed. */

/** Edits (insert, delete, replace, swap of neighbours) between two short words. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(row[j - 1]! + 1, last[j]! + 1, replaced);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

const plain = (name: string): string => name.toLowerCase().replace(/[-_]/g, "");

/** The nearest of `choices`, or null if none is near or two are equally near. */
export function nearest(name: string, choices: readonly string[]): string | null {
  if (name.length > 60) return null;
  const ranked = [...new Set(choices)]
    .map((choice) => ({ choice, distance: editDistance(plain(name), plain(choice)) }))
    .sort((x, y) => x.distance - y.distance);
  const best = ranked[0];
  if (best === undefined || best.distance > Math.max(1, Math.floor(best.choice.length / 3)) || best.distance >= name.length) return null;
  return ranked[1]?.distance === best.distance ? null : best.choice;
}
