/** `--set path=value`: applied to every model, over everything that files say. */
import { parseSequence, parseValues } from "../1-parse/index.ts";
import type { SourceText } from "../ir/source.ts";
import type { ModelTree } from "./model.ts";
import { isDeadEnd, type PathSetting, reportDeadEnd, setPath } from "./path.ts";
import type { Context } from "./settings.ts";

/** How diagnostics name the text of one override. */
export const overrideSource = (text: string): SourceText => ({ file: `--set ${text}`, text });

export function parseOverrides(texts: readonly string[], context: Context): readonly PathSetting[] {
  return texts.flatMap((text) => parseOverride(text, context) ?? []);
}

function parseOverride(text: string, context: Context): PathSetting | null {
  const { file } = overrideSource(text);
  const equals = text.indexOf("=");
  const path = text.slice(0, Math.max(0, equals)).trim();
  if (!/^[A-Za-z_]\w*(\.\w+)*$/.test(path) || text.slice(equals + 1).trim() === "") {
    context.report.report("bad-override", { file, start: 0, end: text.length }, { text });
    return null;
  }
  const span = { file, start: text.indexOf(path), end: text.indexOf(path) + path.length };
  // Blanks in place of the path keep the spans of the value.
  const value = { file, text: " ".repeat(equals + 1) + text.slice(equals + 1) };
  if (path === "stack") {
    const sequence = parseSequence(value, context.report);
    return sequence === null ? null : { path, span, values: [], sequence };
  }
  const values = parseValues(value, context.report);
  return values === null ? null : { path, span, values, sequence: null };
}

/** A path need not exist in every model, but in one. */
export function applyOverrides(trees: readonly ModelTree[], overrides: readonly PathSetting[], context: Context): readonly ModelTree[] {
  return overrides.reduce((sofar, override) => {
    const results = sofar.map((tree) => setPath(tree, override, context));
    const dead = results.find(isDeadEnd);
    if (dead !== undefined && results.every(isDeadEnd)) reportDeadEnd(dead, override, context);
    return results.map((result, i) => (isDeadEnd(result) ? sofar[i]! : { ...result, matchOptional: true }));
  }, trees);
}
