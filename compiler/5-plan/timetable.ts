/** When each of numbered slots is taken. The last that is free in a span of time is found without asking all: a deep model has many. */

export interface Span {
  readonly from: number;
  /** The last moment, that is part of it. */
  readonly to: number;
}

/** Moments in which nobody has a slot. */
interface Gap {
  readonly slot: number;
  readonly from: number;
  /** The first moment that is no part of it. */
  end: number;
}

/**
 * @param most slots that there can be
 * @returns takes the last slot that is free in all of a span, or else the next new one. Costs log₂ `most` and the moments since the span
 * before; a span that begins before that one did costs all moments anew, so spans should come in runs that are in order.
 */
export function timetable(most: number): (span: Span) => number {
  const gaps: Gap[][] = []; // by the moment that they begin with
  const begun: Gap[] = []; // of each slot, the last that has: no other can hold a span that begins now
  const ends = maxTree(most); // of those
  let now = -1;
  const begin = (gap: Gap): void => {
    begun[gap.slot] = gap;
    ends.set(gap.slot, gap.end);
  };
  const goTo = (moment: number): void => {
    if (moment < now) now = -1; // all that has begun is replaced: each slot has a gap from 0, if an empty one
    while (now < moment) gaps[++now]?.forEach(begin);
  };
  const add = (gap: Gap): void => {
    (gaps[gap.from] ??= []).push(gap);
    if (gap.from <= now) begin(gap);
  };
  return ({ from, to }) => {
    goTo(from);
    const slot = ends.lastAbove(to) ?? begun.length;
    if (slot === begun.length) add({ slot, from: 0, end: Infinity });
    const gap = begun[slot]!;
    add({ slot, from: to + 1, end: gap.end });
    gap.end = from;
    begin(gap);
    return slot;
  };
}

interface MaxTree {
  set(place: number, value: number): void;
  /** The last place whose value is above a bound; null: none is. */
  lastAbove(bound: number): number | null;
}

/** A segment tree over values that are −∞ at first: both take as many steps as it has levels. */
function maxTree(places: number): MaxTree {
  const leaves = 2 ** Math.ceil(Math.log2(Math.max(1, places)));
  const most = new Float64Array(2 * leaves).fill(-Infinity); // of nodes 2i and 2i + 1 in node i; the values are the second half
  return {
    set: (place, value) => {
      most[leaves + place] = value;
      for (let node = (leaves + place) >> 1; node > 0; node >>= 1) most[node] = Math.max(most[2 * node]!, most[2 * node + 1]!);
    },
    lastAbove: (bound) => {
      if (most[1]! <= bound) return null;
      let node = 1;
      while (node < leaves) node = 2 * node + (most[2 * node + 1]! > bound ? 1 : 0);
      return node - leaves;
    },
  };
}
