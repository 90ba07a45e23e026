/** Numbers that are left out at random while a model trains. */
import { shapeOf } from "../graph/builder.ts";
import { map } from "../graph/dsl.ts";
import { constant, input, mul, select } from "../ir/expr.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { RouterSite } from "./router-site.ts";
import { randomNumbers } from "./state.ts";
import type { BuildState } from "./state.ts";

/**
 * `dropped` with probability p, else `kept`; input 1 is uniform. Uniform numbers are multiples of 2⁻²⁴: so is the limit, and float32
 * decides like float64.
 */
const either = (p: number, dropped: Expr, kept: Expr): Expr =>
  select("lt", input(1), constant(Math.ceil(p * 2 ** 24) / 2 ** 24), dropped, kept);

/**
 * What a router reads, [B, T, D]: each channel is 0 with probability p, the others are divided by 1 − p (Hinton et al. 2012,
 * arXiv:1207.0580).
 */
export function dropInput(s: BuildState, { name, site }: RouterSite, x: ValueId, p: number): ValueId {
  if (p === 0 || s.entry.kind !== "train") return x;
  const drawn = randomNumbers(s, `${name}.input_dropout`, site, "uniform", shapeOf(s.b, x));
  return map(s.b, `${name}.input`, either(p, constant(0), mul(input(0), constant(1 / (1 - p)))), [x, drawn]);
}

/** Lower than any score, and a number: where fewer experts are left than are chosen, excluded ones fill up. */
const EXCLUDED = -1e30;

/**
 * Scores [B, T, E] or [B, T, H, E] for the choice alone, of which each is excluded with probability p (Csordás et al. 2023,
 * arXiv:2310.10837). All calls of one application exclude the same experts.
 */
export function expertDropout(
  s: BuildState, { name, site }: RouterSite, shape: readonly number[], p: number,
): (scores: ValueId) => ValueId {
  if (p === 0 || s.entry.kind !== "train") return (scores) => scores;
  const drawn = randomNumbers(s, `${name}.expert_dropout`, site, "uniform", shape);
  return (scores) => map(s.b, `${name}.left`, either(p, constant(EXCLUDED), input(0)), [scores, drawn]);
}
