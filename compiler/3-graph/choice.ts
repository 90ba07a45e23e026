/**
 * Which experts a router chooses. In training some may be out of the question and some drawn at random; gates and loss terms see the scores
 * as they are.
 */
import { shapeOf } from "../graph/builder.ts";
import { map, topK } from "../graph/dsl.ts";
import { add, constant, div, input, log, select, sub } from "../ir/expr.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { RouterSpec } from "../ir/model-spec.ts";
import { chosenOnes } from "./balance.ts";
import { expertDropout } from "./dropout.ts";
import type { RouterSite } from "./router-site.ts";
import { randomNumbers } from "./state.ts";
import type { BuildState } from "./state.ts";

/** A function of one value: a router's scores before they are stored. */
export interface Score {
  readonly of: ValueId;
  readonly expr: Expr; // of input 0
}

/** @param ranked what the choice goes by, [B, T, E] or [B, T, H, E] @returns u32 [B, T, K] or [B, T, H, K] */
export function choose(s: BuildState, at: RouterSite, ranked: ValueId, score: Score, k: number, router: RouterSpec): ValueId {
  const left = expertDropout(s, at, shapeOf(s.b, ranked), router.expertDropout);
  const drawn = s.entry.kind === "train" ? router.sampled : 0;
  const order = drawn === 0 ? ranked : drawOrder(s, at, drawn === k ? null : topK(s.b, `${at.name}.first`, left(ranked), k - drawn), score);
  return topK(s.b, `${at.name}.selection`, left(order), k);
}

/** Added to scores, so that every expert can be drawn. */
const EPS = 1e-6;

/**
 * An order whose greatest entries are the experts of `first`, and behind them others drawn without replacement in proportion to score +
 * 10⁻⁶, as in the Sparse Universal Transformer (Tan et al. 2023, arXiv:2310.07096). By an exponential race, which is the Gumbel trick
 * without its second logarithm (Efraimidis and Spirakis 2006): the expert whose exponential number over its weight is smallest comes
 * first.
 */
function drawOrder(s: BuildState, { name, site }: RouterSite, first: ValueId | null, score: Score): ValueId {
  const uniform = randomNumbers(s, `${name}.sampled`, site, "uniform", shapeOf(s.b, score.of));
  const race = div(log(sub(constant(1), input(1))), add(score.expr, constant(EPS))); // at most 0; 1 − u is in (0, 1]
  if (first === null) return map(s.b, `${name}.race`, race, [score.of, uniform]);
  return map(s.b, `${name}.race`, select("eq", input(2), constant(1), constant(1), race), [
    score.of, uniform, chosenOnes(s, name, score.of, first),
  ]);
}
