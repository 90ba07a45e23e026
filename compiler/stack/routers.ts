/** Every application of a router, in order of depth. */
import type { LayerSpec, ModelSpec } from "../ir/model-spec.ts";
import { hasRouter } from "../parameters/parameters.ts";

/** One application of a router. */
export interface RouterSite {
  /** "a.feed_forward", "a.attention v": all its applications have the same experts. */
  readonly router: string;
  /** What outputs of the graph are called after, with the position in depth behind it: "ffn", "att", "att_v", "att_o". */
  readonly output: string;
  /** Position in depth, from 0. */
  readonly site: number;
  /** Which application of its layer this is, from 0. */
  readonly pass: number;
  /** H: choices that a token makes side by side, each among experts of its own. */
  readonly heads: number;
  readonly nExperts: number; // E of each head
  readonly topK: number; // K of each head
}

export const routerSites = ({ layers, schedule }: ModelSpec): readonly RouterSite[] => schedule.flatMap(({ layer, pass }, site) => {
  const { name, ...parts } = layers[layer]!;
  return routersOf(parts).map(({ part, ...router }): RouterSite => ({ router: `${name}.${part}`, site, pass, ...router }));
});

type Router = Pick<RouterSite, "output" | "heads" | "nExperts" | "topK"> & { readonly part: string };

function routersOf({ attention, feedForward }: Pick<LayerSpec, "attention" | "feedForward">): readonly Router[] {
  return [
    ...attentionRouters(attention),
    ...(feedForward.kind === "moe" ? [{ part: "feed_forward", output: "ffn", heads: 1, ...sizesOf(feedForward) }] : []),
  ];
}

function attentionRouters(attention: LayerSpec["attention"]): readonly Router[] {
  switch (attention.kind) {
    case "mha": return [];
    case "moa": return [{ part: "attention", output: "att", heads: 1, ...sizesOf(attention) }];
    case "switchhead": return (["v", "o"] as const).filter((side) => hasRouter(attention, side)).map((side) =>
      ({ part: `attention ${side}`, output: `att_${side}`, heads: attention.nHeads, ...sizesOf(attention) }));
  }
}

const sizesOf = ({ nExperts, topK }: Pick<Router, "nExperts" | "topK">): Pick<Router, "nExperts" | "topK"> => ({ nExperts, topK });
