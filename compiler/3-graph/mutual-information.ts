/**
 * The balance objective of the Sparse Universal Transformer (Tan et al. 2023, arXiv:2310.07096), as released: a router is to be
 * sure of each token and even over all of them. See BalanceSpec for the formula.
 */
import { map, sum, view } from "../graph/dsl.ts";
import { shapeOf } from "../graph/builder.ts";
import { add, constant, div, input, log, max, mul, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { logSumExp } from "./softmax.ts";
import type { BuildState, InformationTerm } from "./state.ts";

type Application = InformationTerm["applications"][number];

/** Keeps what one application of a layer adds. */
export function recordInformation(s: BuildState, key: string, weight: number, application: Application): void {
  const term = s.information.get(key) ?? { key, weight, applications: [] };
  s.information.set(key, term);
  term.applications.push(application);
}

/** −weight · (Σ ω p log p + Σ P log P), [1] */
export function informationLoss(s: BuildState, term: InformationTerm): ValueId {
  const { key, weight, applications } = term;
  const certainty = chain(s, `${key}.certainty`, applications.map((a) => sumRows(s, `${key}.certainty`, weighted(s, key, logP(s, key, a), a.weight))));
  const load = chain(s, `${key}.load`, applications.map((a) => sumRows(s, `${key}.load`, weighted(s, key, a.distribution, a.weight)))); // [1, 1, E]
  const total = totalWeight(s, term); // [1, 1, 1]
  const share = div(input(0), input(1));
  const p = map(s.b, `${key}.share`, share, [load, total]);
  const evenness = sum(s.b, `${key}.evenness`, map(s.b, `${key}.p_log_p`, mul(input(0), log(max(input(0), constant(1e-30)))), [p]), -1);
  const loss = map(s.b, `${key}.balance`, mul(constant(-weight), add(share, input(2))), [certainty, total, evenness]);
  return view(s.b, `${key}.balance`, loss, [1]);
}

/** Σ p log p of each token, [B, T, 1] */
function logP(s: BuildState, key: string, { logits, distribution }: Application): ValueId {
  const lse = logSumExp(s.b, `${key}.lse`, logits);
  return sum(s.b, `${key}.row_certainty`, map(s.b, `${key}.p_log_p`, mul(input(0), sub(input(1), input(2))), [distribution, logits, lse]), -1);
}

const weighted = (s: BuildState, key: string, x: ValueId, weight: ValueId | null): ValueId =>
  weight === null ? x : map(s.b, `${key}.weighted`, mul(input(0), input(1)), [x, weight]);

/** [B, T, N] → [1, 1, N] */
function sumRows(s: BuildState, name: string, x: ValueId): ValueId {
  const [batch, positions, width] = shapeOf(s.b, x) as [number, number, number];
  return sum(s.b, name, view(s.b, name, x, [1, batch * positions, width]), 1);
}

/** What ω divides by, [1, 1, 1]: the sum of the weights, or without weights rows times experts. */
function totalWeight(s: BuildState, { key, applications }: InformationTerm): ValueId {
  const shape = shapeOf(s.b, applications[0]!.distribution);
  const rows = elements(shape.slice(0, -1));
  const weights = applications.flatMap(({ weight }) => (weight === null ? [] : [sumRows(s, `${key}.weight`, weight)]));
  const plain = rows * (applications.length - weights.length);
  const one = map(s.b, `${key}.total`, constant(s.model.halting?.kind !== "act" ? plain * shape.at(-1)! : plain + 1e-12), [], { dtype: "f32", shape: [1, 1, 1], physical: [1, 1, 1] });
  return chain(s, `${key}.total`, [one, ...weights]);
}

/** The sum, two at a time. */
const chain = (s: BuildState, name: string, terms: readonly ValueId[]): ValueId =>
  terms.reduce((total, term) => map(s.b, name, add(input(0), input(1)), [total, term]));
