/** `expect`: claims of the author that are refused if untrue. */
import { breakdown, measure, MEASURES, type Measure } from "../counts/index.ts";
import { grouped } from "../diagnostics/entry.ts";
import { nearest, type Reporter } from "../diagnostics/index.ts";
import type { ExpectAst, NameAst } from "../ir/ast.ts";
import type { ModelSpec } from "../ir/model-spec.ts";

/** Null (reported) where the word names nothing that can be counted. */
export function measureOf(name: NameAst, report: Reporter): Measure | null {
  const found = MEASURES.find((m) => m === name.text);
  if (found === undefined) report.report("unknown-measure", name.span, {
    name: name.text, nearest: nearest(name.text, MEASURES), choices: MEASURES,
  });
  return found ?? null;
}

export function checkClaims(model: ModelSpec | null, claims: readonly ExpectAst[], report: Reporter): void {
  const counts: Partial<Record<Measure, number>> = {};
  let parts: string | undefined;
  for (const claim of claims) {
    const what = measureOf(claim.measure, report);
    if (what === null || model === null) continue;
    const actual = (counts[what] ??= measure(model, what));
    const tolerance = claim.tolerance?.value ?? 0;
    if (Math.abs(actual - claim.value.value) <= tolerance) continue;
    parts ??= breakdown(model).map(({ part, count }) => `${part} ${grouped(count)}`).join(", ");
    report.report("expect-failed", claim.value.span, {
      model: model.name, measure: what, expected: claim.value.value, tolerance, actual,
      breakdown: what === "macs" ? "see `moeut inspect`" : `it has ${parts}`,
    });
  }
}
