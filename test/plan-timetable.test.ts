/** Tensors share buffers as a search through all of them would have it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { timetable, type Span } from "../compiler/5-plan/timetable.ts";

/** Looks at every slot and all that is in it. */
function searchAll(spans: readonly Span[]): readonly number[] {
  const taken: Span[][] = [];
  return spans.map((span) => {
    const free = taken.findLastIndex((others) => others.every((other) => other.to < span.from || other.from > span.to));
    const slot = free < 0 ? taken.length : free;
    (taken[slot] ??= []).push(span);
    return slot;
  });
}

const span = fc.tuple(fc.nat(30), fc.nat(12)).map(([from, length]): Span => ({ from, to: from + length }));
const inOrder = fc.array(span, { maxLength: 40 }).map((spans) => spans.sort((a, b) => a.from - b.from));
const runs = fc.array(inOrder, { maxLength: 4 }).map((each) => each.flat());

test.each([["runs of spans in order", runs], ["any spans", fc.array(span, { maxLength: 60 })]])("%s", (_, some) => {
  fc.assert(fc.property(some, (spans) => {
    expect(spans.map(timetable(spans.length))).toEqual(searchAll(spans));
  }), { numRuns: 300 });
});
