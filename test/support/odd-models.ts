/** Every option of a ModelSpec, at sizes that are multiples of nothing. */
import { ACTIVATIONS } from "../../compiler/ir/model-spec.ts";
import type { Activation, AttentionSpec, BalanceSpec, CoreSpec, FeedForwardSpec, ModelSpec, Projection, RouterSpec } from "../../compiler/ir/model-spec.ts";
import { NORM_KINDS } from "../../compiler/parameters/parameters.ts";
import { entropy, fnSpec, information, layer, load, model, NORM, router, scheduleOf, SPAN, type Placed } from "./models.ts";

export const [V, T, D] = [53, 19, 37];
/** For graphs with random numbers: a key, and the second micro-batch of three sequences. */
export const NOISE = [0xa4093822, 0x299f31d0, 3, 1];
const HEADS = { span: SPAN, nHeads: 3, dHead: 13, rope: { nRotate: 6, base: 10000 }, relative: null, qkNorm: null, window: null, causal: true };
type Dense = Extract<FeedForwardSpec, { kind: "dense" }>;
type Moe = Extract<FeedForwardSpec, { kind: "moe" }>;

type Mha = Extract<AttentionSpec, { kind: "mha" }>;
export const mha = (gate: "none" | "sigmoid" = "none"): Mha => ({ ...HEADS, kind: "mha", gate, mapBias: false, qkNormOver: "head", headsPerKey: 1 });
export const switchhead = (on: readonly Projection[], over: Partial<RouterSpec> = {}, balance = entropy(0.3)): AttentionSpec =>
  ({ ...HEADS, kind: "switchhead", nExperts: 5, topK: 2, on, router: router(over), balance });
export const moe = (over: Partial<RouterSpec> = {}, balance = entropy(0.2), activation: Activation = "relu"): Moe =>
  ({ kind: "moe", span: SPAN, nExperts: 7, expertSize: 9, topK: 3, activation, glu: false, bias: false, nShared: 0, sharedGate: "none", router: router(over), balance });
export const dense = (activation: Activation = "relu", bias = true): Dense => ({ kind: "dense", span: SPAN, dFf: 29, activation, bias, glu: false });

/** One layer applied twice. */
export const twice = (attention: AttentionSpec, feedForward: FeedForwardSpec, placed: Placed, over: Partial<ModelSpec> = {}): ModelSpec =>
  model({ layers: [layer("a", attention, feedForward, placed)], schedule: scheduleOf([0, 0]), vocabSize: V, seqLen: T, dModel: D, ...over });

const SPARSE: Partial<RouterSpec> = { score: "softmax", weight: "renormalized", sumEps: 1e-6, hidden: 11 };
export const moa = (over: Partial<RouterSpec> = {}, balance: BalanceSpec | null = information(0.3)): AttentionSpec =>
  ({ ...HEADS, kind: "moa", nHeads: 2, dHead: 8, rope: null, relative: { reach: 5 }, nExperts: 4, topK: 2, router: router({ ...SPARSE, ...over }), balance });

/** One layer applied four times; about half of the tokens leave early. */
const halting = (attention: AttentionSpec, feedForward: FeedForwardSpec, placed: Placed): ModelSpec =>
  twice(attention, feedForward, placed, { schedule: scheduleOf([0, 0, 0, 0]), halting: { kind: "act", span: SPAN, threshold: 0.7, weight: 0.3 } });

/** A core of layers `order` applied three times, between a layer in front of it and one behind it. */
export const cored = (over: Partial<CoreSpec>, halting: ModelSpec["halting"] = null, order: readonly number[] = [1]): ModelSpec => {
  const layers = [layer("p", mha(), dense(), "pre"), layer("a", switchhead(["v", "o"]), moe(), "peri"), layer("b", mha(), dense("gelu"), "pre"), layer("c", mha(), dense("silu"), "pre")];
  const schedule = scheduleOf([0, ...[1, 2, 3].flatMap(() => order), 3]);
  const used = [...new Set(schedule.map((site) => site.layer))];
  return model({
    layers: used.map((i) => layers[i]!), schedule: schedule.map((site) => ({ ...site, layer: used.indexOf(site.layer) })), vocabSize: V, seqLen: T, dModel: D, halting,
    core: { span: SPAN, first: 1, length: order.length, passes: 3, inject: "none", state: { kind: "input" }, passEmbedding: null, ...over },
  });
};
export const graves = (threshold: number): ModelSpec["halting"] => ({ kind: "graves", span: SPAN, threshold, weight: 0.3, bias: 0.5 });

