/** What is emitted: a model, its plans, and what is copied beside them. */
import type { TokenizerJson } from "../../runtime/standalone/tokenizer/json.ts";
import { isKnown } from "../../runtime/standalone/tokenizer/read.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { KernelPlan } from "../ir/plan.ts";
import type { SourceText } from "../ir/source.ts";

export interface Emission {
  readonly model: ModelSpec;
  /** For GPUs, with the entries evaluate and logits; train and update if the folder is to train; prefill and decode if it can generate. */
  readonly plan: KernelPlan;
  /** The same entries for the processor. */
  readonly cpu: KernelPlan;
  /** What trains takes targets that are IGNORED. */
  readonly masked?: boolean;
  /** The bytes of a safetensors file that fits the model, or null for a model without weights. */
  readonly weights: Uint8Array | null;
  readonly text: Tokens;
  /** Of moeut. */
  readonly version: string;
  /** The spec and what it imports, so that launches can be traced to lines. */
  readonly sources: readonly SourceText[];
  /** What runtimeFiles makes of runtime/standalone. */
  readonly runtime: Files;
}

/** What tokens are: bytes, what a tokenizer.json says (its text), or null where only the caller knows. */
export type Tokens = "bytes" | { readonly tokenizer: string } | null;

/** The folder itself turns text into tokens. Of other tokenizers it only has the file: it imports no library. */
export const readsText = ({ text }: Emission): boolean => text === "bytes" || hasTokenizer(text);

export const hasTokenizer = (text: Tokens): boolean =>
  text !== null && text !== "bytes" && isKnown(JSON.parse(text.tokenizer) as TokenizerJson);

/** Texts by path. */
export type Files = Readonly<Record<string, string>>;

export const trains = ({ entries }: KernelPlan): boolean => Object.hasOwn(entries, "train");

export const generates = ({ entries }: KernelPlan): boolean => Object.hasOwn(entries, "decode");
