/** Imported models as spec text. */
import type { ImportedBalance, ImportedAttention, ImportedFeedForward, ImportedModel, ImportedRouting } from "./model.ts";

export interface Frame {
  readonly name: string;
  readonly vocabSize: number;
  readonly seqLen: number;
  /** Lines of the train block. */
  readonly train: readonly string[];
}

export function printSpec(model: ImportedModel, frame: Frame): string {
  return [
    "moeut 1", "",
    `model ${frame.name} {`,
    `  vocab_size ${frame.vocabSize}  seq_len ${frame.seqLen}  d_model ${model.dModel}`,
    ...indent(embeddingLines(model)), "",
    `  layer ${model.layers.join(", ")} {`,
    `    norm layernorm at ${model.placement}`,
    ...indent(indent(attentionLines(model.attention))),
    ...indent(indent(feedForwardLines(model.feedForward))),
    "  }",
    `  stack ${model.stack}`,
    "}",
    ...(frame.train.length === 0 ? [] : ["", "train {", ...indent(frame.train), "}"]),
    "",
  ].join("\n");
}

const indent = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`);

/** Embedding and head, always in full: their defaults depend on the layers. */
function embeddingLines({ embedding, headNorm, halting }: ImportedModel): readonly string[] {
  const norm = embedding.normed ? "  norm layernorm { affine false }" : "  norm none";
  return [`embedding { scale ${embedding.scale}${norm} }`, `head { norm ${headNorm ? "layernorm" : "none"} }`,
    ...(halting === undefined ? [] : [`halting act { threshold ${halting.threshold}  weight ${halting.weight} }`])];
}

function attentionLines({ nHeads, dHead, rope, kind }: ImportedAttention): readonly string[] {
  const heads = `n_heads ${nHeads}  d_head ${dHead}`;
  // The rotated channels are rounded down to an even number; none are left of less than 2.
  const rotary = Math.floor(rope.fraction * dHead) < 2 ? "rope none" : `rope { fraction ${rope.fraction}  base ${rope.base} }`;
  if ("gate" in kind) return ["attention mha {", `  ${heads}  ${rotary}`, ...(kind.gate === "none" ? [] : ["  gate sigmoid"]), "}"];
  if ("reach" in kind) {
    const experts = `n_experts ${kind.nExperts}  expert_size ${nHeads * dHead}  d_head ${dHead}  top_k ${kind.topK}`;
    return ["attention moa {", `  ${experts}`, `  rope none  positions relative { max ${kind.reach} }`, ...indent(routingLines(kind)), "}"];
  }
  return [
    "attention switchhead {", `  ${heads}  ${rotary}`, `  n_experts ${kind.nExperts} on ${kind.on.join(", ")}  top_k ${kind.topK}`,
    ...indent(routingLines(kind)), "}",
  ];
}

function feedForwardLines(ff: ImportedFeedForward): readonly string[] {
  if ("dFf" in ff) return ["feed_forward dense {", `  d_ff ${ff.dFf}  activation ${ff.activation}`, "}"];
  const bias = ff.bias === false ? "" : `  bias ${ff.bias}`;
  return [
    "feed_forward moe {",
    `  n_experts ${ff.nExperts}  expert_size ${ff.expertSize}  top_k ${ff.topK}  activation ${ff.activation}${bias}`,
    ...indent(routingLines(ff)), "}",
  ];
}

function routingLines(routing: ImportedRouting): readonly string[] {
  const { score, weight, hasBias = false, balance, hidden, eps, expertDropout, inputDropout, sampled } = routing;
  const bias = hasBias ? "  bias true" : "";
  const more = unlessZero({ hidden, eps, expert_dropout: expertDropout, input_dropout: inputDropout, sampled });
  return [`router { score ${score}  weight ${weight}${bias}${more} }`, ...(balance === null ? [] : [balanceLine(balance)])];
}

const balanceLine = (balance: ImportedBalance): string =>
  (balance.kind === undefined ? `balance entropy { weight ${balance.weight}  scope ${balance.scope} }`
    : `balance ${balance.kind} { weight ${balance.weight} }`);

const unlessZero = (fields: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(fields).map(([name, value = 0]) => (value === 0 ? "" : `  ${name} ${value}`)).join("");
