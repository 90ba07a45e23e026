/** Routing: logits → chosen experts and their gates. */
import { shapeOf } from "../graph/builder.ts";
import { gatherLast, linear, map, sum, view } from "../graph/dsl.ts";
import { simplify } from "../expr/simplify.ts";
import { add, constant, div, input, select, sigmoid, tanh } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { BalanceSpec, RouterSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { recordBalance, recordLoad, recordZLoss } from "./balance.ts";
import { choose } from "./choice.ts";
import type { Score } from "./choice.ts";
import { dropInput } from "./dropout.ts";
import { hasLens } from "./entry.ts";
import { recordInformation } from "./mutual-information.ts";
import { withoutRemoved } from "./removal.ts";
import type { RouterSite, Skip } from "./router-site.ts";
import { softmax } from "./softmax.ts";
import { param, vector } from "./state.ts";
import type { BuildState } from "./state.ts";

export interface Routing {
  readonly selection: ValueId; // u32 [..., K], best first
  readonly gates: ValueId; // [..., K]
}

/** What every part of a layer with experts says of its routers. */
interface Routed {
  readonly topK: number; // K
  readonly router: RouterSpec;
  readonly balance: BalanceSpec | null;
}

/** One row of weights per expert times x [B, T, D] (or a tanh layer of it), plus a bias: [B, T, E] or [B, T, H, E]. */
function routerLogits(s: BuildState, { name }: RouterSite, x: ValueId, router: RouterSpec): ValueId {
  const logits = linear(s.b, `${name}.logits`, router.hidden === null ? x : hiddenLayer(s, name, x), param(s, name));
  if (!router.hasBias) return logits;
  const table = param(s, `${name}.bias`); // [E] or [H, E]
  const bias = view(s.b, `${name}.bias`, table, [1, 1, ...shapeOf(s.b, table)]);
  return map(s.b, `${name}.logits`, add(input(0), input(1)), [logits, bias]);
}

function hiddenLayer(s: BuildState, name: string, x: ValueId): ValueId {
  const up = linear(s.b, `${name}.hidden`, x, param(s, `${name}.hidden`));
  return map(s.b, `${name}.hidden`, tanh(add(input(0), input(1))), [up, vector(s, `${name}.hidden.bias`, 3)]);
}

/** Makes outputs of an application's logits, its choice, and its selection: the choice, or −1 where a token is skipped. */
function report(s: BuildState, { name, output, site, skip }: RouterSite, logits: ValueId, selection: ValueId): void {
  s.outputs[`choice.${output}.${site}`] = selection;
  s.outputs[`router.${output}.${site}`] = logits;
  s.outputs[`sel.${output}.${site}`] = skip === null ? selection : withoutSkipped(s, name, selection, skip);
}

function withoutSkipped(s: BuildState, name: string, selection: ValueId, skip: Skip): ValueId {
  const ones = shapeOf(s.b, selection).slice(2).map(() => 1);
  const running = view(s.b, "act.running", skip.running, [s.batch, s.positions, ...ones]);
  return map(s.b, `${name}.reported`, select("eq", input(1), constant(0), constant(-1), input(0)), [selection, running]);
}

/**
 * Chooses the greatest scores. Where they grow with the logits (sigmoid, softmax) that is choosing the greatest logits, and only the
 * chosen ones pass through the sigmoid. Where balance is by bias the greatest sums of score and bias are chosen.
 * @param x what the router reads, [B, T, D]
 */
export function route(s: BuildState, at: RouterSite, x: ValueId, { topK, router, balance }: Routed): Routing {
  const { name, skip } = at;
  const logits = routerLogits(s, at, dropInput(s, at, x, router.inputDropout), router);
  const isTrain = s.entry.kind === "train";
  const byBias = router.loadBiasRate !== null;
  const distribution = router.score === "softmax" || (isTrain && balance !== null) ? softmax(s.b, `${name}.distribution`, logits) : null;
  const score = scoreOf(router, logits, distribution);
  const ranked = byBias ? biased(s, name, score)
    : typeof router.score === "string" ? logits : map(s.b, `${name}.ranked`, score.expr, [score.of]);
  const selection = choose(s, at, ranked, score, topK, router);
  if (isTrain && balance !== null) record(s, at, balance, { logits, distribution: distribution!, selection });
  if (isTrain && byBias) recordLoad(s, name, logits, selection, skip?.running ?? null);
  if (isTrain && router.zLoss > 0) recordZLoss(s, name, router.zLoss, logits);
  const scores = chosenScores(s, name, score, selection);
  const gates = router.weight === "renormalized" ? renormalize(s, name, scores, router.sumEps) : scores;
  report(s, at, logits, selection);
  return { selection, gates: hasLens(s.entry) ? withoutRemoved(s, at, selection, gates, shapeOf(s.b, logits).at(-1)!) : gates };
}

interface Choice {
  readonly logits: ValueId;
  readonly distribution: ValueId;
  readonly selection: ValueId;
}

/** Keeps what the objective of balance needs of this application. */
function record(s: BuildState, { name, skip }: RouterSite, balance: BalanceSpec, { logits, distribution, selection }: Choice): void {
  switch (balance.kind) {
    case "mutual_information": return recordInformation(s, name, balance.weight, { logits, distribution, weight: skip?.weight ?? null });
    case "entropy":
    case "load": return recordBalance(s, name, balance.kind, balance, distribution, selection);
    default: return unreachable(balance.kind);
  }
}

function scoreOf(router: RouterSpec, logits: ValueId, distribution: ValueId | null): Score {
  switch (router.score) {
    case "sigmoid": return { of: logits, expr: sigmoid(input(0)) };
    case "softmax": return { of: distribution!, expr: input(0) };
    default: return { of: logits, expr: simplify(router.score.expr) };
  }
}

function biased(s: BuildState, name: string, score: Score): ValueId {
  const table = param(s, `${name}.load_bias`); // [E] or [H, E]
  const bias = view(s.b, `${name}.load_bias`, table, [1, 1, ...shapeOf(s.b, table)]);
  return map(s.b, `${name}.ranked`, add(score.expr, input(1)), [score.of, bias]);
}

const chosenScores = (s: BuildState, name: string, { of, expr }: Score, selection: ValueId): ValueId =>
  expr.op === "in" ? gatherLast(s.b, `${name}.gates`, of, selection)
    : map(s.b, `${name}.gates`, expr, [gatherLast(s.b, `${name}.chosen`, of, selection)]);

const renormalize = (s: BuildState, name: string, gates: ValueId, eps: number): ValueId =>
  map(s.b, `${name}.gates_normalized`, div(input(0), eps === 0 ? input(1) : add(input(1), constant(eps))), [
    gates, sum(s.b, `${name}.gate_sum`, gates, -1),
  ]);
