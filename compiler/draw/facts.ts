/** What the picture says about the parts of a layer, in the words of the language. */
import type { AttentionSpec, BalanceSpec, FeedForwardSpec, RouterSpec } from "../ir/model-spec.ts";
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
  /** What at peri reads the norm, and what reads the residual; null for none. */
  readonly reads: { readonly norm: string | null; readonly residual: string | null; readonly all: string };
}

export function attentionPart(attention: AttentionSpec): Part {
  const { nHeads, dHead, rope, qkNorm, window, causal, relative } = attention;
  const keyHeads = keyWidth(attention) / dHead;
  const facts = [
    `${nHeads} heads × ${dHead}`,
    ...(keyHeads === nHeads ? [] : [`${keyHeads} for keys, values`]),
    ...(rope === null ? (relative === null ? ["no positions"] : []) : [`rope on ${rope.nRotate} of ${dHead}`]),
    ...(relative === null ? [] : [`learned positions, reach ${relative.reach}`]),
    ...(qkNorm === null ? [] : [`q, k: ${qkNorm.kind}`]),
    ...(window === null ? [] : [`window ${window}`]), ...(causal ? [] : ["sees both sides"]),
    ...(attention.kind === "mha" ? (attention.gate === "none" ? [] : ["sigmoid gate per head"]) : []),
  ];
  if (attention.kind === "mha") {
    const gate = attention.gate === "none" ? "" : ", gate";
    return { title: "attention mha", facts, combs: [], router: null, reads: { norm: `q, k${gate}`, residual: "v", all: `q, k, v${gate}` } };
  }
  const { nExperts: n, topK: k, router } = attention;
  const routed = routing(router);
  if (attention.kind === "moa") return { title: "attention moa", facts: [...facts, ...balancing(attention)], combs: [{ label: "q, o", n, k }], router: routed, reads: { norm: "q, k, router", residual: "v", all: "q, k, v, router" } };
  const combs = attention.on.map((p) => ({ label: p, n, k }));
  const onNorm = router.input === "norm";
  return {
    title: "attention switchhead", facts: [...facts, "experts per head", ...balancing(attention)], combs, router: routed,
    reads: { norm: onNorm ? "q, k, routers" : "q, k", residual: onNorm ? "v" : "v, routers", all: "q, k, v, routers" },
  };
}

export function feedForwardPart(ff: FeedForwardSpec): Part {
  const activation = [ff.activation, ...(ff.glu ? ["gated (glu)"] : [])];
  if (ff.kind === "dense") return { title: "feed_forward dense", facts: [`width ${ff.dFf}`, ...activation, ff.bias ? "biases" : "no biases"], combs: [], router: null, reads: { norm: null, residual: "input", all: "input" } };
  const { nExperts: n, topK: k, expertSize, nShared, router } = ff;
  const onNorm = router.input === "norm";
  return {
    title: "feed_forward moe", facts: [`experts of ${expertSize}`, ...activation, ...(ff.hasBias ? ["biases"] : []), ...(nShared === 0 ? [] : [`${nShared} more for every token`]), ...balancing(ff)],
    combs: [{ label: "", n, k }], router: routing(router),
    reads: { norm: onNorm ? "router" : null, residual: onNorm ? "experts" : "experts, router", all: "experts, router" },
  };
}

const routing = (router: RouterSpec): string => [`router ${router.score}`, ...(router.weight === "score" ? [] : ["renormalized"])].join(" · ");

function balancing({ balance, router }: { readonly balance: BalanceSpec | null; readonly router: RouterSpec }): readonly string[] {
  const ways = [...(balance === null ? [] : [balance.kind]), ...(router.loadBiasRate === null ? [] : ["bias"])];
  return ways.length === 0 ? [] : [`balance ${ways.join(" and ")}`];
}
