/** Counts of parameters and work, by named conventions. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { countMacs } from "./macs.ts";
import { countParams } from "./params.ts";

export { countMacs, type MacConvention, type MacCounts } from "./macs.ts";
export { countParams, type ParamCounts, type TensorCount } from "./params.ts";

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

/** "embedding 3.3M, 2 × a.feed_forward 31.9M …": where the numbers are, largest first. */
export function breakdown(model: ModelSpec): readonly { readonly part: string; readonly count: number }[] {
  const parts: Record<string, number> = {};
  for (const { name, count } of countParams(model).tensors) {
    const part = model.layers.some((l) => name.startsWith(`${l.name}.`)) ? partOfLayer(name) : name.split(".")[0]!;
    parts[part] = (parts[part] ?? 0) + count;
  }
  return Object.entries(parts).map(([part, count]) => ({ part, count })).sort((x, y) => y.count - x.count);
}

/** "a.0.attention.q" → "attention": the same part of all layers together. */
const partOfLayer = (name: string): string => /\.(attention|feed_forward|norm_\w+)/.exec(name)![1]!.replace(/^norm_.*/, "norms");
