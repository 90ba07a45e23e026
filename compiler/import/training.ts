/** Models of github.com/RobertCsordas/moeut_training_code by its command-line options. */
import type { ImportedAttention, ImportedBalance, ImportedFeedForward, ImportedModel } from "./model.ts";
import { cyclicStack, layerNames } from "./model.ts";
import { number } from "./options.ts";
import type { Options } from "./options.ts";
import { importSparse } from "./sparse.ts";
import {
  ACTIVATIONS, expertProjections, feedForwardWidth, headWidth, isMoe, isSparse, isSwitchHead, isUniversal, SCOPES, variantOf,
} from "./training-rules.ts";

const SIGMOID = { score: "sigmoid", weight: "score" } as const;

/** @param options that fulfil the rules and relations */
export function importTraining(options: Options): ImportedModel {
  const dModel = number(options, "state_size");
  const preln = variantOf(options).startsWith("preln");
  if (isSparse(options)) return importSparse(options, arrangement(options), dModel, embeddingScale(options, false));
  return {
    ...arrangement(options), dModel,
    placement: isMoe(options) && options["moe.nonorm"] === true ? "peri" : preln ? "pre" : "post",
    attention: attention(options),
    feedForward: feedForward(options),
    embedding: { scale: embeddingScale(options, preln), normed: options["lm.trafo.norm_input"] === true },
    headNorm: preln || options["lm.trafo.force_out_norm"] === true,
  };
}

/** Order and sharing of layers. */
function arrangement(options: Options): Pick<ImportedModel, "layers" | "stack"> {
  const depth = number(options, "transformer.encoder_n_layers");
  if (!isUniversal(options)) return { layers: ["a"], stack: depth === 1 ? "a" : `own(a) * ${depth}` };
  const layers = layerNames(number(options, "transformer.universal.group_size"));
  const repeats = depth / layers.length;
  const isCyclic = options["transformer.universal.group_type"] === "abab";
  return { layers, stack: isCyclic ? cyclicStack(layers, repeats) : layers.map((name) => cyclicStack([name], repeats)).join(", ") };
}

function embeddingScale(options: Options, preln: boolean): number | "sqrt_d_model" {
  if (options["transformer.embedding_scale"] !== null) return number(options, "transformer.embedding_scale");
  return preln ? 1 : "sqrt_d_model";
}

function attention(options: Options): ImportedAttention {
  const rope = { fraction: number(options, "rope.rotate_fraction"), base: number(options, "rope.base") };
  const heads = { nHeads: number(options, "transformer.n_heads"), dHead: headWidth(options), rope };
  if (!isSwitchHead(options)) return { ...heads, kind: { gate: "none" } };
  // A softmax over the chosen logits is one over all logits, divided by the sum over the chosen.
  const router = options["moe.att.selection_mode"] === "softmax" ? { score: "softmax", weight: "renormalized" } as const : SIGMOID;
  const expertDropout = number(options, options["moe.att.drop_expert"] === null ? "moe.drop_expert" : "moe.att.drop_expert");
  return { ...heads, kind: {
    nExperts: number(options, "moe.att.n_experts"), on: expertProjections(options), topK: number(options, "moe.att.k"), ...router,
    expertDropout, inputDropout: number(options, "moe.att.selection_dropout"), balance: attentionBalance(options),
  } };
}

const attentionBalance = (options: Options): ImportedBalance | null =>
  balance(options, options["moe.att.perplexity_reg"] === null ? "moe.perplexity_reg" : "moe.att.perplexity_reg",
    options["moe.att.perplexity_reg_mode"] === null ? "moe.perplexity_reg_mode" : "moe.att.perplexity_reg_mode", 1);

function feedForward(options: Options): ImportedFeedForward {
  const activation = ACTIVATIONS[String(options["transformer.activation"])]!;
  if (!isMoe(options)) return { activation, dFf: feedForwardWidth(options) };
  const late = options["moe.activation_after_topk"] === true;
  const softmax = { score: "softmax", weight: late ? "renormalized" : "score" } as const;
  const router = options["moe.selection_mode"] === "gate" ? softmax : SIGMOID;
  const depth = number(options, "transformer.encoder_n_layers");
  const applications = isUniversal(options) ? depth / number(options, "transformer.universal.group_size") : 1;
  return {
    activation,
    nExperts: number(options, "moe.n_experts"), expertSize: number(options, "moe.expert_size"), topK: number(options, "pkm.n_heads"),
    bias: options["moe.bias"] === true ? "shared_output" : false, ...router, hasBias: options["moe.sel_bias"] === true,
    expertDropout: number(options, "moe.drop_expert"), inputDropout: number(options, "moe.selection_dropout"),
    balance: balance(options, "moe.perplexity_reg", "moe.perplexity_reg_mode", applications),
  };
}

/**
 * @param sites applications whose separate terms the official code adds up, where the language averages them: feed-forward
 *              blocks under `time` and `step`. (Its attention averages them too.)
 */
function balance(options: Options, weightOption: string, modeOption: string, sites: number): ImportedBalance | null {
  const weight = number(options, weightOption);
  if (weight === 0) return null;
  const scope = SCOPES[String(options[modeOption])]!;
  return { weight: scope.endsWith("site") ? weight * sites : weight, scope };
}
