/**
 * Load balancing by entropy (Csordás et al. 2024, section 2.1). For each group of positions, P is the mean routing
 * distribution (softmax of the router logits, whatever the score); the term is weight · mean over groups of Σ P log P,
 * lowest when the load is even. Heads have groups of their own.
 */
import { map, sum, view } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { add, constant, input, log, max, mul } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { BalanceSpec } from "../ir/model-spec.ts";
import { elements } from "../ir/tensor-type.ts";
import type { BalanceTerm, BuildState } from "./state.ts";

/** Keeps one application's routing distribution for `balanceLoss`. */
export function recordBalance(s: BuildState, key: string, spec: BalanceSpec, distribution: ValueId): void {
  const term = s.balance.find((t) => t.key === key);
  if (term === undefined) s.balance.push({ key, spec, distributions: [distribution] });
  else term.distributions.push(distribution);
}

/** Sum of all terms, [1], or null where nothing is balanced. */
export function balanceLoss(s: BuildState): ValueId | null {
  const terms = s.balance.map((term) => termLoss(s, term));
  return terms.length === 0 ? null : addAll(s, "reg_loss", terms);
}

function termLoss(s: BuildState, term: BalanceTerm): ValueId {
  const perApplication = term.distributions.map((p) => sumPositions(s, term, p));
  const { length } = perApplication;
  if (term.spec.passes) return negativeEntropy(s, term, addAll(s, `${term.key}.load`, perApplication), length, 1);
  return addAll(s, `${term.key}.balance`, perApplication.map((load) => negativeEntropy(s, term, load, 1, length)));
}

/** Sums over the positions that one group averages: [B or 1, 1, E] or [B or 1, 1, H, E]. */
function sumPositions(s: BuildState, term: BalanceTerm, distribution: ValueId): ValueId {
  const [batch, positions, ...rest] = shapeOf(s.b, distribution);
  const whole = term.spec.over === "batch" ? view(s.b, `${term.key}.distribution`, distribution, [1, batch! * positions!, ...rest]) : distribution;
  return sum(s.b, `${term.key}.load`, whole, 1);
}

/**
 * weight / nShares · mean over groups of Σ P log P, [1].
 * @param load sums of `nApplications` applications' distributions over the positions of each group
 */
function negativeEntropy(s: BuildState, term: BalanceTerm, load: ValueId, nApplications: number, nShares: number): ValueId {
  const shape = shapeOf(s.b, load);
  const groups = elements(shape.slice(0, -1));
  const count = (s.batch * s.positions * nApplications) / shape[0]!;
  const p = mul(input(0), constant(1 / count));
  const pLogP = map(s.b, `${term.key}.p_log_p`, mul(p, log(max(p, constant(1e-30)))), [load]);
  const perGroup = view(s.b, `${term.key}.negative_entropy`, sum(s.b, `${term.key}.negative_entropy`, pLogP, -1), [groups]);
  return map(s.b, `${term.key}.balance`, mul(input(0), constant(term.spec.weight / (groups * nShares))), [sum(s.b, `${term.key}.negative_entropy`, perGroup, 0)]);
}

function addAll(s: BuildState, name: string, terms: readonly ValueId[]): ValueId {
  return terms.reduce((total, term) => map(s.b, name, add(input(0), input(1)), [total, term])); // two at a time: a kernel has few bindings
}
