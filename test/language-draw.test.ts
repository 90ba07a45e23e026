/** Pictures of models: well formed, the same every time, and with every text inside the page. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { fold } from "../compiler/draw/fold.ts";
import { drawModel } from "../compiler/draw/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { checkFile, checkText, specsIn } from "./support/corpus.ts";
import { modelSpec } from "./support/spec-arbitrary.ts";

const SPECS = new URL("../specs/", import.meta.url);

/** Tags that close, text that is escaped, numbers that are numbers, texts and boxes within the page. */
function check(model: ModelSpec): void {
  const svg = drawModel(model);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(drawModel(model)).toBe(svg);
  const open: string[] = [];
  let [x, y] = [0, 0];
  const shifts: (readonly [number, number])[] = [];
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!.map(Number) as [number, number, number];
  for (const [, closing, name, attributes, self] of svg.replace(/<style>.*?<\/style>/s, "").matchAll(/<(\/?)(\w+)([^>]*?)(\/?)>/g)) {
    const [dx, dy] = (/translate\((-?[\d.]+) (-?[\d.]+)\)/.exec(attributes!) ?? [0, 0, 0]).slice(1).map(Number) as [number, number];
    if (closing === "/") {
      expect(open.pop()).toBe(name);
      const [sx, sy] = shifts.pop()!;
      [x, y] = [x - sx, y - sy];
      continue;
    }
    const value = (key: string): number => Number(new RegExp(` ${key}="(-?[\\d.]+)"`).exec(attributes!)?.[1] ?? 0);
    if (name === "text" || (name === "rect" && attributes!.includes(" x="))) {
      expect(x + value("x") >= 0 && x + value("x") + value("width") <= width && y + value("y") + value("height") <= height, `${name}${attributes}`).toBe(true);
    }
    if (self === "/") continue;
    open.push(name!);
    shifts.push([dx, dy]);
    [x, y] = [x + dx, y + dy];
  }
  expect(open).toEqual([]);
  const texts = [...svg.matchAll(/<text x="([\d.-]+)"[^>]*font-size="([\d.]+)" text-anchor="(\w+)"[^>]*>([^<]*)/g)];
  for (const [, , size, , words] of texts) expect(words!.replace(/&\w+;/g, "&").length * Number(size) * 0.6).toBeLessThanOrEqual(width);
}

test.each(specsIn(SPECS))("%s", (name) => checkFile(SPECS, name).models.forEach(check));

test("any model", () => {
  fc.assert(fc.property(modelSpec, check), { numRuns: 60 });
});

test("many layers, and names that are long", () => {
  const names = Array.from({ length: 30 }, (_, i) => `a_layer_with_a_long_name_${i}`);
  const { models } = checkText(`moeut 1\nmodel a_model_with_quite_a_long_name { layer ${names.join(", ")} {}  stack (${names.join(", ")}) * 9 }`);
  models.forEach(check);
  expect(drawModel(models[0]!)).toContain("… 20 more …");
});

test("what repeats is folded", () => {
  const folded = (word: string): string => fold([...word].map((c) => ({ layer: c.toLowerCase(), own: c !== c.toLowerCase() })))
    .map(({ cells, times }) => `${cells.map((c) => (c.own ? c.layer.toUpperCase() : c.layer)).join("")}${times === 1 ? "" : times}`).join(" ");
  expect(["a", "abcabcabc", "aaaabbbb", "AAAA", "pababababc", "xyz", "aab"].map(folded)).toEqual([
    "a", "abc3", "a4 b4", "A4", "p ab4 c", "xyz", "a2 b",
  ]);
});

test("a core is drawn once, with how its passes begin", () => {
  const { models } = checkText("moeut 1\nmodel m { core { inject gate  state zero  pass_embedding sinusoidal { positions true } }  layer p, a, b {}  stack p, core(a, b) * 5, p }");
  check(models[0]!);
  const labels = [...drawModel(models[0]!).matchAll(/<text [^>]*>([^<]*)</g)].map(([, words]) => words);
  const from = labels.indexOf("embedding");
  expect(labels.slice(from, from + 10)).toEqual([
    "embedding", "p", "state zero", "inject gate", "+ sin(pass, position)", "a", "b", "× 5", "e", "p",
  ]);
});

test.each([
  { core: "inject add", boxes: 2, fromInput: true },
  { core: "inject concat  state normal", boxes: 2, fromInput: false },
  { core: "inject gate  state zero  pass_embedding learned", boxes: 3, fromInput: false },
  { core: "inject none  pass_embedding learned", boxes: 1, fromInput: true },
  { core: "inject none", boxes: 0, fromInput: true },
])("core { $core }: e comes into every pass past the first state, which stands before them", ({ core, boxes, fromInput }) => {
  const { models } = checkText(`moeut 1\nmodel m { core { ${core} }  layer p, a {}  stack p, core(a) * 3 }`);
  const svg = drawModel(models[0]!);
  const first = core.startsWith("inject none") ? 0 : 40; // the box of the first state, and the way to the next
  const end = (boxes + 1) * 40 - 14;
  expect(svg.includes('points="65,-7 -15,-7 -15,'), "e").toBe(first > 0);
  expect(svg).toContain(`points="130,${end - first - 8} 145,${end - first - 8} 145,8 130,8"`); // from the last box of a pass to its first
  if (first > 0) expect(svg).toContain(`-15,${first + 13} 0,${first + 13}"`); // into what injects
  expect(svg.includes('points="65,-14 65,-7"'), "the first state does not come from the prelude").toBe(!fromInput);
});
