/** Pages that are written from, or must agree with, what the compiler does. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Kind } from "../compiler/2-check/field.ts";
import { COMPARE, LAYER, MODEL } from "../compiler/2-check/language.ts";
import { SOURCES } from "../compiler/2-check/sources.ts";
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

interface Block {
  /** "layer, attention mha, rope rotary" */
  readonly path: string;
  /** How the block begins: "rope rotary". */
  readonly head: string;
  readonly kind: Kind;
  /** An example as part of a file. */
  readonly inFile: (example: string) => string;
}

/** A kind with fields or blocks, and those in it. */
function blocksIn(path: string, head: string, kind: Kind, inFile: Block["inFile"], around: (inner: string) => string): readonly Block[] {
  const inner = Object.entries(kind.blocks).flatMap(([name, block]) => Object.entries(block.kinds).flatMap(([word, below]) => {
    const start = `${name} ${word}`.trim();
    return blocksIn(`${path}, ${start}`, start, below, around, (text) => around(`${start} { ${text} }`));
  }));
  return Object.keys(kind.fields).length + Object.keys(kind.blocks).length === 0 ? [] : [{ path, head, kind, inFile }, ...inner];
}

const inModel = (text: string): string => `model m { layer a {} ${text} }`;
const beside = (text: string): string => `model small { layer a {} }\n${text}`;
const BLOCKS: readonly Block[] = [
  ...blocksIn("model", "model", MODEL, (text) => text, inModel),
  ...blocksIn("layer", "layer", LAYER, (text) => `model m { ${text} }`, (inner) => `model m { layer a { ${inner} } }`),
  ...blocksIn("compare", "compare", COMPARE, beside, (inner) => beside(`compare c { base small  vary d_model in 64, 128  ${inner} }`)),
];

describe.each(BLOCKS)("examples of $path", ({ head, kind, inFile }) => {
  test("are right", () => {
    for (const example of kind.examples) {
      const result = checkText(`moeut 1\n${inFile(example)}`);
      expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
      expect(example.startsWith(`${head} `), example).toBe(true);
    }
  });

  test("have every field", () => {
    const words = kind.examples.join(" ").split(/\W+/);
    expect(Object.keys(kind.fields).filter((name) => !words.includes(name))).toEqual([]);
    expect(kind.examples.length).toBeGreaterThan(0);
  });
});

test("sources have an author, a year and a number, and each is cited", () => {
  const numbers = Object.values(SOURCES).map((source) => /^[^,]+ \d{4}, arXiv:(\d{4}\.\d{4,5})$/.exec(source)?.[1]);
  expect(numbers).not.toContain(undefined);
  expect(new Set(numbers).size).toBe(numbers.length);
  const table = text("compiler/2-check/language.ts");
  expect(Object.keys(SOURCES).filter((key) => !new RegExp(`@${key}\\b`).test(table))).toEqual([]);
});
