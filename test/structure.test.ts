/** The rules that docs/architecture.md states about the sources themselves, and that each of them is noticed when it is broken. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { runCommand } from "../cli/program.ts";
import { cycles, modulesOf, readSources, unusedExports, wrongImports, type Sources } from "./support/structure.ts";

const ROOT = join(import.meta.dirname, "..");
const MODULES = modulesOf(readSources(ROOT));

test("no file imports what it may not", () => expect(wrongImports(MODULES)).toEqual([]));

test("no files import each other in a circle, not even for types", () => expect(cycles(MODULES)).toEqual([]));

test("every export is imported somewhere", () => expect(unusedExports(MODULES)).toEqual([]));

const WRONG: readonly (readonly [from: string, text: string, rule: string])[] = [
  ["compiler/3-graph/a.ts", 'import { x } from "../5-plan/b.ts";', "a phase imports no later one"],
  ["compiler/1-parse/a.ts", 'import type { X } from "../2-check/b.ts";', "a phase imports no later one"],
  ["compiler/5-plan/a.ts", 'import { compileModel } from "../compile.ts";', "only front.ts and compile.ts run phases"],
  ["compiler/counts/a.ts", 'import type { X } from "../3-graph/b.ts";', "a library imports no phase"],
  ["compiler/format/a.ts", 'import { x } from "../2-check/b.ts";', "a library imports no phase"],
  ["compiler/draw/a.ts", 'import { checkSource } from "../front.ts";', "a library imports no phase"],
  ["compiler/ir/a.ts", 'import { x } from "../graph/b.ts";', "ir imports only itself and types of runtime/standalone"],
  ["compiler/ir/a.ts", 'import { x } from "../../runtime/standalone/b.ts";', "ir imports only itself and types of runtime/standalone"],
  ["compiler/graph/a.ts", 'import { type X } from "../../runtime/data/b.ts";', "the compiler imports nothing of the runtime but its leaf"],
  ["grammar/a.ts", 'import type { X } from "../compiler/ir/b.ts";', "the grammar imports nothing"],
  ["runtime/standalone/a.ts", 'export type { X } from "../errors.ts";', "runtime/standalone imports only itself"],
  ["runtime/train/a.ts", 'import { type X, y } from "../../compiler/ir/b.ts";', "the runtime imports only types of the compiler"],
  ["api/a.ts", 'import { x } from "../grammar/b.ts";', "api imports only compiler and runtime"],
  ["runtime/a.ts", 'import type { X } from "../api/b.ts";', "only the command line imports api"],
  ["scripts/a.ts", 'const { x } = await import("../cli/b.ts");', "the command line is imported by nobody"],
  ["cli/a.ts", 'let x: import("../test/support/b.ts").X;', "tests are imported by nobody"],
];

test.each(WRONG)("%s: %s", (file, text, rule) => {
  expect(wrongImports(modulesOf({ [file]: text }))).toEqual([expect.stringMatching(new RegExp(`^${file} → .*: ${rule}$`))]);
});

test.each([
  ["compiler/3-graph/a.ts", 'import { x } from "../2-check/b.ts";'],
  ["compiler/reference/a.ts", 'import { x } from "../../runtime/standalone/b.ts";'],
  ["compiler/ir/a.ts", 'import { x } from "./b.ts"; import type { Y } from "../../runtime/standalone/b.ts";'],
  ["runtime/train/a.ts", 'import { type X, type Y } from "../../compiler/ir/b.ts";'],
  ["compiler/format/a.ts", 'import { parse } from "../1-parse/index.ts";'],
])("%s may: %s", (file, text) => expect(wrongImports(modulesOf({ [file]: text }))).toEqual([]));

test("a circle is found, through types, other names and files outside it", () => {
  const circle: Sources = {
    "a.ts": 'import { b } from "./b.ts";', "b.ts": 'export type { C } from "./c/c.ts";', "c/c.ts": 'const x = () => import("../b.ts");',
    "d.ts": 'import { a } from "./a.ts";\nimport { b } from "./b.ts";',
  };
  expect(cycles(modulesOf(circle))).toEqual(["b.ts → c/c.ts → b.ts"]);
});

test("an unused export is found: declared, taken apart, or passed on; types in signatures of used exports may stay", () => {
  const sources: Sources = {
    "a.ts": "export const one = 1, [two] = [2];\nexport function three(x: Four): void { const y: Five = x; }\nexport interface Four {}\nexport type Five = Four;",
    "b.ts": 'export { one as uno, two } from "./a.ts";',
    "c.ts": 'import { three as drei } from "./a.ts";\nimport * as b from "./b.ts";',
    "d.ts": 'export { three } from "./a.ts";\nexport default 1;',
  };
  expect(unusedExports(modulesOf(sources))).toEqual(["a.ts: Five", "d.ts: three"]);
});

test("docs/architecture.md names every folder of sources", () => {
  const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
  const folders = Object.keys(MODULES).flatMap((file) => /^(?:api|cli|compiler|grammar|runtime)(?=\/)(?:\/[^/]+(?=\/))?/.exec(file) ?? []);
  const isNamed = (folder: string): boolean => new RegExp(`[\`/ ]${folder.split("/").at(-1)!}[/\`]`).test(page);
  expect([...new Set(folders)].filter((folder) => !isNamed(folder))).toEqual([]);
});

test("README says what each command of `moeut --help` does", async () => {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  await runCommand(["--help"]);
  const help = written.mock.calls.join("");
  written.mockRestore();
  const listed = [...help.slice(help.indexOf("Commands:")).matchAll(/^ {2}([a-z]+)/gm)].map((m) => m[1]!);
  const commands = listed.filter((name) => name !== "help");
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  expect(commands.length).toBeGreaterThan(10);
  expect(commands.filter((name) => !new RegExp(`moeut ${name}\\b`).test(readme))).toEqual([]);
});
