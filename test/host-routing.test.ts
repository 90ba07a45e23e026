/** What is said of routing while a model trains. */
import { expect, test } from "vitest";
import type { CompareResults } from "../runtime/compare/results.ts";
import { routingOf } from "../runtime/compare/routing.ts";
import { routingSection } from "../runtime/report/routing.ts";
import { createProgress, type StepRecord } from "../runtime/train/index.ts";
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

const stepOf = (step: number, routing?: RoutingRecord): StepRecord => ({
  step, loss: 1, ce_loss: 1, reg_loss: 0, grad_norm: 1, lr: 1, tokens: step, seconds: 1, ...(routing && { routing }),
});
const RUNS = [
  { seed: 0, log: [stepOf(1, record([9, 0], [0, 9])), stepOf(2, record([4, 0], [2, 2])), stepOf(3)] },
  { seed: 1, log: [stepOf(2, record([4, 0], [4, 0]))] },
];

test("a comparison has the last counts of each run, and says nothing of runs without any", () => {
  const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)); // of all choices, and between the passes, whose own are 0 and ln 2
  const moved = expect.closeTo(entropy - Math.log(2) / 2, 12);
  expect(routingOf(RUNS)).toEqual([{
    router: "a.feed_forward", experts: 2, steps: 5, passes: [[4, 0], [2, 2]],
    runs: [
      { seed: 0, perplexity: expect.closeTo(Math.exp(entropy), 12), dead: [], moved },
      { seed: 1, perplexity: 1, dead: [1], moved: 0 },
    ],
  }]);
  expect(routingOf([{ seed: 0, log: [stepOf(1)] }])).toEqual([]);
});

test("the report shows the use of experts where there are some", () => {
  const variants = [{ name: "dense", routing: [] }, { name: "m<oe", routing: routingOf(RUNS) }];
  const html = routingSection({ baseline: "dense", variants } as unknown as CompareResults).join("");
  expect(html).toContain("a.feed_forward</td><td>1.4 ± 0.5<small>of 2</small></td><td>0, 1</td><td>0.1079 ± 0.1526</td>");
  expect(html).toContain('aria-label="Heat map of expert by pass for a.feed_forward of m&#60;oe. Chosen most often: in pass 1');
  expect(routingSection({ baseline: "dense", variants: variants.slice(0, 1) } as unknown as CompareResults)).toEqual([]);
});
