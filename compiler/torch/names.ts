/**
 * What a parameter is called in PyTorch. Shapes differ in that heads and channels share an axis there: the numbers and their order are
 * the same.
 */
import type { ModelSpec } from "../ir/model-spec.ts";
import { hasExperts } from "../parameters/parameters.ts";
import type { ParameterSpec } from "../parameters/parameters.ts";
import { elements } from "../ir/tensor-type.ts";

export interface TorchPlace {
  readonly name: string;
  readonly shape: readonly number[];
}

/**
 * a.attention.q       → layers.0.attention.q.weight         parts that are maps, tables or experts have a weight
 * a.norm_attention.bias → layers.0.norm_attention.bias      what ends in weight or bias keeps its name
 * head.norm.weight    → head_norm.weight                    the head itself is a map
 * core.inject.state   → core.state.weight
 */
export function torchPlace(model: ModelSpec, p: ParameterSpec): TorchPlace {
  const role = roleOf(model, p);
  const isWhole = /\.(weight|bias|load_bias|relative|pass_embedding\.\d+)$|^(head_bias|feed_forward\.down_bias)$|down_bias$/.test(role);
  const name = `${p.layer === null ? "" : `layers.${p.layer}.`}${role}${isWhole ? "" : ".weight"}`;
  return { name, shape: shapeOf(model, p) };
}

function roleOf(model: ModelSpec, { role, layer }: ParameterSpec): string {
  const ff = layer === null ? null : model.layers[layer]!.feedForward;
  if (role === "feed_forward.down.bias" && ff?.kind === "moe" && ff.bias === "shared_output") return "feed_forward.down_bias";
  if (role === "head.bias" && model.head.tied) return "head_bias";
  if (role === "embedding.positions") return "positions";
  return role.replace(/^(head|embedding)\.norm\./, "$1_norm.").replace("core.inject.", "core.");
}

function shapeOf(model: ModelSpec, { role, layer, type: { shape } }: ParameterSpec): readonly number[] {
  if (layer === null) return shape;
  const { attention } = model.layers[layer]!;
  const [first, last] = [shape[0]!, shape.at(-1)!];
  if (/\.router(_[vo])?(\.bias)?$/.test(role)) return role.endsWith(".bias") ? [elements(shape)] : [elements(shape.slice(0, -1)), last];
  if (role.endsWith(".load_bias")) return [elements(shape.slice(0, -1)), last];
  if (role === "attention.gate") return [first, last];
  if (/^attention\.([qkvo]\.bias|[qk]_norm\.\w+)$/.test(role)) return [elements(shape)];
  const p = (["q", "k", "v", "o"] as const).find((p) => role === `attention.${p}`);
  if (p === undefined || hasExperts(attention, p)) return shape;
  return p === "o" ? [first, elements(shape.slice(1))] : [elements(shape.slice(0, -1)), last];
}
