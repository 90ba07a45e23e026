/** Command-line options of github.com/RobertCsordas/moeut_training_code. */
import type { BuiltInActivation } from "../ir/model-spec.ts";
import type { ImportedAttention, ImportedBalance, ImportedFeedForward, ImportedModel } from "./model.ts";
import { cyclicStack, layerNames } from "./model.ts";
import { COUNT, DEPTH, flag, GROUP, INERT, only, SHARE, SIZE, WEIGHT, word } from "./options.ts";
import type { Condition, OptionRule, Options, Relation, Rules } from "./options.ts";
import { RUN_OPTIONS } from "./run-options.ts";
import { importSparse, SPARSE_RELATIONS, SPARSE_VARIANTS } from "./sparse.ts";

const VARIANTS = ["preln_rope", "rope", "preln_rope_universal", "rope_universal", "preln_moe", "moe", "preln_moe_universal", "moe_universal", ...SPARSE_VARIANTS];
const ACTIVATIONS: Readonly<Record<string, BuiltInActivation>> = { relu: "relu", gelu: "gelu" };
const SCOPES: Readonly<Record<string, string>> = { layers_time: "sequence, passes", time: "sequence, site", global: "batch, passes", step: "token, site" };

const variantOf = (o: Options): string => String(o["transformer.variant"]);
const isSparse: Condition = (o) => SPARSE_VARIANTS.includes(variantOf(o));
const isMoe: Condition = (o) => variantOf(o).includes("moe");
const isUniversal: Condition = (o) => variantOf(o).endsWith("universal");
/** Attention whose projections may have experts. */
const isSwitchHead: Condition = (o) => isMoe(o) && o["moe.att.enable"] === true;
const hasExperts = (o: Options, p: "q" | "k" | "v" | "o"): boolean => isSwitchHead(o) && o[`moe.att.${p}_expert`] === true;
const routesExperts: Condition = (o) => isMoe(o) || isSparse(o);
const routesHeads: Condition = (o) => isSwitchHead(o) || isSparse(o);
const isRotary: Condition = (o) => !isSparse(o);
const isDense: Condition = (o) => !routesExperts(o);

const noDropout = (matters?: Condition): OptionRule => only(0, "dropout is not supported", matters);
const off = (what: string, matters?: Condition): OptionRule => only(false, `${what} not supported`, matters);

