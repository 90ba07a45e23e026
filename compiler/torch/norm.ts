import type { NormSpec } from "../ir/model-spec.ts";
import { number } from "./python.ts";

/** One that PyTorch lacks is a class of helpers.ts, which is written into every text that names it. */
const CLASSES: Readonly<Record<NormSpec["kind"], string>> = { layernorm: "nn.LayerNorm", rmsnorm: "nn.RMSNorm" };

/** "nn.RMSNorm(config.d_model, eps=1e-5)" */
export function normCall({ kind, affine, eps }: NormSpec, width: string): string {
  const isDefault = kind === "layernorm" && eps === 1e-5;
  return `${CLASSES[kind]}(${width}${isDefault ? "" : `, eps=${number(eps)}`}${affine ? "" : ", elementwise_affine=False"})`;
}
