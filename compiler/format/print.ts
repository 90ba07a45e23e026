/** ModelSpec → text: every field written out, in the canonical layout. Parses back to the same ModelSpec (spans apart). */
import {
  type AttentionSpec, type BalanceSpec, type CoreSpec, type FeedForwardSpec, type HaltingSpec, type LayerSpec, type ModelSpec, nameOf,
  type NormSpec, type RopeSpec, type RouterSpec, type TrainSpec,
} from "../ir/model-spec.ts";
import { placementText } from "../ir/norm-placement.ts";
import { numberText } from "../ir/number-text.ts";
import { printFn } from "./expr.ts";
import { functionsOf, withDistinctNames } from "./functions.ts";

export function printSpec(spec: ModelSpec): string {
  const model = withDistinctNames([spec])[0]!;
  const { embedding, head } = model;
  const functions = functionsOf(model).map(printFn);
  const positions = embedding.learnedPositions ? "learned" : "none";
  return [
    "moeut 1",
    "",
    ...functions, ...(functions.length === 0 ? [] : [""]),
    `model ${model.name} {`,
    `  ${fields({ vocab_size: model.vocabSize, seq_len: model.seqLen, d_model: model.dModel })}`,
    `  embedding { ${fields({ scale: scaleText(embedding.scale, model.dModel), positions })}  ${printNorm(embedding.norm)} }`,
    `  head { ${fields({ bias: head.bias, tied: head.tied })}  ${printNorm(head.norm)} }`,
    `  ${fields({ init: model.init.scheme })}  ${printHalting(model.halting)}`,
    ...printCore(model.core),
    "",
    ...printLayers(model.layers),
    `  stack ${model.stack}`,
    "",
    ...printTrain(model.train),
    "}",
    "",
  ].join("\n");
}

type Shown = number | string | boolean;

const fields = (record: Readonly<Record<string, Shown>>): string =>
  Object.entries(record).map(([name, value]) => `${name} ${typeof value === "number" ? numberText(value) : value}`).join("  ");

const scaleText = (scale: number, dModel: number): Shown => (scale === Math.sqrt(dModel) && scale !== 1 ? "sqrt_d_model" : scale);

const printNorm = (norm: NormSpec | null, name = "norm", more: Readonly<Record<string, Shown>> = {}): string =>
  norm === null ? `${name} none` : `${name} ${norm.kind} { ${fields({ eps: norm.eps, affine: norm.affine, ...more })} }`;

function printHalting(halting: HaltingSpec | null): string {
  if (halting === null) return "halting none";
  const { kind, threshold, weight } = halting;
  return `halting ${kind} { ${fields({ threshold, weight, ...ownFields(halting) })} }`;
}

/** Of a kind of halting alone. */
function ownFields(halting: HaltingSpec): Readonly<Record<string, Shown>> {
  switch (halting.kind) {
    case "act": return {};
    case "graves": return { bias: halting.bias };
  }
}

function printCore(core: CoreSpec | null): string[] {
  if (core === null) return [];
  const { inject, state, passEmbedding: embedding } = core;
  const sinusoidal = embedding?.kind === "sinusoidal" ? ` { ${fields({ base: embedding.base, positions: embedding.positions })} }` : "";
  const std = state.kind === "normal" ? ` { ${fields({ std: state.std })} }` : "";
  return [`  core { ${fields({ inject })}  state ${state.kind}${std}  pass_embedding ${embedding?.kind ?? "none"}${sinusoidal} }`];
}

/** Equal layers share a block, as in `layer a, b { … }`; copies made by `own` are the layer they are copies of. */
function printLayers(layers: readonly LayerSpec[]): string[] {
  const names: Record<string, string[]> = {};
  for (const layer of layers) {
    const group = (names[printLayer(layer).join("\n")] ??= []);
    const name = layer.name.split(".")[0]!;
    if (!group.includes(name)) group.push(name);
  }
  return Object.entries(names).flatMap(([body, group]) => [`  layer ${group.join(", ")} {`, body, "  }", ""]);
}

function printLayer({ norm, placement, residualScale, parallel, attention, feedForward }: LayerSpec): string[] {
  return [
    `    ${fields({ residual_scale: residualScale, parallel })}`,
    `    norm ${norm.kind} ${placementText(placement)} { ${fields({ eps: norm.eps, affine: norm.affine })} }`,
    ...printAttention(attention),
    ...printFeedForward(feedForward),
  ];
}

