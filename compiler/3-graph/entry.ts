/** Which graph of a model is built. */
export type Entry =
  /** Forward with losses; addGradients makes the training step of it. `masked`: targets may be IGNORED, see mask.ts. */
  | { readonly kind: "train"; readonly batch: number; readonly seqLen: number; readonly masked?: boolean }
  /**
   * Forward with per-token losses, without regularizers. `lens`: also those that the head reads behind every application, and all of them
   * with one expert `removed`.
   */
  | { readonly kind: "evaluate"; readonly batch: number; readonly seqLen: number; readonly lens?: boolean }
  /** Forward of right-padded texts, with the losses of `rows` of their positions: the head computes no other. */
  | { readonly kind: "score"; readonly batch: number; readonly seqLen: number; readonly rows: number }
  /**
   * `chunk` positions of each sequence behind the `position` that are in its key and value caches of `capacity` positions; one sequence
   * or `batch`.
   */
  | { readonly kind: "step"; readonly chunk: number; readonly capacity: number; readonly batch?: number };

export const hasLens = (entry: Entry): boolean => entry.kind === "evaluate" && entry.lens === true;
