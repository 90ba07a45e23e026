/** What a layer knows of its attention and feed-forward block. */
import type { ModelSpec } from "../ir/model-spec.ts";
import type { Stream } from "./streams.ts";

export interface Block {
  /** How the module is made: "Attention(config)". */
  readonly make: string;
  /** Streams that its forward pass takes, in order. */
  readonly takes: readonly Stream[];
  /** Whether it is told the weight of tokens that may be skipped. */
  readonly isWeighted: boolean;
  /** What it returns for the loss besides its output, as names of variables. */
  readonly loads: readonly string[];
}

/** Whether tokens are skipped: blocks then have a source of keys and values, and weights of tokens. */
export const isSkipping = ({ halting }: ModelSpec): boolean => halting?.kind === "act";

/** Parameters of a forward pass. */
export const parameters = ({ takes, isWeighted }: Pick<Block, "takes" | "isWeighted">): string =>
  [...takes, ...(isWeighted ? ["weight"] : [])].map((name) => `${name}: Tensor`).join(", ");

/** The type that a forward pass returns. */
export const returns = ({ loadTypes }: { readonly loadTypes: readonly string[] }): string =>
  (loadTypes.length === 0 ? "Tensor" : `tuple[${["Tensor", ...loadTypes].join(", ")}]`);
