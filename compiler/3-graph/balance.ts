/**
 * Terms of the loss that routers have. The balance terms are means over groups of positions; P is a group's mean routing distribution
 * (softmax of the router logits, whatever the score), and heads have groups of their own:
 *   entropy  weight · Σ P log P, lowest when the load is even (Csordás et al. 2024, section 2.1)
 *   load     weight · E · Σ f P, f being the part of the group's choices that fell on each expert (Fedus et al. 2022, equation 4)
 * The router z-loss is the mean square of log Σ exp of the logits (Zoph et al. 2022, equation 5).
 */
import { map, scatterLast, sum, view } from "../graph/dsl.ts";
import { shapeOf, typeOf } from "../graph/builder.ts";
import { add, constant, div, input, log, max, mul, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { BalanceSpec } from "../ir/model-spec.ts";
import { elements, plain } from "../ir/tensor-type.ts";
import { countedIn, masked, overPositions } from "./mask.ts";
import { informationLoss } from "./mutual-information.ts";
import { logSumExp } from "./softmax.ts";
import type { BalanceTerm, BuildState } from "./state.ts";

/** Whether a term goes by how often each expert was chosen, or by the distributions alone. */
const READS_CHOICES: Readonly<Record<BalanceTerm["kind"], boolean>> = { entropy: false, load: true };

/** Keeps one application's routing for `balanceLoss`. */
export function recordBalance(
  s: BuildState, key: string, kind: BalanceTerm["kind"], spec: BalanceSpec, distribution: ValueId, selection: ValueId,
): void {
  const term = s.balance.get(key) ?? { key, kind, spec, topK: shapeOf(s.b, selection).at(-1)!, distributions: [], choices: [] };
  s.balance.set(key, term);
  term.distributions.push(distribution);
  if (READS_CHOICES[kind]) term.choices.push(chosenOnes(s, key, distribution, selection));
}

/** 1 where an expert was chosen, 0 elsewhere; like the distribution. */
export function chosenOnes(s: BuildState, key: string, distribution: ValueId, selection: ValueId): ValueId {
  const ones = map(s.b, `${key}.ones`, constant(1), [], plain(shapeOf(s.b, selection)));
  return scatterLast(s.b, `${key}.chosen_ones`, ones, selection, typeOf(s.b, distribution));
}

/**
 * How often each expert was chosen beyond the mean of all: what moves the biases of `balance bias`, [E] or [H, E]. Skipped tokens (running
 * 0) do not count.
 */
export function recordLoad(s: BuildState, key: string, logits: ValueId, selection: ValueId, running: ValueId | null): void {
  const [batch, positions, ...rest] = shapeOf(s.b, logits) as [number, number, ...number[]];
  const chosen = chosenOnes(s, key, logits, selection);
  const weight = running === null ? null : view(s.b, `${key}.running`, running, [batch, positions, ...rest.map(() => 1)]);
  const counted = masked(s, key, weight === null ? chosen : map(s.b, `${key}.counted`, mul(input(0), input(1)), [chosen, weight]));
  const counts = sum(s.b, `${key}.counts`, view(s.b, `${key}.counted`, counted, [1, batch * positions, ...rest]), 1); // [1, 1, …, E]
  const mean = sum(s.b, `${key}.counts_sum`, counts, -1);
  const excess = map(s.b, `${key}.excess`, sub(input(0), mul(input(1), constant(1 / rest.at(-1)!))), [counts, mean]);
  (s.updates[`${key}.load_bias`] ??= []).push(view(s.b, `${key}.excess`, excess, rest));
}

/** Keeps one application's weight · mean of (log Σ exp logits)². */
export function recordZLoss(s: BuildState, key: string, weight: number, logits: ValueId): void {
  const lse = masked(s, `${key}.z`, logSumExp(s.b, `${key}.z`, logits)); // [B, T, 1] or [B, T, H, 1]
  const count = elements(shapeOf(s.b, lse));
  const squares = map(s.b, `${key}.z_square`, mul(input(0), input(0)), [view(s.b, `${key}.z`, lse, [count])]);
  const loss = overPositions(s, `${key}.z_loss`, sum(s.b, `${key}.z_sum`, squares, 0), weight, count / (s.batch * s.positions));
  (s.zLosses[key] ??= []).push(loss);
}

/** Sum of all terms, [1], or null where there is none. */
export function balanceLoss(s: BuildState): ValueId | null {
  const terms = [
    ...[...s.balance.values()].map((term) => termLoss(s, term)), ...[...s.information.values()].map((term) => informationLoss(s, term)),
    ...Object.entries(s.zLosses).map(([key, losses]) => average(s, `${key}.z_loss`, losses)), ...s.penalties,
  ];
  return terms.length === 0 ? null : addAll(s, "reg_loss", terms);
}

function average(s: BuildState, name: string, terms: readonly ValueId[]): ValueId {
  const total = addAll(s, name, terms);
  return terms.length === 1 ? total : map(s.b, name, mul(input(0), constant(1 / terms.length)), [total]);
}

function termLoss(s: BuildState, term: BalanceTerm): ValueId {
  const loads = term.distributions.map((p) => sumPositions(s, term, p));
  const counts = term.choices.map((c) => sumPositions(s, term, c));
  const { length } = loads;
  const one = (load: ValueId, count: ValueId | undefined, nApplications: number, nShares: number): ValueId => {
    switch (term.kind) {
      case "entropy": return negativeEntropy(s, term, load, nApplications, nShares);
      case "load": return evenness(s, term, load, count!, nApplications, nShares);
    }
  };
  if (!term.spec.passes) return addAll(s, `${term.key}.balance`, loads.map((load, i) => one(load, counts[i], 1, length)));
  return one(addAll(s, `${term.key}.load`, loads), counts.length === 0 ? undefined : addAll(s, `${term.key}.counts`, counts), length, 1);
}

/**
 * Sums over the positions that one group averages: [groups, 1, E] or [groups, 1, H, E]. Where only some positions count, their mean
 * stands for the others.
 */
function sumPositions(s: BuildState, term: BalanceTerm, distribution: ValueId): ValueId {
  const [name, shape, rest] = [`${term.key}.load`, groupShape(s, term), shapeOf(s.b, distribution).slice(2)];
  const counted = masked(s, `${term.key}.distribution`, distribution);
  const total = sum(s.b, name, view(s.b, `${term.key}.distribution`, counted, [...shape, ...rest]), 1);
  const counts = countedIn(s, shape, shape.length + rest.length);
  return counts === null ? total
    : map(s.b, name, div(mul(input(0), constant(shape[1])), max(input(1), constant(1))), [total, counts]);
}

/** Groups, and positions of each. */
function groupShape({ batch, positions }: BuildState, { spec: { over } }: BalanceTerm): readonly [number, number] {
  switch (over) {
    case "sequence": return [batch, positions];
    case "batch": return [1, batch * positions];
    case "token": return [batch * positions, 1];
  }
}

/** Positions and applications that one group averages. */
const groupSize = (s: BuildState, load: ValueId, nApplications: number): number =>
  (s.batch * s.positions * nApplications) / shapeOf(s.b, load)[0]!;

/** Σ over groups of Σ over experts, times a factor, each group by how many of its positions count: [1]. `rows` is [groups, 1, (H,) E]. */
function scaledTotal(s: BuildState, term: BalanceTerm, rows: ValueId, factor: number): ValueId {
  const name = `${term.key}.balance`;
  const perGroup = sum(s.b, name, rows, -1);
  const groups = elements(shapeOf(s.b, perGroup));
  const counts = countedIn(s, groupShape(s, term), shapeOf(s.b, perGroup).length);
  const total = (x: ValueId): ValueId => sum(s.b, name, view(s.b, name, x, [groups]), 0);
  if (counts === null) return map(s.b, name, mul(input(0), constant(factor / groups)), [total(perGroup)]);
  const weighted = map(s.b, name, mul(input(0), input(1)), [perGroup, counts]);
  return overPositions(s, name, total(weighted), factor, groups / groupShape(s, term)[0]);
}

/**
 * weight / nShares · mean over groups of Σ P log P, [1].
 * @param load sums of `nApplications` applications' distributions over the positions of each group
 */
function negativeEntropy(s: BuildState, term: BalanceTerm, load: ValueId, nApplications: number, nShares: number): ValueId {
  const p = mul(input(0), constant(1 / groupSize(s, load, nApplications)));
  const pLogP = map(s.b, `${term.key}.p_log_p`, mul(p, log(max(p, constant(1e-30)))), [load]);
  return scaledTotal(s, term, pLogP, term.spec.weight / nShares);
}

/** weight / nShares · mean over groups of E · Σ f P, [1]. `counts` is how often each expert was chosen. */
function evenness(s: BuildState, term: BalanceTerm, load: ValueId, counts: ValueId, nApplications: number, nShares: number): ValueId {
  const size = groupSize(s, load, nApplications);
  const nExperts = shapeOf(s.b, load).at(-1)!;
  const product = map(s.b, `${term.key}.load_product`, mul(input(0), input(1)), [load, counts]);
  return scaledTotal(s, term, product, (term.spec.weight * nExperts) / (nShares * size * size * term.topK));
}

function addAll(s: BuildState, name: string, terms: readonly ValueId[]): ValueId {
  return terms.reduce((total, term) => map(s.b, name, add(input(0), input(1)), [total, term])); // two at a time: a kernel has few bindings
}
