/** What is emitted: a model, its plan, and what is copied beside them. */
import type { ModelSpec } from "../ir/model-spec.ts";
import type { KernelPlan } from "../ir/plan.ts";
import type { SourceText } from "../ir/source.ts";

export interface Emission {
  readonly model: ModelSpec;
  /** With the entries train, update, evaluate, prefill and decode. */
  readonly plan: KernelPlan;
  /** Of moeut. */
  readonly version: string;
  /** The spec and what it imports, so that launches can be traced to lines. */
  readonly sources: readonly SourceText[];
  /** Text of every file of runtime/standalone, by its path there. */
  readonly runtime: Readonly<Record<string, string>>;
}
