/** What the options of the training code may be, and when they matter. */
import type { BuiltInActivation } from "../ir/model-spec.ts";
import { COUNT, DEPTH, flag, GROUP, INERT, number, only, SHARE, SIZE, WEIGHT, word } from "./options.ts";
import type { Condition, OptionRule, Options, Relation, Rules } from "./options.ts";
import { RUN_OPTIONS } from "./run-options.ts";
import { SPARSE_RELATIONS, SPARSE_VARIANTS } from "./sparse.ts";

const VARIANTS = [
  "preln_rope", "rope", "preln_rope_universal", "rope_universal", "preln_moe", "moe", "preln_moe_universal", "moe_universal",
  ...SPARSE_VARIANTS,
];
export const ACTIVATIONS: Readonly<Record<string, BuiltInActivation>> = { relu: "relu", gelu: "gelu" };
export const SCOPES: Readonly<Record<string, string>> = {
  layers_time: "sequence, passes", time: "sequence, site", global: "batch, passes", step: "token, site",
};

export const variantOf = (o: Options): string => String(o["transformer.variant"]);
export const isSparse: Condition = (o) => SPARSE_VARIANTS.includes(variantOf(o));
export const isMoe: Condition = (o) => variantOf(o).includes("moe");
export const isUniversal: Condition = (o) => variantOf(o).endsWith("universal");
/** Attention whose projections may have experts. */
export const isSwitchHead: Condition = (o) => isMoe(o) && o["moe.att.enable"] === true;
const haveExperts = (o: Options, ...projections: readonly ("q" | "k" | "v" | "o")[]): boolean =>
  isSwitchHead(o) && projections.every((p) => o[`moe.att.${p}_expert`] === true);
const routesExperts: Condition = (o) => isMoe(o) || isSparse(o);
const routesHeads: Condition = (o) => isSwitchHead(o) || isSparse(o);
const isRotary: Condition = (o) => !isSparse(o);
const isDense: Condition = (o) => !routesExperts(o);

const noDropout = (matters?: Condition): OptionRule => only(0, "dropout is not supported", matters);
const off = (what: string, matters?: Condition): OptionRule => only(false, `${what} not supported`, matters);

export const TRAINING_RULES: Rules = {
  "transformer.variant": { kind: "word", words: VARIANTS }, "state_size": { ...SIZE, default: 128 },
  "transformer.encoder_n_layers": { ...DEPTH, default: 3 }, "transformer.n_heads": { ...COUNT, default: 4, matters: isRotary },
  "transformer.head_projection_size": { ...SIZE, default: null },
  "transformer.ff_multiplier": { kind: "real", min: 0, above: true, max: 1e6, default: 2, matters: isDense },
  "transformer.activation": word("relu", Object.keys(ACTIVATIONS)),
  "transformer.embedding_scale": { kind: "real", min: 0, above: true, max: 1e6, default: null },
  "transformer.universal.group_size": { ...GROUP, default: 1, matters: isUniversal },
  "transformer.universal.group_type": word("abab", ["abab", "aabb"], isUniversal),
  "lm.trafo.norm_input": flag(false), "lm.trafo.force_out_norm": flag(false),
  "rope.rotate_fraction": { kind: "real", min: 0, max: 1, default: 0.5, matters: isRotary },
  "rope.base": { kind: "real", min: 1, max: 1e9, default: 10_000, matters: isRotary },
  "pkm.n_heads": { ...SIZE, default: 1, matters: routesExperts }, "moe.n_experts": { ...SIZE, default: 128, matters: routesExperts },
  "moe.expert_size": { ...SIZE, default: 128, matters: routesExperts },
  "moe.selection_mode": word("sigmoid", ["sigmoid", "gate"], isMoe), "moe.sel_bias": flag(false), "moe.activation_after_topk": flag(false),
  "moe.bias": flag(false), "moe.nonorm": flag(false),
  "moe.perplexity_reg": { ...WEIGHT, default: 0, matters: isMoe }, "moe.perplexity_reg_mode": word("step", Object.keys(SCOPES), isMoe),
  "moe.att.enable": flag(false), "moe.att.n_experts": { ...COUNT, default: 4, matters: routesHeads },
  "moe.att.k": { ...COUNT, default: 2, matters: routesHeads },
  "moe.att.selection_mode": word("sigmoid", ["sigmoid", "softmax"], isSwitchHead),
  "moe.att.q_expert": flag(true), "moe.att.k_expert": flag(true), "moe.att.v_expert": flag(true), "moe.att.o_expert": flag(true),
  "moe.att.perplexity_reg": { ...WEIGHT, default: null, matters: isSwitchHead },
  "moe.att.perplexity_reg_mode": word(null, Object.keys(SCOPES), isSwitchHead),
  "moe.drop_expert": { ...SHARE, default: 0, matters: isMoe }, "moe.selection_dropout": { ...SHARE, default: 0, matters: isMoe },
  "moe.att.drop_expert": { ...SHARE, default: null, matters: isSwitchHead },
  "moe.att.selection_dropout": { ...SHARE, default: 0, matters: isSwitchHead },

  "dropout": noDropout(), "transformer.attention_dropout": noDropout(), "transformer.p_drop_layer": noDropout(),
  "moe.att.dropout": noDropout(routesHeads),
  "moe.att.expert_dropout": only(0, "the training code does not read it; what it reads is moe.att.drop_expert"),
  "embedding_size": only(null, "an embedding of another width is not supported"),
  "reg": only(1, "a factor on all regularizers is not supported; multiply their own weights instead"),
  "lm.trafo.context_blocks": only(0, "attention to earlier blocks is not supported"),
  "lm.trafo.last_layer_context": off("attention to the last layer's earlier blocks is"),
  "lm.trafo.same_length": off("same-length attention is"),
  "lm.trafo.xl_init": off("Transformer-XL initialization is"),
  // Released under other names than what they do: see the training code's FullMoeRopeAttention call. Queries would else share the outputs'
  // router, keys that of the values; with moe.att.separate_kq_sel values share that of the outputs.
  "moe.att.norm_init": off("separate routers for queries and keys are", (o) => haveExperts(o, "q", "o") || haveExperts(o, "k", "v")),
  "moe.att.separate_kq_sel": off("one router for source and destination is", (o) => haveExperts(o, "v", "o") || haveExperts(o, "k", "q")),
  "moe.att.same_sel": off("another width of values is", isSwitchHead),
  // Of an older code; the released one has no such option.
  "moe.layer_encoding": only("none", "the released training code has no encodings of layers"),

  // Read by the sparse variants only.
  "moe.att.expert_size": { ...SIZE, default: 256, matters: isSparse },
  "transformer.act_loss": { ...WEIGHT, default: 0, matters: (o) => variantOf(o) === "actsut_universal" },
  "moa.miloss": { ...WEIGHT, default: 0, matters: isSparse }, "moa.cvloss": only(0, "it is not supported", isSparse),
  "moa.switchloss": only(0, "it is not supported", isSparse), "sut.drop_gate": only(0, "it is not supported", isSparse),
  "sut.max_relative_positions": { kind: "whole", min: 2, max: 65_536, default: 64, matters: isSparse },
  "sut.sample_topk": { kind: "whole", min: 0, max: 1_048_576, default: 0, matters: isSparse },

  ...Object.fromEntries([
    "lm.trafo.same_length_eval", "lm.trafo.test_context_blocks", "moe.att.v_size", "moe.dropout_factor", "moe.init_scale",
    "moe.layer_std_constant", "moe.sync_distributed", "transformer.topk_value",
    "transformer.plot_head_details", "moa.zloss", ...RUN_OPTIONS,
  ].map((name) => [name, INERT])),
};

