/** How many threads a run wakes, by what runs took. */
import { expect, test } from "vitest";
import { createWake } from "../runtime/standalone/cpu/wake.ts";

/** Runs of one kind, each as long as `milliseconds` says for its number of threads: which numbers were taken. */
function taken(runs: number, milliseconds: (threads: number, run: number) => number, threads = 2): readonly number[] {
  const wake = createWake(threads);
  return Array.from({ length: runs }, (_, run) => {
    const used = wake.next(0);
    wake.took(0, used, milliseconds(used, run));
    return used;
  });
}

test("all threads where they take about what they can", () => {
  expect(new Set(taken(100, (threads, run) => (threads === 1 ? 20 : 10 + (run % 3))))).toEqual(new Set([2]));
});

test("one where all take longer than that, and longer than one; all again when the machine is quiet", () => {
  const busyFrom5To60 = (threads: number, run: number): number => (threads === 1 ? 20 : run >= 5 && run < 60 ? 35 : 10);
  const used = taken(200, busyFrom5To60);
  expect(used.slice(0, 6)).toEqual([2, 2, 2, 2, 2, 2]);
  expect(used.slice(6, 60).filter((n) => n === 1).length).toBeGreaterThan(45);
  expect(used.slice(80)).toEqual(new Array(120).fill(2));
});

test("one is tried once and left where it is no faster", () => {
  const used = taken(60, (threads, run) => (threads === 1 ? 50 : run === 0 ? 10 : 30));
  expect(used.slice(1, 5)).toEqual([2, 1, 2, 1]);
});

test("kinds are apart, and one thread has no choice", () => {
  const wake = createWake(2);
  wake.took(0, 2, 10);
  wake.took(0, 2, 30);
  expect([wake.next(0), wake.next(1)]).toEqual([1, 2]);
  expect(new Set(taken(20, (_, run) => 10 * run, 1))).toEqual(new Set([1]));
});
