import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { CompareResults, VariantResult } from "../runtime/compare/results.ts";
import { tablesOf } from "../runtime/report/tables.ts";
import { compare, variant } from "./support/bigram-compare.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-tables-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const found = compare(scratch, [variant("a_1"), variant("b", { lr: 0.01 })], [0, 1]);

/** With a name that each of the formats must write in its own way, and a verdict of its own. */
async function renamed(name: string): Promise<CompareResults> {
  const results = (await found)!;
  const [base, other] = results.variants as [VariantResult, VariantResult];
  const difference = { ...other.difference!, mean: -0.5, seed_interval: { low: -0.75, high: -0.25 }, p: 0.0123 };
  return { ...results, variants: [base, { ...other, name, difference: { ...difference, outcome: "better" } }] };
}

test("a comparison writes its numbers as CSV, Markdown and LaTeX", async () => {
  for (const [file, text] of Object.entries(tablesOf((await found)!))) expect(readFileSync(join(scratch, file), "utf8")).toBe(text);
});

test("CSV: all digits, a row for each variant and metric, quotes where a name needs them", async () => {
  const results = await renamed('b "2", c');
  const [head, ...rows] = tablesOf(results)["table.csv"]!.split("\r\n");
  expect(head).toBe("variant,metric,value,sd,low,high,p,verdict");
  const { mean, sd } = results.variants[0]!.validation_loss!;
  expect(rows[0]).toBe(`a_1,loss,${mean},${sd},,,,`);
  expect(rows.filter((row) => row.startsWith("a_1,loss_difference"))).toEqual([]);
  expect(rows).toContain('"b ""2"", c",loss_difference,-0.5,,-0.75,-0.25,0.0123,better');
  expect(rows).toContain('"b ""2"", c",parameters,272,,,,,');
  expect(rows.at(-1)).toBe("");
  for (const row of rows.slice(0, -1)) expect(row.replace(/"(?:[^"]|"")*"/g, "").split(",")).toHaveLength(8);
});

test("CSV: other depths, and tasks by group, have rows of their own", async () => {
  const results = (await found)!;
  const [base, other] = results.variants as [VariantResult, VariantResult];
  const ofOld = { passes: 2, loss: { mean: 1.25, sd: null }, per_seed: [{ seed: 0, loss: 1.25 }] };
  const accuracy = { mean: 0.375, sd: null };
  const point = { passes: 4, loss: { mean: 1.5, sd: null }, accuracy, per_seed: [{ seed: 0, loss: 1.5, accuracy: 0.375 }] };
  const depths = { trained: 2, points: [ofOld, point] };
  const score = { value: 0.75, sd: 0.25, parts: { phenomenon: { binding: 0.5 } }, difference: null, runs: [] };
  const scores = [base, other].map(({ name }) => ({ ...score, name }));
  const task = { task: "blimp", metric: "accuracy", step: 7, items: 3, chance: 0.5, margin: 0.01, variants: scores };
  const rows = tablesOf({ ...results, variants: [base, { ...other, depths }], tasks: [task] })["table.csv"]!.split("\r\n");
  expect(rows.filter((row) => / at . passes,/.test(row))).toEqual([
    "b,loss at 2 passes,1.25,,,,,", "b,loss at 4 passes,1.5,,,,,", "b,accuracy at 4 passes,0.375,,,,,",
  ]);
  expect(rows).toContain("b,blimp accuracy at step 7,0.75,0.25,,,,");
  expect(rows).toContain("a_1,blimp accuracy at step 7: phenomenon binding,0.5,,,,,");
});

test("Markdown: a bar in a name ends no cell", async () => {
  const [head, rule, base, other] = tablesOf(await renamed("b|c"))["table.md"]!.split("\n");
  const width = (row: string): number => row.split(/(?<!\\)\|/).length;
  expect([head, rule, base, other].map((row) => width(row!))).toEqual([11, 11, 11, 11]);
  expect(other).toMatch(/^\| b\\\|c \| \d\.\d{4} ± \d\.\d{4} \| −0\.5000 \| −0\.7500 to −0\.2500 \| p = 0\.012 \| better \| 272 \|/);
});

test("LaTeX: what has a meaning there is escaped", async () => {
  const text = tablesOf(await renamed("b_2 50% {x}\\"))["table.tex"]!;
  expect(text).toContain("\\begin{tabular}{lrrrrlrrr}\n\\toprule\nvariant & loss & against a\\_1 & 95 \\% over seeds");
  expect(text).toMatch(/\nb\\_2 50\\% \\\{x\\\}\\textbackslash\{\} & \d\.\d{4} \$\\pm\$ \d\.\d{4} & \$-\$0\.5000 &/);
  expect(text).toContain(" & $-$0.7500 to $-$0.2500 & p = 0.012 & better & 272 & 32 & 32 \\\\\n");
  expect(text).not.toMatch(/[−±]/);
});

/** What TeX prints for the cells of a table; throws for what it would take as a command, an argument or the end of something. */
function cellsOfTex(text: string): readonly (readonly string[])[] {
  const rows = text.split("\n").filter((line) => line.includes(" & ")).map((line) => line.replace(/ \\\\$/, ""));
  const plain: Readonly<Record<string, string>> =
    { "$\\pm$": "±", "$-$": "−", "$<$": "<", "$>$": ">", "{[}": "[", "{]}": "]", "{*}": "*", "-{}": "-" };
  const named: Readonly<Record<string, string>> = { backslash: "\\", asciitilde: "~", asciicircum: "^", bar: "|" };
  return rows.map((row) => row.split(" & ").map((cell) => cell.replace(
    /\\text([a-z]+)\{\}|\\([&%$#_{}])|\$[^$]+\$|\{[[\]*]\}|-\{\}|[\\~^|±−<>[\]*&%$#_{}]|--/g,
    (found, name?: string, escaped?: string) => named[name ?? ""] ?? escaped ?? plain[found] ?? expect.fail(`${found} in ${cell}`))));
}

test.each([
  "a_b & 50% #1", "x~y^2 \\ {z} $m$", "[2] | *", "* [", "a---b", "naïve φ 漢字 \"q\" 'r' `b`", "<a> \\\\ {}", "\\textbf{x}%",
])("LaTeX: %s is printed as it is", async (name) => {
  const [, , other] = cellsOfTex(tablesOf(await renamed(name))["table.tex"]!);
  expect(other).toHaveLength(9);
  expect(other![0]).toBe(name);
});

test("one seed leaves cells empty", async () => {
  const results = (await compare(join(scratch, "one"), [variant("a"), variant("b", { lr: 0.01 })], [0]))!;
  const tables = tablesOf(results);
  expect(tables["table.md"]).toContain("| one seed |  |  |");
  expect(Object.values(tables).join("")).not.toMatch(/null|undefined|NaN/);
});
