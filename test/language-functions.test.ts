/** Functions that a spec defines: what they mean, where they may stand, and what a model keeps of them. */
import { describe, expect, test } from "vitest";
import { derivative } from "../compiler/4-grad/derivative.ts";
import { describeDiff, diffModels } from "../compiler/diff/index.ts";
import { drawModel } from "../compiler/draw/index.ts";
import { format, printSpec, specHash } from "../compiler/format/index.ts";
import { checkSource } from "../compiler/front.ts";
import { ACTIVATIONS } from "../compiler/ir/activations.ts";
import { type FnSpec, type ModelSpec, nameOf } from "../compiler/ir/model-spec.ts";
import { checkText, rendered, withoutSpans } from "./support/corpus.ts";
import { fnSpec } from "./support/models.ts";
import { valueAt } from "./support/tiny-graph.ts";

function models(text: string, overrides: readonly string[] = []): Readonly<Record<string, ModelSpec>> {
  const result = checkText(`moeut 1\n${text}`, overrides);
  expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
  return Object.fromEntries(result.models.map((m) => [m.name, m]));
}

const dense = (activation: string): string => `model m { layer a { feed_forward dense { activation ${activation} } } }`;
const valueOf = ({ expr }: FnSpec, x: number): number => valueAt(expr, [x]);
const slopeOf = ({ expr }: FnSpec, x: number): number => valueAt(derivative(expr, 0), [x]);
const activationOf = (m: ModelSpec): string => nameOf(m.layers[0]!.feedForward.activation);

describe("expressions", () => {
  const VALUES: readonly (readonly [string, (x: number) => number])[] = [
    ["x -1", (x) => x - 1],
    ["x-1-2", (x) => x - 1 - 2],
    ["2 - x - -3", (x) => 2 - x + 3],
    ["8 / 4 / 2 * x", (x) => x],
    ["-x * -2", (x) => 2 * x],
    ["-(x + 1) * 2", (x) => -2 * (x + 1)],
    ["1_000 * x + 2.5e-1 + 1K", (x) => 1000 * x + 1000.25],
    ["abs(x) + max(x, 1) + min(x, 1)", (x) => Math.abs(x) + x + 1],
    ["exp(log(sqrt(x * x)) + 0 * rsqrt(4))", (x) => Math.abs(x)],
    ["where(x < 1, 2 * x, 3)", (x) => (x < 1 ? 2 * x : 3)],
    ["where(x > 1, 2 * x, 3)", (x) => (x > 1 ? 2 * x : 3)],
    ["where(x <= 1, 2 * x, 3)", (x) => (x <= 1 ? 2 * x : 3)],
    ["where(x >= 1, 2 * x, 3)", (x) => (x >= 1 ? 2 * x : 3)],
  ];
  test.each(VALUES)("%s", (text, want) => {
    for (const x of [-2.5, -1, 0.5, 1, 3]) expect(valueOf(fnSpec(`fn f(x) = ${text}`), x)).toBeCloseTo(want(x), 12);
  });

  test("a sign in front of a number is no part of it: it holds less than * and /", () => {
    expect(valueOf(fnSpec("fn f(x) = 5 -x*2 + x / -4"), 4)).toBe(5 - 8 - 1);
  });

  test.each(Object.entries(ACTIVATIONS))("%s is callable", (name, of) => {
    for (const x of [-1.3, 0, 0.4, 2]) expect(valueOf(fnSpec(`fn f(x) = ${name}(x / 2)`), x))
      .toBe(valueAt(of({ op: "in", index: 0 }), [x / 2]));
  });

  test("functions call each other in any order, parameters are replaced by what is given", () => {
    const f = fnSpec("fn f(x) = twice(x, shift(x)) + shift(1)\nfn twice(a, b) = a * b * 2\nfn shift(b) = b - three(b)\nfn three(x) = 3 + 0 * x");
    expect(valueOf(f, 5)).toBe(5 * 2 * 2 - 2);
  });
});

describe("slopes", () => {
  const GUARDED = [
    ["a guarded logarithm", "where(x > 0, log(x), 0)"],
    ["a guarded root", "where(x > 0, sqrt(x), 0) + x"],
    ["the root of what is guarded", "sqrt(where(x > 0, x, 0)) + x"],
    ["the root of a guarded square", "sqrt(where(x > 0, x * x, 0)) + x"],
    ["the root of a maximum", "sqrt(max(x, 0)) + x"],
    ["an overflow that is not selected", "where(x > 20, x, log(1 + exp(x)))"],
    ["a quotient that is not selected", "where(x < 0, x, x / (1 + x))"],
  ] as const;
  test.each(GUARDED)("%s has a finite one everywhere", (_, text) => {
    const f = fnSpec(`fn f(x) = ${text}`);
    for (const x of [-1000, -2, -1, 0, 0.5, 3, 1000]) expect(Number.isFinite(slopeOf(f, x)), `at ${x}`).toBe(true);
  });

  test("abs has slope 0 at 0", () => expect([-1, 0, 1].map((x) => slopeOf(fnSpec("fn f(x) = abs(x)"), x))).toEqual([-1, 0, 1]));
});