export const TRAINING_RULES: Rules = {
  "transformer.variant": { kind: "word", words: VARIANTS }, "state_size": { ...SIZE, default: 128 }, "transformer.encoder_n_layers": { ...DEPTH, default: 3 }, "transformer.n_heads": { ...COUNT, default: 4, matters: isRotary },
  "transformer.head_projection_size": { ...SIZE, default: null }, "transformer.ff_multiplier": { kind: "real", min: 0, above: true, max: 1e6, default: 2, matters: isDense }, "transformer.activation": word("relu", Object.keys(ACTIVATIONS)),
  "transformer.embedding_scale": { kind: "real", min: 0, above: true, max: 1e6, default: null }, "transformer.universal.group_size": { ...GROUP, default: 1, matters: isUniversal },
  "transformer.universal.group_type": word("abab", ["abab", "aabb"], isUniversal),
  "lm.trafo.norm_input": flag(false), "lm.trafo.force_out_norm": flag(false),
  "rope.rotate_fraction": { kind: "real", min: 0, max: 1, default: 0.5, matters: isRotary }, "rope.base": { kind: "real", min: 1, max: 1e9, default: 10_000, matters: isRotary },
  "pkm.n_heads": { ...SIZE, default: 1, matters: routesExperts }, "moe.n_experts": { ...SIZE, default: 128, matters: routesExperts }, "moe.expert_size": { ...SIZE, default: 128, matters: routesExperts },
  "moe.selection_mode": word("sigmoid", ["sigmoid", "gate"], isMoe), "moe.sel_bias": flag(false), "moe.activation_after_topk": flag(false), "moe.bias": flag(false), "moe.nonorm": flag(false),
  "moe.perplexity_reg": { ...WEIGHT, default: 0, matters: isMoe }, "moe.perplexity_reg_mode": word("step", Object.keys(SCOPES), isMoe),
  "moe.att.enable": flag(false), "moe.att.n_experts": { ...COUNT, default: 4, matters: routesHeads }, "moe.att.k": { ...COUNT, default: 2, matters: routesHeads }, "moe.att.selection_mode": word("sigmoid", ["sigmoid", "softmax"], isSwitchHead),
  "moe.att.q_expert": flag(true), "moe.att.k_expert": flag(true), "moe.att.v_expert": flag(true), "moe.att.o_expert": flag(true),
  "moe.att.perplexity_reg": { ...WEIGHT, default: null, matters: isSwitchHead }, "moe.att.perplexity_reg_mode": word(null, Object.keys(SCOPES), isSwitchHead),
  "moe.drop_expert": { ...SHARE, default: 0, matters: isMoe }, "moe.selection_dropout": { ...SHARE, default: 0, matters: isMoe },
  "moe.att.drop_expert": { ...SHARE, default: null, matters: isSwitchHead }, "moe.att.selection_dropout": { ...SHARE, default: 0, matters: isSwitchHead },

  "dropout": noDropout(), "transformer.attention_dropout": noDropout(), "transformer.p_drop_layer": noDropout(), "moe.att.dropout": noDropout(routesHeads),
  "moe.att.expert_dropout": only(0, "the training code does not read it; what it reads is moe.att.drop_expert"),
  "embedding_size": only(null, "an embedding of another width is not supported"),
  "reg": only(1, "a factor on all regularizers is not supported; multiply their own weights instead"),
  "lm.trafo.context_blocks": only(0, "attention to earlier blocks is not supported"),
  "lm.trafo.last_layer_context": off("attention to the last layer's earlier blocks is"), "lm.trafo.same_length": off("same-length attention is"),
  "lm.trafo.xl_init": off("Transformer-XL initialization is"),
  // Released under other names than what they do: see the training code's FullMoeRopeAttention call. Queries would else share the outputs'
  // router, keys that of the values; with moe.att.separate_kq_sel values share that of the outputs.
  "moe.att.norm_init": off("separate routers for queries and keys are", (o) => (hasExperts(o, "q") && hasExperts(o, "o")) || (hasExperts(o, "k") && hasExperts(o, "v"))),
  "moe.att.separate_kq_sel": off("one router for source and destination is", (o) => (hasExperts(o, "v") && hasExperts(o, "o")) || (hasExperts(o, "k") && hasExperts(o, "q"))),
  "moe.att.same_sel": off("another width of values is", isSwitchHead),
  // Of an older code; the released one has no such option.
  "moe.layer_encoding": only("none", "the released training code has no encodings of layers"),

  // Read by the sparse variants only.
  "moe.att.expert_size": { ...SIZE, default: 256, matters: isSparse }, "transformer.act_loss": { ...WEIGHT, default: 0, matters: (o) => variantOf(o) === "actsut_universal" },
  "moa.miloss": { ...WEIGHT, default: 0, matters: isSparse }, "moa.cvloss": only(0, "it is not supported", isSparse), "moa.switchloss": only(0, "it is not supported", isSparse), "sut.drop_gate": only(0, "it is not supported", isSparse),
  "sut.max_relative_positions": { kind: "whole", min: 2, max: 65_536, default: 64, matters: isSparse }, "sut.sample_topk": { kind: "whole", min: 0, max: 1_048_576, default: 0, matters: isSparse },

  ...Object.fromEntries([
    "lm.trafo.same_length_eval", "lm.trafo.test_context_blocks", "moe.att.v_size", "moe.dropout_factor", "moe.init_scale", "moe.layer_std_constant", "moe.sync_distributed", "transformer.topk_value",
    "transformer.plot_head_details", "moa.zloss", ...RUN_OPTIONS,
  ].map((name) => [name, INERT])),
};

const number = (options: Options, name: string): number => options[name] as number;
const atMost = (small: string, great: string, matters: Condition, things: string): Relation => ({
  of: [small, great], holds: (o) => !matters(o) || number(o, small) <= number(o, great), otherwise: (o) => `${small} is ${o[small]}, more than the ${o[great]} ${things} of ${great}`,
});

