/** What is allowed but rarely meant, looked for in a model that is otherwise right. */
import { attentionHasNorm, feedForwardHasNorm } from "../counts/index.ts";
import type { Reporter } from "../diagnostics/index.ts";
import type { AttentionSpec, FeedForwardSpec, FnSpec, LayerSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";
import { placementText } from "../ir/norm-placement.ts";
import type { Span } from "../ir/source.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { firstHole, valuesTried } from "./choose-function.ts";
import type { FieldValue } from "./field.ts";
import { scopeAt } from "./functions.ts";
import type { ModelTree } from "./model.ts";
import { ownEntry } from "./own.ts";
import { child, type Context, placeOf, type Settings } from "./settings.ts";
import { layersIn } from "../stack/text.ts";

export function lint(model: ModelSpec, tree: ModelTree, context: Context): void {
  const { report } = context;
  lintStack(model, tree, report);
  const written = new Map(tree.layers.map(({ name, settings }) => [name, settings]));
  for (const layer of model.layers) lintLayer(layer, written.get(layer.name.split(".")[0]!)!, report); // copies are named a.0, a.1
  for (const layer of tree.layers) lintFunctions(layer.settings, context);
  lintPlacement(model, tree, report);
  lintDepth(model, tree, report);
  const { lr } = model.train.optimizer;
  if (lr > MOST_LR) report.report("unusual-lr", placeOf(child(child(tree.root, "train"), "optimizer"), "lr", tree.nameSpan), { lr });
}

/** Published recipes with Adam are a hundred times below. */
const MOST_LR = 0.1;

function lintDepth({ core, halting }: ModelSpec, { root }: ModelTree, report: Reporter): void {
  const { blocks, fields, span } = child(root, "core");
  if (core === null && span !== null && Object.keys(blocks).length + Object.keys(fields).length > 0) report.report("idle-core", span, {});
  if (halting === null) return;
  const { threshold } = halting;
  const place = (field: string): Span => placeOf(child(root, "halting"), field, halting.span);
  switch (halting.kind) {
    case "act":
      if (threshold < 0.5) report.report("halting-collapse", place("threshold"), { threshold });
      return;
    case "graves":
      if (1 / (1 + Math.exp(-halting.bias)) > threshold) report.report("early-halting", place("bias"), { bias: halting.bias, threshold });
      return;
    default: unreachable(halting);
  }
}

function lintStack(model: ModelSpec, tree: ModelTree, report: Reporter): void {
  const used = new Set(tree.stack === null ? tree.layers.map((l) => l.name) : layersIn(tree.stack.sequence));
  for (const layer of tree.layers) {
    if (layer.declared && !used.has(layer.name)) report.report("unused-layer", layer.span, { name: layer.name });
  }
  const often: number[] = model.layers.map(() => 0);
  for (const site of model.schedule) often[site.layer]!++;
  const most = Math.max(...often);
  const fewer = often.findIndex((n) => n === most - 1 && n > 1);
  if (fewer < 0 || tree.stack === null) return;
  report.report("uneven-depth", tree.stack.sequence.span, {
    more: model.layers[often.indexOf(most)]!.name, often: most, less: model.layers[fewer]!.name, seldom: most - 1,
  });
}

/** Of activations and scores, wherever a layer names one; layers that are not used have them too. */
function lintFunctions({ fields, blocks }: Settings, context: Context): void {
  for (const { value, span } of Object.values(fields)) {
    if (!isFn(value)) continue;
    const hole = firstHole(value.expr);
    if (hole === null) continue;
    const place = ownEntry(scopeAt(context.functions, span), value.name)?.ast.name.span;
    const labels = place === undefined ? [] : [{ span: place, note: "defined here" }];
    context.report.report("fn-not-finite", span, { name: value.name, at: hole.at, value: String(hole.value) }, labels);
  }
  for (const block of Object.values(blocks)) lintFunctions(block, context);
}

const isFn = (value: FieldValue | null): value is FnSpec => typeof value === "object" && value !== null && "expr" in value;

function lintLayer(layer: LayerSpec, settings: Settings, report: Reporter): void {
  lintExperts(layer.attention, child(settings, "attention"), report);
  lintExperts(layer.feedForward, child(settings, "feed_forward"), report);
  if (!layer.attention.causal) report.report("sees-target", layer.attention.span, {});
  const placement = placementText(layer.placement);
  if (!attentionHasNorm(layer)) report.report("idle-norm", layer.attention.span, {
    placement, block: `attention ${layer.attention.kind}`, readers: "q, k, v",
  });
  if (!feedForwardHasNorm(layer)) report.report("idle-norm", layer.feedForward.span, {
    placement, block: `feed_forward ${layer.feedForward.kind}`, readers: "feed_forward",
  });
}

function lintExperts(spec: AttentionSpec | FeedForwardSpec, block: Settings, report: Reporter): void {
  if (!("router" in spec)) return;
  const balance = child(block, "balance").span;
  if (spec.nExperts === 1 && balance !== null && (spec.balance !== null || spec.router.loadBiasRate !== null)) report.report(
    "idle-balance", balance, { nExperts: 1 },
  );
  if (spec.balance?.over === "token") report.report("lone-token-balance", spec.balance.span, { weight: spec.balance.weight });
  if (spec.nExperts > 1 && spec.topK === spec.nExperts) report.report(
    "every-expert-chosen", placeOf(block, "top_k", spec.span), { topK: spec.topK },
  );
  if (spec.topK === 1 && spec.router.weight === "renormalized") report.report(
    "constant-gate", placeOf(child(block, "router"), "weight", spec.span), {},
  );
  lintScore(spec.router, child(block, "router"), report);
}

/** Scores of 0 are no danger if something is added to them. */
function lintScore({ score, weight, sumEps, sampled, span }: RouterSpec, settings: Settings, report: Reporter): void {
  if (typeof score === "string") return;
  const least = Math.min(...valuesTried(score.expr));
  const facts = { name: score.name, least: String(Number(least.toPrecision(3))) };
  if (weight === "renormalized" && (least < 0 || (least === 0 && sumEps === 0))) report.report(
    "signed-score", placeOf(settings, "weight", span), { ...facts, use: "weight" },
  );
  if (sampled > 0 && least < 0) report.report("signed-score", placeOf(settings, "sampled", span), { ...facts, use: "sampled" });
}

const isPost = ({ placement }: LayerSpec): boolean => placement.stands === "after";

function lintPlacement(model: ModelSpec, tree: ModelTree, report: Reporter): void {
  const [first, ...others] = model.layers;
  const other = others.find((l) => isPost(l) !== isPost(first!));
  if (other !== undefined) report.report("mixed-placement", other.span, {
    first: placementText(first!.placement), second: placementText(other.placement),
  });
  const head = child(tree.root, "head");
  const norm = child(head, "norm");
  const place = norm.kind?.span ?? norm.span ?? head.span ?? tree.nameSpan;
  const posts = model.layers.filter(isPost).length;
  if (model.head.norm === null && posts === 0) report.report("unnormalized-head", place, { placement: placementText(first!.placement) });
  const written = ownEntry(head.blocks, "norm") !== undefined;
  if (model.head.norm !== null && written && posts === model.layers.length) report.report("double-head-norm", place, {});
}
