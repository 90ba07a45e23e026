/** config.json of transformers as options by name. */
import { COUNT, DEPTH, flag, INERT, number, only, SIZE, word } from "../options.ts";
import type { Condition, NumberRule, OptionRule, Options, OptionValue, Relation, Rules } from "../options.ts";
import type { Fields } from "./family.ts";

type Named = Readonly<Record<string, unknown>>;

/**
 * Settings of rotary positions stand beside all others, whether they lie in `rope_parameters` (transformers 5), in `rope_scaling`, or in
 * neither; lists that say the same of all layers are that word, empty ones null.
 */
export function flattened(config: Named): Named {
  const { rope_parameters: parameters, rope_scaling: scaling, ...rest } = config;
  const rope = [parameters, scaling].flatMap((block) => (isNamed(block) ? Object.entries(block) : []));
  return Object.fromEntries([...Object.entries(rest), ...rope].map(([name, value]) => [ALIASES[name] ?? name, single(value)]));
}

/** Older and newer names of one field. */
const ALIASES: Readonly<Record<string, string>> = {
  type: "rope_type", rotary_emb_base: "rope_theta", rotary_pct: "partial_rotary_factor", num_local_experts: "num_experts",
};

const isNamed = (value: unknown): value is Named => typeof value === "object" && value !== null && !Array.isArray(value);

const single = (value: unknown): unknown => {
  if (!Array.isArray(value)) return value;
  return value.length === 0 ? null : value.every((entry) => entry === value[0]) && typeof value[0] === "string" ? value[0] : value;
};

/** What all configurations say. Dropout and initialization matter to training alone. */
export const COMMON: Rules = {
  ...Object.fromEntries([
    "architectures", "_name_or_path", "model_type", "torch_dtype", "dtype", "transformers_version", "use_cache", "initializer_range",
    "bos_token_id", "eos_token_id", "pad_token_id",
    "attention_dropout", "output_router_logits", "router_aux_loss_coef", "router_jitter_noise",
  ].map((name) => [name, INERT])),
  quantization_config: only(null, "quantized weights cannot be imported; take the checkpoint they were made from"),
};

/** Names of activations there, and here. */
export const ACTIVATIONS: Readonly<Record<string, string>> = {
  silu: "silu", swish: "silu", gelu: "gelu", gelu_new: "gelu_tanh", gelu_pytorch_tanh: "gelu_tanh", gelu_fast: "gelu_tanh",
  relu: "relu", relu2: "relu2",
};
export const activation = (fallback: string): OptionRule => word(fallback, Object.keys(ACTIVATIONS));

const whole = (fallback: OptionValue | undefined, max: number): OptionRule =>
  ({ kind: "whole", min: 1, max, ...(fallback === undefined ? {} : { default: fallback as number | null }) });
export const size = (fallback?: number | null): OptionRule => whole(fallback, SIZE.max);
export const count = (fallback?: number | null): OptionRule => whole(fallback, COUNT.max);
export const eps = (fallback: number): OptionRule => ({ kind: "real", min: 0, above: true, max: 1, default: fallback });
export const yes = flag(true);
export const no = flag(false);

const NO_MIX = "positions that differ from layer to layer cannot be imported";
const isStretched: Condition = ({ rope_type: type }) => type === "linear" || type === "llama3";
const isLlama3: Condition = ({ rope_type: type }) => type === "llama3";
const turns: Omit<NumberRule, "kind" | "matters"> = { min: 0, above: true, max: 1e6 };

/** Rotary positions. @param theta the family's default @param fraction of each head that turns, by default */
export const rotary = (theta: number, fraction = 1): Rules => ({
  rope_theta: { kind: "real", min: 1, above: true, max: 1e9, default: theta },
  partial_rotary_factor: { kind: "real", min: 0, above: true, max: 1, default: fraction },
  rope_type: word("default", ["default", "linear", "llama3"]),
  factor: { kind: "real", min: 1, max: 1e6, matters: isStretched },
  low_freq_factor: { kind: "real", ...turns, matters: isLlama3 }, high_freq_factor: { kind: "real", ...turns, matters: isLlama3 },
  original_max_position_embeddings: { kind: "whole", min: 1, max: SIZE.max, default: null, matters: isLlama3 },
  full_attention: only(null, NO_MIX), sliding_attention: only(null, NO_MIX),
});

/** transformers round an odd number of channels up, and the language down. @param width channels of a head */
export const evenRotary = (of: readonly string[], width: (o: Options) => number): Relation => ({
  of: ["partial_rotary_factor", ...of], holds: (o) => Math.floor(number(o, "partial_rotary_factor") * width(o)) % 2 === 0,
  otherwise: (o) => `partial_rotary_factor is ${o["partial_rotary_factor"]}: of heads of ${width(o)} channels that is ${
    Math.floor(number(o, "partial_rotary_factor") * width(o))}, and channels turn in pairs`,
});

export function rope(o: Options): Fields {
  const length = o["original_max_position_embeddings"] ?? o["max_position_embeddings"];
  const slow = isLlama3(o) ? { length: length as number, low: number(o, "low_freq_factor"), high: number(o, "high_freq_factor") } : {};
  return {
    fraction: number(o, "partial_rotary_factor"), base: number(o, "rope_theta"),
    ...(isStretched(o) ? { stretch: { factor: number(o, "factor"), ...slow } } : {}),
  };
}

/** Of all families whose layers are built as Llama's are. @param over what is different in one */
export const llamaLike = (theta: number, over: Rules): Rules => ({
  ...COMMON,
  vocab_size: { ...SIZE, max: 16_777_216 }, hidden_size: SIZE, num_hidden_layers: DEPTH, max_position_embeddings: SIZE,
  intermediate_size: { ...SIZE, max: 16_777_216 },
  num_attention_heads: COUNT, num_key_value_heads: count(null), head_dim: size(null),
  hidden_act: activation("silu"), rms_norm_eps: eps(1e-6), tie_word_embeddings: no, ...rotary(theta), ...over,
});
