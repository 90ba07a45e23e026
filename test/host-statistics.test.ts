import { describe, expect, test } from "vitest";
import { groupedMean, itemInterval, jointInterval } from "../runtime/statistics/bootstrap.ts";
import { deviation, mean, median, quantile } from "../runtime/statistics/describe.ts";
import { detectable, leastSeeds, MOST_SEEDS, powerToDiffer, powerToEquate } from "../runtime/statistics/power.ts";
import { incompleteBeta, logGamma, normalCdf } from "../runtime/statistics/special.ts";
import { criticalT, differenceP, equivalenceP, holm, studentInterval, studentTail } from "../runtime/statistics/student.ts";
import { createRandom } from "../runtime/standalone/random.ts";

/** To 12 digits. */
const near = (found: number, wanted: number): void => expect(found / wanted).toBeCloseTo(1, 11);

describe("descriptions, worked out by hand", () => {
  test("mean, deviation, quantiles", () => {
    expect(mean([2, 4, 9])).toBe(5);
    expect(deviation([2, 4, 9])).toBeCloseTo(Math.sqrt(13), 12); // (9 + 1 + 16) / 2
    expect(deviation([7])).toBeNull();
    expect(median([9, 1, 5])).toBe(5);
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
    expect(quantile([5], 0.975)).toBe(5);
  });
});

describe("distributions against SciPy 1.17", () => {
  test("log Γ, I_x(a, b), Φ", () => {
    for (const [x, value] of [[0.5, Math.log(Math.PI) / 2], [10, Math.log(362_880)]] as const) near(logGamma(x), value);
    expect(logGamma(1000.5)).toBeCloseTo(5908.67418, 4);
    near(incompleteBeta(0.4, 2, 3), 0.5248);
    near(incompleteBeta(0.3, 0.5, 0.5), 0.36901011956554536);
    near(incompleteBeta(0.99, 500, 0.5), 0.0015273578790529906);
    expect([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)]).toEqual([0, 1]);
    near(normalCdf(1.96), 0.9750021048517795);
    near(normalCdf(-3), 0.0013498980316300933);
    expect([normalCdf(0), normalCdf(-40), normalCdf(40)]).toEqual([0.5, 0, 1]);
  });
  test.each([
    [1, 0.05, 12.706204736174694], [2, 0.05, 4.302652729749462], [4, 0.01, 4.604094871349992], [10, 0.1, 1.8124611228116756],
    [29, 0.05, 2.045229642132703], [999, 0.05, 1.9623414611334493],
  ])("t with %d degrees of freedom exceeds either side with %d beyond %d", (freedom, alpha, t) => {
    near(criticalT(alpha, freedom), t);
    near(studentTail(t, freedom), alpha);
  });
  test("far tails are no 0", () => near(studentTail(1e4, 2), 1e-8 * (1 - 1e-8 * 1.5))); // of 1 − t / √(2 + t²)
});

describe("paired tests", () => {
  const values = [0.12, 0.3, -0.05, 0.22, 0.18];
  test("p of SciPy's ttest_1samp", () => {
    near(differenceP(values)!, 0.05882447687025118);
    near(equivalenceP(values, 0.4)!, 0.00693368220424078);
  });
  test("an interval holds 0 exactly if p is over its level, and lies within the margin exactly if these are equivalent", () => {
    for (const confidence of [0.9, 0.94, 0.942, 0.99]) {
      const { low, high } = studentInterval(values, confidence)!;
      expect(low > 0).toBe(differenceP(values)! < 1 - confidence);
      expect(high < 0.3).toBe(equivalenceP(values, 0.3)! < (1 - confidence) / 2);
    }
  });
  test("one value tells nothing; without any spread two tell all", () => {
    expect([studentInterval([1]), differenceP([1]), equivalenceP([1], 2)]).toEqual([null, null, null]);
    expect([differenceP([0, 0]), differenceP([1, 1])]).toEqual([1, 0]);
    expect([equivalenceP([0, 0], 0.01), equivalenceP([1, 1], 0.01), equivalenceP([1, 1], 1)]).toEqual([0, 1, 0.5]);
  });
  test("Holm: the least is multiplied by their number, none falls under one before it", () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.7, 0.9])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});

