/** Settings of one layer → LayerSpec. Everything that can be seen by looking at one layer is proved here. */
import { plural } from "../diagnostics/entry.ts";
import type { Span } from "../ir/source.ts";
import type {
  AttentionSpec, BalanceSpec, FeedForwardSpec, LayerSpec, NormPreset, NormSpec, RelativeSpec, RopeSpec, RopeStretch, RouterSpec,
} from "../ir/model-spec.ts";
import { PRESETS } from "../ir/norm-placement.ts";
import { unreachable } from "../ir/tensor-type.ts";
import {
  BIAS, DENSE, ENTROPY, LAYER, LAYER_NORM, LOAD, MHA, MHA_QK_NORM, MOA, MOE, MUTUAL_INFORMATION, NORM, RELATIVE, ROPE, ROUTER, STRETCH,
  SWITCHHEAD,
} from "./language.ts";
import { ownEntry } from "./own.ts";
import { type BuildContext, child, kindName, placeOf, read, type Settings } from "./settings.ts";

/** What a layer needs to know of its model; d_model is null where it is in error. */
export interface LayerContext extends BuildContext {
  readonly dModel: number | null;
  readonly layerSpan: Span;
}

export function buildLayer(name: string, settings: Settings, context: LayerContext): LayerSpec | null {
  const fields = read(settings, LAYER, context);
  const norm = buildLayerNorm(child(settings, "norm"), context);
  const attention = buildAttention(child(settings, "attention"), context);
  const feedForward = buildFeedForward(child(settings, "feed_forward"), context);
  if (fields === null || norm === null || attention === null || feedForward === null) return null;
  const placement = norm.placement ?? PRESETS[USUAL_PLACEMENT[feedForward.kind]];
  if (fields.parallel && placement.stands === "after") {
    context.report.report("parallel-post", placeOf(settings, "parallel", context.layerSpan), {});
    return null;
  }
  const { residual_scale: residualScale, parallel } = fields;
  return { name, span: context.layerSpan, norm: norm.norm, placement, residualScale, parallel, attention, feedForward };
}

/** A dense block has no router: at peri it would read the bare residual stream. */
const USUAL_PLACEMENT: Readonly<Record<FeedForwardSpec["kind"], NormPreset>> = { dense: "pre", moe: "peri" };

function buildLayerNorm(
  settings: Settings, context: BuildContext,
): { readonly norm: NormSpec; readonly placement: LayerSpec["placement"] | null } | null {
  const fields = read(settings, LAYER_NORM, context);
  if (fields === null) return null;
  const kind = kindName(settings, LAYER.blocks["norm"]!) as NormSpec["kind"];
  const placement = fields.on === null ? fields.at === null ? null : PRESETS[fields.at] : { stands: "before", readers: fields.on } as const;
  return { norm: { kind, affine: fields.affine, eps: fields.eps }, placement };
}

/** A norm that may be `none`; `fallback` where the block says nothing of its kind. */
export function buildNorm(settings: Settings, fallback: NormSpec | null, context: BuildContext): NormSpec | null | "broken" {
  if (settings.broken) return "broken";
  const kind = settings.kind?.name ?? fallback?.kind ?? "none";
  if (kind === "none") return null;
  const fields = read(settings, NORM, context);
  if (fields === null) return "broken";
  const written = (field: string): boolean => ownEntry(settings.fields, field) !== undefined;
  const inherits = settings.kind === null && fallback !== null;
  return {
    kind: kind as NormSpec["kind"],
    affine: inherits && !written("affine") ? fallback.affine : fields.affine,
    eps: inherits && !written("eps") ? fallback.eps : fields.eps,
  };
}

function buildAttention(settings: Settings, context: LayerContext): AttentionSpec | null {
  const span = settings.span ?? context.layerSpan;
  const kind = kindName(settings, LAYER.blocks["attention"]!) as AttentionSpec["kind"];
  switch (kind) {
    case "mha": return buildMha(settings, span, context);
    case "switchhead": return buildSwitchhead(settings, span, context);
    case "moa": return buildMoa(settings, span, context);
    default: return unreachable(kind);
  }
}

