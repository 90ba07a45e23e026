/** What holds for every valid spec. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countMacs, countParams } from "../compiler/counts/index.ts";
import { format, printSpec, specHash } from "../compiler/format/index.ts";
import { checkText, rendered, withoutSpans } from "./support/corpus.ts";
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