const withNorm = (spec: ModelSpec, norm: ModelSpec["layers"][number]["norm"]): ModelSpec =>
  ({ ...spec, layers: spec.layers.map((l) => ({ ...l, norm })), head: { ...spec.head, norm } });

const withResidual = (spec: ModelSpec, residualScale: number): ModelSpec => ({ ...spec, layers: spec.layers.map((l) => ({ ...l, residualScale })) });

const withParallel = (spec: ModelSpec): ModelSpec => ({ ...spec, layers: spec.layers.map((l) => ({ ...l, parallel: true })) });

/** 1.5 at 0: padding must be masked. */
const bump = fnSpec("fn f(x) = 1.5 - x * tanh(x)");
/** What `where` does not select is NaN left of -1. */
const guarded = fnSpec("fn half(x) = x / 2\nfn f(x) = where(x > 0, log(1 + x), half(x))");
/** Padding would be 0 times infinity. */
const xLogX = fnSpec("fn f(x) = x * log(abs(x))");
/** Grows on both sides, so that the greatest logits are not the greatest scores; greater than 0. */
const bowl = fnSpec("fn f(x) = 0.1 + x * x / (1 + x * x)");

export const ODD_MODELS: Readonly<Record<string, ModelSpec>> = {
  "MoEUT": twice(switchhead(["v", "o"]), moe(), "peri"),
  "two layers, aabb": model({
    layers: [layer("a", switchhead(["v", "o"]), moe(), "peri"), layer("b", mha(), dense(), "peri")], schedule: scheduleOf([0, 0, 1, 1]), vocabSize: V, seqLen: T, dModel: D,
  }),
  "pre": twice(switchhead(["v", "o"]), moe(), "pre"),
  "norm on v and experts": twice(switchhead(["v", "o"]), moe(), ["v", "feed_forward"]),
  "norm on q, dense": twice(mha(), dense(), ["q"]),
  "norm on k and v, experts everywhere": twice(switchhead(["q", "k", "v", "o"]), moe(), ["k", "v"]),
  "norm on the dense block alone": twice(mha(), dense(), ["feed_forward"]),
  "norm on v, routers as values and experts": twice(switchhead(["v", "o"], { input: "residual" }), moe({ input: "residual" }), ["v"]),
  // Rotary positions: without any, what a bias adds to all keys is nothing to the softmax.
  "norm on k, mixture of heads": twice({ ...moa({ input: "residual" }), rope: { nRotate: 4, base: 10000 } }, moe(), ["k"]),
  "norm on q, halting": halting(mha(), dense(), ["q"]),
  "norm on v and experts, halting": halting(switchhead(["k", "o"]), moe(), ["v", "feed_forward"]),
  "post": twice(switchhead(["v", "o"]), moe(), "post", { embedding: { scale: Math.sqrt(D), learnedPositions: false, norm: { ...NORM, affine: false } }, head: { norm: null, bias: true, tied: false } }),
  "experts on all projections": twice(switchhead(["q", "k", "v", "o"]), moe(), "peri"),
  "experts on q": twice(switchhead(["q"]), moe(), "peri"),
  "experts on k": twice(switchhead(["k"]), moe(), "pre"),
  "softmax routing": twice(switchhead(["v", "o"], { score: "softmax" }), moe({ score: "softmax" }), "peri"),
  "softmax over the chosen": twice(switchhead(["v", "o"], { score: "softmax", weight: "renormalized" }), moe({ score: "softmax", weight: "renormalized" }), "peri"),
  "renormalized sigmoids": twice(switchhead(["v", "o"], { weight: "renormalized" }), moe({ weight: "renormalized" }), "peri"),
  "routers read the residual stream": twice(switchhead(["v", "o"], { input: "residual" }), moe({ input: "residual" }), "peri"),
  "no balance": twice(switchhead(["v", "o"], {}, null), moe({}, null), "peri"),
  "balance over the batch": twice(switchhead(["v", "o"], {}, entropy(0.3, { over: "batch" })), moe({}, entropy(0.2, { over: "batch" })), "peri"),
  "balance per site": twice(switchhead(["v", "o"], {}, entropy(0.3, { passes: false })), moe({}, entropy(0.2, { passes: false })), "peri"),
  "balance over the batch, per site": twice(mha(), moe({}, entropy(0.2, { over: "batch", passes: false })), "peri"),
  "head gates": twice(mha("sigmoid"), moe(), "peri"),
  "dense": twice(mha(), dense(), "pre"),
  "dense without biases": twice(mha(), dense("silu", false), "pre", { head: { norm: NORM, bias: false, tied: false } }),
  ...Object.fromEntries(NORM_KINDS.filter((kind) => kind !== NORM.kind).map((kind) =>
    [kind, withNorm(twice(mha(), dense("gelu_tanh"), "pre"), { kind, affine: true, eps: 1e-6 })])),
  "norms without weights": withNorm(twice(mha(), dense("gelu"), "post"), { kind: "layernorm", affine: false, eps: 1e-2 }),
  "tied head, scaled and normalized embedding": twice(mha(), dense("relu2"), "pre", { embedding: { scale: 3, learnedPositions: false, norm: NORM }, head: { norm: NORM, bias: false, tied: true } }),
  "learned positions": twice({ ...mha(), rope: null }, dense("gelu"), "pre", { embedding: { scale: 1, learnedPositions: true, norm: null } }),
  "learned positions, rotary too, scaled and normalized": twice(switchhead(["v", "o"]), moe(), "peri", { embedding: { scale: 3, learnedPositions: true, norm: NORM } }),
  "relative positions": twice({ ...mha(), relative: { reach: 4 } }, dense(), "pre"),
  "relative positions of three distances, rotary too": twice({ ...switchhead(["v", "o"]), relative: { reach: 2 } }, moe(), "peri"),
  "relative positions in a window, encoder": twice({ ...mha(), relative: { reach: 3 }, window: 5, causal: false, headsPerKey: 3 }, dense(), "pre"),
  "mixture of heads": twice(moa(), moe({ ...SPARSE, hasBias: true }, information(0.2)), "post"),
  "mixture of heads, one of four": twice({ ...moa({ score: "sigmoid" }, entropy(0.1)), topK: 1, relative: null, qkNorm: { kind: "rmsnorm", affine: true, eps: 1e-5 } } as AttentionSpec, moe(), "peri"),
  "halting": halting(moa(), { ...moe(SPARSE, information(0.2)), bias: true }, "post"),
  "halting, peri": halting(switchhead(["v", "o"]), moe(), "peri"),
  "halting, pre": halting(mha(), dense(), "pre"),
  "halting by sums": twice(switchhead(["v", "o"]), moe(), "peri", { schedule: scheduleOf([0, 0, 0, 0]), halting: graves(0.8) }),
  "core, injected by adding to zero": cored({ inject: "add", state: { kind: "zero" } }),
  "core of two layers, injected by a map, learned passes": cored({ inject: "concat", passEmbedding: { kind: "learned" } }, null, [1, 2]),
  "core, injected by a gate, sinusoidal passes and positions": cored({ inject: "gate", passEmbedding: { kind: "sinusoidal", base: 100, positions: true } }),
  "core from noise": cored({ inject: "concat", state: { kind: "normal", std: 0.7 } }),
  "core of two layers that tokens leave": cored({ inject: "concat", passEmbedding: { kind: "sinusoidal", base: 500, positions: false } }, { kind: "act", span: SPAN, threshold: 0.7, weight: 0.3 }, [1, 2]),
  "core of two layers that tokens leave by sums": cored({ inject: "add", passEmbedding: { kind: "learned" } }, graves(0.8), [1, 2]),
  "mutual information of heads": twice(switchhead(["v", "o"], {}, information(0.3)), moe({}, information(0.2)), "peri"),
  "hidden routers": twice(switchhead(["q", "k", "v", "o"], { hidden: 11, hasBias: true }), moe({ hidden: 6, hasBias: true }), "peri"),
  "no positions": twice({ ...mha(), rope: null }, dense(), "pre"),
  "one expert, one head": twice({ ...HEADS, nHeads: 1, kind: "switchhead", nExperts: 1, topK: 1, on: ["v", "o"], router: router(), balance: entropy(0.1) }, { ...moe(), nExperts: 1, topK: 1 } as FeedForwardSpec, "peri"),
  "every expert chosen": twice(switchhead(["v", "o"]), { ...moe(), topK: 7 } as FeedForwardSpec, "peri"),
  "gated dense": twice(mha(), { ...dense("silu"), glu: true }, "pre"),
  "gated dense without biases": twice(mha(), { ...dense("gelu", false), glu: true }, "pre"),
  "gated experts with biases": twice(mha(), { ...moe({}, entropy(0.2), "silu"), glu: true, bias: true }, "peri"),
  "experts with biases": twice(mha(), { ...moe(), bias: true }, "peri"),
  "shared experts": twice(mha(), { ...moe(), nShared: 2 }, "pre"),
  "gated shared experts with biases": twice(mha(), { ...moe({}, entropy(0.2), "gelu_tanh"), glu: true, bias: true, nShared: 1 }, "peri"),
  "experts that share a bias of the output": twice(mha(), { ...moe(), bias: "shared_output" }, "peri"),
  "gated shared experts that share a bias of the output": twice(mha(), { ...moe({}, null, "silu"), glu: true, bias: "shared_output", nShared: 2 }, "pre"),
  "router biases": twice(switchhead(["v", "o"], { hasBias: true }), moe({ hasBias: true, score: "softmax" }), "peri"),
  "router z-loss": twice(switchhead(["q", "k", "v", "o"], { zLoss: 0.02 }), moe({ zLoss: 0.05 }, null), "peri"),
  "dropout of experts": twice(switchhead(["q", "k", "v", "o"], { expertDropout: 0.2 }), moe({ expertDropout: 0.3, zLoss: 0.05 }), "peri"),
  "dropout of routers' inputs": twice(switchhead(["v", "o"], { inputDropout: 0.1, hidden: 11 }), moe({ inputDropout: 0.4, input: "residual" }), "peri"),
  "dropout and balance by bias": twice(mha(), moe({ expertDropout: 0.3, inputDropout: 0.2, score: "softmax", loadBiasRate: 0.01 }, null), "pre"),
  "experts drawn": twice(switchhead(["v", "o"], { sampled: 1 }), moe({ sampled: 3, score: "softmax", expertDropout: 0.1 }), "peri"),
  "halting, dropout, experts drawn": halting(moa({ sampled: 1, inputDropout: 0.1 }), { ...moe({ ...SPARSE, sampled: 2, expertDropout: 0.1 }, information(0.2)), bias: true }, "post"),
  "load balance, top 1": twice(mha(), { ...moe({ score: "softmax" }, load(0.4)), topK: 1 }, "pre"),
  "load balance of sequences and passes": twice(switchhead(["v", "o"], {}, load(0.3, { over: "sequence", passes: true })), moe({}, load(0.2, { passes: true })), "peri"),
  "entropy of each token": twice(switchhead(["v", "o"], {}, entropy(0.3, { over: "token" })), moe({}, entropy(0.2, { over: "token", passes: false })), "peri"),
  "balance by bias": twice(switchhead(["v", "o"], { loadBiasRate: 0.001 }, null), moe({ loadBiasRate: 0.01 }, null), "peri"),
  "balance by bias, softmax": twice(mha(), moe({ score: "softmax", weight: "renormalized", loadBiasRate: 0.01 }, null), "pre"),
  "balance by bias and loss": twice(switchhead(["v", "o"], { loadBiasRate: 0.001 }), moe({ loadBiasRate: 0.01, weight: "renormalized" }, load(0.2, { over: "sequence" })), "peri"),
  "balance by bias and mutual information, softmax": twice(moa({ loadBiasRate: 0.001 }), moe({ ...SPARSE, loadBiasRate: 0.01 }, information(0.2)), "pre"),
  "grouped queries": twice({ ...mha(), nHeads: 4, headsPerKey: 2 }, dense(), "pre"),
  "one head of keys, gated": twice({ ...mha("sigmoid"), headsPerKey: 3 }, dense(), "pre"),
  "norm of queries and keys": twice({ ...mha(), qkNorm: { ...NORM, kind: "rmsnorm" } }, dense(), "pre"),
  "norm of all queries and of all keys, grouped": twice({ ...mha(), nHeads: 4, headsPerKey: 2, qkNorm: { ...NORM, kind: "rmsnorm" }, qkNormOver: "heads" }, dense(), "pre"),
  "layernorm of all queries and of all keys": twice({ ...mha(), qkNorm: NORM, qkNormOver: "heads" }, moe(), "peri"),
  "biases of queries, keys and values, grouped": twice({ ...mha("sigmoid"), headsPerKey: 3, mapBias: "qkv" }, dense(), "pre"),
  "biases of all maps, norm of queries and keys": twice({ ...mha(), mapBias: true, qkNorm: { ...NORM, kind: "rmsnorm" } }, dense("gelu"), "pre"),
  "stretched positions": twice({ ...mha(), rope: { nRotate: 12, base: 100, stretch: { factor: 4, length: 24, low: 1, high: 3 } } }, dense(), "pre"),
  "positions stretched alike": twice({ ...switchhead(["v", "o"]), rope: { nRotate: 12, base: 100, stretch: { factor: 2.5, length: 0, low: 1, high: 4 } } }, moe(), "peri"),
  "parallel blocks": withParallel(twice({ ...mha(), mapBias: true }, dense("gelu"), "pre")),
  "parallel blocks, experts, peri": withParallel(twice(switchhead(["v", "o"]), moe(), "peri")),
  "parallel blocks, sandwich, scaled residuals": withParallel(withResidual(twice(mha(), moe(), "sandwich"), 0.37)),
  "parallel blocks, halting": withParallel(halting(mha(), moe(), "pre")),
  "shared experts behind a gate": twice(mha(), { ...moe({ score: "softmax" }, entropy(0.2), "silu"), glu: true, nShared: 2, sharedGate: "sigmoid" }, "pre"),
  "norm of queries and keys, experts, a window": twice({ ...switchhead(["q", "k", "v", "o"]), qkNorm: NORM, window: 5 }, moe(), "peri"),
  "norm without weights of queries and keys, no positions": twice({ ...mha(), qkNorm: { ...NORM, affine: false }, rope: null }, dense(), "pre"),
  "encoder attention": twice({ ...mha(), causal: false }, dense(), "pre"),
  "encoder attention with a window": twice({ ...switchhead(["v", "o"]), causal: false, window: 4 }, moe(), "peri"),
  "sandwich, scaled residuals": withResidual(twice(switchhead(["v", "o"]), moe(), "sandwich"), 0.37),
  "post, scaled residuals": withResidual(twice(mha(), dense(), "post"), 2.5),
  "experts with a function that is not 0 at 0": twice(mha(), { ...moe({}, entropy(0.2), bump), nShared: 1 }, "peri"),
  "gated dense with a function that is not 0 at 0": twice(mha(), { ...dense(bump), glu: true }, "pre"),
  "experts with a guarded function": twice(mha(), moe({}, entropy(0.2), guarded), "peri"),
  "dense with a function that is not finite at 0": twice(mha(), dense(xLogX, false), "pre"),
  "scores by a function": twice(switchhead(["q", "v", "o"], { score: bowl }), moe({ score: bowl, weight: "renormalized" }), "peri"),
  "scores by a function, mixture of heads, halting": halting(moa({ score: bowl }), moe({ score: bowl, hidden: 6 }, information(0.2)), "post"),
  "scores by a function, experts drawn at random": twice(switchhead(["v", "o"], { score: bowl, sampled: 1 }), moe({ score: bowl, sampled: 2, expertDropout: 0.2 }), "peri"),
  "scores by a function, balance by bias": twice(mha(), moe({ score: bowl, zLoss: 0.05, loadBiasRate: 0.01 }), "pre"),
  ...Object.fromEntries(ACTIVATIONS.map((activation) => [`experts with ${activation}`, twice(mha(), moe({}, entropy(0.2), activation), "peri")])),
};