function printAttention(attention: AttentionSpec): string[] {
  const { nHeads, dHead, window, causal, rope, relative, qkNorm } = attention;
  const reach = relative === null ? "none" : `relative { ${fields({ max: relative.reach })} }`;
  const positions = `${printRope(rope, dHead)}  positions ${reach}`;
  const heads = `${fields({ n_heads: nHeads, d_head: dHead })}  ${positions}`;
  const over = qkNorm !== null && "qkNormOver" in attention ? { over: attention.qkNormOver } : {};
  const scores = `${printNorm(qkNorm, "qk_norm", over)}  ${fields({ window: window ?? 0, causal })}`;
  switch (attention.kind) {
    case "mha": return [
      "    attention mha {",
      `      ${heads}`, `      ${scores}`,
      `      ${fields({ n_kv_heads: nHeads / attention.headsPerKey, gate: attention.gate, bias: attention.mapBias })}`,
      "    }",
    ];
    case "moa": return [
      "    attention moa {",
      `      ${fields({ n_experts: attention.nExperts, expert_size: nHeads * dHead, d_head: dHead, top_k: attention.topK })}`,
      `      ${positions}`, `      ${scores}`,
      `      ${printRouter(attention.router)}  ${printBalancing(attention)}`,
      "    }",
    ];
    case "switchhead": return [
      "    attention switchhead {",
      `      ${heads}`, `      ${scores}`,
      `      n_experts ${attention.nExperts} on ${attention.on.join(", ")}  ${fields({ top_k: attention.topK })}`,
      `      ${printRouter(attention.router)}  ${printBalancing(attention)}`,
      "    }",
    ];
  }
}

function printRope(rope: RopeSpec | null, dHead: number): string {
  if (rope === null) return "rope none";
  const stretch = rope.stretch === undefined ? "" : `  stretch { ${fields({ ...rope.stretch })} }`;
  return `rope rotary { ${fields({ fraction: fractionOf(rope.nRotate, dHead), base: rope.base })}${stretch} }`;
}

/** The shortest fraction of the head width that rotates exactly so many channels. */
function fractionOf(nRotate: number, dHead: number): number {
  for (let digits = 0; digits <= 17; digits++) {
    const fraction = Number((nRotate / dHead).toFixed(digits));
    if (fraction > 0 && fraction <= 1 && Math.floor(fraction * dHead) === nRotate) return fraction;
  }
  return (nRotate + 0.5) / dHead;
}

function printFeedForward(ff: FeedForwardSpec): string[] {
  switch (ff.kind) {
    case "dense": {
      const written = fields({ d_ff: ff.dFf, activation: nameOf(ff.activation), glu: ff.glu, bias: ff.bias });
      return [`    feed_forward dense { ${written} }`];
    }
    case "moe": return [
      "    feed_forward moe {",
      `      ${fields({ n_experts: ff.nExperts, expert_size: ff.expertSize, top_k: ff.topK, activation: nameOf(ff.activation) })}`,
      `      ${fields({ glu: ff.glu, bias: ff.bias, n_shared: ff.nShared, shared_gate: ff.sharedGate })}`,
      `      ${printRouter(ff.router)}  ${printBalancing(ff)}`,
      "    }",
    ];
  }
}

const printRouter = (router: RouterSpec): string => `router { ${fields({
  input: router.input, score: nameOf(router.score), weight: router.weight, bias: router.hasBias, hidden: router.hidden ?? 0,
  eps: router.sumEps, z_loss: router.zLoss,
  expert_dropout: router.expertDropout, input_dropout: router.inputDropout, sampled: router.sampled,
})} }`;

/** Whether a spec may say what is averaged together. */
const HAS_SCOPE: Readonly<Record<BalanceSpec["kind"], boolean>> = { entropy: true, load: true, mutual_information: false };

function printBalancing(
  { balance, router: { loadBiasRate } }: { readonly balance: BalanceSpec | null; readonly router: RouterSpec },
): string {
  if (balance === null) return loadBiasRate === null ? "balance none" : `balance bias { ${fields({ rate: loadBiasRate })} }`;
  const scope = HAS_SCOPE[balance.kind] ? `  scope ${balance.over}, ${balance.passes ? "passes" : "site"}` : "";
  return `balance ${balance.kind} { ${fields({ weight: balance.weight })}${scope}  ${fields({ bias_rate: loadBiasRate ?? 0 })} }`;
}

function printTrain(train: TrainSpec): string[] {
  const { optimizer: o, schedule: s } = train;
  const betas = `betas ${numberText(o.beta1)}, ${numberText(o.beta2)}`;
  const floor = s.kind === "constant" ? {} : { floor: s.floor };
  return [
    "  train {",
    `    optimizer adamw { ${fields({ lr: o.lr })}  ${betas}  ${fields({ eps: o.eps, weight_decay: o.weightDecay })} }`,
    `    schedule ${s.kind} { ${fields({ warmup: s.warmup, ...floor })} }`,
    `    ${fields({ grad_clip: train.gradClip ?? "none", batch: train.batch, accumulate: train.accumulate, steps: train.steps })}`,
    `    ${fields({ eval_every: train.evalEvery, checkpoint_every: train.checkpointEvery })}`,
    "  }",
  ];
}
