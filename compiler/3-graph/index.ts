/** ModelSpec → OpGraph: forward operations with shapes. */
import { createBuilder, emitOne } from "../graph/builder.ts";
import { map } from "../graph/dsl.ts";
import { constant } from "../ir/expr.ts";
import type { OpGraph, Param, ValueId } from "../ir/graph.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import { plain } from "../ir/tensor-type.ts";
import { initRule } from "../parameters/init.ts";
import { namingScheme, officialPlace } from "../parameters/naming.ts";
import { parametersOf } from "../parameters/parameters.ts";
import { balanceLoss } from "./balance.ts";
import { hasLens } from "./entry.ts";
import type { Entry } from "./entry.ts";
import { bestToken, chosenRows, headLogits, meanOfTokens, rowLoss, tokenLoss, trainLoss } from "./loss.ts";
import { within } from "./state.ts";
import type { BuildState } from "./state.ts";
import { trunk } from "./trunk.ts";

export type { Entry } from "./entry.ts";

/**
 * Builds one entry of a model. Outputs:
 *   train     loss, ce_loss, reg_loss [1], token_loss [B, T, 1], logits [B, T, V], embed_out, layers.I [B, T, D], sel.ffn.I [B, T, K],
 *             sel.att_v.I, sel.att_o.I [B, T, H, K], sel.att.I [B, T, K], I counting applications, and the logits behind each selection,
 *             router.ffn.I [B, T, E] and so on; choice.ffn.I and so on are the selections, but under halting, where those are f32 and
 *             −1 where a token is skipped; there are also
 *             act.never_halt.I, act.expected_depth.I [B, T, 1] and act.block_out.I [B, T, D]
 *             Under any halting there is passes [B, T, 1], how many each token takes, and under `graves` act.weight.I [B, T, 1], that of
 *             the pass which ends with application I
 *   evaluate  as train, without loss and reg_loss; best u32 [B, T, 1]; through a lens also token_loss.I, and one expert can be `removed`
 *   score     token_loss [1, N, 1] of the chosen rows, best u32 [1, N, 1]
 *   step      logits [B, 1, V] of the rows `last` of the chunks
 */
export function buildGraph(model: ModelSpec, entry: Entry): OpGraph {
  const { state, params } = begin(model, entry);
  const hidden = trunk(state);
  within(state, "head", model.span, () => HEADS[entry.kind](state, hidden));
  const name = entry.kind === "step" ? (entry.chunk === 1 ? "decode" : "prefill") : entry.kind;
  const indexOf = new Map(params.map((p, index) => [p.name, index]));
  const gradients = Object.entries(state.updates).map(([param, contributions]) => ({ param: indexOf.get(param)!, contributions }));
  return { name, values: state.b.values, nodes: state.b.nodes, params, outputs: state.outputs, gradients };
}

function begin(model: ModelSpec, entry: Entry): { readonly state: BuildState; readonly params: readonly Param[] } {
  const b = createBuilder();
  const scheme = namingScheme(model);
  const params: Param[] = parametersOf(model).map((p, index) => {
    b.origin = { path: p.name, span: p.layer === null ? model.span : model.layers[p.layer]!.span };
    const value = emitOne(b, p.name, { kind: "param", param: index }, [], p.type);
    const param = { name: p.name, value, official: officialPlace(model, scheme, p), init: initRule(model, scheme, p) };
    return p.signRate === null ? param : { ...param, signRate: p.signRate };
  });
  const state: BuildState = {
    b, model, entry,
    batch: entry.batch ?? 1,
    positions: entry.kind === "step" ? entry.chunk : entry.seqLen,
    paramValues: Object.fromEntries(params.map((p) => [p.name, p.value])),
    sources: {}, balance: new Map(), information: new Map(), penalties: [], updates: {}, zLosses: {}, outputs: {}, experts: new Map(),
  };
  return { state, params };
}

const HEADS: Readonly<Record<Entry["kind"], (s: BuildState, hidden: ValueId) => void>> = {
  train: losses,
  evaluate: losses,
  score: (s, hidden) => {
    const logits = headLogits(s, chosenRows(s, hidden, "rows"));
    Object.assign(s.outputs, { token_loss: rowLoss(s, logits), best: bestToken(s, logits) });
  },
  step: (s, hidden) => (s.outputs["logits"] = headLogits(s, chosenRows(s, hidden, "last"))),
};

function losses(s: BuildState, hidden: ValueId): void {
  const logits = headLogits(s, hidden);
  const perToken = tokenLoss(s, logits);
  const ceLoss = meanOfTokens(s, "ce_loss", perToken);
  Object.assign(s.outputs, { logits, token_loss: perToken, ce_loss: ceLoss });
  if (hasLens(s.entry)) lensLosses(s);
  if (s.entry.kind === "evaluate") s.outputs["best"] = bestToken(s, logits);
  if (s.entry.kind !== "train") return;
  const regLoss = balanceLoss(s);
  s.outputs["loss"] = trainLoss(s, ceLoss, regLoss);
  s.outputs["reg_loss"] = regLoss ?? map(s.b, "reg_loss", constant(0), [], plain([1]));
}

/** What would be lost if the head read the stream behind each application. */
function lensLosses(s: BuildState): void {
  for (const site of s.model.schedule.keys()) s.outputs[`token_loss.${site}`] = tokenLoss(s, headLogits(s, s.outputs[`layers.${site}`]!));
}
