/** Everything a user can be told: the catalogue, the reporter that collects, the renderer that prints. */
import type { SourceText, Span } from "../ir/source.ts";
import { CATALOGUE, type Code, type Facts } from "./catalogue.ts";
import type { Diagnostic, Label } from "./diagnostic.ts";
import type { Severity } from "./entry.ts";

export { type Code, type Facts } from "./catalogue.ts";
export type { Diagnostic } from "./diagnostic.ts";
export { nearest } from "./nearest.ts";
export { renderDiagnostics } from "./render.ts";

/** Collects findings. Passed down through the phases; the only thing in them that is written to. */
export interface Reporter {
  readonly all: readonly Diagnostic[];
  /** The code picks the type of the facts, so a message cannot be given the wrong ones. */
  report<C extends Code>(code: C, span: Span | null, facts: Facts<C>, labels?: readonly Label[]): void;
  /** A finding made elsewhere. */
  add(diagnostic: Diagnostic): void;
  /** Errors reported so far, every copy counted: whoever repeats a mistake is as wrong as the first. */
  readonly errors: number;
}

/** Makes one finding without a reporter, for commands that stop at the first. */
function diagnose<C extends Code>(code: C, span: Span | null, facts: Facts<C>, labels: readonly Label[] = []): Diagnostic {
  const entry = CATALOGUE[code] as { severity: Severity; message: (f: Facts<C>) => string; hint: (f: Facts<C>) => string };
  return { code, severity: entry.severity, message: entry.message(facts), hint: entry.hint(facts), span, labels, models: [] };
}

/** A reporter that keeps one copy of equal findings: what a parent did wrong is not repeated for every child. */
export function createReporter(): Reporter {
  const all: Diagnostic[] = [];
  const seen = new Map<string, number>();
  let errors = 0;
  const add = (made: Diagnostic): void => {
    if (made.severity === "error") errors++;
    const key = `${made.code} ${made.span?.file} ${made.span?.start} ${made.span?.end} ${made.message}`;
    const before = seen.get(key);
    if (before !== undefined) all[before] = { ...all[before]!, models: together(all[before]!.models, made.models) };
    else seen.set(key, all.push(made) - 1);
  };
  return {
    all,
    add,
    report: (code, span, facts, labels = []) => add(diagnose(code, span, facts, labels)),
    get errors() { return errors; },
  };
}

/** None: all. */
const together = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.length === 0 || b.length === 0 ? [] : [...new Set([...a, ...b])];

/** The same reporter, for what is about one model. */
export function about(model: string, reporter: Reporter): Reporter {
  const add = (made: Diagnostic): void => reporter.add({ ...made, models: [model] });
  return {
    all: reporter.all,
    add,
    report: (code, span, facts, labels = []) => add(diagnose(code, span, facts, labels)),
    get errors() { return reporter.errors; },
  };
}

/** In reading order: by file as given, then by position. Findings without a place come first. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[], sources: readonly SourceText[]): Diagnostic[] {
  const ranks = new Map(sources.map(({ file }, i) => [file, i]));
  const fileRank = (d: Diagnostic): number => (d.span === null ? -1 : (ranks.get(d.span.file) ?? -1));
  return [...diagnostics].sort((x, y) => fileRank(x) - fileRank(y) || (x.span?.start ?? 0) - (y.span?.start ?? 0));
}
