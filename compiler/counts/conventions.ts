/** Every count by every convention that has a name; docs/counting.md defines them. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { countMacs } from "./macs.ts";
import { countParams } from "./params.ts";

export interface ParamConventions {
  /** Every parameter once, however often its layer is applied. */
  readonly unique: number;
  /** Those that take part for one token: chosen experts only, one row of the embedding, every layer once. */
  readonly active: number;
  /** A layer's parameters once per application: what the same model has if nothing is shared. */
  readonly effective: number;
}

/** Multiply-accumulates per token of a sequence of seq_len tokens. */
export interface MacConventions {
  /** As the authors of MoEUT count: no head, full attention square, the routers of several heads once. */
  readonly moeut: number;
  /** Everything that is multiplied: attention over the pairs that see each other. */
  readonly causal: number;
  readonly causal_no_head: number;
  /** The same with every pair of positions, as kernels without masks compute. */
  readonly square: number;
  readonly square_no_head: number;
}

export interface Conventions {
  readonly params: ParamConventions;
  readonly macs: { readonly forward: MacConventions; readonly training: MacConventions };
}

/** Each product of the forward pass has two in the backward pass: one for each of its factors. */
const TRAINING_PASSES = 3;

export function countConventions(model: ModelSpec): Conventions {
  const { total, active } = countParams(model);
  const causal = countMacs(model).perToken;
  const square = countMacs(seeingAll(model)).perToken.full;
  const head = model.dModel * model.vocabSize;
  const forward = { moeut: causal.moeut, causal: causal.full, causal_no_head: causal.full - head, square, square_no_head: square - head };
  const training = Object.fromEntries(Object.entries(forward).map(([name, n]) => [name, TRAINING_PASSES * n])) as unknown as MacConventions;
  return { params: { unique: total, active, effective: countParams(unshared(model)).total }, macs: { forward, training } };
}

/** MACs of the whole recipe as the paper's plots count them: forward, convention `moeut`, times batch and steps. */
export const paperTrainingMacs = (model: ModelSpec): number => countMacs(model).moeut * model.train.batch * model.train.steps;

/** Every application with weights of its own. */
function unshared(model: ModelSpec): ModelSpec {
  const layers = model.schedule.map((site, i) => ({ ...model.layers[site.layer]!, name: `${i}` }));
  return { ...model, layers, schedule: layers.map((_, layer) => ({ layer, pass: 0 })) };
}

const seeingAll = (model: ModelSpec): ModelSpec => ({
  ...model, layers: model.layers.map((layer) => ({ ...layer, attention: { ...layer.attention, causal: false, window: null } })),
});