export const expertProjections = (options: Options): readonly string[] =>
  (["q", "k", "v", "o"] as const).filter((p) => haveExperts(options, p));

export const headWidth = (o: Options): number => {
  const given = o["transformer.head_projection_size"];
  return given === null ? Math.floor(number(o, "state_size") / number(o, "transformer.n_heads")) : (given as number);
};

export const feedForwardWidth = (o: Options): number => Math.floor(number(o, "state_size") * number(o, "transformer.ff_multiplier"));

const atMost = (small: string, great: string, matters: Condition, things: string): Relation => ({
  of: [small, great],
  holds: (o) => !matters(o) || number(o, small) <= number(o, great),
  otherwise: (o) => `${small} is ${o[small]}, more than the ${o[great]} ${things} of ${great}`,
});

export const TRAINING_RELATIONS: readonly Relation[] = [
  {
    of: ["transformer.universal.group_size", "transformer.encoder_n_layers"],
    holds: (o) => number(o, "transformer.encoder_n_layers") % number(o, "transformer.universal.group_size") === 0,
    otherwise: () => "transformer.universal.group_size does not divide transformer.encoder_n_layers",
  },
  atMost("pkm.n_heads", "moe.n_experts", routesExperts, "experts"),
  atMost("moe.att.k", "moe.att.n_experts", routesHeads, "experts"),
  {
    of: ["transformer.n_heads", "state_size", "transformer.head_projection_size"],
    holds: (o) => headWidth(o) >= 1,
    otherwise: () => "transformer.n_heads is greater than state_size, so that heads have no width",
  },
  {
    of: ["transformer.ff_multiplier", "state_size"],
    holds: (o) => feedForwardWidth(o) >= 1 && feedForwardWidth(o) <= 16_777_216,
    otherwise: (o) => `transformer.ff_multiplier makes the feed-forward block ${feedForwardWidth(o)} wide`,
  },
  {
    of: ["moe.nonorm", "moe.att.enable", "transformer.variant"],
    holds: (o) => !isMoe(o) || o["moe.nonorm"] !== true || (variantOf(o).startsWith("preln") && isSwitchHead(o)),
    otherwise: () => "moe.nonorm needs a preln variant and moe.att.enable",
  },
  {
    of: ["moe.att.enable", "transformer.variant"],
    holds: (o) => !isSwitchHead(o) || expertProjections(o).length > 0,
    otherwise: () => "moe.att.enable without experts on any of q, k, v, o is not supported",
  },
  {
    of: ["moe.activation_after_topk", "moe.perplexity_reg"],
    holds: (o) => o["moe.activation_after_topk"] !== true || o["moe.perplexity_reg"] === 0,
    otherwise: () => "moe.activation_after_topk with moe.perplexity_reg regularizes the chosen logits by their unspecified order;"
      + " set moe.perplexity_reg to 0",
  },
  {
    of: ["moe.selection_dropout", "moe.nonorm"],
    holds: (o) => o["moe.nonorm"] !== true || o["moe.selection_dropout"] === 0,
    otherwise: () => "moe.selection_dropout under moe.nonorm acts in front of the norm that routers read: it is not supported; set it to 0",
  },
  ...SPARSE_RELATIONS.map((relation): Relation => ({
    ...relation, of: [...relation.of, "transformer.variant"], holds: (o) => !isSparse(o) || relation.holds(o),
  })),
];
