/** The recurrence-equivalence exponent on losses that are planted. */
import { describe, expect, test } from "vitest";
import { recurrenceOf, type Measured } from "../runtime/compare/recurrence.ts";
import type { Recurrence } from "../runtime/compare/results.ts";
import { recurrenceInWords } from "../runtime/report/recurrence.ts";
import { createRandom } from "../runtime/standalone/random.ts";
import { fitRecurrence, type RecurrencePoint } from "../runtime/statistics/recurrence.ts";

interface Planted {
  readonly phi: number;
  readonly alpha?: number;
  /** Standard deviation of a run's loss, nats. */
  readonly noise: number;
  readonly seeds: number;
}

const [WIDTHS, PASSES] = [[32, 64, 128], [1, 2, 4]];

/** Two layers once and two in each pass, at every width and number of passes. */
function plant({ phi, alpha = 0.34, noise, seeds }: Planted, normal: () => number): readonly RecurrencePoint[] {
  return WIDTHS.flatMap((width) => PASSES.map((passes) => {
    const [once, repeated] = [24 * width ** 2, 24 * width ** 2];
    const loss = 1.7 + 30 * (once + passes ** phi * repeated) ** -alpha;
    return { once, repeated, passes, losses: Array.from({ length: seeds }, () => loss + noise * normal()) };
  }));
}

function normals(name: string): () => number {
  const random = createRandom(1, name);
  let drawn = 0;
  return () => random.normal(drawn++);
}

const TRIALS = 200;
/** What is further than this from its expectation comes about once in a thousand. */
const SLACK = 3.1 * Math.sqrt((0.05 * 0.95) / TRIALS);

describe("planted exponents", () => {
  test.each([0, 0.46, 1])("without noise φ = %d is found", (phi) => {
    const found = fitRecurrence(plant({ phi, noise: 0, seeds: 1 }, () => 0));
    expect(found.phi).toBeCloseTo(phi, 5);
    expect(found.alpha).toBeCloseTo(0.34, 5);
  });
  test.each([
    { why: "three seeds", phi: 0.46, noise: 0.01, seeds: 3 },
    { why: "one seed, each model once", phi: 0.8, noise: 0.003, seeds: 1 },
  ])("95 % of the intervals hold it: $why", (planted) => {
    const normal = normals(planted.why);
    const fits = Array.from({ length: TRIALS }, () => fitRecurrence(plant(planted, normal)).interval);
    const held = fits.filter(({ low, high }) => low <= planted.phi && planted.phi <= high).length / TRIALS;
    expect(Math.abs(held - 0.95)).toBeLessThan(SLACK);
    expect(Math.max(...fits.map(({ low, high }) => high - low))).toBeLessThan(0.5);
  });
  test("says the same twice", () => {
    const points = plant({ phi: 0.5, noise: 0.01, seeds: 2 }, normals("twice"));
    expect(fitRecurrence(points)).toEqual(fitRecurrence(points));
  });
});

describe("a comparison", () => {
  const grid = (points: readonly RecurrencePoint[], family = "one"): readonly Measured[] => points.map(({ losses, ...applied }) =>
    ({ variant: { name: `w${applied.once}r${applied.passes}`, family, applied }, losses }));
  const points = plant({ phi: 0.46, noise: 0.003, seeds: 3 }, normals("comparison"));
  const only = (of: (point: RecurrencePoint) => boolean): readonly Recurrence[] => recurrenceOf(grid(points.filter(of)));

  test("with a grid over passes and sizes has the exponent and its interval", () => {
    const [found, ...more] = recurrenceOf(grid(points));
    expect(more).toEqual([]);
    expect(found).toMatchObject({ runs: 27, problem: null });
    const numbers = /^φ = 0\.4\d \(95 % over 27 runs: 0\.\d\d to 0\.\d\d; α = 0\.\d\d\)/;
    expect(recurrenceInWords(found!)).toMatch(numbers);
    expect(recurrenceInWords(found!)).toMatch(/ for w24576r1, w24576r2, .* and w393216r4\.$/);
  });
  test("of one number of passes has none, and is not told so", () => expect(only(({ passes }) => passes === 2)).toEqual([]));
  test.each([
    { why: "one size", of: ({ once }: RecurrencePoint) => once === 24_576, want: "is 1" },
    { why: "two sizes", of: ({ once }: RecurrencePoint) => once < 300_000, want: "are 2" },
  ])("of $why is refused", ({ of, want }) => {
    const words = `it takes 3 sizes with the same number of passes, of which there ${want}`;
    expect(recurrenceInWords(only(of)[0]!)).toMatch(new RegExp(`^φ is not known for .*: ${words}\\.$`));
  });
  test("of few runs is refused", () => {
    const few = points.filter(({ passes, once }) => passes === 1 || once === 24_576);
    const once = few.map((point) => ({ ...point, losses: point.losses.slice(0, 1) }));
    expect(recurrenceOf(grid(once))[0]!.problem).toBe("it takes 8 runs, of which there are 5");
  });
  test("whose losses are noise is refused", () => {
    const noise = plant({ phi: 0.46, noise: 1, seeds: 3 }, normals("noise"));
    expect(recurrenceOf(grid(noise))[0]!.problem).toMatch(/the losses of these runs leave it open/);
  });
  test("of models that differ in more than size and depth is taken apart; what diverged with all seeds is left out", () => {
    const two = [...grid(points), ...grid(points, "other"), ...grid([{ ...points[0]!, losses: [] }], "diverged")];
    expect(recurrenceOf(two).map(({ fit, variants }) => [fit === null, variants.length])).toEqual([[false, 9], [false, 9]]);
  });
});
