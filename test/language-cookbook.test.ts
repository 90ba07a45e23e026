/** Every spec in the pages of docs/, and every spec under specs/ in the cookbook. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkSource } from "../compiler/front.ts";
import { rendered, specsIn } from "./support/corpus.ts";

const DOCS = new URL("../docs/", import.meta.url);
const ROOT = new URL("../", import.meta.url);

const text = (page: string): string => readFileSync(new URL(page, DOCS), "utf8");

/** Pieces of a page that are whole files. */
const blocks = readdirSync(DOCS).filter((page) => page.endsWith(".md"))
  .flatMap((page) => [...text(page).matchAll(/```moeut\n(moeut 1\n.*?)```/gs)].map((match, i) => ({ page, i, spec: match[1]! })));

function check(spec: string) {
  return checkSource(
    { file: "page.moeut", text: spec }, { readFile: (path) => ({ file: path, text: readFileSync(new URL(path, ROOT), "utf8") }) },
  );
}

describe("specs in pages", () => {
  test.each(blocks)("$page, block $i", ({ spec }) => {
    const result = check(spec);
    expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
    expect(result.models.length + result.compares.length).toBeGreaterThan(0);
  });
});

test("the cookbook has a recipe for every family", () => {
  const page = text("cookbook.md");
  const families = specsIn(new URL("specs/", ROOT)).filter((name) => !/^(moeut_(126m|244m|318m|727m|44m_post)|tiny|w1)\.moeut$/.test(name));
  expect(families.filter((name) => !page.includes(name))).toEqual([]);
});
