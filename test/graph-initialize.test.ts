import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { initialize } from "../runtime/standalone/initialize.ts";
import { createRandom, philox } from "../runtime/standalone/random.ts";
import { readGolden } from "./support/golden.ts";
import { goldenModel } from "./support/models.ts";
import { goldenFolder } from "./support/shared.ts";

/** Known answers published with the generator (Random123, kat_vectors). */
test.each([
  { counter: [0, 0, 0, 0], key: [0, 0], want: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  { counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], key: [0xffffffff, 0xffffffff], want: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd] },
  { counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], key: [0xa4093822, 0x299f31d0], want: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1] },
] as const)("philox $counter", ({ counter, key, want }) => {
  const out = new Uint32Array(4);
  philox(Uint32Array.from(counter), key, out);
  expect([...out]).toEqual(want);
});

describe("a stream", () => {
  const n = 40_000;
  const moments = (x: readonly number[]): readonly number[] => {
    const mean = x.reduce((a, b) => a + b, 0) / n;
    return [mean, x.reduce((a, b) => a + (b - mean) ** 2, 0) / n];
  };

  test("has the moments of its distributions, within five standard errors", () => {
    const random = createRandom(7, "test");
    const [normalMean, normalVariance] = moments(Array.from({ length: n }, (_, i) => random.normal(i)));
    expect(Math.abs(normalMean!)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(normalVariance! - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    const [mean, variance] = moments(Array.from({ length: n }, (_, i) => random.uniform(i)));
    expect(Math.abs(mean! - 0.5)).toBeLessThan(5 / Math.sqrt(12 * n));
    expect(Math.abs(variance! - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
  });

  test("does not depend on what was asked before", () => {
    const forward = createRandom(3, "a");
    const backward = createRandom(3, "a");
    const indices = [0, 1, 2, 3, 17, 2 ** 32, 2 ** 32 + 1, 2 ** 40];
    const numbers = indices.map((i) => [forward.uniform(i), forward.normal(i), forward.uint32(i)]);
    expect(indices.toReversed().map((i) => [backward.uniform(i), backward.normal(i), backward.uint32(i)]).toReversed()).toEqual(numbers);
    expect(new Set(numbers.flat()).size).toBe(numbers.flat().length);
  });

  test.each([[3, "b"], [4, "a"], [3 + 2 ** 32, "a"]] as const)("differs from stream %s %s", (seed, name) => {
    const shared = [0, 1, 2, 3].filter((i) => createRandom(3, "a").uint32(i) === createRandom(seed, name).uint32(i));
    expect(shared).toEqual([]);
  });
});

const RUNS = 24; // as many as the official statistics are over

describe.each(["a1", "a2", "a4", "b1", "b2", "b3", "b4", "b5", "b6", "b8", "c1"])("official initialization of %s", (prefix) => {
  const folder = goldenFolder(prefix);
  if (folder === null) return test.skip("no golden folder", () => {});
  const golden = readGolden(folder);
  const graph = buildGraph(goldenModel(golden.config), { kind: "evaluate", batch: 1, seqLen: 4 });
  const shapeOf = (value: number): readonly number[] => graph.values[value]!.type.shape;
  const partsOf = (tensor: string) => graph.params.filter((p) => p.official.tensor === tensor);

  test("covers every parameter", () => expect([...new Set(graph.params.map((p) => p.official.tensor))].sort())
    .toEqual(Object.keys(golden.config.official_init).sort()));

  test.each(Object.entries(golden.config.official_init))("%s", (tensor, want) => {
    const parts = partsOf(tensor).flatMap((p) => Array.from({ length: RUNS }, (_, seed) => initialize(shapeOf(p.value), p.init, seed, p.name)));
    const all = parts.flatMap((part) => [...part]);
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    const std = Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length);
    // Both sides are estimates: five standard errors of their difference, and half a digit of the printed value.
    const error = 5 * Math.SQRT2 * want.std;
    expect(Math.abs(mean - want.mean)).toBeLessThan(error / Math.sqrt(all.length) + 1e-6);
    expect(Math.abs(std - want.std)).toBeLessThan(error / Math.sqrt(2 * all.length) + 1e-6);
    // Tails tell normal from truncated and uniform: the greatest of n normal numbers varies by some ten percent.
    const greatest = all.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(Math.abs(greatest - want.max_abs)).toBeLessThan(0.35 * want.max_abs + 1e-6);
    if (want.row_norm_cv !== undefined) expect(Math.abs(rowVariation(parts, partsOf(tensor)[0]!.official.shape[1]!) - want.row_norm_cv))
      .toBeLessThan(0.035);
  });
});

/** Mean over initializations of the coefficient of variation of row norms. */
function rowVariation(parts: readonly Float32Array[], width: number): number {
  const each = parts.map((part) => {
    const norms = Array.from({ length: part.length / width }, (_, row) => Math.hypot(...part.subarray(row * width, (row + 1) * width)));
    const mean = norms.reduce((a, b) => a + b, 0) / norms.length;
    return Math.sqrt(norms.reduce((a, b) => a + (b - mean) ** 2, 0) / (norms.length - 1)) / mean;
  });
  return each.reduce((a, b) => a + b, 0) / each.length;
}
