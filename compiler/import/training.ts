/** Command-line options of github.com/RobertCsordas/moeut_training_code. */
import type { BuiltInActivation } from "../ir/model-spec.ts";
import type { ImportedAttention, ImportedBalance, ImportedFeedForward, ImportedModel, ImportedRouting } from "./model.ts";
import { cyclicStack, layerNames } from "./model.ts";
import { importSparse, SPARSE_VARIANTS } from "./sparse.ts";
import { readOptions, real, refuse, share, translated, whole } from "./options.ts";
import type { OptionRule, Options } from "./options.ts";

const INERT: OptionRule = { inert: true };
const noDropout: OptionRule = { only: 0, because: "dropout is not supported" };
const off = (what: string): OptionRule => ({ only: false, because: `${what} not supported` });

const RULES: Readonly<Record<string, OptionRule>> = {
  "transformer.variant": { used: null }, "state_size": { used: 128 }, "transformer.encoder_n_layers": { used: 3 }, "transformer.n_heads": { used: 4 },
  "transformer.head_projection_size": { used: null }, "transformer.ff_multiplier": { used: 2 }, "transformer.activation": { used: "relu" },
  "transformer.embedding_scale": { used: null }, "transformer.universal.group_size": { used: 1 }, "transformer.universal.group_type": { used: "abab" },
  "lm.trafo.norm_input": { used: false }, "lm.trafo.force_out_norm": { used: false }, "rope.rotate_fraction": { used: 0.5 }, "rope.base": { used: 10_000 },
  "pkm.n_heads": { used: 1 }, "moe.n_experts": { used: 128 }, "moe.expert_size": { used: 128 }, "moe.selection_mode": { used: "sigmoid" }, "moe.sel_bias": { used: false },
  "moe.activation_after_topk": { used: false }, "moe.bias": { used: false }, "moe.nonorm": { used: false }, "moe.perplexity_reg": { used: 0 }, "moe.perplexity_reg_mode": { used: "step" },
  "moe.att.enable": { used: false }, "moe.att.n_experts": { used: 4 }, "moe.att.k": { used: 2 }, "moe.att.selection_mode": { used: "sigmoid" },
  "moe.att.q_expert": { used: true }, "moe.att.k_expert": { used: true }, "moe.att.v_expert": { used: true }, "moe.att.o_expert": { used: true },
  "moe.att.perplexity_reg": { used: null }, "moe.att.perplexity_reg_mode": { used: null },
  "moe.drop_expert": { used: 0 }, "moe.selection_dropout": { used: 0 }, "moe.att.drop_expert": { used: null }, "moe.att.selection_dropout": { used: 0 },

  "dropout": noDropout, "transformer.attention_dropout": noDropout, "transformer.p_drop_layer": noDropout, "moe.att.dropout": noDropout,
  "moe.att.expert_dropout": { only: 0, because: "the training code does not read it; what it reads is moe.att.drop_expert" },
  "embedding_size": { only: null, because: "an embedding of another width is not supported" },
  "reg": { only: 1, because: "a factor on all regularizers is not supported; multiply their own weights instead" },
  "lm.trafo.context_blocks": { only: 0, because: "attention to earlier blocks is not supported" },
  "lm.trafo.last_layer_context": off("attention to the last layer's earlier blocks is"), "lm.trafo.same_length": off("same-length attention is"),
  "lm.trafo.xl_init": off("Transformer-XL initialization is"),
  // Released under other names than what they do: see the training code's FullMoeRopeAttention call.
  "moe.att.norm_init": off("separate routers for queries and keys are"), "moe.att.separate_kq_sel": off("one router for source and destination is"),
  "moe.att.same_sel": off("another width of values is"),

  "lm.trafo.same_length_eval": INERT, "lm.trafo.test_context_blocks": INERT, "moe.att.v_size": INERT, "moe.dropout_factor": INERT,
  "moe.init_scale": INERT, "moe.layer_std_constant": INERT, "moe.sync_distributed": INERT, "transformer.topk_value": INERT, "transformer.plot_head_details": INERT,
  "moa.zloss": INERT,
  // Read by the sparse variants only.
  "moe.att.expert_size": { used: null }, "transformer.act_loss": { used: 0 }, "moa.cvloss": { used: 0 }, "moa.miloss": { used: 0 }, "moa.switchloss": { used: 0 },
  "sut.drop_gate": { used: 0 }, "sut.max_relative_positions": { used: 64 }, "sut.sample_topk": { used: 0 },
};

const VARIANTS = ["preln_rope", "rope", "preln_rope_universal", "rope_universal", "preln_moe", "moe", "preln_moe_universal", "moe_universal", ...SPARSE_VARIANTS];
const ACTIVATIONS: Readonly<Record<string, BuiltInActivation>> = { relu: "relu", gelu: "gelu" };
const SCOPES: Readonly<Record<string, string>> = { layers_time: "sequence, passes", time: "sequence, site", global: "batch, passes", step: "token, site" };

export function importTraining(args: Readonly<Record<string, unknown>>): ImportedModel {
  const options = readOptions(args, RULES);
  const variant = String(options["transformer.variant"]);
  if (!VARIANTS.includes(variant)) refuse(`option transformer.variant is ${variant}; what can be imported is ${VARIANTS.join(", ")}`);
  const depth = whole(options, "transformer.encoder_n_layers");
  const dModel = whole(options, "state_size");
  const preln = variant.startsWith("preln");
  if (SPARSE_VARIANTS.includes(variant)) return importSparse(options, arrangement(options, variant, depth), dModel, embeddingScale(options, false));
  return {
    ...arrangement(options, variant, depth), dModel,
    placement: placement(options, preln),
    attention: attention(options, variant, dModel),
    feedForward: feedForward(options, variant, dModel, depth),
    embedding: { scale: embeddingScale(options, preln), normed: options["lm.trafo.norm_input"] === true },
    headNorm: preln || options["lm.trafo.force_out_norm"] === true,
  };
}

