/**
 * Lines are at most 140 characters wide.
 * test/widths.json lists how many wider ones a file may have: a number may fall, and is then lowered there.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSources, type Sources } from "./support/structure.ts";

const WIDEST = 140;
const ROOT = join(import.meta.dirname, "..");

const countWide = (text: string): number => text.split(/\r?\n/).filter((line) => line.length > WIDEST).length;

/** Wide lines by file, of those that have some. */
const wideLines = (sources: Sources): Readonly<Record<string, number>> => Object.fromEntries(
  Object.entries(sources).map(([file, text]) => [file, countWide(text)] as const).filter(([, n]) => n > 0));

/** "a.ts: 3 wide lines, 2 listed" */
function differences(found: Readonly<Record<string, number>>, listed: Readonly<Record<string, number>>): readonly string[] {
  const files = [...new Set([...Object.keys(listed), ...Object.keys(found)])].sort();
  return files.filter((file) => found[file] !== listed[file])
    .map((file) => `${file}: ${found[file] ?? 0} wide lines, ${listed[file] ?? 0} listed`);
}

test("no file has more wide lines than test/widths.json says, and none has fewer", () => {
  const listed = JSON.parse(readFileSync(join(ROOT, "test/widths.json"), "utf8")) as Readonly<Record<string, number>>;
  expect(differences(wideLines(readSources(ROOT)), listed)).toEqual([]);
});

test("a new wide line is found, and a listed one that is gone", () => {
  const found = wideLines({ "a.ts": `${"x".repeat(141)}\r\n${"y".repeat(140)}\r\n`, "b.ts": "" });
  expect(differences(found, {})).toEqual(["a.ts: 1 wide lines, 0 listed"]);
  expect(differences(found, { "a.ts": 2, "b.ts": 1 })).toEqual(["a.ts: 1 wide lines, 2 listed", "b.ts: 0 wide lines, 1 listed"]);
});
