/** What the parts of a block read, as names of variables; the rules are those of 3-graph/streams.ts. */
import type { LayerSpec, NormReader, RouterSpec } from "../ir/model-spec.ts";
import { hasNorm } from "../parameters/parameters.ts";

/** The residual stream, its norm, and, under halting, those that keys and values come from. */
const STREAMS = ["x", "normed", "source", "source_normed"] as const;
export type Stream = (typeof STREAMS)[number];

export type Part = "attention" | "feed_forward";

export interface Reads {
  readonly by: (reader: NormReader) => Stream;
  /** What a router reads. @param experts what it routes to; @param isSource keys or values */
  readonly byRouter: (router: RouterSpec, experts: "v" | "feed_forward", isSource?: boolean) => Stream;
  /** What reads the norm whatever the placement: gates of heads. */
  readonly normed: Stream;
}

/** @param hasSource keys and values may come from another stream */
export function readsOf(layer: LayerSpec, part: Part, hasSource = false): Reads {
  const { readers } = layer.placement;
  const stream = (isNormed: boolean, isSource: boolean): Stream => {
    const normed = isNormed && normsBefore(layer, part);
    return isSource && hasSource ? (normed ? "source_normed" : "source") : normed ? "normed" : "x";
  };
  return {
    by: (reader) => stream(readers.includes(reader), reader === "k" || reader === "v"),
    byRouter: ({ input }, experts, isSource = false) => stream(input === "norm" || readers.includes(experts), isSource),
    normed: stream(true, false),
  };
}

/** Whether a norm stands in front of a block and something reads it. */
export const normsBefore = (layer: LayerSpec, part: Part): boolean => layer.placement.stands !== "after" && hasNorm(layer, part);

/** Streams in the order in which a block takes them, each once. */
export const inOrder = (read: readonly Stream[]): readonly Stream[] => STREAMS.filter((stream) => read.includes(stream));
