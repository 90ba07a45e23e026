/** What is said of routing while a model trains. */
import { expect, test } from "vitest";
import { createProgress } from "../runtime/train/index.ts";
import { createRoutingWatch, logsRouting, type RoutingRecord } from "../runtime/train/routing.ts";

const record = (...passes: readonly (readonly number[])[]): RoutingRecord =>
  ({ steps: 5, sites: passes.map((counts, pass) => ({ router: "a.feed_forward", site: pass, pass, counts })) });

test("routing is logged twenty times in a run, each hundredth step in a long one, and at its end", () => {
  const logged = (steps: number): readonly number[] =>
    Array.from({ length: steps }, (_, i) => i + 1).filter((step) => logsRouting(step, { steps }));
  expect(logged(3)).toEqual([1, 2, 3]);
  expect(logged(45)).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45]);
  expect(logged(9_950)).toHaveLength(100);
});

test("experts that no pass uses twice running are told of, once, and again when there are more", () => {
  const watch = createRoutingWatch();
  expect(watch(record([500, 500, 0, 0], [500, 0, 0, 500]))).toEqual([]); // the first: chance
  expect(watch(record([500, 500, 0, 0], [1000, 0, 0, 0]))).toEqual([
    "warning: no token chose 1 of the 4 experts of a.feed_forward in 10 steps (usage perplexity 1.8); "
    + "a balance term, or a greater weight of it, spreads the load",
  ]);
  expect(watch(record([500, 500, 0, 0], [1000, 0, 0, 0]))).toEqual([expect.stringMatching(/^warning: no token chose 2 of the 4 experts/)]);
  expect(watch(record([500, 500, 0, 0], [1000, 0, 0, 0]))).toEqual([]);
});

test("nothing is said of few choices, of experts that some pass uses, and of those that come back", () => {
  const few = createRoutingWatch();
  expect([few(record([10, 0])), few(record([10, 0]))]).toEqual([[], []]);
  const used = createRoutingWatch();
  expect([used(record([500, 0], [0, 500])), used(record([500, 0], [0, 500]))]).toEqual([[], []]);
  const back = createRoutingWatch();
  expect([back(record([500, 0])), back(record([0, 500])), back(record([500, 0]))]).toEqual([[], [], []]);
});

test("a warning follows the state that it is about, under the name of its run", () => {
  const written: string[] = [];
  const progress = createProgress({ output: { write: (text) => written.push(text) }, label: "m seed 0", steps: 2, tokensPerStep: 1 });
  for (const step of [1, 2]) progress.update({
    step, loss: 1, ce_loss: 1, reg_loss: 0, grad_norm: 1, lr: 1, tokens: step, seconds: 1, routing: record([500, 0]),
  });
  expect(written.map((text) => text.slice(0, 18))).toEqual(["m seed 0  step 1/2", "m seed 0  step 2/2", "m seed 0  warning:"]);
});
