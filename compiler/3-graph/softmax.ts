/** Softmax over the last axis, composed. The greatest entry is subtracted for range only: it is a constant to the gradient. */
import { map, rowMax, sum } from "../graph/dsl.ts";
import { add, div, exp, input, log, sub } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { GraphBuilder } from "../graph/builder.ts";

interface ExpSum {
  readonly greatest: ValueId; // [..., 1]
  readonly exps: ValueId; // [..., N]
  readonly total: ValueId; // [..., 1]
}

function expSum(b: GraphBuilder, name: string, x: ValueId): ExpSum {
  const greatest = rowMax(b, `${name}.max`, x);
  const exps = map(b, `${name}.exp`, exp(sub(input(0), input(1))), [x, greatest]);
  return { greatest, exps, total: sum(b, `${name}.exp_sum`, exps, -1) };
}

/** @returns probabilities [..., N] */
export function softmax(b: GraphBuilder, name: string, x: ValueId): ValueId {
  const { exps, total } = expSum(b, name, x);
  return map(b, name, div(input(0), input(1)), [exps, total]);
}

/** log Σ exp x, [..., 1] */
export function logSumExp(b: GraphBuilder, name: string, x: ValueId): ValueId {
  const { greatest, total } = expSum(b, name, x);
  return map(b, name, add(log(input(0)), input(1)), [total, greatest]);
}
