/** CompareSpec: a grid of variants, each resolved to a model of its own. */
import type { ModelSpec } from "./model-spec.ts";
import type { Span } from "./source.ts";

/** What each variant may spend: at most one of the first four. null: not said. */
export interface BudgetSpec {
  readonly steps: number | null;
  readonly tokens: number | null;
  /** Of training, everything counted: three times those of the forward pass. */
  readonly macs: number | null;
  readonly seconds: number | null;
  /** Of weights in float32. */
  readonly bytes: number | null;
  readonly tolerance: number;
}

export interface CompareSpec {
  readonly name: string;
  readonly span: Span;
  /** Name of the model that is varied. */
  readonly base: string;
  readonly vary: readonly { readonly path: string; readonly values: readonly string[] }[];
  readonly match: { readonly measure: "params" | "active" | "macs"; readonly by: string } | null;
  /** Runs per variant. */
  readonly seeds: number;
  /** Nats per token: differences of the loss within it are equivalent; null where it is not said. */
  readonly margin: number | null;
  /** Learning rates that are tried for each variant, or null; without `steps`, trials are as long as the runs. */
  readonly tune: { readonly lr: readonly number[]; readonly seeds: number; readonly steps: number | null } | null;
  readonly budget: BudgetSpec | null;
  /** Tasks that measure each run at its end, and at further steps. */
  readonly tasks: { readonly names: readonly string[]; readonly at: readonly number[] };
  /** One per point of the grid, first field slowest. `model.name` is unique in the file: "expert_size_128". */
  readonly variants: readonly { readonly settings: Readonly<Record<string, string>>; readonly model: ModelSpec }[];
}