describe("what a model keeps", () => {
  test("the expression is its identity, the name is not", () => {
    const [a, b, c] = ["fn f(x) = x * tanh(x)", "fn g(y) = y * helper(y)\nfn helper(z) = tanh(z)", "fn f(x) = tanh(x) * x"].map((text) => models(`${text}\n${dense(text.slice(3, 4))}`)["m"]!);
    expect(specHash(b!)).toBe(specHash(a!));
    expect(specHash(c!)).not.toBe(specHash(a!));
    expect(diffModels(a!, b!)).toMatchObject({ same: true, changes: [] });
  });

  test("the resolved form stands alone", () => {
    const { m } = models(`fn cap(x, c) = c * tanh(x / c)\nfn f(x) = cap(max(x, -1), 15) - -x\n${dense("f")}`);
    const text = printSpec(m!);
    expect(text).toContain("fn f(x) = 15 * tanh(max(x, -1) / 15) - -x\n");
    expect(withoutSpans(checkText(text).models[0])).toEqual(withoutSpans(m));
    expect(format({ file: "m", text })).toBe(text);
  });

  const FILES: Readonly<Record<string, string>> = {
    "far.moeut": "moeut 1\nfn act(x) = tanh(x)\nmodel far { layer b { feed_forward moe { activation act } } }",
    "near.moeut": 'moeut 1\nimport "far.moeut"\nfn cap(x) = 3 * act(x / 3)\nmodel near from far { layer a { feed_forward moe { activation cap } } }',
  };
  const imported = (text: string) => checkSource(
    { file: "x.moeut", text: `moeut 1\nimport "near.moeut"\n${text}` }, { readFile: (path) => ({ file: path, text: FILES[path]! }) },
  );

  test("a name means what it means in the file where it is written", () => {
    const result = imported("fn act(x) = x * cap(x)\nmodel m from near { layer a { feed_forward { router { score act } } } }");
    expect(result.diagnostics).toEqual([]);
    const text = printSpec(result.models[0]!);
    expect(text).toMatch(/fn act\(x\) = tanh\(x\)\nfn cap\(x\) = 3 \* tanh\(x \/ 3\)\nfn act_2\(x\) = x \* \(3 \* tanh\(x \/ 3\)\)\n/);
    expect(specHash(checkText(text).models[0]!)).toBe(specHash(result.models[0]!));
  });

  test("only what a file imports itself can be named", () => {
    expect(imported(dense("cap")).models.map(activationOf)).toEqual(["cap"]);
    expect(imported(dense("act")).diagnostics.map((d) => d.code)).toEqual(["unknown-choice"]);
    expect(imported("fn cap(x) = x").diagnostics.map((d) => d.code)).toEqual(["duplicate-fn"]);
  });
});

describe("where functions stand", () => {
  const TEXT = "fn f(x) = x * sigmoid(2 * x)\nmodel m { layer a { attention moa {}  feed_forward moe {} } }\ncompare c { base m  vary feed_forward.activation in relu, f }";

  test("--set and vary", () => {
    const { m } = models(TEXT, ["feed_forward.activation=f", "attention.router.score=f"]);
    const { attention } = m!.layers[0]!;
    expect([activationOf(m!), attention.kind === "moa" && nameOf(attention.router.score)]).toEqual(["f", "f"]);
    expect(checkText(`moeut 1\n${TEXT}`).compares[0]!.variants.map((v) => activationOf(v.model))).toEqual(["relu", "f"]);
  });

  test("another kind of block keeps it", () => {
    expect(activationOf(models(`${TEXT}\nmodel d from m { layer a { feed_forward { activation f } } }\nmodel e from d { layer a { norm layernorm at pre  feed_forward dense {} } }`)["e"]!)).toBe("f");
  });

  test("a file of functions alone is right", () => expect(checkText("moeut 1\nfn f(x) = g(x)\nfn g(x) = x").diagnostics).toEqual([]));

  test("a diff says what they compute, a picture what they are called", () => {
    const { m, n } = models(`fn bend(x) = x * x\n${dense("bend")}\nmodel n from m { layer a { feed_forward { activation gelu } } }`);
    expect(describeDiff(diffModels(m!, n!), ["m", "n"]))
      .toContain("  feed_forward.activation bend → gelu in a: no change in counts\n  with fn bend(x) = x * x\n");
    expect(drawModel(m!)).toContain("bend, biases");
  });
});

describe("one mistake, one message", () => {
  const MISTAKES = [
    { why: "a broken function is not unknown where it is used", text: `fn f(x) = x +\n${dense("f")}`, codes: ["unexpected-token"] },
    { why: "nor wrong where it is called", text: `fn g(x) = y\nfn f(x) = g(x, 1) + 2\n${dense("f")}`, codes: ["unknown-parameter"] },
    { why: "what is behind an error is not what it seems", text: `fn f(x) x * 2 + (1\n${dense("relu")}`, codes: ["unexpected-token"] },
    { why: "every argument is looked at", text: `fn f(x) = max(y, thanh(x)) + where(z < 0, 1, x)\n${dense("relu")}`, codes: ["unknown-parameter", "unknown-function", "unknown-parameter"] },
    { why: "each circle is reported once", text: `fn f(x) = g(x)\nfn g(x) = h(x)\nfn h(x) = f(x) + g(x)\n${dense("f")}`, codes: ["fn-cycle", "fn-cycle"] },
    { why: "calls that grow without bound end", text: Array.from({ length: 30 }, (_, i) => `fn f${i}(x) = ${i === 0 ? "x * x" : `f${i - 1}(x) + f${i - 1}(-x)`}`).join("\n"), codes: ["fn-too-large"] },
    { why: "so do calls within calls", text: Array.from({ length: 300 }, (_, i) => `fn f${i}(x) = ${i === 299 ? "x" : `f${i + 1}(x)`}`).join("\n"), codes: ["fn-too-large"] },
    { why: "so does a long sum", text: `fn f(x) = ${"x + ".repeat(20_000)}x`, codes: ["fn-too-large"] },
  ];
  test.each(MISTAKES)("$why", ({ text, codes }) => expect(checkText(`moeut 1\n${text}`).diagnostics.map((d) => d.code)).toEqual(codes));
});
