/** From WGSL to WebAssembly: what is computed, and what is refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assemble } from "../compiler/wasm/index.ts";
import { runKernel } from "./support/wasm.ts";

const X = Uint32Array.from([0, 1, 2, 3, 7, 63, 64, 65, 1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]);

const words = (body: string, module = ""): Uint32Array =>
  new Uint32Array(runKernel(body, X, X.byteLength, X.length, { x: "u32", y: "u32", module }));
const floats = (body: string, x: readonly number[], module = ""): readonly number[] =>
  [...new Float32Array(runKernel(body, Float32Array.from(x), 4 * x.length, x.length, { x: "f32", y: "f32", module }))];

/** An expression over `a` (a number of X), `i` and the size `count`, as WGSL and as JavaScript. */
interface Expression {
  readonly wgsl: string;
  readonly value: (a: number, i: number) => number;
}

const OPERATORS: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": Math.imul, "&": (a, b) => a & b, "|": (a, b) => a | b, "^": (a, b) => a ^ b,
  "/": (a, b) => (b === 0 ? a : Math.floor(a / b)), "%": (a, b) => (b === 0 ? 0 : a % b),
};

const OPERATOR_NAMES = Object.keys(OPERATORS);

const { expressions } = fc.letrec<{ expressions: Expression }>((tie) => ({
  expressions: fc.oneof({ maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<Expression>(
      { wgsl: "a", value: (a) => a }, { wgsl: "i", value: (_, i) => i }, { wgsl: "sizes.count", value: () => X.length },
    ),
    fc.constantFrom(0, 1, 2, 3, 4, 64, 0xffffffff).map((n): Expression => ({ wgsl: `${n}u`, value: () => n })),
    fc.tuple(fc.constantFrom(...OPERATOR_NAMES), tie("expressions"), tie("expressions")).map(([operator, left, right]): Expression => ({
      wgsl: `(${left.wgsl} ${operator} ${right.wgsl})`,
      value: (a, i) => OPERATORS[operator]!(left.value(a, i), right.value(a, i)) >>> 0,
    })),
    fc.tuple(fc.constantFrom("min", "max"), tie("expressions"), tie("expressions")).map(([name, left, right]): Expression => ({
      wgsl: `${name}(${left.wgsl}, ${right.wgsl})`, value: (a, i) => Math[name as "min"](left.value(a, i), right.value(a, i)),
    })),
    fc.tuple(tie("expressions"), tie("expressions"), tie("expressions"), tie("expressions")).map(([x, y, no, yes]): Expression => ({
      wgsl: `select(${no.wgsl}, ${yes.wgsl}, ${x.wgsl} < ${y.wgsl})`,
      value: (a, i) => (x.value(a, i) < y.value(a, i) ? yes : no).value(a, i),
    })),
    fc.tuple(fc.constantFrom("<<", ">>"), tie("expressions"), fc.nat(31)).map(([operator, left, by]): Expression => ({
      wgsl: `(${left.wgsl} ${operator} ${by}u)`,
      value: (a, i) => (operator === "<<" ? left.value(a, i) << by : left.value(a, i) >>> by) >>> 0,
    })),
  ),
}));

describe("arithmetic of indices", () => {
  test("is WGSL's, division by 0 included", () => fc.assert(fc.property(expressions, (e) => {
    expect([...words(`let a = x[i]; y[i] = ${e.wgsl};`)]).toEqual([...X].map((a, i) => e.value(a, i)));
  }), { seed: 1, numRuns: 100 }));

  test("is the same inside loops, where most of it is moved out of them", () => fc.assert(fc.property(expressions, expressions, (e, f) => {
    const body = `
      let a = x[i];
      var sum = 0u;
      for (var p = 0u; p < 3u; p++) {
        let outer = ${e.wgsl};
        for (var q = p; q < 4u; q += 2u) { sum += (${f.wgsl} ^ outer) * (q + 1u) + p; }
      }
      y[i] = sum;`;
    const expected = (a: number, i: number): number => {
      let sum = 0;
      const both = (f.value(a, i) ^ e.value(a, i)) >>> 0;
      for (let p = 0; p < 3; p++) for (let q = p; q < 4; q += 2) sum = (sum + Math.imul(both, q + 1) + p) >>> 0;
      return sum;
    };
    expect([...words(body)]).toEqual([...X].map(expected));
  }), { seed: 2, numRuns: 60 }));

  test("finds the same elements, however a sum is written", () => {
    const reversed = [...X].reverse();
    expect([...words("y[i] = x[(sizes.count - 1u) - i];")]).toEqual(reversed);
    expect([...words("let last = sizes.count - 1u; let at = last + 3u - i; y[i] = x[at - 3u];")]).toEqual(reversed);
    const twice = "for (var j = 0u; j < 1u; j++) { y[i * 2u - i + j] = x[2u * (sizes.count - 1u - i) - (sizes.count - 1u - i)]; }";
    expect([...words(twice)]).toEqual(reversed);
  });
});

describe("functions and blocks", () => {
  test("return from anywhere", () => {
    const module = `fn clipped(v: f32) -> f32 {
      if (v > 2.0) { return 2.0; }
      for (var j = 0u; j < 9u; j++) { if (v < -f32(j)) { return -1.0; } }
      return v;
    }`;
    expect(floats("y[i] = clipped(x[i]) + clipped(0.5);", [3, -0.5, 1.5], module)).toEqual([2.5, -0.5, 2]);
  });

  test("a name is the value when it was given, a variable the last", () => {
    expect(floats("var v = x[i]; let before = v; v = v * 2.0; y[i] = before * 10.0 + v;", [1, 2])).toEqual([12, 24]);
    expect(floats("let old = y[i]; y[i] = 5.0; y[i] = old + y[i] + x[i];", [1, 2])).toEqual([6, 7]);
  });

  test("what a condition guards is not looked at without it", () => {
    expect(floats("y[i] = select(-1.0, x[i + 0xfffffff0u], i > 99u);", [1, 2])).toEqual([-1, -1]);
    expect(floats("if (i > 99u && x[0xffffffffu * i] > 0.0) { y[i] = 1.0; } else { y[i] = 2.0; }", [1, 2])).toEqual([2, 2]);
  });

  test("vectors: parts, parts in another order, an index, sums of products in one order", () => {
    const body = `
      let v = vec4f(x[i], 2.0, 3.0, 4.0);
      let w = v.wzyx;
      y[i] = w.x * 1000.0 + v[i + 1u] * 100.0 + dot(v, w) + vec4f(dot(v, v), dot(w, v), 0.0, 0.0).y;`;
    expect(floats(body, [1, 5])).toEqual([4000 + 200 + 2 * (4 + 6 + 6 + 4), 4000 + 300 + 2 * (20 + 6 + 6 + 20)]);
  });

  test("numbers of a computed vector fill others, and no two places of a sum of products are taken for each other", () => {
    const body = `
      let v = vec4f(x[i], 2.0, 3.0, 4.0) * vec4f(1.0, 10.0, 100.0, 1000.0);
      y[i] = dot(vec4f(v.x) + vec4f(v.w), vec4f(1.0)) + dot(v, vec4f(1.0, 2.0, 3.0, 4.0));`;
    expect(floats(body, [1, 5])).toEqual([4 * 4001 + 16941, 4 * 4005 + 16945]);
  });

  test("the scratch of a thread is an array of arrays", () => {
    const module = "var<workgroup> rows: array<array<f32, 3>, 2>;\nvar<workgroup> one: f32;";
    const body = `
      for (var j = 0u; j < 2u; j++) {
        for (var k = 0u; k < 3u; k++) { rows[j][k] = x[i] + f32(3u * j + k); }
      }
      one = rows[1u][2u];
      y[i] = one - rows[0u][1u];`;
    expect(floats(body, [1, 2, 3], module)).toEqual([4, 4, 4]);
  });
});

test("numbers without a type are divided and complemented as whole ones, unless one has a fraction", () => {
  expect(words("y[i] = u32(2 * (7 / 2)) + u32(2.0 * (7 / 2.0)) * 100u;")[0]).toBe(706);
  expect(words("y[i] = x[i] + bitcast<u32>(~1 + 2);")).toEqual(X);
  expect(floats("y[i] = -7 / 2 + x[i];", [0.5])).toEqual([-2.5]);
});

test("numbers with a sign are divided as WGSL has it, where WebAssembly would stop", () => {
  const dividends = Int32Array.from(X);
  for (const divisor of [0, 1, -1, 3, -(2 ** 31)]) {
    for (const text of [`i32(${divisor})`, `(${divisor} + bitcast<i32>(x[i] - x[i]))`]) {
      const quotients = new Int32Array(words(`y[i] = bitcast<u32>(bitcast<i32>(x[i]) / ${text});`).buffer);
      expect([...quotients], text).toEqual([...dividends].map((a) => (divisor === 0 ? a : Math.trunc(a / divisor) | 0)));
    }
  }
});

describe("what is outside of the subset", () => {
  const refused = (statement: string): string => {
    try {
      const main = "@compute @workgroup_size(1)\nfn main(@builtin(workgroup_id) group: vec3u) {\n  let i = group.x;";
      assemble([{ name: "odd", access: [], wgsl: `${main}\n  ${statement}\n}` }]);
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };

  test.each([
    ["workgroupBarrier();", "the function workgroupBarrier"],
    ["let v = subgroupAdd(1.0);", "the function subgroupAdd"],
    ["let v = missing + 1u;", "the name missing"],
    ["let v = 1.5 + i;", "1.5 where u32 is needed"],
    ["while (true) {}", "but found"],
    ["let v = vec4f(1.0).q;", "the part .q of vec4f"],
    ["let v = i + bitcast<f32>(i);", "f32 where u32 is needed"],
    ["let v = i + 1 / 0;", "a division of numbers by 0"],
    ["let v = i - 4294967296;", "4294967296 where u32 is needed"],
    ["let v = i * (2 - 3);", "-1 where u32 is needed"],
    ["let v = select(i, 1u, !1);", "! before 1"],
    ["let v = select(i, 1u, 1);", "a choice by i32"],
    ["let v = vec2u(i) / vec2u(3u);", "/ of vec2u"],
    ["let v = f32(i) % 2.0;", "% of f32"],
    ["let v = sqrt(i);", "sqrt of u32"],
  ])("%s", (statement, why) => {
    const message = refused(statement);
    expect(message).toContain("odd.wgsl:4: ");
    expect(message).toContain(why);
  });
});

test("the same texts give the same bytes, and equal functions share a type", () => {
  const kernel = { name: "k", access: [], wgsl: "@compute @workgroup_size(1)\nfn main(@builtin(workgroup_id) group: vec3u) { }" };
  const bytes = assemble([kernel, kernel]);
  expect(assemble([kernel, kernel])).toEqual(bytes);
  expect(new TextDecoder().decode(bytes)).toMatch(/k0.*k1.*scratch_bytes/s);
});
