/** Counts of parameters and work, by named conventions. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { countMacs } from "./macs.ts";
import { countParams } from "./params.ts";

export { countApplied, type AppliedParams } from "./applied.ts";
export { countConventions, paperTrainingMacs } from "./conventions.ts";
export { attentionMacs, countMacs, feedForwardMacs, injectionMacs } from "./macs.ts";
export { attentionHasNorm, countParams, feedForwardHasNorm } from "./params.ts";

/** What `expect` and `match` can count. */
export const MEASURES = ["params", "active", "macs"] as const;
export type Measure = (typeof MEASURES)[number];

/** params, active: parameters; macs: per token at the model's seq_len, convention `moeut`. */
export function measure(model: ModelSpec, what: Measure): number {
  switch (what) {
    case "params": return countParams(model).total;
    case "active": return countParams(model).active;
    case "macs": return countMacs(model).perToken.moeut;
  }
}

/** Where the parameters are, the largest part first; the same part of all layers counts as one. */
export function breakdown(model: ModelSpec): readonly { readonly part: string; readonly count: number }[] {
  const parts: Record<string, number> = {};
  for (const { name, count } of countParams(model).tensors) {
    const part = partOfLayer(name) ?? name.split(".")[0]!;
    parts[part] = (parts[part] ?? 0) + count;
  }
  return Object.entries(parts).map(([part, count]) => ({ part, count })).sort((x, y) => y.count - x.count);
}

/** "a.0.attention.q" → "attention": the same part of all layers together. Null for what belongs to no layer. */
function partOfLayer(name: string): string | null {
  const part = /^\w+(?:\.\d+)?\.(attention|feed_forward|halting|norm_\w+)\./.exec(name)?.[1];
  return part === undefined ? null : part.replace(/^norm_.*/, "norms");
}
