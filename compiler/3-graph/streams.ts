/** What the parts of a layer read. */
import type { ValueId } from "../ir/graph.ts";
import type { NormReader, RouterSpec } from "../ir/model-spec.ts";
import type { Skip } from "./router-site.ts";

/** The residual stream and its norm, [B, T, D] each; the stream twice where no norm stands in front of the block or nothing reads it. */
export interface Streams {
  readonly bare: ValueId;
  readonly normed: ValueId;
}

/** What one application of a block is given. */
export interface BlockInputs {
  readonly own: Streams;
  /** What keys and values come from: under halting, behind the first application, not the layer's own stream. */
  readonly source: Streams;
  /** What reads the norm. */
  readonly readers: readonly NormReader[];
  /** Whom the block skips, under halting. */
  readonly skip: Skip | null;
}

/** What keys and values read comes from the source. */
export function readBy({ own, source, readers }: BlockInputs, reader: NormReader): ValueId {
  const from = reader === "k" || reader === "v" ? source : own;
  return readers.includes(reader) ? from.normed : from.bare;
}

/** What a router reads: the norm, or what `experts` reads; of keys and values, those of the source. */
export const readByRouter = (inputs: BlockInputs, from: Streams, { input }: RouterSpec, experts: "v" | "feed_forward"): ValueId =>
  input === "norm" || inputs.readers.includes(experts) ? from.normed : from.bare;
