/** An official configuration in the words of the spec language: what `printSpec` prints. All layers are alike. */
import type { BuiltInActivation, FeedForwardSpec, NormPreset, ROUTER_SCORES, RouterSpec } from "../ir/model-spec.ts";

type Moe = Extract<FeedForwardSpec, { kind: "moe" }>;

export interface ImportedModel {
  readonly dModel: number;
  /** Names of the layers; with `own`, one layer of which every site has a copy. */
  readonly layers: readonly string[];
  readonly stack: string;
  readonly placement: NormPreset;
  readonly attention: ImportedAttention;
  readonly feedForward: ImportedFeedForward;
  readonly embedding: { readonly scale: number | "sqrt_d_model"; readonly normed: boolean };
  /** A norm in front of the output projection. */
  readonly headNorm: boolean;
  readonly halting?: { readonly threshold: number; readonly weight: number };
}

export interface ImportedAttention {
  readonly nHeads: number;
  readonly dHead: number;
  readonly rope: { readonly fraction: number; readonly base: number };
  /** Dense, a mixture of heads with relative positions, or SwitchHead. */
  readonly kind:
    | { readonly gate: "none" | "sigmoid" }
    | ({ readonly nExperts: number; readonly reach: number } & ImportedRouting)
    | ({ readonly nExperts: number; readonly on: readonly string[] } & ImportedRouting);
}

export interface ImportedRouting {
  readonly topK: number;
  readonly score: (typeof ROUTER_SCORES)[number];
  readonly weight: RouterSpec["weight"];
  /** The router's outputs have biases. */
  readonly hasBias?: boolean;
  readonly balance: ImportedBalance | null;
  readonly hidden?: number;
  readonly eps?: number;
  readonly expertDropout?: number;
  readonly inputDropout?: number;
  readonly sampled?: number;
}

export interface ImportedBalance {
  /** The default is entropy. */
  readonly kind?: "mutual_information";
  readonly weight: number;
  readonly scope: string; // "sequence, passes"
}

export type ImportedFeedForward = { readonly activation: BuiltInActivation } & (
  | { readonly dFf: number }
  | ({ readonly nExperts: number; readonly expertSize: number; readonly bias: Moe["bias"] } & ImportedRouting)
);

/** a, b, … z, or l0, l1, … where letters do not suffice. */
export const layerNames = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => (count <= 26 ? String.fromCharCode(97 + i) : `l${i}`));

/** The layers in order, again and again. */
export function cyclicStack(layers: readonly string[], repeats: number): string {
  const group = layers.length === 1 ? layers[0]! : `(${layers.join(", ")})`;
  return repeats === 1 ? layers.join(", ") : `${group} * ${repeats}`;
}
