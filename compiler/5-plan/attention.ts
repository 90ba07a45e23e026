/** Launches of attention, forward and backward. */
import type { Node, Op, ValueId } from "../ir/graph.ts";
import { channelTiles, tileOf, vectorsPerLane } from "../kernels/tiles.ts";
import type { PlanContext } from "./context.ts";
import { colsOf } from "./facts.ts";
import type { Unlabelled } from "./launch.ts";

type AttentionOp = Extract<Op, { kind: "attention" | "attentionGrad" }>;

interface Heads {
  /** Query heads and key heads of the whole batch. */
  readonly queryHeads: number;
  readonly keyHeads: number;
  /** Positions. */
  readonly queries: number;
  readonly keys: number;
  readonly perLane: number;
  readonly channelTiles: number;
  /** Of one product of all queries with the keys that they see. */
  readonly flops: number;
  readonly sizes: readonly number[];
}

/** Further than any position, and still safe to add to one. */
const EVERYWHERE = 2 ** 30;

/** @param bias scores of relative positions, where the operation has them */
function headsOf(
  { facts, profile }: PlanContext, { mask: { causal, window }, relative }: AttentionOp, q: ValueId, k: ValueId, bias: ValueId | undefined,
): Heads {
  const [batch, queries, heads] = facts.type(q).shape as [number, number, number];
  const [, keys, keyHeads] = facts.type(k).shape as [number, number, number];
  const c4 = colsOf(facts.type(q)) / 4;
  const before = window === null ? EVERYWHERE : window - 1;
  const positions = relative === undefined ? [] : [relative, colsOf(facts.type(bias!))];
  const after = causal ? 0 : before;
  return {
    flops: 2 * batch * heads * pairsSeen(queries, keys, before, after) * facts.type(q).shape.at(-1)!,
    queryHeads: batch * heads, keyHeads: batch * keyHeads, queries, keys,
    perLane: vectorsPerLane(profile, c4), channelTiles: channelTiles(profile, c4),
    sizes: [heads, heads / keyHeads, queries, keys, c4, before, after, ...positions],
  };
}

/** Queries and keys that see each other. Queries that continue a text of unknown length are taken to see as much as they may. */
function pairsSeen(queries: number, keys: number, before: number, after: number): number {
  if (queries !== keys) return queries * Math.min(keys, before + after + 1);
  const onOneSide = (reach: number): number => { // the sum over positions t of min(t, reach)
    const most = Math.min(reach, queries - 1);
    return most * (most + 1) / 2 + (queries - 1 - most) * most;
  };
  return queries + onOneSide(before) + onOneSide(after);
}

export function attentionLaunch(c: PlanContext, { inputs, outputs }: Node, op: AttentionOp): Unlabelled {
  const { queryHeads, queries, perLane, channelTiles, sizes, flops } = headsOf(c, op, inputs[0]!, inputs[1]!, inputs[4]);
  return {
    work: { kind: "attention", perLane, relative: op.relative !== undefined }, refs: [...inputs, ...outputs].map(c.ref), sizes,
    grid: [Math.ceil(queries / tileOf(c.profile, perLane)), queryHeads, channelTiles], flops: 2 * flops,
  };
}

/**
 * Inputs q, k, v, position, lse, delta, grad_z, and bias with relative positions; queries of a training step stand at 0, so position is not
 * read.
 */
export function attentionGradLaunches(c: PlanContext, { inputs, outputs }: Node, op: AttentionOp): readonly Unlabelled[] {
  const [q, k, v, , lse, delta, gradZ] = inputs as [ValueId, ValueId, ValueId, ValueId, ValueId, ValueId, ValueId];
  const [gradQ, gradK, gradV, gradBias] = outputs as [ValueId, ValueId, ValueId, ValueId | undefined];
  const bias = inputs.slice(7);
  const { queryHeads, keyHeads, queries, keys, perLane, channelTiles, sizes, flops } = headsOf(c, op, q, k, bias[0]);
  const shared = [q, k, v, lse, delta, gradZ, ...bias];
  const ofQueries: Unlabelled = {
    work: { kind: "attentionGradQueries", perLane, relative: op.relative !== undefined }, refs: [...shared, gradQ].map(c.ref), sizes,
    grid: [Math.ceil(queries / tileOf(c.profile, perLane)), queryHeads, channelTiles], flops: 3 * flops,
  };
  const ofKeys = (outputs: "kv" | "k" | "v", values: readonly ValueId[]): Unlabelled => ({
    work: { kind: "attentionGradKeys", perLane, relative: op.relative !== undefined, outputs }, refs: values.map(c.ref), sizes,
    grid: [Math.ceil(keys / tileOf(c.profile, 2 * perLane)), keyHeads, channelTiles], flops: { kv: 4, k: 3, v: 2 }[outputs] * flops,
  });
  if (gradBias === undefined) return [ofQueries, ofKeys("kv", [...shared, gradK, gradV])];
  return [
    ofQueries, ofKeys("k", [...shared, gradK]), ofKeys("v", [q, k, lse, gradZ, ...bias, gradV]),
    { work: { kind: "attentionGradBias" }, refs: [...shared, gradBias].map(c.ref), sizes, grid: [queries, queryHeads], flops: 2 * flops },
  ];
}
