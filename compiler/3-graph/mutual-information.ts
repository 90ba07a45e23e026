/**
 * The balance objective of the Sparse Universal Transformer (Tan et al. 2023, arXiv:2310.07096), as released: a router is to be
 * sure of each token and even over all of them. See BalanceSpec for the formula.
 */
import { map, sum, view } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { add, constant, div, input, log, max, mul, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { elements, plain } from "../ir/tensor-type.ts";
import { countedPositions, masked, maskOf } from "./mask.ts";
import { logSumExp } from "./softmax.ts";
import type { BuildState, InformationTerm } from "./state.ts";

type Application = InformationTerm["applications"][number];

/** Keeps what one application of a layer adds. */
export function recordInformation(s: BuildState, key: string, weight: number, application: Application): void {
  const term = s.information.get(key) ?? { key, weight, applications: [] };
  s.information.set(key, term);
  term.applications.push(application);
}

/** −weight · (Σ ω p log p + Σ P log P), the mean over heads where each has its own choice, [1] */
export function informationLoss(s: BuildState, { key, weight, applications: all }: InformationTerm): ValueId {
  const heads = shapeOf(s.b, all[0]!.distribution).slice(2, -1); // [] or [H]
  const perToken = (weight: ValueId): ValueId =>
    (heads.length === 0 ? weight : view(s.b, `${key}.weight`, weight, [s.batch, s.positions, 1, 1]));
  const weightOf = ({ weight }: Application): ValueId | null => (weight === null ? maskOf(s) : masked(s, `${key}.weight`, weight));
  const applications = all.map((a) => {
    const weight = weightOf(a);
    return { ...a, halts: a.weight !== null, weight: weight === null ? null : perToken(weight) };
  });
  const weightedSum = (name: string, of: (a: Application) => ValueId): ValueId =>
    chain(s, name, applications.map((a) => sumRows(s, name, weighted(s, key, of(a), a.weight))));
  const certainty = weightedSum(`${key}.certainty`, (a) => logP(s, key, a));
  const load = weightedSum(`${key}.load`, (a) => a.distribution); // [1, 1, (H,) E]
  const total = totalWeight(s, key, applications);
  const share = div(input(0), input(1));
  const p = map(s.b, `${key}.share`, share, [load, total]);
  const evenness = sum(s.b, `${key}.evenness`, map(s.b, `${key}.p_log_p`, mul(input(0), log(max(input(0), constant(1e-30)))), [p]), -1);
  const loss = map(s.b, `${key}.balance`, mul(constant(-weight / elements(heads)), add(share, input(2))), [certainty, total, evenness]);
  const perHead = view(s.b, `${key}.balance`, loss, [elements(heads)]);
  return elements(heads) === 1 ? perHead : sum(s.b, `${key}.balance`, perHead, 0);
}

/** Σ p log p of each token, [B, T, (H,) 1] */
function logP(s: BuildState, key: string, { logits, distribution }: Application): ValueId {
  const lse = logSumExp(s.b, `${key}.lse`, logits);
  return sum(
    s.b, `${key}.row_certainty`, map(s.b, `${key}.p_log_p`, mul(input(0), sub(input(1), input(2))), [distribution, logits, lse]), -1,
  );
}

const weighted = (s: BuildState, key: string, x: ValueId, weight: ValueId | null): ValueId =>
  weight === null ? x : map(s.b, `${key}.weighted`, mul(input(0), input(1)), [x, weight]);

/** [B, T, …] → [1, 1, …] */
function sumRows(s: BuildState, name: string, x: ValueId): ValueId {
  const [batch, positions, ...rest] = shapeOf(s.b, x) as [number, number, ...number[]];
  return sum(s.b, name, view(s.b, name, x, [1, batch * positions, ...rest]), 1);
}

/** What ω divides by, all extents 1: the sum of the weights of halting, or without halting tokens times experts. */
function totalWeight(s: BuildState, key: string, applications: readonly (Application & { readonly halts: boolean })[]): ValueId {
  const shape = shapeOf(s.b, applications[0]!.distribution);
  const weights = applications.flatMap(({ halts, weight }) => (halts ? [sumRows(s, `${key}.weight`, weight!)] : []));
  const whole = applications.length - weights.length;
  const [factor, more] = s.model.halting?.kind === "act" ? [whole, 1e-12] : [whole * shape.at(-1)!, 0];
  const count = countedPositions(s);
  const rest = count === null ? constant(s.batch * s.positions * factor + more) : add(mul(input(0), constant(factor)), constant(more));
  const inputs = count === null ? [] : [view(s.b, `${key}.count`, count, shape.map(() => 1))];
  return chain(s, `${key}.total`, [map(s.b, `${key}.total`, rest, inputs, plain(shape.map(() => 1))), ...weights]);
}

/** The sum, two at a time. */
const chain = (s: BuildState, name: string, terms: readonly ValueId[]): ValueId =>
  terms.reduce((total, term) => map(s.b, name, add(input(0), input(1)), [total, term]));
