/** Parameters before training: each drawn by its rule from its own random stream. */
import type { InitRule } from "./init-rule.ts";
import { createRandom } from "./random.ts";
import type { Random } from "./random.ts";

/**
 * @param shape logical; rows are along its last axis
 * @param name of the parameter: parameters of other names get independent numbers
 * @returns row-major, the same for the same arguments
 */
export function initialize(shape: readonly number[], rule: InitRule, seed: number, name: string): Float32Array {
  const count = shape.reduce((product, extent) => product * extent, 1);
  const random = createRandom(seed, `init/${name}`);
  switch (rule.kind) {
    case "zeros": return new Float32Array(count);
    case "constant": return new Float32Array(count).fill(rule.value);
    case "ones": return new Float32Array(count).fill(1);
    case "normal": return new Float32Array(count).map((_, i) => rule.std * random.normal(i));
    case "uniform": return new Float32Array(count).map((_, i) => rule.limit * (2 * random.uniform(i) - 1));
    case "truncatedNormal": return Float32Array.from(withDeviation(truncated(count, random), rule.std));
    case "normalRows": return Float32Array.from(normalRows(shape, count, rule.std, rule.rescale, random));
    default: return rule satisfies never;
  }
}

/** Normal numbers between −2 and 2: number i is the first of i, i + count, i + 2·count, … that lies there. */
function truncated(count: number, random: Random): Float64Array {
  return new Float64Array(count).map((_, i) => {
    let number = random.normal(i);
    for (let index = i + count; Math.abs(number) > 2; index += count) number = random.normal(index);
    return number;
  });
}

const withDeviation = (x: Float64Array, std: number): Float64Array => {
  const now = deviation(x);
  return now > 0 ? x.map((value) => (value * std) / now) : x;
};

/** Sample standard deviation. */
function deviation(x: Float64Array): number {
  const mean = x.reduce((total, value) => total + value, 0) / x.length;
  return Math.sqrt(x.reduce((total, value) => total + (value - mean) ** 2, 0) / Math.max(1, x.length - 1));
}

function normalRows(shape: readonly number[], count: number, std: number, rescale: "equal" | "own", random: Random): Float64Array {
  const width = shape.at(-1)!;
  const x = new Float64Array(count).map((_, i) => std * random.normal(i));
  const before = deviation(x);
  const rows = Array.from({ length: count / width }, (_, row) => x.subarray(row * width, (row + 1) * width));
  const rowDeviations = rows.map(deviation);
  for (const row of rows) {
    const length = Math.sqrt(row.reduce((total, value) => total + value * value, 0));
    row.forEach((value, i) => (row[i] = value / length));
  }
  if (rescale === "equal") return withDeviation(x, before);
  const after = deviation(x);
  rows.forEach((row, index) => row.forEach((value, i) => (row[i] = (value * rowDeviations[index]!) / after)));
  return x;
}
