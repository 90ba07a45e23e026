/** Planted cases: comparisons of losses that are drawn, so that the truth is known. What is said to be rare is as rare. */
import { describe, expect, test } from "vitest";
import { byLoss, differenceOf, type PairedRun } from "../runtime/compare/difference.ts";
import type { Difference, Outcome } from "../runtime/compare/results.ts";
import { judge } from "../runtime/compare/verdict.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import { deviation, type Interval } from "../runtime/statistics/describe.ts";

const MARGIN = 0.01;
/** Held-out sequences, where a test is about them. */
const SEQUENCES = 24;

/** What a variant is planted to be. Losses in nats. */
interface Planted {
  /** More than the baseline's. */
  readonly handicap: number;
  /** Standard deviation of what the variant has with a sequence, whatever the seed. */
  readonly taste?: number;
  /** Seeds below this diverge. */
  readonly diverges?: number;
}

/** Standard deviations of a run's loss, and of its loss of one sequence around that. */
const SPREAD = { seed: 0.01, sequence: 0.01 };

type Draw = () => number;

function drawRuns({ handicap, taste = 0, diverges = 0 }: Planted, sequences: number, seeds: number, normal: Draw): readonly PairedRun[] {
  const tastes = Array.from({ length: sequences }, () => taste * normal());
  return Array.from({ length: seeds }, (_, seed) => {
    const level = 3 + handicap + SPREAD.seed * normal();
    const losses = tastes.map((tasted) => level + tasted + SPREAD.sequence * normal());
    const outcome = seed < diverges ? { diverged: "step 7", sequences: [] } : { diverged: null, sequences: losses };
    const adapter = { kind: "none", name: "none" };
    return byLoss({ seed, final: { format: 1, ...outcome, bytesPerToken: 1, memoryBytes: 1, adapter, sample: null } });
  });
}

const TRIALS = 200;

/** Comparisons of a family of variants with a baseline, one after the other. */
function trials(seeds: number, variants: readonly Planted[], sequences = 1): readonly (readonly Difference[])[] {
  const random = createRandom(seeds, JSON.stringify(variants));
  let drawn = 0;
  const normal = (): number => random.normal(drawn++);
  return Array.from({ length: TRIALS }, () => {
    const baseline = drawRuns({ handicap: 0 }, sequences, seeds, normal);
    const differences = variants.map((variant) => differenceOf(drawRuns(variant, sequences, seeds, normal), baseline));
    return judge(differences, MARGIN) as readonly Difference[];
  });
}

const rateOf = <T>(of: readonly T[], is: (one: T) => boolean): number => of.filter(is).length / of.length;
const says = (...words: readonly Outcome[]) => (family: readonly Difference[]): boolean =>
  family.some(({ outcome }) => words.includes(outcome));
const holds = (interval: Interval | null, x: number): boolean => interval!.low <= x && x <= interval!.high;

/** What is further than this from its expectation comes about once in a thousand. */
const SLACK = 3.1 * Math.sqrt((0.05 * 0.95) / TRIALS);

describe.each([2, 3, 8])("%d seeds", (seeds) => {
  test("the same model twice: one in twenty is called better or worse where these are not equivalent, and intervals hold 0", () => {
    const found = trials(seeds, [{ handicap: 0 }]);
    expect(rateOf(found, says("better", "worse"))).toBeLessThan(0.05 + SLACK);
    expect(Math.abs(rateOf(found, ([d]) => holds(d!.seed_interval, 0)) - 0.95)).toBeLessThan(SLACK);
    expect(Math.abs(rateOf(found, ([d]) => d!.p! < 0.05) - 0.05)).toBeLessThan(SLACK);
  });
  test("a handicap: never better or equivalent, found more surely the more seeds, and intervals hold it", () => {
    const found = trials(seeds, [{ handicap: 0.05 }]);
    expect(rateOf(found, says("better", "equivalent"))).toBe(0);
    expect(rateOf(found, says("worse"))).toBeGreaterThan(seeds < 5 ? 0.1 : 0.95);
    expect(Math.abs(rateOf(found, ([d]) => holds(d!.seed_interval, 0.05)) - 0.95)).toBeLessThan(SLACK);
  });
  test("a handicap of the margin: one in twenty is called equivalent", () => {
    expect(rateOf(trials(seeds, [{ handicap: MARGIN }]), says("equivalent"))).toBeLessThan(0.05 + SLACK);
  });
  test("one that is better where it does not diverge is called unstable or open", () => {
    const words = trials(seeds + 1, [{ handicap: -0.05, diverges: 1 }]).map(([d]) => d!.outcome);
    expect(new Set(words)).toEqual(new Set(["unstable", ...(seeds < 5 ? ["open"] : [])]));
  });
  test("variants that differ by sequence: intervals over seeds and text together hold the difference on all text", () => {
    const found = trials(seeds, [{ handicap: 0.02, taste: 0.04 }], SEQUENCES);
    expect(rateOf(found, ([d]) => holds(d!.joint_interval, 0.02))).toBeGreaterThan(0.95 - SLACK);
  });
});

test("with many seeds the same model twice is called equivalent, as a tiny handicap is, and a small one worse", () => {
  const said = (handicap: number, word: Outcome): number => rateOf(trials(40, [{ handicap }]), says(word));
  expect(said(0, "equivalent")).toBeGreaterThan(0.8);
  expect(said(0.001, "equivalent")).toBeGreaterThan(0.8);
  expect(said(0.03, "worse")).toBeGreaterThan(0.99);
});

test("three that are the same as the baseline: one family in twenty has a false word", () => {
  const handicap = 0;
  expect(rateOf(trials(3, [{ handicap }, { handicap }, { handicap }]), says("better", "worse"))).toBeLessThan(0.05 + SLACK);
});

test("one seed says nothing but that", () => {
  expect(new Set(trials(1, [{ handicap: 0.5 }]).map(([d]) => d!.outcome))).toEqual(new Set(["one seed"]));
});

test("as many seeds as are advised decide in four of five, were mean and deviation what the first seeds say", () => {
  const [first] = trials(5, [{ handicap: 0.012 }]).filter(says("open"));
  const { more_seeds: more, per_seed: perSeed, mean } = first![0]!;
  const sd = deviation(perSeed.map(({ difference }) => difference))!;
  const random = createRandom(3, "advice");
  let drawn = 0;
  const again = (): Difference => {
    const perSeed = Array.from({ length: 5 + more! }, (_, seed) => ({ seed, difference: mean + sd * random.normal(drawn++) }));
    const estimate = { mean: 0, seed_interval: null, text_interval: null, joint_interval: null, diverged: { variant: 0, against: 0 } };
    return judge([{ ...estimate, per_seed: perSeed }], MARGIN)[0]!;
  };
  const decided = rateOf(Array.from({ length: TRIALS }, again), ({ outcome }) => outcome !== "open");
  expect(decided).toBeGreaterThan(0.8 - 3.1 * Math.sqrt((0.8 * 0.2) / TRIALS));
});
