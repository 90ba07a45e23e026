/** A model's identity: its architecture, whatever it is called and however it is trained. */
import type { BalanceSpec, ModelSpec, NormPlacement, RouterSpec } from "../ir/model-spec.ts";
import { presetOf } from "../ir/norm-placement.ts";

/** Facts about the text, or names that could be any other. */
const NOT_IDENTITY = new Set(["span", "name", "stack", "train"]);

/**
 * Fields that came after the first models, with the value that means what specs without them meant: left out, so that the
 * identity of a model does not change when the language grows.
 */
const LATER: Readonly<Record<string, unknown>> = {
  residualScale: 1, qkNorm: null, window: null, causal: true, headsPerKey: 1, glu: false, hasBias: false, nShared: 0, zLoss: 0,
  relative: null, hidden: null, sumEps: 0, halting: null, core: null, expertDropout: 0, inputDropout: 0, sampled: 0, loadBiasRate: null,
  parallel: false, mapBias: false, qkNormOver: "head", sharedGate: "none", learnedPositions: false,
};

/**
 * Facts that are written otherwise in an identity than in a ModelSpec, since they were so when the first models had them. Biases without a
 * loss term are a kind of balance, a placement is the word for it, or else what reads the norm, and the biases of experts have another
 * name.
 */
function asIdentity(value: object): object {
  if ("placement" in value) {
    const placement = value.placement as NormPlacement;
    return { ...value, placement: presetOf(placement) ?? placement.readers };
  }
  return "router" in value ? routedIdentity(value as Routed) : value;
}

/** Anything with experts. */
interface Routed {
  readonly router: RouterSpec;
  readonly balance: BalanceSpec | null;
  readonly bias?: boolean | string;
}

function routedIdentity({ bias, ...value }: Routed): object {
  const { loadBiasRate, ...router } = value.router;
  const balance = { kind: "bias", weight: loadBiasRate, over: "batch", passes: true };
  return { ...value, hasBias: bias ?? false, ...(value.balance === null && loadBiasRate !== null ? { router, balance } : {}) };
}

/**
 * 16 hexadecimal digits (FNV-1a, 64 bits) of the resolved architecture; equal for models that compute the same function of their weights (a
 * `fn` by its expression).
 */
export function specHash(model: ModelSpec): string {
  return fnv1a(canonicalJson({ ...model, core: isPlainRepetition(model) ? null : model.core }));
}

/** A core that is entered like any group of layers and that no token leaves. */
const isPlainRepetition = ({ core, halting }: ModelSpec): boolean =>
  halting === null && core?.inject === "none" && core.state.kind === "input" && core.passEmbedding === null;

/** JSON with sorted keys, without NOT_IDENTITY. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const isLeftOut = (key: string, inner: unknown): boolean =>
    NOT_IDENTITY.has(key) || (Object.hasOwn(LATER, key) && LATER[key] === inner);
  const entries = Object.entries(asIdentity(value)).filter(([key, inner]) => !isLeftOut(key, inner))
    .sort(([x], [y]) => (x < y ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(",")}}`;
}

function fnv1a(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) hash = ((hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash.toString(16).padStart(16, "0");
}
