/** Spec files against what the compiler says about them. `npx vitest run test/language -u` rewrites the expected texts; read the diff. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CST_TYPES_FILE, cstTypes } from "../scripts/cst-types.ts";
import { countParams } from "../compiler/counts/index.ts";
import { SPEC_MESSAGES } from "../compiler/diagnostics/catalogue.ts";
import { format, printSpec, specHash } from "../compiler/format/index.ts";
import { checkFile, checkText, CORPUS, readText, rendered, specsIn, withoutSpans } from "./support/corpus.ts";

const BAD = new URL("bad/", CORPUS);
const GOOD = new URL("good/", CORPUS);
const SPECS = new URL("../specs/", import.meta.url);
const beside = (folder: URL, name: string): string => fileURLToPath(new URL(name.replace(/moeut$/, "txt"), folder));

describe("bad specs", () => {
  test("one for every message, and no other", () => {
    expect(specsIn(BAD).map((name) => name.replace(/\.moeut$/, ""))).toEqual(Object.keys(SPEC_MESSAGES).sort());
  });

  test.each(specsIn(BAD))("%s", async (name) => {
    const result = checkFile(BAD, name);
    const code = name.replace(/\.moeut$/, "");
    expect(result.diagnostics.map((d) => d.code)).toContain(code);
    await expect(rendered(result)).toMatchFileSnapshot(beside(BAD, name));
  });
});

describe("good specs", () => {
  test.each(specsIn(GOOD))("%s", async (name) => {
    const result = checkFile(GOOD, name);
    expect(result.diagnostics.filter((d) => d.severity !== "note")).toEqual([]);
    const compared = result.compares.flatMap((c) => [`// compare ${c.name}: ${c.variants.length} variants of ${c.base}, ${c.seeds} seeds\n`, ...c.variants.map((v) => printSpec(v.model))]);
    await expect([...result.models.map(printSpec), ...compared].join("\n")).toMatchFileSnapshot(beside(GOOD, name));
  });
});

/** Totals that follow from the definitions of the paper's training code. */
const TOTALS: Readonly<Record<string, number>> = {
  moeut_44m: 44_345_792, dense_44m: 44_544_264, moeut_126m: 125_669_696, dense_126m: 125_654_336, moeut_244m: 243_326_784,
  dense_244m: 243_568_700, moeut_318m: 318_107_456, dense_318m: 319_293_584, moeut_727m: 727_424_320, dense_727m: 728_694_080,
  moeut_1b: 1_040_319_296, dense_1b: 1_044_300_608, moeut_44m_post: 44_344_968,
  aabb: 243_326_784, pre_ln: 243_326_784, post_ln: 243_324_736, group_1: 243_589_952, group_3: 243_844_928, group_6: 243_844_928, group_9: 243_844_928,
};

describe("shipped specs", () => {
  test("have the paper's totals", () => {
    const models = specsIn(SPECS).flatMap((name) => checkFile(SPECS, name).models);
    const totals = Object.fromEntries(models.filter((m) => m.name in TOTALS).map((m) => [m.name, countParams(m).total]));
    expect(totals).toEqual(TOTALS);
  });

  test.each(specsIn(SPECS))("%s is right and canonical", (name) => {
    const result = checkFile(SPECS, name);
    expect(result.diagnostics.filter((d) => d.severity === "error")).toEqual([]);
    expect(result.models.length).toBeGreaterThan(0);
    expect(format({ file: name, text: readText(SPECS, name) })).toBe(readText(SPECS, name));
  });
});

/** Identities that runs have recorded: the language grows without changing them. */
const IDENTITIES: Readonly<Record<string, string>> = {
  moeut_44m: "9ff2b6f2a75a5a41", dense_44m: "8baf5a23b430a8a5", moeut_44m_post: "2585c8f384b7a858", sigma_moe_44m: "74c87f08f54ffab5", sut_44m: "990d5df7453eef65",
  deepseek_moe: "efd5b087c8bcdf15", loss_free: "cd05fbeb24fa2c71", sandwich: "5b0bb001acda1b09", gshard: "f60982ba3f28b3c6", windows: "855489ed1a58dc50",
};

test("identities stay what they were", () => {
  const models = specsIn(SPECS).flatMap((name) => checkFile(SPECS, name).models);
  expect(Object.fromEntries(models.filter((m) => m.name in IDENTITIES).map((m) => [m.name, specHash(m)]))).toEqual(IDENTITIES);
});

describe.each([[GOOD], [SPECS]])("%s", (folder) => {
  test.each(specsIn(folder))("%s prints and formats back to itself", (name) => {
    for (const model of checkFile(folder, name).models) {
      const text = printSpec(model);
      const again = checkText(text);
      expect(again.diagnostics.filter((d) => d.severity === "error"), text).toEqual([]);
      expect(withoutSpans(again.models[0])).toEqual(withoutSpans(model));
      expect(specHash(again.models[0]!)).toBe(specHash(model));
      expect(format({ file: name, text })).toBe(text);
    }
  });
});

test("the types of the syntax tree are those of the grammar", () => {
  expect(readFileSync(CST_TYPES_FILE, "utf8"), "run npx tsx scripts/cst-types.ts").toBe(cstTypes());
});
