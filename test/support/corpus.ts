/** Spec files of the tests, and the front of the compiler with a file reader that knows the corpus folder only. */
import { readdirSync, readFileSync } from "node:fs";
import { checkSource, type CheckResult, type ReadFile, renderDiagnostics } from "../../compiler/front.ts";

export const CORPUS = new URL("../specs/", import.meta.url);

export const specsIn = (folder: URL): readonly string[] => readdirSync(folder).filter((name) => name.endsWith(".moeut")).sort();

export const readText = (folder: URL, name: string): string => readFileSync(new URL(name, folder), "utf8");

const reader = (folder: URL): ReadFile => (path) => {
  try {
    return { file: path, text: readText(folder, path) };
  } catch {
    return { problem: "no such file" };
  }
};

/** Overrides stand in the first lines, as comments: `// --set path=value`. */
export function checkFile(folder: URL, name: string): CheckResult {
  const text = readText(folder, name);
  const overrides = [...text.matchAll(/^\/\/ --set (.*)$/gm)].map((match) => match[1]!);
  return checkSource({ file: name, text }, { readFile: reader(folder), overrides });
}

export const checkText = (text: string, overrides: readonly string[] = []): CheckResult =>
  checkSource({ file: "test.moeut", text }, { readFile: () => ({ problem: "no such file" }), overrides });

export const rendered = (result: CheckResult): string => renderDiagnostics(result.diagnostics, result.sources, { color: false });

/** Without spans, which say where and not what. */
export const withoutSpans = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner) => (key === "span" ? undefined : inner)));
