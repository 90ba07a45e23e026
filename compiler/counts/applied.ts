/** Parameters by how often a token meets them. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { passesOf, repeatedLayers } from "../stack/depth.ts";
import { countParams } from "./params.ts";

/** Without the embedding table and the head, as in the scaling law of recurrence (Schwethelm et al. 2026, arXiv:2604.21106). */
export interface AppliedParams {
  /** Of layers in front of and behind what is repeated, and norms. */
  readonly once: number;
  /** Of what is applied in each pass, injection included; 0 where nothing is repeated. */
  readonly repeated: number;
  /** 1 where nothing is repeated. */
  readonly passes: number;
}

const OUTSIDE = new Set(["embedding", "head", "head.bias"]);

export function countApplied(model: ModelSpec): AppliedParams {
  const prefixes = ["core.inject.", ...[...repeatedLayers(model)].map((index) => `${model.layers[index]!.name}.`)];
  const isRepeated = (name: string): boolean => prefixes.some((prefix) => name.startsWith(prefix));
  const inside = countParams(model).tensors.filter(({ name }) => !OUTSIDE.has(name));
  const total = inside.reduce((sum, { count }) => sum + count, 0);
  const repeated = inside.filter(({ name }) => isRepeated(name)).reduce((sum, { count }) => sum + count, 0);
  return { once: total - repeated, repeated, passes: passesOf(model) ?? 1 };
}
