/**
 * How each parameter is initialized by the official code. Depth counts applications: a layer used eight times counts eight times.
 * Source: the released code of Csordás et al. 2024, MoEUTLM for what its class can express (see naming.ts), the training code for the rest.
 */
import type { InitRule } from "../ir/graph.ts";
import type { AttentionSpec, LayerSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";
import type { NamingScheme } from "./naming.ts";
import { keyHeads } from "./parameters.ts";
import type { ParameterSpec, Role } from "./parameters.ts";

const ZEROS: InitRule = { kind: "zeros" };
const ONES: InitRule = { kind: "ones" };
const normal = (std: number): InitRule => ({ kind: "normal", std });
const uniform = (limit: number): InitRule => ({ kind: "uniform", limit });

/** U(±√(6 / (rows + columns))): Glorot and Bengio 2010. */
const xavier = (rows: number, columns: number): InitRule => uniform(Math.sqrt(6 / (rows + columns)));

export function initRule(model: ModelSpec, scheme: NamingScheme, p: ParameterSpec): InitRule {
  if (p.layer === null) return modelRule(p.role, model.dModel);
  if (p.signRate !== null) return ZEROS;
  const layer = model.layers[p.layer]!;
  if (/^norm_|^attention\.[qk]_norm/.test(p.role)) return p.role.endsWith("weight") ? ONES : ZEROS;
  if (model.halting?.kind === "graves" && p.role === "halting.stop.bias") return { kind: "constant", value: model.halting.bias };
  if (p.role.startsWith("halting.")) return p.role.startsWith("halting.hidden") ? uniform(1 / Math.sqrt(model.dModel)) : ZEROS;
  if (p.role === "attention.relative") return ZEROS;
  const hidden = routerOf(p.role, layer)?.hidden ?? null;
  if (hidden !== null) return uniform(1 / Math.sqrt(p.role.includes(".hidden") ? model.dModel : hidden));
  if (layer.attention.kind === "moa" && layer.feedForward.kind === "moe") return sparseRule(p, layer.attention, model.dModel);
  const depth = layer.placement.stands === "after" ? null : model.schedule.length;
  return p.role.startsWith("attention.")
    ? attentionRule(p.role, layer.attention, scheme, model.dModel, depth)
    : feedForwardRule(p.role, layer, scheme, model.dModel, depth);
}

/** The router that a parameter belongs to. */
function routerOf(role: Role, { attention, feedForward }: LayerSpec): RouterSpec | null {
  if (!role.includes(".router")) return null;
  const block = role.startsWith("attention.") ? attention : feedForward;
  return "router" in block ? block.router : null;
}

/** The Sparse Universal Transformer: banks of experts by their input width itself, not its root. */
function sparseRule({ role, type }: ParameterSpec, attention: AttentionSpec, dModel: number): InitRule {
  if (role === "attention.k" || role === "attention.v") return uniform(Math.sqrt(3 / (dModel + attention.nHeads * attention.dHead)));
  if (role.endsWith(".bias")) return uniform(1 / Math.sqrt(type.shape.at(-1)!));
  return uniform(1 / (type.shape.length === 3 ? type.shape[1]! : Math.sqrt(type.shape.at(-1)!)));
}

function modelRule(role: Role, dModel: number): InitRule {
  switch (role) {
    case "embedding":
    case "embedding.positions": return normal(1 / Math.sqrt(dModel));
    case "head":
    case "head.bias": return uniform(1 / Math.sqrt(dModel));
    case "core.inject.state":
    case "core.inject.input": return normal(Math.sqrt(1 / (2 * dModel))); // each is half of a map of 2D channels
    case "core.inject.bias": return ZEROS;
    default: return role.startsWith("core.pass_embedding.") ? normal(1 / Math.sqrt(dModel))
      : role.endsWith("weight") ? ONES : ZEROS; // norms
  }
}

/** @param depth applications of layers, or null where the residual path is normalized (post) and needs no scaling */
function attentionRule(role: Role, attention: AttentionSpec, scheme: NamingScheme, dModel: number, depth: number | null): InitRule {
  if (role.endsWith(".bias")) return ZEROS;
  const width = attention.nHeads * attention.dHead;
  const plainDense = attention.kind === "mha" && scheme === "training";
  const scale = depth === null ? 1 : Math.sqrt(2 / depth);
  if (role === "attention.gate" || role.startsWith("attention.router")) {
    return { kind: "normalRows", std: scale / Math.sqrt(dModel), rescale: "own" };
  }
  const fanIn = role === "attention.o" ? width : dModel;
  if (!plainDense) return normal(scale / Math.sqrt(fanIn));
  if (depth !== null) return { kind: "truncatedNormal", std: Math.sqrt(2 / (depth * fanIn)) };
  if (role === "attention.o") return uniform(1 / Math.sqrt(width));
  return xavier(role === "attention.q" ? width : 2 * keyHeads(attention) * attention.dHead, dModel); // keys and values are one matrix there
}

function feedForwardRule(role: Role, layer: LayerSpec, scheme: NamingScheme, dModel: number, depth: number | null): InitRule {
  const ff = layer.feedForward;
  if (ff.kind === "dense") return denseRule(role, ff.dFf, ff.activation === "relu", dModel, depth);
  if (role === "feed_forward.shared_gate") return normal((depth === null ? 1 : Math.sqrt(2 / depth)) / Math.sqrt(dModel));
  if (role.startsWith("feed_forward.shared.")) return denseRule(role, ff.nShared * ff.expertSize, ff.activation === "relu", dModel, depth);
  if (role.endsWith(".bias")) return ZEROS;
  const scale = depth === null ? 1 : Math.sqrt(2 / depth);
  if (role === "feed_forward.down") return normal(scale / Math.sqrt(ff.nExperts * ff.expertSize));
  if (role === "feed_forward.router" && scheme === "clean") return { kind: "normalRows", std: scale / Math.sqrt(dModel), rescale: "equal" };
  return normal(scale / Math.sqrt(dModel));
}

/** @param relu the built-in one; functions that a spec defines have the gain of the other activations */
function denseRule(role: Role, dFf: number, relu: boolean, dModel: number, depth: number | null): InitRule {
  const isBias = role.endsWith("bias");
  const fanIn = role.includes("down") ? dFf : dModel;
  if (depth !== null) return isBias ? ZEROS : { kind: "truncatedNormal", std: Math.sqrt(2 / (depth * fanIn)) };
  if (isBias) return uniform(1 / Math.sqrt(fanIn));
  return !role.endsWith("down") ? normal((relu ? Math.SQRT2 : 1) * Math.sqrt(2 / (dFf + dModel))) : xavier(dFf, dModel);
}

