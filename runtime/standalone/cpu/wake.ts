/**
 * How many threads a run wakes. On a machine whose cores have other work, a thread that is set aside in the middle of its part holds up all
 * others, and one thread alone may be faster: so where all took longer than they can, one is tried, and kept for a while if it was faster.
 * Bits do not depend on it.
 */
export interface Wake {
  /** For the next run of this kind: 1 or all. */
  next(kind: number): number;
  took(kind: number, threads: number, milliseconds: number): void;
}

/** Longer than their best by this share is longer than all threads should take. */
const SLOW = 1.3;
/** Runs by one thread before all are tried again. */
const KEPT = 16;

interface Seen {
  /** The least that all threads took. */
  best: number;
  /** What they took last. */
  last: number;
  /** Runs that one thread is still to do. */
  alone: number;
}

export function createWake(threads: number): Wake {
  const kinds = new Map<number, Seen>();
  return {
    next: (kind) => ((kinds.get(kind)?.alone ?? 0) > 0 ? 1 : threads),
    took(kind, used, milliseconds) {
      const seen = kinds.get(kind) ?? { best: Infinity, last: Infinity, alone: 0 };
      kinds.set(kind, seen);
      if (used === threads) {
        seen.alone = milliseconds > SLOW * seen.best && threads > 1 ? KEPT : 0;
        seen.best = Math.min(seen.best, milliseconds);
        seen.last = milliseconds;
      } else seen.alone = milliseconds < seen.last ? seen.alone - 1 : 0;
    },
  };
}
