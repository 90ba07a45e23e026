/** An analysis in rows of text, the same on the terminal and in the page. */
import { signed } from "../report/words.ts";
import type { Analysis, Overlap, PassAnalysis, RouterAnalysis } from "./index.ts";
import { grouped } from "../units.ts";
import type { Effect, Removal } from "./removal.ts";

const number = (x: number | null | undefined, digits = 2): string => (x === null || x === undefined ? "–" : x.toFixed(digits));

/** "2 of 8", or "4 × 2 of 8" where each of 4 heads has experts of its own. */
const sizes = ({ heads, n_experts, top_k }: RouterAnalysis): string =>
  (heads === 1 ? `${top_k} of ${n_experts}` : `${heads} × ${top_k} of ${n_experts}`);

export const ROUTER_HEAD = [
  "router", "chooses", "passes", "dead", "perplexity", "busiest", "router entropy", "I(expert; token)", "I(expert; pass)",
  "experts per token type",
] as const;

/** One row per router: all its passes together. */
export const routerRow = (router: RouterAnalysis): readonly string[] => [
  router.router, sizes(router), `${router.passes.length}`, `${router.dead.length}`,
  `${number(router.perplexity, 1)} of ${router.counts.length}`, `${number(router.busiest)} ×`,
  number(router.passes.reduce((sum, { router_entropy }) => sum + router_entropy, 0) / router.passes.length, 3),
  information(router.expert_and_token), information(router.expert_and_pass), number(router.distinct_experts.mean, 1),
];

const information = ({ nats, bias }: RouterAnalysis["expert_and_token"]): string => `${number(nats, 4)} (bias ${number(bias, 4)})`;

export const PASS_HEAD = [
  "router", "depth", "pass", "dead", "perplexity", "busiest", "router entropy", "same experts (by chance)", "load moved",
  "experts per token type",
] as const;

/** One row per site, in order of depth. */
export const passRows = ({ routers }: Analysis): readonly (readonly string[])[] => routers
  .flatMap((router) => router.passes.map((pass, i) => ({ site: pass.site, row: passRow(router, pass, i) })))
  .sort((a, b) => a.site - b.site).map(({ row }) => row);

function passRow(router: RouterAnalysis, pass: PassAnalysis, i: number): readonly string[] {
  return [
    router.router, `${pass.site + 1}`, `${pass.pass + 1}`, `${pass.dead.length}`, number(pass.perplexity, 1), `${number(pass.busiest)} ×`,
    number(pass.router_entropy, 3), overlapText(router.overlap[i - 1]),
    number(i === 0 ? null : router.jensen_shannon[i - 1]![i], 4), number(router.distinct_experts.by_pass[i], 1),
  ];
}

/** "0.61 (0.36)" */
const overlapText = (overlap: Overlap | undefined): string =>
  (overlap === undefined || overlap.jaccard === null ? "–" : `${number(overlap.jaccard)} (${number(overlap.jaccard_of_others)})`);

export const STATE_HEAD = ["depth", "root mean square", "change", "loss if read here"] as const;

export const stateRows = ({ states }: Analysis): readonly (readonly string[])[] =>
  states.map(({ site, rms, update, loss }) => [`${site + 1}`, number(rms, 3), number(update, 3), number(loss, 4)]);

export const REMOVAL_HEAD = ["router", "expert", "loss without it", "most in pass", "loss without it there"] as const;

/** The experts of each router that are missed most. @param most of each */
export const removalRows = ({ removal }: Analysis, most = 3): readonly (readonly string[])[] => (removal?.routers ?? []).flatMap(
  ({ router, everywhere, passes }) => byEffect(everywhere).slice(0, most).map((expert) => {
    const [pass] = byEffect(passes.map((effects) => effects[expert]!));
    return [router, `${expert}`, effectText(everywhere[expert]!), `${pass! + 1}`, effectText(passes[pass!]![expert]!)];
  }));

/** Numbers of effects, the greatest first. */
export const byEffect = (effects: readonly Effect[]): readonly number[] =>
  [...effects.keys()].sort((a, b) => effects[b]!.loss - effects[a]!.loss);

/** "+0.0123 ± 0.0020" */
export const effectText = ({ loss, error }: Effect): string => `${signed(loss)}${error === null ? "" : ` ± ${error.toFixed(4)}`}`;

type Note = readonly [word: string, meaning: string];

/** What the columns mean, of the tables that there are. */
export const notesOf = ({ routers, removal }: Analysis): readonly Note[] =>
  [...(routers.length === 0 ? [] : ROUTER_NOTES), ...STATE_NOTES, ...(removal === null ? [] : [removalNote(removal)])];

const ROUTER_NOTES: readonly Note[] = [
  ["dead", "experts that no token chose"],
  ["perplexity", "so many experts, used evenly, would have the same entropy of load"],
  ["busiest", "the load of the busiest expert over an even one"],
  ["router entropy", "of the softmax of a router's logits, nats, a mean over tokens and heads"],
  ["I", "mutual information over all choices, nats, the plug-in estimate, which is too great: of independent things it is the stated bias"
    + " on average, and more, as the choices of one token depend on each other"],
  ["experts per token type", "different experts that all its occurrences chose, in all passes or in this one, a mean over types that occur"
    + " ten times or more; it grows with the text"],
  ["same experts", "Jaccard index of the sets that a token chose in this pass and the one before; by chance: of two different"
    + " tokens"],
  ["load moved", "Jensen–Shannon divergence of the loads of this pass and the one before, nats, at most 0.693"],
];

const STATE_NOTES: readonly Note[] = [
  ["change", "how far a layer moves the residual stream, over what it was: Euclidean norms, a mean over tokens"],
  ["loss if read here", "nats per token if the head reads the residual stream behind this layer; only the last one was trained for that"],
];

const removalNote = ({ tokens, windows }: Removal): Note => [
  "loss without it", `how much greater the loss is, nats per token, over ${grouped(tokens)} tokens, with the standard error over their`
  + ` ${grouped(windows)} windows, if what the expert adds is 0 in all passes, or in one; what else a token chose stays, and no other`
  + " expert is chosen instead",
];
