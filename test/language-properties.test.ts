/** What holds for every spec, right or wrong. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countMacs, countParams } from "../compiler/counts/index.ts";
import { renderDiagnostics } from "../compiler/diagnostics/index.ts";
import { format, printSpec, specHash } from "../compiler/format/index.ts";
import { checkText, CORPUS, readText, rendered, specsIn, withoutSpans } from "./support/corpus.ts";
import { modelSpec, specText } from "./support/spec-arbitrary.ts";

const file = (text: string) => ({ file: "test.moeut", text });
const comments = (text: string): readonly string[] => [...text.matchAll(/\/\/.*/g)].map((m) => m[0].trimEnd());
const withoutLayout = (text: string): string => text.replace(/\s+/g, "");

describe("valid specs", () => {
  test("check without errors", () => {
    fc.assert(fc.property(specText, (text) => {
      const result = checkText(text);
      expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
      expect(result.models).toHaveLength(1);
    }), { numRuns: 200 });
  });

  test("format to the same words in one layout", () => {
    fc.assert(fc.property(specText, (text) => {
      const once = format(file(text));
      expect(format(file(once))).toBe(once);
      expect(withoutLayout(once)).toBe(withoutLayout(text));
      expect(comments(once)).toEqual(comments(text));
      expect(withoutSpans(checkText(once).models)).toEqual(withoutSpans(checkText(text).models));
    }), { numRuns: 200 });
  });

  test("print to text with the same meaning and identity", () => {
    fc.assert(fc.property(modelSpec, (model) => {
      const text = printSpec(model);
      const again = checkText(text).models[0]!;
      expect(withoutSpans(again)).toEqual(withoutSpans(model));
      expect(specHash(again)).toBe(specHash(model));
      expect(printSpec(again)).toBe(text);
      expect(format(file(text))).toBe(text);
    }), { numRuns: 200 });
  });

  test("count tensors once, and never fewer parameters than are active", () => {
    fc.assert(fc.property(modelSpec, (model) => {
      const { total, active, tensors } = countParams(model);
      expect(tensors.reduce((sum, t) => sum + t.shape.reduce((n, extent) => n * extent, 1), 0)).toBe(total);
      expect(new Set(tensors.map((t) => t.name)).size).toBe(tensors.length);
      expect(active).toBeLessThanOrEqual(total);
      expect(countMacs(model).full).toBeGreaterThan(0);
    }), { numRuns: 200 });
  });
});

/** One edit: a piece of text removed, doubled, replaced by another piece, or by rubbish. */
const rubbish = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom("{", "}", "(", ")", ",", "*", "\"", "//", "solve", "from m", "own(", "1e999", "\u0000", "💥", "layer *", "match params m", "stack", ".", "="));
const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat({ max: 30 }), from: fc.double({ min: 0, max: 1, noNaN: true }), how: fc.constantFrom("cut", "double", "move", "rubbish"), text: rubbish });
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

function mutate(text: string, { at, length, from, how, text: inserted }: Edit): string {
  const start = Math.floor(at * text.length);
  const piece = { cut: "", double: text.slice(start, start + length).repeat(2), move: text.slice(Math.floor(from * text.length)).slice(0, length), rubbish: inserted }[how];
  return text.slice(0, start) + piece + text.slice(start + (how === "rubbish" ? 0 : length));
}

const corpus = ["good/", "bad/"].flatMap((folder) => specsIn(new URL(folder, CORPUS)).map((name) => readText(new URL(folder, CORPUS), name)));
const anyText = fc.oneof(fc.constantFrom(...corpus), specText, fc.string({ maxLength: 80 }));

describe("mutated text", () => {
  test("gives diagnostics and never an exception", () => {
    fc.assert(fc.property(anyText, fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
      const broken = edits.reduce(mutate, text);
      const started = performance.now();
      const result = checkText(broken);
      renderDiagnostics(result.diagnostics, result.sources, { color: true });
      for (const d of result.diagnostics) expect(d.span === null || (d.span.start >= 0 && d.span.start <= d.span.end)).toBe(true);
      const formatted = format(file(broken));
      expect(format(file(formatted))).toBe(formatted);
      expect(performance.now() - started).toBeLessThan(5_000);
    }), { numRuns: 600 });
  });

  test("in overrides as well", () => {
    const path = fc.constantFrom("d_model", "feed_forward.n_experts", "layer.a.norm.at", "train.optimizer.lr", "stack", "attention", "layer", "layer.a", "train", "x.y", "norm", "feed_forward.router", "attention.on");
    fc.assert(fc.property(path, fc.oneof(rubbish, fc.constantFrom("8", "solve", "pre", "(a) * 2", "none", "v, o", "moe")), specText, (where, value, text) => {
      const result = checkText(text, [`${where}=${value}`]);
      renderDiagnostics(result.diagnostics, result.sources, { color: false });
    }), { numRuns: 300 });
  });
});
