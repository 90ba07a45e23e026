/** The training code's Sparse Universal Transformer: variants sut_universal and actsut_universal. */
import type { ImportedModel, ImportedRouting } from "./model.ts";
import { real, refuse, whole } from "./options.ts";
import type { Options } from "./options.ts";

export const SPARSE_VARIANTS: readonly string[] = ["sut_universal", "actsut_universal"];

/** Tokens are skipped once less than 1 − this is left of them. */
const THRESHOLD = 0.999;
/** Added to the sum of the chosen gates. */
const GATE_EPS = 1e-6;
const ABSENT = ["moa.cvloss", "moa.switchloss", "sut.drop_gate"];

export function importSparse(options: Options, order: Pick<ImportedModel, "layers" | "stack">, dModel: number, scale: ImportedModel["embedding"]["scale"]): ImportedModel {
  for (const name of ABSENT) if (real(options, name) !== 0) refuse(`option ${name} is ${String(options[name])}: it is not supported`);
  if (options["transformer.activation"] !== "relu") refuse("option transformer.activation must be relu, which the sparse variants always use");
  const width = whole(options, "moe.att.expert_size");
  const dHead = whole(options, "transformer.head_projection_size");
  if (width % dHead !== 0) refuse("option transformer.head_projection_size does not divide moe.att.expert_size");
  const attention = { nExperts: whole(options, "moe.att.n_experts"), reach: whole(options, "sut.max_relative_positions"), ...routing(options, whole(options, "moe.att.k"), dModel) };
  const experts = { nExperts: whole(options, "moe.n_experts"), expertSize: whole(options, "moe.expert_size"), bias: true, ...routing(options, whole(options, "pkm.n_heads"), dModel) };
  return {
    ...order, dModel, placement: "post",
    attention: { nHeads: width / dHead, dHead, rope: { fraction: 0, base: 1 }, kind: attention },
    feedForward: { activation: "relu", ...experts },
    embedding: { scale, normed: options["lm.trafo.norm_input"] === true },
    headNorm: options["lm.trafo.force_out_norm"] === true,
    ...(options["transformer.variant"] === "sut_universal" ? {} : { halting: { threshold: THRESHOLD, weight: real(options, "transformer.act_loss") } }),
  };
}

function routing(options: Options, topK: number, dModel: number): ImportedRouting {
  const weight = real(options, "moa.miloss");
  const sampled = real(options, "sut.sample_topk");
  if (!Number.isInteger(sampled) || sampled < 0 || sampled > topK) refuse(`option sut.sample_topk is ${sampled}; it must be a whole number from 0 to ${topK}, the experts of a token`);
  return { topK, score: "softmax", weight: "renormalized", hidden: dModel, eps: GATE_EPS, sampled, balance: weight === 0 ? null : { kind: "mutual_information", weight, scope: "" } };
}