function buildMha(settings: Settings, span: Span, context: LayerContext): AttentionSpec | null {
  const fields = read(settings, MHA, context);
  const heads = buildHeads(settings, fields, context);
  if (fields === null || heads === null) return null;
  const headsPerKey = fields.n_heads / (fields.n_kv_heads ?? fields.n_heads);
  const qkNormOver = readQkNormOver(child(settings, "qk_norm"), context);
  if (Number.isInteger(headsPerKey))
    return { kind: "mha", span, ...heads, gate: fields.gate, mapBias: fields.bias, qkNormOver, headsPerKey };
  const place = placeOf(settings, "n_kv_heads", context.layerSpan);
  context.report.report("uneven-kv-heads", place, { nHeads: fields.n_heads, nKvHeads: fields.n_kv_heads! });
  return null;
}

/** What a norm of queries and keys that is sound normalizes over. */
const readQkNormOver = (settings: Settings, context: LayerContext): "head" | "heads" =>
  ((settings.kind?.name ?? "none") === "none" ? null : read(settings, MHA_QK_NORM, context))?.over ?? "head";

function buildSwitchhead(settings: Settings, span: Span, context: LayerContext): AttentionSpec | null {
  const fields = read(settings, SWITCHHEAD, context);
  const heads = buildHeads(settings, fields, context);
  const routed = buildRouted(settings, fields, 2, context);
  if (fields === null || heads === null || routed === null) return null;
  return { kind: "switchhead", span, ...heads, nExperts: fields.n_experts, on: fields.on, ...routed };
}

/** The heads of one expert are d_head wide; kernels move four channels at a time, and an expert's heads lie side by side. */
function buildMoa(settings: Settings, span: Span, context: LayerContext): AttentionSpec | null {
  const fields = read(settings, MOA, context);
  const dHead = fields === null ? null : (fields.d_head ?? Math.min(64, fields.expert_size));
  const scores = buildScores(settings, fields, dHead, context);
  const routed = buildRouted(settings, fields, 2, context);
  if (fields === null || dHead === null || scores === null || routed === null) return null;
  if (dHead % 4 !== 0 || fields.expert_size % dHead !== 0) {
    context.report.report("uneven-expert", placeOf(settings, "d_head", context.layerSpan), { expertSize: fields.expert_size, dHead });
    return null;
  }
  return { kind: "moa", span, nHeads: fields.expert_size / dHead, ...scores, nExperts: fields.n_experts, ...routed };
}

type ScoreFields = { readonly window: number; readonly causal: boolean };
type HeadFields = ScoreFields & { readonly n_heads: number; readonly d_head: number | null };
type Scores = Pick<AttentionSpec, "dHead" | "rope" | "relative" | "qkNorm" | "window" | "causal">;
type Heads = Scores & Pick<AttentionSpec, "nHeads">;

function buildHeads(settings: Settings, fields: HeadFields | null, context: LayerContext): Heads | null {
  const dHead = fields === null ? null : headWidth(settings, fields, context);
  const scores = buildScores(settings, fields, dHead, context);
  return fields === null || scores === null ? null : { nHeads: fields.n_heads, ...scores };
}

/** What all kinds of attention say about queries, keys and who sees whom. */
function buildScores(settings: Settings, fields: ScoreFields | null, dHead: number | null, context: LayerContext): Scores | null {
  const relative = buildRelative(child(settings, "positions"), context);
  const rope = buildRope(child(settings, "rope"), dHead, context);
  const qkNorm = buildNorm(child(settings, "qk_norm"), null, context);
  if (dHead === null || fields === null || rope === "broken" || qkNorm === "broken" || relative === "broken") return null;
  const window = fields.window === 0 ? null : fields.window;
  return { dHead, rope, relative, qkNorm, window, causal: fields.causal };
}

