/** Pages that are written from, or must agree with, what the compiler does. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LANGUAGE_DOC, languageDoc } from "../scripts/language-doc.ts";
import { checkText, rendered } from "./support/corpus.ts";

const text = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const squeezed = (line: string): string => line.replace(/\(\*.*\*\)/, "").replace(/\s+/g, " ").trim();

test("docs/language.md has the fields of the language table", () => {
  const page = readFileSync(LANGUAGE_DOC, "utf8");
  expect(page, "run npx tsx scripts/language-doc.ts").toBe(languageDoc(page));
});

test("grammar.md has the rules of parser.ts", () => {
  const rules = [...text("grammar/parser.ts").matchAll(/^ {2}\/\*\* (\w+ +: .*) \*\/$/gm)].map((m) => squeezed(m[1]!.split(/ {4,}/)[0]!));
  const page = text("grammar/grammar.md").split("\n").filter((line) => /^\w+ +: /.test(line)).map(squeezed);
  expect(page.sort()).toEqual(rules.sort());
});

test("the spec in docs/language.md is right", () => {
  const spec = /```moeut\n(.*?)```/s.exec(text("docs/language.md"))![1]!;
  const result = checkText(spec);
  expect(result.diagnostics.filter((d) => d.severity !== "note"), rendered(result)).toEqual([]);
});
