/**
 * Lines are at most 140 characters wide, but in tables: data whose rows are read one below the other. test/widths.json names the files that
 * hold such tables, and how many wide lines each file of tests may have: a number may fall, and is then lowered there.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSources, type Sources } from "./support/structure.ts";

const WIDEST = 140;
const ROOT = join(import.meta.dirname, "..");

interface Exceptions {
  readonly tables: readonly string[];
  readonly tests: Readonly<Record<string, number>>;
}

const countWide = (text: string): number => text.split(/\r?\n/).filter((line) => line.length > WIDEST).length;

/** "a.ts: 3 wide lines, 2 listed"; of a table "a.ts: a table without wide lines". */
function problems(sources: Sources, { tables, tests }: Exceptions): readonly string[] {
  const files = [...new Set([...Object.keys(sources), ...tables, ...Object.keys(tests)])].sort();
  return files.flatMap((file) => {
    const found = countWide(sources[file] ?? "");
    if (tables.includes(file)) return found > 0 ? [] : [`${file}: a table without wide lines`];
    const listed = tests[file] ?? 0;
    return found === listed ? [] : [`${file}: ${found} wide lines, ${listed} listed`];
  });
}

test("no line is too wide but in the tables and tests that test/widths.json names", () => {
  const exceptions = JSON.parse(readFileSync(join(ROOT, "test/widths.json"), "utf8")) as Exceptions;
  expect(Object.keys(exceptions.tests).filter((file) => !file.startsWith("test/"))).toEqual([]);
  expect(problems(readSources(ROOT), exceptions)).toEqual([]);
});

test("a wide line is found, and an exception that is none any more", () => {
  const sources = { "a.ts": `${"x".repeat(141)}\r\n${"y".repeat(140)}\r\n`, "b.ts": "" };
  expect(problems(sources, { tables: [], tests: {} })).toEqual(["a.ts: 1 wide lines, 0 listed"]);
  expect(problems(sources, { tables: [], tests: { "a.ts": 2, "b.ts": 1 } }))
    .toEqual(["a.ts: 1 wide lines, 2 listed", "b.ts: 0 wide lines, 1 listed"]);
  expect(problems(sources, { tables: ["a.ts", "b.ts"], tests: {} })).toEqual(["b.ts: a table without wide lines"]);
});