function headWidth(settings: Settings, fields: HeadFields, { dModel, report, layerSpan }: LayerContext): number | null {
  if (fields.d_head !== null || dModel === null) return fields.d_head;
  if (dModel % fields.n_heads === 0) return dModel / fields.n_heads;
  report.report("uneven-heads", placeOf(settings, "n_heads", layerSpan), { dModel, nHeads: fields.n_heads });
  return null;
}

function buildRope(settings: Settings, dHead: number | null, context: LayerContext): RopeSpec | null | "broken" {
  if (settings.broken) return "broken";
  if (settings.kind?.name === "none") return null;
  const fields = read(settings, ROPE, context);
  if (fields === null) return "broken";
  if (dHead === null) return null;
  const wanted = Math.floor(fields.fraction * dHead);
  const used = wanted - (wanted % 2);
  if (used !== wanted) {
    context.report.report("odd-rotary-width", placeOf(settings, "fraction", context.layerSpan), {
      fraction: fields.fraction, dHead, wanted, used,
    });
  }
  const stretch = buildStretch(child(settings, "stretch"), context);
  if (stretch === "broken") return "broken";
  return used === 0 ? null : { nRotate: used, base: fields.base, ...(stretch === null ? {} : { stretch }) };
}

/** Null where nothing is stretched. */
function buildStretch(settings: Settings, context: LayerContext): RopeStretch | null | "broken" {
  if (settings.broken) return "broken";
  const fields = read(settings, STRETCH, context);
  if (fields === null) return "broken";
  const { factor, length, low, high } = fields;
  if (low < high) return factor === 1 ? null : { factor, length, low, high };
  context.report.report("uneven-stretch", placeOf(settings, "high", context.layerSpan), { low, high });
  return "broken";
}

function buildRelative(settings: Settings, context: BuildContext): RelativeSpec | null | "broken" {
  if (settings.broken) return "broken";
  if (settings.kind === null || settings.kind.name === "none") return null;
  const fields = read(settings, RELATIVE, context);
  return fields === null ? "broken" : { reach: fields.max };
}

function buildFeedForward(settings: Settings, context: LayerContext): FeedForwardSpec | null {
  const span = settings.span ?? context.layerSpan;
  const kind = kindName(settings, LAYER.blocks["feed_forward"]!) as FeedForwardSpec["kind"];
  switch (kind) {
    case "dense": return buildDense(settings, span, context);
    case "moe": return buildMoe(settings, span, context);
    default: return unreachable(kind);
  }
}

function buildDense(settings: Settings, span: Span, context: LayerContext): FeedForwardSpec | null {
  const fields = read(settings, DENSE, context);
  const dFf = fields?.d_ff ?? (context.dModel === null ? null : 4 * context.dModel);
  return fields === null || dFf === null ? null : {
    kind: "dense", span, dFf, activation: fields.activation, bias: fields.bias, glu: fields.glu,
  };
}

function buildMoe(settings: Settings, span: Span, context: LayerContext): FeedForwardSpec | null {
  const fields = read(settings, MOE, context);
  const routed = buildRouted(settings, fields, 4, context);
  if (fields === null || routed === null) return null;
  const { n_experts: nExperts, expert_size: expertSize, activation, glu, bias, n_shared: nShared, shared_gate: sharedGate } = fields;
  if (nShared > 0 || sharedGate === "none")
    return { kind: "moe", span, nExperts, expertSize, activation, glu, bias, nShared, sharedGate, ...routed };
  context.report.report("gate-of-nothing", placeOf(settings, "shared_gate", context.layerSpan), {});
  return null;
}

interface Routed {
  readonly topK: number;
  readonly router: RouterSpec;
  readonly balance: BalanceSpec | null;
}

