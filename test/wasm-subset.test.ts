/** docs/wgsl-subset.md says which functions take which numbers: each is compiled for all of them, alone and in vectors, and computed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "./support/cli.ts";
import { runKernel } from "./support/wasm.ts";

type Scalar = "f32" | "u32" | "i32";
const SCALARS: readonly Scalar[] = ["f32", "u32", "i32"];
const f = Math.fround;

/** Numbers of each type: with signs, halves, the least and the greatest. */
const X: Readonly<Record<Scalar, Float32Array | Uint32Array | Int32Array>> = {
  f32: Float32Array.from([0, 0.25, -0.5, 1.5, 2.5, -3.75, 100, -1e9]),
  u32: Uint32Array.from([0, 1, 2, 3, 64, 0x7fffffff, 0x80000000, 0xffffffff]),
  i32: Int32Array.from([0, 1, -1, 3, -64, 2 ** 31 - 1, -(2 ** 31), -7]),
};

/** Of x, the number that stands opposite to it in the list, and 3. */
const FUNCTIONS: Readonly<Record<string, { readonly arguments: 1 | 2 | 3; readonly of: (x: number, y: number) => number }>> = {
  min: { arguments: 2, of: Math.min }, max: { arguments: 2, of: Math.max },
  clamp: { arguments: 3, of: (x, y) => Math.min(Math.max(x, y), 3) },
  abs: { arguments: 1, of: Math.abs }, sign: { arguments: 1, of: Math.sign },
  sqrt: { arguments: 1, of: Math.sqrt }, inverseSqrt: { arguments: 1, of: (x) => 1 / f(Math.sqrt(x)) },
  round: { arguments: 1, of: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)) },
  floor: { arguments: 1, of: Math.floor }, ceil: { arguments: 1, of: Math.ceil }, trunc: { arguments: 1, of: Math.trunc },
  exp: { arguments: 1, of: Math.exp }, log: { arguments: 1, of: Math.log }, tanh: { arguments: 1, of: Math.tanh },
  fma: { arguments: 3, of: (x, y) => f(x * y) + 3 }, dot: { arguments: 2, of: (x, y) => x * y },
};

/** What the page says that takes numbers of a type. */
function namesOnPage(scalar: Scalar): readonly string[] {
  const page = readFileSync(join(ROOT, "docs", "wgsl-subset.md"), "utf8");
  const rows = [...page.matchAll(/^\| functions of (.*?) \| `([\w ]+)`/gm)];
  const isOf = (types: string): boolean => types === "all numbers" || types.includes(`\`${scalar}\``);
  return rows.flatMap(([, types, names]) => (isOf(types!) ? names!.split(" ") : []));
}

/** name(v, w, 3) of vectors that end with numbers of X behind ones: the last number, or of dot the sum without the ones. */
function computed(name: string, scalar: Scalar, width: number): readonly number[] {
  const x = X[scalar];
  const type = width === 1 ? scalar : `vec${width}${scalar[0]}`;
  const filled = (last: string): string => `${type}(${[...Array<string>(width - 1).fill(`${scalar}(1)`), last].join(", ")})`;
  const values = [filled("x[i]"), filled("x[sizes.count - 1u - i]"), `${type}(3)`].slice(0, FUNCTIONS[name]!.arguments);
  const part = name === "dot" ? ` - ${width - 1}` : width === 1 ? "" : `.${"xyzw"[width - 1]!}`;
  const body = `y[i] = ${name}(${values.join(", ")})${part};`;
  const bytes = runKernel(body, x as Uint32Array, x.byteLength, x.length, { x: scalar, y: scalar });
  return [...new (x.constructor as Float32ArrayConstructor)(bytes)];
}

describe.each(SCALARS)("functions of %s", (scalar) => {
  const x = [...X[scalar]];
  const stored = (value: number): number => new (X[scalar].constructor as Float32ArrayConstructor)([value])[0]!;
  const onPage = namesOnPage(scalar);

  test.each(onPage)("%s", (name) => {
    const exact = x.map((value, i) => stored(FUNCTIONS[name]!.of(value, x.at(-1 - i)!)));
    const closeTo = exact.map((value) => (Number.isFinite(value) ? expect.closeTo(value, 5) as number : value));
    const widths = name === "dot" ? [2, 3, 4] : [1, 2, 3, 4];
    for (const width of widths) expect(computed(name, scalar, width), `${width}`).toEqual(closeTo);
  });

  test("others are refused, with their line", () => {
    const others = Object.keys(FUNCTIONS).filter((name) => !onPage.includes(name));
    for (const name of others) expect(() => computed(name, scalar, 2), name).toThrow(new RegExp(`\\d+: ${name} of vec2${scalar[0]}`));
  });
});

test("the page has every function", () => {
  expect(new Set(SCALARS.flatMap(namesOnPage))).toEqual(new Set(Object.keys(FUNCTIONS)));
});
