/** What is allowed but rarely meant. */
import { oneOf, plural, warning } from "../entry.ts";

export const LINT_MESSAGES = {
  "odd-rotary-width": warning<{ fraction: number; dHead: number; wanted: number; used: number }>({
    message: (p) => `${p.fraction} of d_head ${p.dHead} is ${p.wanted} rotary channels, which is odd: ${p.used === 0 ? "none is rotated" : `${p.used} are rotated`}`,
    hint: () => "rotary channels come in pairs; the training code of the paper drops the odd one too",
  }),
  "unused-layer": warning<{ name: string }>({
    message: (p) => `layer \`${p.name}\` is declared but the stack never applies it`,
    hint: () => "name it in `stack`, or remove it",
  }),
  "uneven-depth": warning<{ more: string; often: number; less: string; seldom: number }>({
    message: (p) => `the depth is not a multiple of the group: \`${p.more}\` is applied ${p.often} times, \`${p.less}\` ${p.seldom}`,
    hint: () => "repeat the whole group, `stack (a, b) * 8`: depth is the size of the group times its passes (Csordás et al. 2024, layer grouping)",
  }),
  "idle-balance": warning<{ nExperts: number }>({
    message: () => "with one expert there is nothing to balance",
    hint: () => "remove `balance`, or write more than one expert",
  }),
  "lone-token-balance": warning<{ weight: number }>({
    message: (p) => `the entropy of each token's own choice is pushed up (weight ${p.weight}): that blurs every decision and balances nothing`,
    hint: () => "write `scope sequence`: then the mean over the sequence is to be even (Csordás et al. 2024, section 2.1)",
  }),
  "sees-target": warning<Record<never, never>>({
    message: () => "with `causal false` a position sees the next token, which it is trained to predict",
    hint: () => "the loss says nothing then; leave out `causal false` for a language model",
  }),
  "halting-collapse": warning<{ threshold: number }>({
    message: (p) => `before training each token halts with probability 1/2, so with a threshold of ${p.threshold} all are skipped from the second application on and no gradient can bring them back`,
    hint: () => "write a threshold above 0.5; the Sparse Universal Transformer has 0.999 (Graves 2016, section 2, on collapsing to one step)",
  }),
  "early-halting": warning<{ bias: number; threshold: number }>({
    message: (p) => `before training each token halts with probability sigmoid(${p.bias}), which is more than the threshold ${p.threshold}: all halt in the first pass, and no gradient reaches the others`,
    hint: () => "write a smaller bias (Graves 2016, section 2, on collapsing to one step; the Universal Transformer has 1)",
  }),
  "idle-core": warning<Record<never, never>>({
    message: () => "the stack has no `core(…)`, so what `core { … }` says is not used",
    hint: () => "write for instance `stack core(a, b) * 8`, or remove the block",
  }),
  "every-expert-chosen": warning<{ topK: number }>({
    message: (p) => `top_k is ${p.topK} of ${plural(p.topK, "expert")}: every token visits all of them`,
    hint: () => "routing saves nothing then; choose a smaller top_k or more experts",
  }),
  "constant-gate": warning<Record<never, never>>({
    message: () => "a renormalized weight of a single expert is always 1: the router learns nothing from the loss",
    hint: () => "write `weight score`, or a top_k of at least 2",
  }),
  "idle-norm": warning<{ placement: string; block: string; readers: string }>({
    message: (p) => `with norms ${p.placement} nothing in \`${p.block}\` reads a norm: it reads the bare residual stream`,
    hint: (p) => `write \`at pre\`, or \`on\` with ${oneOf(p.readers.split(", "))}`,
  }),
  "unnormalized-head": warning<{ placement: string }>({
    message: (p) => `with norms ${p.placement} the residual stream grows with depth, and nothing normalizes it in front of the head`,
    hint: () => "leave out `norm none` in `head`",
  }),
  "double-head-norm": warning<Record<never, never>>({
    message: () => "with norms at post the last layer ends in a norm, and the head begins with another",
    hint: () => "write `norm none` in `head`",
  }),
  "mixed-placement": warning<{ first: string; second: string }>({
    message: (p) => `layers with norms ${p.first} and ${p.second} share one residual stream`,
    hint: () => "rarely meant: one set of layers normalizes the stream that the others let grow",
  }),
  "unusual-lr": warning<{ lr: number }>({
    message: (p) => `a learning rate of ${p.lr} moves every weight by about as much in each step`,
    hint: () => "AdamW is mostly run with 1e-4 to 1e-2; the paper has 2.5e-4",
  }),
  "warmup-exceeds-steps": warning<{ warmup: number; steps: number }>({
    message: (p) => `warm-up takes ${p.warmup} steps, but training ends after ${p.steps}`,
    hint: () => "the learning rate never reaches lr; shorten the warm-up",
  }),
};
