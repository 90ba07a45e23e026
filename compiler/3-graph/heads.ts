/**
 * What heads of every kind of attention share: how queries and keys are made ready for their products, and where keys and values are kept.
 */
import { emitOne, typeOf } from "../graph/builder.ts";
import { map, rope } from "../graph/dsl.ts";
import { constant, input, mul } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { AttentionSpec } from "../ir/model-spec.ts";
import { overHeads } from "../parameters/parameters.ts";
import { normalize } from "./norm.ts";
import { rotary, source } from "./state.ts";
import type { BuildState } from "./state.ts";
import type { BlockInputs } from "./streams.ts";

/** One application of an attention block. */
export interface AttentionSite {
  readonly s: BuildState;
  readonly name: string; // "a.attention"
  readonly spec: AttentionSpec;
  readonly inputs: BlockInputs;
  readonly site: number;
}

/**
 * Queries and keys are normalized if there is a norm for them; each takes the fourth root of 1/Dh, so that their products are scaled by
 * 1/√Dh; then they are rotated.
 */
export function prepared({ s, name, spec }: AttentionSite, p: "q" | "k", x: ValueId): ValueId {
  const normed = spec.qkNorm === null ? x : normalize(s, `${name}.${p}_norm`, spec.qkNorm, x, overHeads(spec) ? 2 : 1);
  const scaled = map(s.b, `${name}.${p}.scaled`, mul(input(0), constant(spec.dHead ** -0.25)), [normed]);
  return spec.rope === null ? scaled : rope(s.b, `${name}.${p}.rotated`, scaled, rotary(s, spec.rope), source(s, "position"));
}

/** Writes a chunk's keys or values to this application's cache; a whole sequence needs none. */
export function cached({ s, name, site }: AttentionSite, p: "k" | "v", x: ValueId): ValueId {
  if (s.entry.kind !== "step") return x;
  const { shape, physical, dtype } = typeOf(s.b, x);
  const { capacity } = s.entry;
  const type = { dtype, shape: shape.with(1, capacity), physical: physical.with(1, capacity) };
  return emitOne(s.b, `${name}.${p}.cache`, { kind: "cache", name: `${p}.${site}` }, [x, source(s, "position")], type);
}