/** Order and sharing of layers. */
function arrangement(options: Options, variant: string, depth: number): Pick<ImportedModel, "layers" | "stack"> {
  if (!variant.endsWith("universal")) return { layers: ["a"], stack: depth === 1 ? "a" : `own(a) * ${depth}` };
  const layers = layerNames(whole(options, "transformer.universal.group_size"));
  if (depth % layers.length !== 0) refuse("option transformer.universal.group_size does not divide transformer.encoder_n_layers");
  const repeats = depth / layers.length;
  return translated(options, "transformer.universal.group_type", {
    abab: { layers, stack: cyclicStack(layers, repeats) },
    aabb: { layers, stack: layers.map((name) => cyclicStack([name], repeats)).join(", ") },
  });
}

function placement(options: Options, preln: boolean): ImportedModel["placement"] {
  if (options["moe.nonorm"] !== true) return preln ? "pre" : "post";
  if (!preln || options["moe.att.enable"] !== true) refuse("option moe.nonorm needs a preln variant and moe.att.enable");
  return "peri";
}

function embeddingScale(options: Options, preln: boolean): number | "sqrt_d_model" {
  if (options["transformer.embedding_scale"] !== null) return real(options, "transformer.embedding_scale");
  return preln ? 1 : "sqrt_d_model";
}

function attention(options: Options, variant: string, dModel: number): ImportedAttention {
  const nHeads = whole(options, "transformer.n_heads");
  const dHead = options["transformer.head_projection_size"] === null ? Math.floor(dModel / nHeads) : whole(options, "transformer.head_projection_size");
  const rope = { fraction: real(options, "rope.rotate_fraction"), base: real(options, "rope.base") };
  if (options["moe.att.enable"] !== true || !variant.includes("moe")) return { nHeads, dHead, rope, kind: { gate: "none" } };
  const on = ["q", "k", "v", "o"].filter((p) => options[`moe.att.${p}_expert`] === true);
  if (on.length === 0) refuse("option moe.att.enable without experts on any of q, k, v, o is not supported");
  // A softmax over the chosen logits is one over all logits, divided by the sum over the chosen.
  const router = translated(options, "moe.att.selection_mode", {
    sigmoid: { score: "sigmoid", weight: "score" }, softmax: { score: "softmax", weight: "renormalized" },
  } as const);
  return { nHeads, dHead, rope, kind: { nExperts: whole(options, "moe.att.n_experts"), on, topK: whole(options, "moe.att.k"), ...router, ...attentionDropout(options), balance: attentionBalance(options) } };
}

const attentionDropout = (options: Options): Pick<ImportedRouting, "expertDropout" | "inputDropout"> =>
  ({ expertDropout: share(options, options["moe.att.drop_expert"] === null ? "moe.drop_expert" : "moe.att.drop_expert"), inputDropout: share(options, "moe.att.selection_dropout") });

const attentionBalance = (options: Options): ImportedBalance | null =>
  balance(options, options["moe.att.perplexity_reg"] === null ? "moe.perplexity_reg" : "moe.att.perplexity_reg",
    options["moe.att.perplexity_reg_mode"] === null ? "moe.perplexity_reg_mode" : "moe.att.perplexity_reg_mode", 1);

function feedForward(options: Options, variant: string, dModel: number, depth: number): ImportedFeedForward {
  const activation = translated(options, "transformer.activation", ACTIVATIONS);
  if (!variant.includes("moe")) return { activation, dFf: Math.floor(dModel * real(options, "transformer.ff_multiplier")) };
  const late = options["moe.activation_after_topk"] === true;
  const router = translated(options, "moe.selection_mode", {
    sigmoid: { score: "sigmoid", weight: "score" }, gate: { score: "softmax", weight: late ? "renormalized" : "score" },
  } as const);
  if (late && real(options, "moe.perplexity_reg") !== 0) {
    refuse("option moe.activation_after_topk with moe.perplexity_reg regularizes the chosen logits by their unspecified order; set moe.perplexity_reg to 0");
  }
  const isShared = variant.endsWith("universal");
  const applications = isShared ? depth / whole(options, "transformer.universal.group_size") : 1;
  const sizes = { nExperts: whole(options, "moe.n_experts"), expertSize: whole(options, "moe.expert_size"), topK: whole(options, "pkm.n_heads") };
  const bias = options["moe.bias"] === true ? "shared_output" : false;
  return { activation, ...sizes, bias, ...router, ...feedForwardDropout(options), hasBias: options["moe.sel_bias"] === true, balance: balance(options, "moe.perplexity_reg", "moe.perplexity_reg_mode", applications) };
}

function feedForwardDropout(options: Options): Pick<ImportedRouting, "expertDropout" | "inputDropout"> {
  const inputDropout = share(options, "moe.selection_dropout");
  if (inputDropout > 0 && options["moe.nonorm"] === true) refuse("option moe.selection_dropout under moe.nonorm acts in front of the norm that routers read: it is not supported; set it to 0");
  return { expertDropout: share(options, "moe.drop_expert"), inputDropout };
}

/**
 * @param sites applications whose separate terms the official code adds up, where the language averages them: feed-forward
 *              blocks under `time` and `step`. (Its attention averages them too.)
 */
function balance(options: Options, weightOption: string, modeOption: string, sites: number): ImportedBalance | null {
  const weight = real(options, weightOption);
  if (weight === 0) return null;
  const scope = translated(options, modeOption, SCOPES);
  return { weight: scope.endsWith("site") ? weight * sites : weight, scope };
}
