/** Routing: logits → chosen experts and their gates. */
import { gatherLast, map, sum, topK } from "../graph/dsl.ts";
import { div, input, sigmoid } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { BalanceSpec, RouterSpec } from "../ir/model-spec.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { recordBalance } from "./balance.ts";
import { softmax } from "./softmax.ts";
import type { BuildState } from "./state.ts";

export interface Routing {
  readonly selection: ValueId; // u32 [..., K], best first
  readonly gates: ValueId; // [..., K]
}

/**
 * Chooses the greatest logits, which is choosing the greatest scores: both scores grow with the logit. Only the chosen
 * logits pass through a sigmoid.
 * @param name layer and router, "a.feed_forward.router": all applications of the layer share one balance term of that name
 * @param logits [B, T, E] or [B, T, H, E]
 */
export function route(s: BuildState, name: string, logits: ValueId, k: number, router: RouterSpec, balance: BalanceSpec | null): Routing {
  const isTrain = s.entry.kind === "train";
  const distribution = router.score === "softmax" || (isTrain && balance !== null) ? softmax(s.b, `${name}.distribution`, logits) : null;
  if (isTrain && balance !== null) recordBalance(s, name, balance, distribution!);
  const selection = topK(s.b, `${name}.selection`, logits, k);
  const gates = chosenScores(s, name, logits, distribution, selection, router);
  return { selection, gates: router.weight === "renormalized" ? renormalize(s, name, gates) : gates };
}

function chosenScores(s: BuildState, name: string, logits: ValueId, distribution: ValueId | null, selection: ValueId, router: RouterSpec): ValueId {
  switch (router.score) {
    case "sigmoid": return map(s.b, `${name}.gates`, sigmoid(input(0)), [gatherLast(s.b, `${name}.chosen`, logits, selection)]);
    case "softmax": return gatherLast(s.b, `${name}.gates`, distribution!, selection);
    default: return unreachable(router.score);
  }
}

const renormalize = (s: BuildState, name: string, gates: ValueId): ValueId =>
  map(s.b, `${name}.gates_normalized`, div(input(0), input(1)), [gates, sum(s.b, `${name}.gate_sum`, gates, -1)]);
