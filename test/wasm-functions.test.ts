/** Functions without an instruction of their own, over all of float32: as exact as stated, and the same for numbers and vectors. */
import { describe, expect, test } from "vitest";
import { runKernel } from "./support/wasm.ts";

/** Every 997th of all float32 of both signs, and the numbers around which functions turn. */
function samples(): Float32Array<ArrayBuffer> {
  const bits = Uint32Array.from({ length: Math.floor(2 ** 32 / 9973) }, (_, i) => i * 9973);
  const special = [0, -0, 1, -1, Infinity, -Infinity, NaN, 88.72283, 88.72284, -87.33655, -103.972, -103.98, 1e-45, -1e-45, 0.625, -0.625,
    Math.SQRT1_2, Math.SQRT2];
  const near = Array.from({ length: 40000 }, (_, i) => (i - 20000) / 200);
  const all = Float32Array.from([...new Float32Array(bits.buffer), ...special, ...near]);
  return all.subarray(0, all.length - (all.length % 4)) as Float32Array<ArrayBuffer>;
}

const X = samples();

/** Distance in units in the last place of the exact value; of what is not finite 0 if it is the same, else infinite. */
function distance(got: number, exact: number): number {
  const nearest = Math.fround(exact);
  if (!Number.isFinite(nearest) || !Number.isFinite(got)) return Object.is(got, nearest) ? 0 : Infinity;
  const unit = 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(nearest) || 2 ** -149)) - 23);
  return Math.abs(got - exact) / unit;
}

const FUNCTIONS: Readonly<Record<string, { readonly exact: (x: number) => number; readonly units: number }>> = {
  exp: { exact: Math.exp, units: 2 },
  log: { exact: Math.log, units: 2 },
  tanh: { exact: Math.tanh, units: 2 },
  inverseSqrt: { exact: (x) => 1 / Math.sqrt(x), units: 2 },
  sqrt: { exact: Math.sqrt, units: 0.5 },
  sign: { exact: (x) => (Number.isNaN(x) ? 0 : Math.sign(x)), units: 0 },
};

describe.each(Object.entries(FUNCTIONS))("%s", (name, { exact, units }) => {
  const numbers = new Float32Array(runKernel(`y[i] = ${name}(x[i]);`, X, X.byteLength, X.length, { x: "f32", y: "f32" }));

  test("is as exact as stated", () => {
    let worst = { at: 0, units: 0, got: 0 };
    X.forEach((x, i) => {
      const off = distance(numbers[i]!, exact(x));
      if (off > worst.units) worst = { at: x, units: off, got: numbers[i]! };
    });
    expect(worst.units, `${name}(${worst.at}) is ${worst.got}, not ${exact(worst.at)}`).toBeLessThanOrEqual(units);
  });

  test("gives the same bits in vectors", () => {
    const vectors = new Uint32Array(runKernel(`y[i] = ${name}(x[i]);`, X, X.byteLength, X.length / 4, { x: "vec4f", y: "vec4f" }));
    const bits = new Uint32Array(numbers.buffer);
    const different = X.findIndex((_, i) => bits[i] !== vectors[i] && !Number.isNaN(numbers[i]!));
    expect(different < 0 ? "none" : `${X[different]}: ${numbers[different]} alone`).toBe("none");
  });
});