describe("power", () => {
  test.each([
    [2, 1, 0.05, 0.09280915505633605], [5, 1.5, 0.05, 0.7107026739256758], [20, 0.6, 0.01, 0.4501164469795342],
    [34, 0.5, 0.05, 0.8077775012792738],
  ])("of %d differences, effect %d, level %d, by SciPy's noncentral t", (n, effect, alpha, wanted) => {
    expect(powerToDiffer(n, { mean: -effect, sd: 1 }, alpha)).toBeCloseTo(wanted, 7);
  });
  test("without an effect it is the level", () => expect(powerToDiffer(4, { mean: 0, sd: 3 }, 0.05)).toBeCloseTo(0.05, 8));
  test("equivalence: what is drawn is decided as often", () => {
    const random = createRandom(1, "power");
    const [n, trials, population] = [8, 2000, { mean: 0.002, sd: 0.008 }];
    const value = (i: number): number => population.mean + population.sd * random.normal(i);
    const sample = (trial: number): number[] => Array.from({ length: n }, (_, i) => value(trial * n + i));
    const found = Array.from({ length: trials }, (_, trial) => equivalenceP(sample(trial), 0.01)!).filter((p) => p < 0.05).length;
    const wanted = powerToEquate(n, population, 0.01, 0.05);
    expect(Math.abs(found / trials - wanted)).toBeLessThan(3.3 * Math.sqrt((wanted * (1 - wanted)) / trials));
  });
  test("seeds: the table of two-sided tests at 5 % with power 80 % and an effect of half a deviation says 34", () => {
    const chance = (n: number): number => powerToDiffer(n, { mean: 0.5, sd: 1 }, 0.05);
    expect(leastSeeds(chance, 0.8, 2)).toBe(34);
    expect([leastSeeds(chance, 0.8, 40), leastSeeds(chance, 0.8, MOST_SEEDS + 1)]).toEqual([40, null]);
    expect(leastSeeds((n) => powerToDiffer(n, { mean: 0.01, sd: 1 }, 0.05), 0.8, 2)).toBeNull();
    expect(chance(MOST_SEEDS)).toBeCloseTo(1, 9);
  });
  test("what 34 seeds detect is that effect", () => {
    expect(detectable(34, 2, 0.05, 0.8)).toBeCloseTo(2 * 0.4945, 2);
    expect(powerToDiffer(34, { mean: detectable(34, 2, 0.05, 0.8), sd: 2 }, 0.05)).toBeCloseTo(0.8, 3);
    expect(detectable(2, 0, 0.05, 0.8)).toBe(0);
  });
});

describe("the bootstrap over seeds and items", () => {
  const random = createRandom(2, "bootstrap test");
  const rows = (bySeed: number, byItem: number): number[][] => Array.from({ length: 5 }, (_, s) =>
    Array.from({ length: 60 }, (_, i) => bySeed * random.normal(s) + byItem * random.normal(1000 + i)));
  const width = (values: readonly (readonly number[])[]): number => jointInterval(values)!.high - jointInterval(values)!.low;

  test("says the same twice, and nothing for one seed or one item", () => {
    const values = rows(1, 1);
    expect(jointInterval(values)).toEqual(jointInterval(values));
    expect([jointInterval([[1, 2]]), jointInterval([[1], [2]]), jointInterval([])]).toEqual([null, null, null]);
  });
  test("seeds that differ: as wide as Student's t over seeds; items that differ for all seeds alike: as over items", () => {
    const seeds = rows(1, 0);
    const { low, high } = studentInterval(seeds.map(mean))!;
    expect(width(seeds) / (high - low)).toBeCloseTo(1, 0.8);
    const items = rows(0, 1);
    const error = deviation(items[0]!)! / Math.sqrt(60);
    expect(width(items) / (2 * criticalT(0.05, 4) * error * Math.sqrt(5 / 4))).toBeCloseTo(1, 0.8);
  });
  const unequal = Array.from({ length: 60 }, (_, i) => Number(i > 44));
  test.each([{ why: "one group", groups: undefined }, { why: "groups of unequal size", groups: unequal }])(
    "$why: as wide as what 4,000 replicates say, drawn", ({ groups }) => {
      const [values, draws] = [rows(0.1, 1), createRandom(5, "replicates")];
      const itemsOf = (group: number): readonly number[] => values[0]!.flatMap((_, i) => ((groups?.[i] ?? 0) === group ? [i] : []));
      const parts = [0, 1].map(itemsOf).filter((of) => of.length > 0);
      let drawn = 0;
      const draw = <T>(from: readonly T[]): readonly T[] => from.map(() => from[Math.floor(draws.uniform(drawn++) * from.length)]!);
      const means = Array.from({ length: 4000 }, () => {
        const items = parts.map(draw);
        return mean(draw(values).map((of) => mean(items.map((part) => mean(part.map((i) => of[i]!))))));
      });
      const { low, high } = jointInterval(values, groups)!;
      expect((high - low) / 2 / (criticalT(0.05, 4) * deviation(means)! * Math.sqrt(5 / 4))).toBeCloseTo(1, 1);
      expect((high + low) / 2).toBeCloseTo(mean(values.map((of) => groupedMean(of, groups))), 12);
    });
  test("over items alone: as Student's t where all are one group, and as wide as groups spread within themselves", () => {
    const { low, high } = itemInterval(rows(0, 1).slice(0, 1))!;
    const student = studentInterval(rows(0, 1)[0]!)!;
    expect([low, high]).toEqual([expect.closeTo(student.low, 12), expect.closeTo(student.high, 12)]);
    expect(itemInterval([[1, 1, 5, 5]], [0, 0, 1, 1])).toEqual({ low: 3, high: 3 });
    expect([itemInterval([[1]]), itemInterval([[1, 2]], [0, 1])]).toEqual([null, null]);
  });
});