/** What everything with experts has in common. */
function buildRouted(
  settings: Settings,
  fields: { readonly n_experts: number; readonly top_k: number | null } | null,
  usualTopK: number,
  context: LayerContext,
): Routed | null {
  const router = buildRouter(child(settings, "router"), settings, context);
  const balancing = buildBalancing(child(settings, "balance"), context);
  if (fields === null || router === null || balancing === null) return null;
  const nExperts = fields.n_experts;
  const topK = fields.top_k ?? Math.min(usualTopK, nExperts);
  if (topK > nExperts) return reportTopK(settings, topK, nExperts, context);
  if (router.sampled > topK) return reportSampled(settings, router.sampled, topK, context);
  return { topK, router: { ...router, loadBiasRate: balancing.loadBiasRate }, balance: balancing.term };
}

function reportTopK(settings: Settings, topK: number, nExperts: number, { report, layerSpan }: LayerContext): null {
  const experts = ownEntry(settings.fields, "n_experts");
  const note = `${plural(nExperts, "expert")} ${experts === undefined ? "by default" : "declared"} here`;
  const label = { span: experts?.span ?? settings.span ?? layerSpan, note };
  report.report("top-k-exceeds-experts", placeOf(settings, "top_k", layerSpan), { topK, nExperts }, [label]);
  return null;
}

function reportSampled(settings: Settings, sampled: number, topK: number, { report, layerSpan }: LayerContext): null {
  const label = {
    span: ownEntry(settings.fields, "top_k")?.span ?? settings.span ?? layerSpan, note: `each token uses ${plural(topK, "expert")}`,
  };
  report.report("sampled-exceeds-top-k", placeOf(child(settings, "router"), "sampled", layerSpan), { sampled, topK }, [label]);
  return null;
}

function buildRouter(settings: Settings, around: Settings, context: LayerContext): Omit<RouterSpec, "loadBiasRate"> | null {
  const fields = read(settings, ROUTER, context);
  if (fields === null) return null;
  const { input, score, weight, bias: hasBias, z_loss: zLoss, eps: sumEps, sampled } = fields;
  const { expert_dropout: expertDropout, input_dropout: inputDropout } = fields;
  const hidden = fields.hidden === 0 ? null : fields.hidden;
  return {
    span: settings.span ?? around.span ?? context.layerSpan, input, score, weight, sumEps, hidden, hasBias, zLoss, expertDropout,
    inputDropout, sampled,
  };
}

/** What `balance` says: a term of the loss, biases that move towards an even load, both or neither. */
interface Balancing {
  readonly term: BalanceSpec | null;
  readonly loadBiasRate: number | null;
}

function buildBalancing(settings: Settings, context: LayerContext): Balancing | null {
  if (settings.broken) return null;
  if (settings.kind === null || settings.kind.name === "none") return { term: null, loadBiasRate: null };
  const kind = settings.kind.name as BalanceSpec["kind"] | "bias";
  if (kind === "bias") {
    const bias = read(settings, BIAS, context);
    return bias === null ? null : { term: null, loadBiasRate: bias.rate };
  }
  const fields = readTerm(kind, settings, context);
  if (fields === null) return null;
  const [over, passes] = fields.scope;
  const term = { kind, span: settings.span ?? context.layerSpan, weight: fields.weight, over, passes: passes === "passes" };
  return { term, loadBiasRate: fields.bias_rate === 0 ? null : fields.bias_rate };
}

interface TermFields {
  readonly weight: number;
  readonly scope: readonly [BalanceSpec["over"], "passes" | "site"];
  readonly bias_rate: number;
}

function readTerm(kind: BalanceSpec["kind"], settings: Settings, context: LayerContext): TermFields | null {
  switch (kind) {
    case "entropy": return read(settings, ENTROPY, context);
    case "load": return read(settings, LOAD, context);
    case "mutual_information": {
      const fields = read(settings, MUTUAL_INFORMATION, context);
      return fields === null ? null : { ...fields, scope: ["batch", "passes"] };
    }
  }
}
