/** The training code's Sparse Universal Transformer: variants sut_universal and actsut_universal. */
import type { ImportedModel, ImportedRouting } from "./model.ts";
import { number } from "./options.ts";
import type { Options, Relation } from "./options.ts";

export const SPARSE_VARIANTS: readonly string[] = ["sut_universal", "actsut_universal"];

/** Tokens are skipped once less than 1 − this is left of them. */
const THRESHOLD = 0.999;
/** Added to the sum of the chosen gates. */
const GATE_EPS = 1e-6;
const NO_ROPE = { fraction: 0, base: 1 };

const HEAD = "transformer.head_projection_size";

/** Of the sparse variants. */
export const SPARSE_RELATIONS: readonly Relation[] = [
  {
    of: ["transformer.activation"],
    holds: (o) => o["transformer.activation"] === "relu",
    otherwise: () => "transformer.activation must be relu, which the sparse variants always use",
  },
  {
    of: [HEAD],
    holds: (o) => o[HEAD] !== null,
    otherwise: () => "transformer.head_projection_size is missing, and the sparse variants need it",
  },
  {
    of: [HEAD, "moe.att.expert_size"],
    holds: (o) => o[HEAD] === null || number(o, "moe.att.expert_size") % number(o, HEAD) === 0,
    otherwise: () => `${HEAD} does not divide moe.att.expert_size`,
  },
  {
    of: [HEAD],
    holds: (o) => number(o, HEAD) % 4 === 0,
    otherwise: (o) => `${HEAD} is ${o[HEAD]}; only multiples of 4 are supported in the sparse variants`,
  },
  {
    of: ["sut.sample_topk", "moe.att.k", "pkm.n_heads"],
    holds: (o) => number(o, "sut.sample_topk") <= leastChosen(o),
    otherwise: (o) =>
      `sut.sample_topk is ${o["sut.sample_topk"]}; it must be a whole number from 0 to ${leastChosen(o)}, the experts of a token`,
  },
];

const leastChosen = (o: Options): number => Math.min(number(o, "moe.att.k"), number(o, "pkm.n_heads"));

type Order = Pick<ImportedModel, "layers" | "stack">;

export function importSparse(options: Options, order: Order, dModel: number, scale: ImportedModel["embedding"]["scale"]): ImportedModel {
  const [width, dHead] = [number(options, "moe.att.expert_size"), number(options, HEAD)];
  const halting = { threshold: THRESHOLD, weight: number(options, "transformer.act_loss") };
  const heads = { nExperts: number(options, "moe.att.n_experts"), reach: number(options, "sut.max_relative_positions") };
  const experts = { nExperts: number(options, "moe.n_experts"), expertSize: number(options, "moe.expert_size"), bias: true };
  return {
    ...order, dModel, placement: "post",
    attention: { nHeads: width / dHead, dHead, rope: NO_ROPE, kind: { ...heads, ...routing(options, "moe.att.k", dModel) } },
    feedForward: { activation: "relu", ...experts, ...routing(options, "pkm.n_heads", dModel) },
    embedding: { scale, normed: options["lm.trafo.norm_input"] === true },
    headNorm: options["lm.trafo.force_out_norm"] === true,
    ...(options["transformer.variant"] === "actsut_universal" && { halting }),
  };
}

function routing(options: Options, chosen: string, dModel: number): ImportedRouting {
  const weight = number(options, "moa.miloss");
  return {
    topK: number(options, chosen), score: "softmax", weight: "renormalized", hidden: dModel, eps: GATE_EPS,
    sampled: number(options, "sut.sample_topk"),
    balance: weight === 0 ? null : { kind: "mutual_information", weight, scope: "" },
  };
}
