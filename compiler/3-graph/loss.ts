/** Embedding, output head and losses. */
import { shapeOf } from "../graph/builder.ts";
import { gatherLast, gatherRows, linear, map, sum, topK, view } from "../graph/dsl.ts";
import { add, col, constant, input, mul, select, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { masked, overPositions } from "./mask.ts";
import { normalize } from "./norm.ts";
import { logSumExp } from "./softmax.ts";
import { param, source, vector } from "./state.ts";
import type { BuildState } from "./state.ts";

/** What enters the first layer, [B, T, D]. */
export function embed(s: BuildState): ValueId {
  const { scale, learnedPositions, norm } = s.model.embedding;
  const rows = gatherRows(s.b, "embedding", param(s, "embedding"), source(s, "tokens"));
  const scaled = scale === 1 ? rows : map(s.b, "embedding.scaled", mul(input(0), constant(scale)), [rows]);
  const placed = learnedPositions ? map(s.b, "embedding.placed", add(input(0), input(1)), [scaled, positionVectors(s)]) : scaled;
  return norm === null ? placed : normalize(s, "embedding.norm", norm, placed);
}

/** [1, T, D] */
const positionVectors = (s: BuildState): ValueId =>
  gatherRows(s.b, "embedding.positions", param(s, "embedding.positions"), source(s, "positions"));

/** Logits [..., V] of hidden states [..., D]. */
export function headLogits(s: BuildState, x: ValueId): ValueId {
  const { norm, bias, tied } = s.model.head;
  const normed = norm === null ? x : normalize(s, "head.norm", norm, x);
  const logits = linear(s.b, "head.logits", normed, param(s, tied ? "embedding" : "head"));
  return bias ? map(s.b, "head.logits", add(input(0), input(1)), [logits, vector(s, "head.bias", 3)]) : logits;
}

/** Some positions of all sequences: the rows `last` of chunks, [B, 1, D], or those that are scored, [1, N, D]. */
export function chosenRows(s: BuildState, x: ValueId, which: "last" | "rows"): ValueId {
  const table = view(s.b, "hidden", x, [s.batch * s.positions, s.model.dModel]);
  return gatherRows(s.b, `hidden.${which}`, table, source(s, which));
}

/** −log softmax(logits)[target] in nats of rows [1, N, V], [1, N, 1]. */
export function rowLoss(s: BuildState, logits: ValueId): ValueId {
  const targets = view(s.b, "targets", source(s, "targets"), [...shapeOf(s.b, logits).slice(0, -1), 1]);
  const picked = gatherLast(s.b, "loss.target_logit", logits, targets);
  return map(s.b, "token_loss", sub(input(0), input(1)), [logSumExp(s.b, "loss.lse", logits), picked]);
}

/** The token of the greatest logit, of equal ones the first: [..., 1] of [..., V]. */
export const bestToken = (s: BuildState, logits: ValueId): ValueId => topK(s.b, "best", logits, 1);

/** −log softmax(logits)[target] in nats, [B, T, 1]. */
export function tokenLoss(s: BuildState, logits: ValueId): ValueId {
  const targets = view(s.b, "targets", source(s, "targets"), [s.batch, s.positions, 1]);
  const picked = map(s.b, "loss.picked", select("eq", col, input(1), input(0), constant(0)), [logits, targets]);
  return map(s.b, "token_loss", sub(input(0), input(1)), [logSumExp(s.b, "loss.lse", logits), sum(s.b, "loss.target_logit", picked, -1)]);
}

/** weight · mean over all positions that count of [B, T, 1], [1]. */
export function meanOfTokens(s: BuildState, name: string, perToken: ValueId, weight = 1): ValueId {
  const total = sum(s.b, `${name}.sum`, view(s.b, name, masked(s, name, perToken), [s.batch * s.positions]), 0);
  return overPositions(s, name, total, weight);
}

/** loss_scale · (cross-entropy + regularizers), [1]: what is differentiated. */
export function trainLoss(s: BuildState, ceLoss: ValueId, regLoss: ValueId | null): ValueId {
  const scale = source(s, "loss_scale");
  return regLoss === null
    ? map(s.b, "loss", mul(input(1), input(0)), [ceLoss, scale])
    : map(s.b, "loss", mul(input(2), add(input(0), input(1))), [ceLoss, regLoss, scale]);
}
