/** Constructor arguments of MoEUTLM, github.com/RobertCsordas/moeut. */
import type { ImportedAttention, ImportedModel, ImportedRouting } from "./model.ts";
import { cyclicStack, layerNames } from "./model.ts";
import { COUNT, DEPTH, GROUP, number, SHARE, SIZE, WEIGHT } from "./options.ts";
import type { Options, Relation, Rules } from "./options.ts";

export const CLEAN_RULES: Rules = {
  d_model: SIZE, n_layers: DEPTH, n_heads: COUNT, n_tokens: { kind: "whole", min: 1, max: 16_777_216, default: null },
  ff_n_experts: SIZE, att_n_experts: COUNT, d_head: { ...SIZE, default: null }, group_size: { ...GROUP, default: 2 },
  ff_k: { ...SIZE, default: 8 }, att_k: { ...COUNT, default: 2 }, ff_expert_size: { ...SIZE, default: 128 },
  entropy_reg: { ...WEIGHT, default: 0.01 }, att_entropy_reg: { ...WEIGHT, default: 0.001 },
  ff_expert_dropout: { ...SHARE, default: 0 }, att_expert_dropout: { ...SHARE, default: 0 },
  dropout: { kind: "only", value: 0, because: "dropout is not supported" },
};

export const CLEAN_RELATIONS: readonly Relation[] = [
  {
    of: ["n_layers", "group_size"],
    holds: (o) => number(o, "n_layers") >= number(o, "group_size"),
    otherwise: () => "n_layers is smaller than group_size",
  },
  {
    of: ["ff_k", "ff_n_experts"],
    holds: (o) => number(o, "ff_k") <= number(o, "ff_n_experts"),
    otherwise: (o) => `ff_k is ${o["ff_k"]}, more than the ${o["ff_n_experts"]} experts of ff_n_experts`,
  },
  {
    of: ["att_k", "att_n_experts"],
    holds: (o) => o["att_n_experts"] === 1 || number(o, "att_k") <= number(o, "att_n_experts"),
    otherwise: (o) => `att_k is ${o["att_k"]}, more than the ${o["att_n_experts"]} experts of att_n_experts`,
  },
  {
    of: ["d_head", "d_model", "n_heads"],
    holds: (o) => headWidth(o) >= 1,
    otherwise: () => "n_heads is greater than d_model, so that heads have no width",
  },
];

export const isClean = (args: Readonly<Record<string, unknown>>): boolean => Object.hasOwn(args, "d_model");

const headWidth = (o: Options): number =>
  o["d_head"] === null ? Math.floor(number(o, "d_model") / number(o, "n_heads")) : number(o, "d_head");

/** @param options that fulfil the rules and relations */
export function importClean(options: Options): ImportedModel {
  const layers = layerNames(number(options, "group_size"));
  const experts = { nExperts: number(options, "ff_n_experts"), expertSize: number(options, "ff_expert_size") };
  return {
    dModel: number(options, "d_model"), layers, stack: cyclicStack(layers, Math.floor(number(options, "n_layers") / layers.length)),
    placement: "peri",
    attention: attention(options),
    feedForward: { activation: "relu", ...experts, bias: false, ...routing(options, "ff", "entropy_reg") },
    embedding: { scale: 1, normed: false },
    headNorm: true,
  };
}

function attention(options: Options): ImportedAttention {
  const nExperts = number(options, "att_n_experts");
  return {
    nHeads: number(options, "n_heads"),
    dHead: headWidth(options),
    rope: { fraction: 0.5, base: 10_000 },
    kind: nExperts === 1 ? { gate: "sigmoid" } : { nExperts, on: ["v", "o"], ...routing(options, "att", "att_entropy_reg") },
  };
}

function routing(options: Options, part: "ff" | "att", regularizer: string): ImportedRouting {
  const weight = number(options, regularizer);
  return {
    topK: number(options, `${part}_k`), score: "sigmoid", weight: "score", expertDropout: number(options, `${part}_expert_dropout`),
    balance: weight === 0 ? null : { weight, scope: "sequence, passes" },
  };
}
