/** What is emitted: a model, its plans, and what is copied beside them. */
import type { ModelSpec } from "../ir/model-spec.ts";
import type { KernelPlan } from "../ir/plan.ts";
import type { SourceText } from "../ir/source.ts";

export interface Emission {
  readonly model: ModelSpec;
  /** For GPUs, with the entries evaluate and logits; train and update if the folder is to train; prefill and decode if it can generate. */
  readonly plan: KernelPlan;
  /** The same entries for the processor. */
  readonly cpu: KernelPlan;
  /** The bytes of a safetensors file that fits the model, or null for a model without weights. */
  readonly weights: Uint8Array | null;
  /** What tokens are, or null where only the caller knows. */
  readonly text: "bytes" | null;
  /** Of moeut. */
  readonly version: string;
  /** The spec and what it imports, so that launches can be traced to lines. */
  readonly sources: readonly SourceText[];
  /** What runtimeFiles makes of runtime/standalone. */
  readonly runtime: Files;
}

/** Texts by path. */
export type Files = Readonly<Record<string, string>>;

export const trains = ({ entries }: KernelPlan): boolean => Object.hasOwn(entries, "train");

export const generates = ({ entries }: KernelPlan): boolean => Object.hasOwn(entries, "decode");