export const TRAINING_RELATIONS: readonly Relation[] = [
  { of: ["transformer.universal.group_size", "transformer.encoder_n_layers"], holds: (o) => number(o, "transformer.encoder_n_layers") % number(o, "transformer.universal.group_size") === 0, otherwise: () => "transformer.universal.group_size does not divide transformer.encoder_n_layers" },
  atMost("pkm.n_heads", "moe.n_experts", routesExperts, "experts"),
  atMost("moe.att.k", "moe.att.n_experts", routesHeads, "experts"),
  { of: ["transformer.n_heads", "state_size", "transformer.head_projection_size"], holds: (o) => headWidth(o) >= 1, otherwise: () => "transformer.n_heads is greater than state_size, so that heads have no width" },
  { of: ["transformer.ff_multiplier", "state_size"], holds: (o) => feedForwardWidth(o) >= 1 && feedForwardWidth(o) <= 16_777_216, otherwise: (o) => `transformer.ff_multiplier makes the feed-forward block ${feedForwardWidth(o)} wide` },
  { of: ["moe.nonorm", "moe.att.enable", "transformer.variant"], holds: (o) => !isMoe(o) || o["moe.nonorm"] !== true || (variantOf(o).startsWith("preln") && isSwitchHead(o)), otherwise: () => "moe.nonorm needs a preln variant and moe.att.enable" },
  { of: ["moe.att.enable", "transformer.variant"], holds: (o) => !isSwitchHead(o) || expertProjections(o).length > 0, otherwise: () => "moe.att.enable without experts on any of q, k, v, o is not supported" },
  { of: ["moe.activation_after_topk", "moe.perplexity_reg"], holds: (o) => o["moe.activation_after_topk"] !== true || o["moe.perplexity_reg"] === 0, otherwise: () => "moe.activation_after_topk with moe.perplexity_reg regularizes the chosen logits by their unspecified order; set moe.perplexity_reg to 0" },
  { of: ["moe.selection_dropout", "moe.nonorm"], holds: (o) => o["moe.nonorm"] !== true || o["moe.selection_dropout"] === 0, otherwise: () => "moe.selection_dropout under moe.nonorm acts in front of the norm that routers read: it is not supported; set it to 0" },
  ...SPARSE_RELATIONS.map((relation): Relation => ({ ...relation, of: [...relation.of, "transformer.variant"], holds: (o) => !isSparse(o) || relation.holds(o) })),
];

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

const embeddingScale = (options: Options, preln: boolean): number | "sqrt_d_model" =>
  options["transformer.embedding_scale"] !== null ? number(options, "transformer.embedding_scale") : preln ? 1 : "sqrt_d_model";

function headWidth(o: Options): number {
  return o["transformer.head_projection_size"] === null ? Math.floor(number(o, "state_size") / number(o, "transformer.n_heads")) : number(o, "transformer.head_projection_size");
}

const expertProjections = (options: Options): readonly string[] => (["q", "k", "v", "o"] as const).filter((p) => hasExperts(options, p));

function attention(options: Options): ImportedAttention {
  const heads = { nHeads: number(options, "transformer.n_heads"), dHead: headWidth(options), rope: { fraction: number(options, "rope.rotate_fraction"), base: number(options, "rope.base") } };
  if (!isSwitchHead(options)) return { ...heads, kind: { gate: "none" } };
  // A softmax over the chosen logits is one over all logits, divided by the sum over the chosen.
  const router = options["moe.att.selection_mode"] === "softmax" ? { score: "softmax", weight: "renormalized" } as const : { score: "sigmoid", weight: "score" } as const;
  const expertDropout = number(options, options["moe.att.drop_expert"] === null ? "moe.drop_expert" : "moe.att.drop_expert");
  return { ...heads, kind: {
    nExperts: number(options, "moe.att.n_experts"), on: expertProjections(options), topK: number(options, "moe.att.k"), ...router,
    expertDropout, inputDropout: number(options, "moe.att.selection_dropout"), balance: attentionBalance(options),
  } };
}

const attentionBalance = (options: Options): ImportedBalance | null =>
  balance(options, options["moe.att.perplexity_reg"] === null ? "moe.perplexity_reg" : "moe.att.perplexity_reg",
    options["moe.att.perplexity_reg_mode"] === null ? "moe.perplexity_reg_mode" : "moe.att.perplexity_reg_mode", 1);

const feedForwardWidth = (options: Options): number => Math.floor(number(options, "state_size") * number(options, "transformer.ff_multiplier"));

function feedForward(options: Options): ImportedFeedForward {
  const activation = ACTIVATIONS[String(options["transformer.activation"])]!;
  if (!isMoe(options)) return { activation, dFf: feedForwardWidth(options) };
  const late = options["moe.activation_after_topk"] === true;
  const router = options["moe.selection_mode"] === "gate" ? { score: "softmax", weight: late ? "renormalized" : "score" } as const : { score: "sigmoid", weight: "score" } as const;
  const applications = isUniversal(options) ? number(options, "transformer.encoder_n_layers") / number(options, "transformer.universal.group_size") : 1;
  return {
    activation, nExperts: number(options, "moe.n_experts"), expertSize: number(options, "moe.expert_size"), topK: number(options, "pkm.n_heads"),
    bias: options["moe.bias"] === true ? "shared_output" : false, ...router, hasBias: options["moe.sel_bias"] === true,
    expertDropout: number(options, "moe.drop_expert"), inputDropout: number(options, "moe.selection_dropout"), balance: balance(options, "moe.perplexity_reg", "moe.perplexity_reg_mode", applications),
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
