/** Where in depth a router is, and what it is told of the tokens there. */
import type { ValueId } from "../ir/graph.ts";

/** What halting says of the tokens of one application. */
export interface Skip {
  /** 0 for tokens that are skipped, 1 for the others, [B, T, 1]. */
  readonly running: ValueId;
  /** Their weight in the output, [B, T, 1]. */
  readonly weight: ValueId;
}

/** One application of a router. */
export interface RouterSite {
  /** Layer and router, "a.feed_forward.router": all applications of the layer share one balance term of that name. */
  readonly name: string;
  /** What its outputs are called: see buildGraph. */
  readonly output: "ffn" | "att" | "att_v" | "att_o";
  /** Position in depth. */
  readonly site: number;
  readonly skip: Skip | null;
}
