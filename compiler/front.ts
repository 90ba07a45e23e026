/** The front of the compiler in one call: text → models, or what is wrong with it. */
import { parse } from "./1-parse/index.ts";
import { check, type CheckOptions, overrideSource } from "./2-check/index.ts";
import { createReporter, type Diagnostic, sortDiagnostics } from "./diagnostics/index.ts";
import type { CompareSpec } from "./ir/compare-spec.ts";
import type { ModelSpec } from "./ir/model-spec.ts";
import type { SourceText } from "./ir/source.ts";

export { type CheckOptions, type ReadFile } from "./2-check/index.ts";
export { renderDiagnostics } from "./diagnostics/index.ts";

export interface CheckResult {
  /** Models without errors, in the order of the file; imported ones are not among them. */
  readonly models: readonly ModelSpec[];
  readonly compares: readonly CompareSpec[];
  /** In reading order. A spec is right if none is an error. */
  readonly diagnostics: readonly Diagnostic[];
  /** Every text a diagnostic can point at: the file, its imports, the overrides. */
  readonly sources: readonly SourceText[];
}

/** Never throws for anything a user wrote. */
export function checkSource(source: SourceText, options: CheckOptions): CheckResult {
  const report = createReporter();
  const ast = parse(source, report);
  const { models, compares, imported } = check(ast, report, options);
  const sources = [source, ...imported, ...(options.overrides ?? []).map(overrideSource)];
  return { models, compares, diagnostics: sortDiagnostics(report.all, sources), sources };
}
