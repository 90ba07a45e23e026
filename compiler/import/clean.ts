/** Constructor arguments of MoEUTLM, github.com/RobertCsordas/moeut. */
import type { ImportedAttention, ImportedModel, ImportedRouting } from "./model.ts";
import { cyclicStack, layerNames } from "./model.ts";
import { readOptions, real, refuse, share, whole } from "./options.ts";
import type { OptionRule, Options } from "./options.ts";

const RULES: Readonly<Record<string, OptionRule>> = {
  d_model: { used: null }, n_layers: { used: null }, n_heads: { used: null }, n_tokens: { used: null },
  ff_n_experts: { used: null }, att_n_experts: { used: null }, d_head: { used: null }, group_size: { used: 2 },
  ff_k: { used: 8 }, att_k: { used: 2 }, ff_expert_size: { used: 128 }, entropy_reg: { used: 0.01 }, att_entropy_reg: { used: 0.001 },
  ff_expert_dropout: { used: 0 }, att_expert_dropout: { used: 0 }, dropout: { only: 0, because: "dropout is not supported" },
};

export const isClean = (args: Readonly<Record<string, unknown>>): boolean => "d_model" in args;

export function importClean(args: Readonly<Record<string, unknown>>): ImportedModel {
  const options = readOptions(args, RULES);
  const dModel = whole(options, "d_model");
  const layers = layerNames(whole(options, "group_size"));
  const repeats = Math.floor(whole(options, "n_layers") / layers.length);
  if (repeats === 0) refuse("option n_layers is smaller than group_size");
  return {
    dModel, layers, stack: cyclicStack(layers, repeats), placement: "peri",
    attention: attention(options, dModel),
    feedForward: { activation: "relu", nExperts: whole(options, "ff_n_experts"), expertSize: whole(options, "ff_expert_size"), bias: false, ...routing(options, "ff") },
    embedding: { scale: 1, normed: false },
    headNorm: true,
  };
}

function attention(options: Options, dModel: number): ImportedAttention {
  const nHeads = whole(options, "n_heads");
  const nExperts = whole(options, "att_n_experts");
  return {
    nHeads,
    dHead: options["d_head"] === null ? Math.floor(dModel / nHeads) : whole(options, "d_head"),
    rope: { fraction: 0.5, base: 10_000 },
    kind: nExperts === 1 ? { gate: "sigmoid" } : { nExperts, on: ["v", "o"], ...routing(options, "att") },
  };
}

function routing(options: Options, part: "ff" | "att"): ImportedRouting {
  const weight = real(options, part === "ff" ? "entropy_reg" : "att_entropy_reg");
  return { topK: whole(options, `${part}_k`), score: "sigmoid", weight: "score", expertDropout: share(options, `${part}_expert_dropout`), balance: weight === 0 ? null : { weight, scope: "sequence, passes" } };
}
