/** What differs between two models, in words and numbers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeDiff, diffModels, type ModelDiff } from "../compiler/diff/index.ts";
import { specHash } from "../compiler/format/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { measure, type Measure } from "../compiler/counts/index.ts";
import { checkFile, checkText, rendered } from "./support/corpus.ts";
import { modelSpec } from "./support/spec-arbitrary.ts";

const SPECS = new URL("../specs/", import.meta.url);

function models(text: string): readonly ModelSpec[] {
  const result = checkText(`moeut 1\n${text}`);
  expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
  return result.models;
}

function pair(text: string, change: string): ModelDiff {
  const [a, b] = models(`${text}\nmodel b from m { ${change} }`);
  return diffModels(a!, b!);
}

const short = (diff: ModelDiff): readonly string[] =>
  diff.changes.map((c) => `${c.path} ${c.from} -> ${c.to}${c.layers === null ? "" : ` in ${c.layers.join(" ")}`}`);

const MOE = `model m {
  vocab_size 11  seq_len 8  d_model 6
  layer a, b { attention mha { n_heads 2  d_head 3 }  feed_forward moe { n_experts 7  expert_size 5  top_k 3 } }
  stack (a, b) * 3
}`;

describe("changes", () => {
  const CASES = [
    { change: "layer * { feed_forward { n_experts 9 } }", is: ["feed_forward.n_experts 7 -> 9 in a b"] },
    { change: "layer b { feed_forward { n_experts 9 } }", is: ["feed_forward.n_experts 7 -> 9 in b"] },
    { change: "layer * { norm layernorm at pre }", is: ["norm.at peri -> pre in a b"] },
    { change: "layer a { norm layernorm on v, feed_forward }", is: ["norm.on at peri -> v, feed_forward in a"] },
    { change: "layer b { norm rmsnorm on q }", is: ["norm layernorm -> rmsnorm in b", "norm.on at peri -> q in b"] },
    { change: "d_model 8  stack a * 3, b * 3", is: ["d_model 6 -> 8", "stack (a, b) * 3 -> a * 3, b * 3"] },
    { change: "head { tied true }  embedding { norm rmsnorm }", is: ["embedding.norm none -> rmsnorm", "head.tied false -> true"] },
    { change: "layer * { feed_forward dense { d_ff 9 } norm layernorm at peri }  stack own(a) * 2", is: ["feed_forward moe -> dense in a b", "stack (a, b) * 3 -> own(a) * 2"] },
    { change: "layer a { feed_forward { balance entropy {} router { score softmax } } }", is: ["feed_forward.router.score sigmoid -> softmax in a", "feed_forward.balance none -> entropy in a"] },
    { change: "layer c { attention mha { n_heads 2  d_head 3 }  feed_forward dense { d_ff 4 } }  stack a, b, c", is: ["norm.at peri -> pre in c", "feed_forward moe -> dense in c", "stack (a, b) * 3 -> a, b, c"] },
  ];
  test.each(CASES)("$change", ({ change, is }) => expect(short(pair(MOE, change))).toEqual(is));

  test("a clause of a field has the name that --set gives it", () => {
    const switchhead = "model m { d_model 8  layer a { attention switchhead { n_heads 2 n_experts 3 on v } } }";
    expect(short(pair(switchhead, "layer a { attention { n_experts 3 on v, o } }"))).toEqual(["attention.on v -> v, o in a"]);
  });

  test("other names of layers are no difference", () => {
    const [a, b] = models("model a { layer x, y {}  stack (x, y) * 2 }\nmodel b { layer own1 {}  layer z {}  stack (own1, z) * 2 }");
    expect(diffModels(a!, b!)).toMatchObject({ same: true, changes: [] });
    const [c, d] = models("model a { layer x, y {}  stack (x, y) * 2 }\nmodel b { layer p, q { residual_scale 2 }  stack (p, q) * 3 }");
    expect(short(diffModels(c!, d!))).toEqual(["residual_scale 1 -> 2 in x y", "stack (x, y) * 2 -> (x, y) * 3"]);
  });

  test("the recipe stands apart", () => {
    const diff = pair(MOE, "train { batch 3  optimizer adamw { lr 0.5 } }");
    expect([diff.same, diff.changes, diff.training.map((c) => `${c.path} ${c.from} ${c.to}`)]).toEqual([
      true, [], ["optimizer.lr 2.5e-4 0.5", "batch 8 3"],
    ]);
  });
});

describe("effects", () => {
  test("by hand: two experts more in two layers", () => {
    const [change] = pair(MOE, "layer * { feed_forward { n_experts 9 } }").changes;
    const expert = 2 * 6 * 5;
    const row = 6; // of the router
    expect(change!.effect).toEqual({ params: 2 * 2 * (expert + row), active: 2 * 2 * row, macs: 6 * 2 * row });
  });

  test("a change that is no model alone is counted with the one that makes it valid", () => {
    const diff = pair(MOE, "layer * { attention mha { n_heads 3 n_kv_heads 3 } }");
    expect(diff.changes.map((c) => [c.path, c.effect === null])).toEqual([["attention.n_heads", true], ["attention.n_kv_heads", false]]);
  });

  test("top_k waits for n_experts", () => {
    const diff = pair(MOE, "layer * { feed_forward { n_experts 2  top_k 1 } }");
    expect(diff.changes.map((c) => [c.path, c.effect === null])).toEqual([
      ["feed_forward.top_k", false], ["feed_forward.n_experts", false],
    ]);
  });

  test("add up to the difference of any two models", () => {
    fc.assert(fc.property(modelSpec, modelSpec, (a, b) => {
      const diff = diffModels(a, b);
      expect(diff.same).toBe(specHash(a) === specHash(b));
      for (const what of ["params", "active", "macs"] satisfies Measure[]) {
        const sum = diff.changes.reduce((total, { effect }) => total + (effect?.[what] ?? 0), 0);
        expect(sum).toBeCloseTo(measure(b, what) - measure(a, what), 4);
      }
    }), { numRuns: 60 });
  });
});

test("in words", () => {
  const [moeut, dense] = checkFile(SPECS, "demo.moeut").models;
  const lines = describeDiff(diffModels(moeut!, dense!), ["moeut", "dense"]).split("\n");
  expect(lines[0]).toBe("moeut → dense");
  expect(lines.at(-3)).toMatch(/^ {2}in all: −12 parameters, \+184\.3K active/);
  expect(lines.join("\n")).toContain("feed_forward moe → dense (d_ff 285");
  expect(describeDiff(diffModels(moeut!, moeut!), ["a", "b"])).toBe(`a and b are the same architecture (hash ${specHash(moeut!)})\n`);
});
