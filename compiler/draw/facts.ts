/** What the picture says about the parts of a layer, in the words of the language. */
import { type BalanceSpec, type LayerSpec, nameOf, type NormPlacement, type NormReader, type RouterSpec } from "../ir/model-spec.ts";
import { keyWidth } from "../counts/params.ts";

/** Experts: a comb of n teeth, of which k are chosen. */
export interface Comb {
  readonly label: string;
  readonly n: number;
  readonly k: number;
}

export interface Part {
  readonly title: string;
  readonly facts: readonly string[];
  readonly combs: readonly Comb[];
  /** Null if nothing is routed. */
  readonly router: string | null;
  /** What reads the norm in front of the block, and what the residual stream: "q, k". */
  readonly reads: { readonly norm: string; readonly residual: string };
}

export function attentionPart({ attention, placement }: LayerSpec): Part {
  const { nHeads, dHead, rope, qkNorm, window, causal, relative } = attention;
  const keyHeads = keyWidth(attention) / dHead;
  const isOverHeads = "qkNormOver" in attention && attention.qkNormOver === "heads";
  const facts = [
    `${nHeads} heads × ${dHead}`,
    ...(keyHeads === nHeads ? [] : [`${keyHeads} for keys, values`]),
    ...(rope === null ? (relative === null ? ["no positions"] : []) : [`rope on ${rope.nRotate} of ${dHead}`]),
    ...(rope?.stretch === undefined ? [] : [`stretched ${rope.stretch.factor} times`]),
    ...(relative === null ? [] : [`learned positions, reach ${relative.reach}`]),
    ...(qkNorm === null ? [] : [`q, k: ${qkNorm.kind}${isOverHeads ? " of all heads" : ""}`]),
    ...(window === null ? [] : [`window ${window}`]), ...(causal ? [] : ["sees both sides"]),
    ...("gate" in attention && attention.gate === "sigmoid" ? ["sigmoid gate per head"] : []),
    ...("mapBias" in attention && attention.mapBias !== false ? [attention.mapBias === true ? "biases" : "biases of q, k, v"] : []),
  ];
  switch (attention.kind) {
    case "mha": {
      const gate: Readers = attention.gate === "none" ? {} : { gate: "norm" };
      return { title: "attention mha", facts, combs: [], router: null, reads: reads(placement, { ...QKV, ...gate }) };
    }
    case "moa": {
      const { nExperts: n, topK: k, router } = attention;
      return {
        title: "attention moa", facts: [...facts, ...balancing(attention)], combs: [{ label: "q, o", n, k }], router: routing(router),
        reads: reads(placement, { ...QKV, router: readerOf(router, "v") }),
      };
    }
    case "switchhead": {
      const { nExperts: n, topK: k, router } = attention;
      return {
        title: "attention switchhead", facts: [...facts, "experts per head", ...balancing(attention)], router: routing(router),
        combs: attention.on.map((p) => ({ label: p, n, k })), reads: reads(placement, { ...QKV, routers: readerOf(router, "v") }),
      };
    }
  }
}

export function feedForwardPart({ feedForward: ff, placement }: LayerSpec): Part {
  const activation = [nameOf(ff.activation), ...(ff.glu ? ["gated (glu)"] : [])];
  switch (ff.kind) {
    case "dense": return {
      title: "feed_forward dense", facts: [`width ${ff.dFf}`, ...activation, ff.bias ? "biases" : "no biases"], combs: [], router: null,
      reads: reads(placement, { input: "feed_forward" }),
    };
    case "moe": {
      const { nExperts: n, topK: k, expertSize, nShared, router } = ff;
      const biases = ff.bias === false ? [] : [ff.bias === true ? "biases" : "biases, one of the output"];
      const shared = nShared === 0 ? [] : [`${nShared} more for every token${ff.sharedGate === "none" ? "" : ", gated"}`];
      return {
        title: "feed_forward moe", facts: [`experts of ${expertSize}`, ...activation, ...biases, ...shared, ...balancing(ff)],
        combs: [{ label: "", n, k }], router: routing(router),
        reads: reads(placement, { experts: "feed_forward", router: readerOf(router, "feed_forward") }),
      };
    }
  }
}

/** Names of what reads, each with the word of `norm … on` that decides what it reads; "norm" if it reads the norm whatever is named. */
type Readers = Readonly<Record<string, NormReader | "norm">>;

const QKV: Readers = { q: "q", k: "k", v: "v" };

const readerOf = (router: RouterSpec, experts: NormReader): NormReader | "norm" => (router.input === "norm" ? "norm" : experts);

function reads({ stands, readers }: NormPlacement, parts: Readers): Part["reads"] {
  const isNormed = (reader: NormReader | "norm"): boolean => stands !== "after" && (reader === "norm" || readers.includes(reader));
  const names = (normed: boolean): string =>
    Object.entries(parts).filter(([, reader]) => isNormed(reader) === normed).map(([name]) => name).join(", ");
  return { norm: names(true), residual: names(false) };
}

const routing = (router: RouterSpec): string =>
  [`router ${nameOf(router.score)}`, ...(router.weight === "score" ? [] : ["renormalized"])].join(" · ");

function balancing({ balance, router }: { readonly balance: BalanceSpec | null; readonly router: RouterSpec }): readonly string[] {
  const ways = [...(balance === null ? [] : [balance.kind]), ...(router.loadBiasRate === null ? [] : ["bias"])];
  return ways.length === 0 ? [] : [`balance ${ways.join(" and ")}`];
}
