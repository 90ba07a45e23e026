/**
 * One expert taken out of an evaluation, told by the input `removed`: its gate is 0, so what it adds is 0, and every choice and every other
 * gate of the token stays as it is. No other expert is chosen for it: what is measured is what the expert does, not what could replace it.
 */
import { shapeOf } from "../graph/builder.ts";
import { map, view } from "../graph/dsl.ts";
import { add, col, constant, input, mul, select } from "../ir/expr.ts";
import type { Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import { plain } from "../ir/tensor-type.ts";
import type { RouterSite } from "./router-site.ts";
import { source } from "./state.ts";
import type { BuildState } from "./state.ts";

/** @param selection, gates [B, T, K] or [B, T, H, K] @param nExperts E, of each head */
export function withoutRemoved(s: BuildState, { name, site }: RouterSite, selection: ValueId, gates: ValueId, nExperts: number): ValueId {
  const ones = shapeOf(s.b, gates).map(() => 1);
  const heads = shapeOf(s.b, gates).slice(2, -1).reduce((product, n) => product * n, 1);
  const depth = s.model.schedule.length;
  const numbers = map(s.b, `${name}.heads`, col, [], plain([1, 1, 1, heads]));
  const head = view(s.b, `${name}.heads`, numbers, [...ones.slice(0, 2), ...(ones.length === 4 ? [heads] : []), 1]);
  const removed = view(s.b, "removed", source(s, "removed"), ones);
  const expert = add(add(input(1), mul(input(2), constant(nExperts))), constant(firstExpert(s, name, heads * nExperts)));
  const is = (where: number): Expr => add(mul(expert, constant(depth + 1)), constant(1 + where));
  const kept = select("eq", input(3), is(depth), constant(0), input(0));
  return map(s.b, `${name}.gates_kept`, select("eq", input(3), is(site), constant(0), kept), [gates, selection, head, removed]);
}

/** Routers number their experts one after the other, as they are first met in depth. */
function firstExpert({ experts }: BuildState, name: string, count: number): number {
  const known = experts.get(name);
  if (known !== undefined) return known.first;
  const first = [...experts.values()].reduce((sum, router) => sum + router.count, 0);
  experts.set(name, { first, count });
  return first;
}
