/** config.json of transformers as options by name. */
import { DEPTH, flag, INERT, only, SIZE, word, COUNT } from "../options.ts";
import type { OptionRule, OptionValue, Rules } from "../options.ts";

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
const COMMON: Rules = {
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
const activation = (fallback: string): OptionRule => word(fallback, Object.keys(ACTIVATIONS));

const whole = (fallback: OptionValue | undefined, max: number): OptionRule =>
  ({ kind: "whole", min: 1, max, ...(fallback === undefined ? {} : { default: fallback as number | null }) });
export const size = (fallback?: number | null): OptionRule => whole(fallback, SIZE.max);
export const count = (fallback?: number | null): OptionRule => whole(fallback, COUNT.max);
export const eps = (fallback: number): OptionRule => ({ kind: "real", min: 0, above: true, max: 1, default: fallback });
export const no = flag(false);

const NO_MIX = "positions that differ from layer to layer cannot be imported";
const NO_SCALING = "positions that are stretched to longer texts cannot be imported; the nearest is rope_type default";

/** Rotary positions. @param theta the family's default */
const rope = (theta: number): Rules => ({
  rope_theta: { kind: "real", min: 1, above: true, max: 1e9, default: theta },
  rope_type: only("default", NO_SCALING),
  full_attention: only(null, NO_MIX), sliding_attention: only(null, NO_MIX),
  partial_rotary_factor: { kind: "real", min: 0, above: true, max: 1, default: 1 },
});

/** Of all families whose layers are built as Llama's are. @param over what is different in one */
export const llamaLike = (theta: number, over: Rules): Rules => ({
  ...COMMON,
  vocab_size: { ...SIZE, max: 16_777_216 }, hidden_size: SIZE, num_hidden_layers: DEPTH, max_position_embeddings: SIZE,
  intermediate_size: { ...SIZE, max: 16_777_216 },
  num_attention_heads: COUNT, num_key_value_heads: count(null), head_dim: size(null),
  hidden_act: activation("silu"), rms_norm_eps: eps(1e-6), tie_word_embeddings: no, ...rope(theta), ...over,
});
