/** Official configurations become specs, and their weights find their places. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { checkSource } from "../compiler/front.ts";
import { findOfficialWeights, importOfficial } from "../compiler/import/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { readSafetensors } from "../runtime/files/safetensors.ts";
import { goldenFolder } from "./support/shared.ts";

function compiled(config: unknown): { readonly model: ModelSpec; readonly spec: string; readonly scheme: string } {
  const result = importOfficial(config);
  if ("error" in result) throw new Error(result.error);
  const { models, diagnostics } = checkSource(
    { file: "imported.moeut", text: result.spec }, { readFile: () => ({ problem: "there are no other files" }) },
  );
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  expect(models.length).toBe(1);
  return { ...result, model: models[0]! };
}

describe.each(["a1", "a2", "a4", "b1", "b2", "b3", "b4", "b5", "b6", "b8", "c1"])("golden %s", (prefix) => {
  const folder = goldenFolder(prefix);
  if (folder === null) return test.skip("no golden folder", () => {});
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, Record<string, unknown>>;
  const { model, scheme } = compiled(config);

  test("derived values are those of the official code", () => {
    const { derived, args } = config as { derived: Record<string, unknown>; args: Record<string, unknown> };
    expect(model.schedule.map((site) => site.layer)).toEqual(derived["layer_order"]);
    expect(model.layers.length).toBe(derived["n_unique_layers"]);
    for (const { attention, feedForward, norm } of model.layers) {
      expect(attention.dHead).toBe(derived["d_head"] ?? derived["head_dim"]);
      if (attention.kind === "moa") expect([attention.nHeads, model.halting?.threshold]).toEqual([
        derived["n_attention_heads"], derived["act_threshold"],
      ]);
      expect(attention.rope?.nRotate).toBe(derived["n_rotate"]);
      expect(norm.eps).toBe(derived["layernorm_eps"]);
      if (feedForward.kind === "dense") expect(feedForward.dFf).toBe(derived["dim_feedforward"]);
    }
    expect(model.embedding.scale).toBe(derived["embedding_scale"]);
    expect(model.embedding.norm !== null).toBe(derived["norm_input"]);
    expect(model.head.norm !== null).toBe(derived["out_norm"]);
    expect(scheme).toBe("d_model" in args ? "clean" : "training");
  });

  test("training settings", () => {
    expect(model.train).toMatchObject({
      optimizer: { lr: 2.5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 }, schedule: { kind: "constant", warmup: 0 }, gradClip: 0.25, steps: 10, batch: 2,
    });
  });

  test("every tensor of the checkpoint has its place, and the places are those of the graph", () => {
    const weights = readSafetensors(join(folder, "weights.safetensors"));
    const found = findOfficialWeights(model, weights.tensors);
    if ("problems" in found) throw new Error(found.problems.join("; "));
    expect(found.scheme).toBe(scheme);
    const { params } = buildGraph(model, { kind: "evaluate", batch: 1, seqLen: 4 });
    expect(Object.fromEntries(params.map((p) => [p.name, p.official]))).toEqual(found.places);
  });
});

const CLEAN = {
  args: { d_model: 32, n_layers: 4, n_heads: 2, ff_n_experts: 8, att_n_experts: 4, d_head: null, group_size: 2, ff_k: 4, att_k: 2, ff_expert_size: 16, n_tokens: 61, entropy_reg: 0, att_entropy_reg: 0 },
  context: 16,
};
const training = (args: Record<string, unknown>): unknown => ({
  args: { "transformer.variant": "preln_moe_universal", "state_size": 32, "transformer.encoder_n_layers": 4, "moe.n_experts": 8, "moe.expert_size": 16, "pkm.n_heads": 4, ...args }, context: 16, vocab: 50,
});

const RECIPE = { optimizer: "AdamW", lr: 1e-3, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0, grad_clip: 1, steps: 5 };

test("arguments alone are enough", () => {
  const { model, spec } = compiled(CLEAN);
  expect(model.vocabSize).toBe(61);
  expect(model.layers[0]!.attention).toMatchObject({ dHead: 16, balance: null });
  expect(spec).toMatchInlineSnapshot(`
    "moeut 1

    model official {
      vocab_size 61  seq_len 16  d_model 32
      embedding { scale 1  norm none }
      head { norm layernorm }

      layer a, b {
        norm layernorm at peri
        attention switchhead {
          n_heads 2  d_head 16  rope { fraction 0.5  base 10000 }
          n_experts 4 on v, o  top_k 2
          router { score sigmoid  weight score }
        }
        feed_forward moe {
          n_experts 8  expert_size 16  top_k 4  activation relu
          router { score sigmoid  weight score }
        }
      }
      stack (a, b) * 2
    }
    "
  `);
});

test("SwitchHead with experts everywhere and a softmax over the chosen", () => {
  const { model } = compiled(training({ "moe.att.enable": true, "moe.att.selection_mode": "softmax" }));
  expect(model.layers[0]!.attention).toMatchObject({
    kind: "switchhead", on: ["q", "k", "v", "o"], nExperts: 4, topK: 2, router: { score: "softmax", weight: "renormalized" },
  });
});

test("a softmax over the chosen experts only", () => {
  const { model } = compiled(training({ "moe.selection_mode": "gate", "moe.activation_after_topk": true }));
  expect(model.layers[0]!.feedForward).toMatchObject({ router: { score: "softmax", weight: "renormalized" }, balance: null });
});

test.each([
  ["layers_time", { weight: 0.01, over: "sequence", passes: true }],
  ["global", { weight: 0.01, over: "batch", passes: true }],
  ["step", { weight: 0.04, over: "token", passes: false }],
  ["time", { weight: 0.04, over: "sequence", passes: false }], // the official code adds the four sites' terms
])("entropy over %s", (mode, want) => {
  const { model } = compiled(training({ "moe.perplexity_reg": 0.01, "moe.perplexity_reg_mode": mode }));
  expect(model.layers[0]!.feedForward).toMatchObject({ balance: want });
});

test("router biases", () => {
  const { model } = compiled(training({ "moe.sel_bias": true }));
  expect(model.layers[0]!.feedForward).toMatchObject({ router: { hasBias: true } });
});

test("dropout of routers: attention's experts as the feed-forward block's unless it has its own", () => {
  const clean = compiled({ ...CLEAN, args: { ...CLEAN.args, ff_expert_dropout: 0.05, att_expert_dropout: 0.1 } }).model.layers[0]!;
  expect(clean).toMatchObject({
    attention: { router: { expertDropout: 0.1, inputDropout: 0 } }, feedForward: { router: { expertDropout: 0.05, inputDropout: 0 } },
  });
  const shared = compiled(training({ "moe.att.enable": true, "moe.drop_expert": 0.05, "moe.selection_dropout": 0.2, "moe.att.selection_dropout": 0.3 })).model.layers[0]!;
  expect(shared).toMatchObject({
    attention: { router: { expertDropout: 0.05, inputDropout: 0.3 } }, feedForward: { router: { expertDropout: 0.05, inputDropout: 0.2 } },
  });
  const own = compiled(training({ "moe.att.enable": true, "moe.drop_expert": 0.05, "moe.att.drop_expert": 0 })).model.layers[0]!;
  expect(own).toMatchObject({ attention: { router: { expertDropout: 0 } }, feedForward: { router: { expertDropout: 0.05 } } });
});

const SPARSE = {
  "transformer.variant": "sut_universal", "transformer.head_projection_size": 16, "moe.att.expert_size": 32, "moe.att.n_experts": 4, "moe.att.k": 2, "pkm.n_heads": 3,
};

test("a sparse universal transformer draws experts in both parts", () => {
  const { attention, feedForward } = compiled(training({ ...SPARSE, "sut.sample_topk": 1 })).model.layers[0]!;
  expect([attention, feedForward]).toMatchObject([{ kind: "moa", topK: 2, router: { sampled: 1 } }, { topK: 3, router: { sampled: 1 } }]);
});

test("experts with biases in front of their activation, and one of the output", () => {
  const { model } = compiled(training({ "moe.bias": true }));
  expect(model.layers[0]!.feedForward).toMatchObject({ bias: "shared_output" });
  const biases = buildGraph(model, { kind: "evaluate", batch: 1, seqLen: 4 }).params.filter((p) => /^a\.feed_forward\..*bias$/.test(p.name));
  expect(biases.map(({ official, init }) => [official.tensor, official.shape, init.kind])).toEqual([
    ["unique_layers.0.pkm.bias", [8, 16], "zeros"], ["unique_layers.0.pkm.o_bias", [32], "zeros"]]);
});

test("many layers, all their own", () => {
  const { model } = compiled(training({ "transformer.variant": "preln_moe", "transformer.encoder_n_layers": 30 }));
  expect(model.layers.length).toBe(30);
  const grouped = compiled(training({ "transformer.encoder_n_layers": 36, "transformer.universal.group_size": 18 })).model;
  expect(grouped.schedule.map((site) => site.layer)).toEqual([...Array(36).keys()].map((i) => i % 18));
});

test.each<[string, unknown, string]>([
  ["no object", 3, "the configuration is not an object of named values"],
  ["null", null, "the configuration is not an object of named values"],
  ["no args", {}, "args is not an object of named values"],
  ["args a list", { args: [] }, "args is not an object of named values"],
  ["no context", { args: CLEAN.args }, "context is missing; it must be a positive whole number"],
  ["negative vocabulary", { ...CLEAN, vocab: -5 }, "vocab is -5; it must be a positive whole number"],
  ["dropout", { ...CLEAN, args: { ...CLEAN.args, dropout: 0.1 } }, "option dropout is 0.1: dropout is not supported"],
  ["unknown option", { ...CLEAN, args: { ...CLEAN.args, shared_expert: 1 } }, "option shared_expert is not known, so what it does to the model is not known either"],
  ["missing size", { ...CLEAN, args: { ...CLEAN.args, n_heads: null } }, "option n_heads is null; it must be a positive whole number"],
  ["text for a number", { ...CLEAN, args: { ...CLEAN.args, ff_k: "4" } }, 'option ff_k is "4"; it must be a number'],
  ["too few layers", { ...CLEAN, args: { ...CLEAN.args, n_layers: 1 } }, "option n_layers is smaller than group_size"],
  ["other optimizer", { ...CLEAN, training: { ...RECIPE, optimizer: "SGD" } }, 'training.optimizer is "SGD"; only AdamW is supported'],
  ["more experts drawn than used", training({ ...SPARSE, "sut.sample_topk": 3 }), "option sut.sample_topk is 3; it must be a whole number from 0 to 2, the experts of a token"],
  ["all experts dropped", training({ "moe.drop_expert": 1 }), "option moe.drop_expert is 1; it must be a number from 0 to below 1"],
  ["dropout that is not read", training({ "moe.att.expert_dropout": 0.1 }), "option moe.att.expert_dropout is 0.1: the training code does not read it; what it reads is moe.att.drop_expert"],
  ["dropout in front of the routers' norm", training({ "moe.nonorm": true, "moe.att.enable": true, "moe.selection_dropout": 0.1 }),
    "option moe.selection_dropout under moe.nonorm acts in front of the norm that routers read: it is not supported; set it to 0"],
  ["scope of the entropy", training({ "moe.perplexity_reg": 1, "moe.perplexity_reg_mode": "batch" }), 'option moe.perplexity_reg_mode is "batch"; what can be imported is layers_time, time, global, step'],
  ["order of the chosen", training({ "moe.activation_after_topk": true, "moe.perplexity_reg": 1 }), "option moe.activation_after_topk with moe.perplexity_reg regularizes the chosen logits by their unspecified order; set moe.perplexity_reg to 0"],
  ["peri without experts in attention", training({ "moe.nonorm": true }), "option moe.nonorm needs a preln variant and moe.att.enable"],
  ["depth not a multiple of the group", training({ "transformer.universal.group_size": 3 }), "option transformer.universal.group_size does not divide transformer.encoder_n_layers"],
  ["activation", training({ "transformer.activation": "topk" }), 'option transformer.activation is "topk"; what can be imported is relu, gelu'],
])("refused: %s", (_, config, error) => expect(importOfficial(config)).toEqual({ error }));

/** As in the authors' sweep c4_moeut_mid_matched_rope_noln, in a small size. */
const SWEEP = {
  "log": "wandb", "task": "c4_transformer", "test_interval": 2000, "state_size": 32, "transformer.ff_multiplier": 4, "transformer.encoder_n_layers": 4, "transformer.n_heads": 2, "dropout": 0.0, "moe.drop_expert": 0.0,
  "lr": 0.00025, "optimizer": "adamw", "lm.unroll": 16, "batch_size": 8, "grad_clip": 0.25, "amp": 1, "save_interval": 10000, "transformer.variant": "preln_moe_universal", "stop_after": 100000, "moe.n_experts": 8,
  "moe.expert_size": 16, "pkm.n_heads": 4, "transformer.p_drop_layer": 0.0, "lr_sched.type": "cos", "lr_warmup": 4000, "moe.selection_mode": "sigmoid", "moe.perplexity_reg_mode": "layers_time", "moe.perplexity_reg": 0.01,
  "moe.att.perplexity_reg": 0.001, "moe.att.selection_dropout": 0.0, "moe.att.enable": 1, "moe.att.n_experts": 3, "moe.att.selection_mode": "sigmoid", "moe.att.k": 2, "moe.att.norm_init": 1, "moe.att.expert_dropout": 0.0,
  "lmds.valid_ratio": 0.005, "n_microbatch": 1, "transformer.head_projection_size": 16, "moe.layer_encoding": "none", "transformer.universal.group_size": 2, "wd": 0.01, "moe.att.q_expert": 0, "moe.att.k_expert": 0,
  "moe.att.v_expert": 1, "moe.att.o_expert": 1, "lm.trafo.context_blocks": 0, "min_lr_multiplier": 0.1, "details_log_interval": 500, "moe.nonorm": 1, "lm.eval.enabled": 0, "sentencepiece.n_pieces": 50,
};

test("the options of a whole run: those about its training say nothing about the model, and 1 and 0 are true and false", () => {
  const { model } = compiled({ args: SWEEP });
  expect(model).toMatchObject({
    vocabSize: 50, seqLen: 16, train: { batch: 8 },
    layers: [{ attention: { kind: "switchhead", on: ["v", "o"], balance: { weight: 0.001 } } }, {}],
  });
  const flags = {
    "moe.att.enable": true, "moe.att.q_expert": false, "moe.att.k_expert": false, "moe.att.v_expert": true, "moe.att.o_expert": true,
    "moe.nonorm": true,
  };
  expect(importOfficial({ args: { ...SWEEP, ...flags } })).toEqual(importOfficial({ args: SWEEP }));
});

const ON = { "moe.att.enable": true };
const NONE = { "moe.att.q_expert": false, "moe.att.k_expert": false, "moe.att.v_expert": false, "moe.att.o_expert": false };
test.each<[string, Record<string, unknown>, boolean]>([
  ["own routers of queries and keys without experts there", { ...ON, ...NONE, "moe.att.v_expert": true, "moe.att.o_expert": true, "moe.att.norm_init": true }, true],
  ["own routers of queries that have no other to share", { ...ON, ...NONE, "moe.att.q_expert": true, "moe.att.v_expert": true, "moe.att.norm_init": true }, true],
  ["own routers of queries beside that of the outputs", { ...ON, ...NONE, "moe.att.q_expert": true, "moe.att.o_expert": true, "moe.att.norm_init": 1 }, false],
  ["own routers of keys beside that of the values", { ...ON, ...NONE, "moe.att.k_expert": true, "moe.att.v_expert": true, "moe.att.norm_init": true }, false],
  ["one router where there is only one", { ...ON, ...NONE, "moe.att.v_expert": true, "moe.att.separate_kq_sel": true }, true],
  ["one router for values and outputs", { ...ON, "moe.att.separate_kq_sel": true }, false],
  ["width of values", { ...ON, "moe.att.same_sel": true }, false],
  ["options of attention with experts where it has none", { "moe.att.enable": false, "moe.att.norm_init": true, "moe.att.same_sel": true, "moe.att.separate_kq_sel": true, "moe.att.dropout": 0.1, "moe.att.k": 99 }, true],
  ["options of experts in a dense model", { "transformer.variant": "preln_rope", "moe.nonorm": true, "moe.selection_mode": "gate", "moe.drop_expert": 0.3, "moe.n_experts": 0, "moe.att.enable": true, "pkm.n_heads": 7 }, true],
  ["options of sparse models", { "moa.cvloss": 0.1, "moa.switchloss": 1, "sut.drop_gate": 0.5, "transformer.act_loss": -1 }, true],
  ["those options in a sparse model", { ...SPARSE, "moa.cvloss": 0.1 }, false],
  ["rotary positions of a sparse model", { ...SPARSE, "rope.base": -3, "transformer.n_heads": 0 }, true],
  ["sharing in a model whose layers are all their own", { "transformer.variant": "preln_moe", "transformer.universal.group_size": 3, "transformer.universal.group_type": "none" }, true],
  ["encodings of layers", { "moe.layer_encoding": "learned" }, false],
])("judged in its context: %s", (_, args, accepted) => expect("spec" in importOfficial(training(args))).toBe(accepted));

test("all that is in the way is said at once", () => {
  const result = importOfficial({ ...(training({ "dropout": 0.1, "moe.expert_sise": 16, "moe.n_experts": "8", "transformer.activation": "topk", "rope.base": null }) as object), context: 0, training: { ...RECIPE, eps: 0, betas: [1] } });
  expect(result).toEqual({ error: [
    "option moe.expert_sise is not known, so what it does to the model is not known either (did you mean moe.expert_size?)",
    'option transformer.activation is "topk"; what can be imported is relu, gelu',
    'option moe.n_experts is "8"; it must be a number',
    "option dropout is 0.1: dropout is not supported",
    "context is 0; it must be a positive whole number",
    "training.eps is 0; it must be a number above 0 to 1",
    "training.betas is a list of 1; it must be two numbers from 0 to below 1",
  ].join("\n  ") });
});

describe("numbers that are none, or too great", () => {
  const NUMBERS = [
    "d_model", "n_layers", "n_heads", "n_tokens", "ff_n_experts", "att_n_experts", "d_head", "group_size", "ff_k", "att_k",
    "ff_expert_size", "entropy_reg", "att_entropy_reg", "ff_expert_dropout",
  ];
  const TRAINING_NUMBERS = [
    "state_size", "transformer.encoder_n_layers", "transformer.n_heads", "transformer.universal.group_size", "moe.n_experts",
    "moe.expert_size", "pkm.n_heads", "moe.perplexity_reg", "moe.drop_expert", "rope.base",
  ];
  const hostile: readonly unknown[] = [-1, 1e12, NaN, Infinity, "8", "toString", true, {}, [4], [[[[4]]]], { valueOf: 4 }];
  test.each([...NUMBERS.map((name) => [name, CLEAN] as const), ...TRAINING_NUMBERS.map((name) => [name, training({})] as const)])("%s", (name, config) => {
    for (const value of hostile) {
      const result = importOfficial({ ...(config as object), args: { ...(config as { args: object }).args, [name]: value } });
      expect("error" in result && result.error, `${name} ${String(value)}`).toContain(`option ${name} is `);
    }
  });
  test.each(["vocab", "context", "batch"])("%s", (name) => {
    for (const value of hostile) expect(importOfficial({ ...CLEAN, [name]: value }))
      .toMatchObject({ error: expect.stringContaining(`${name} is `) as string });
  });
});

test.each(["toString", "constructor", "__proto__", "hasOwnProperty", ""])("an option named %s is as unknown as any other", (name) => {
  const args = JSON.parse(`{"d_model":32,${JSON.stringify(name)}:1}`) as object;
  expect(importOfficial({ ...CLEAN, args: { ...CLEAN.args, ...Object.fromEntries(Object.entries(args)) } }))
    .toEqual({ error: expect.stringMatching(/^option .* is not known/) as string });
});

test.each([["model", "model_"], ["Stack", "stack_"], ["3 Layers!", "layers"], ["", "official"], [7, "official"], ["in", "in_"]])("the case %s is the model %s", (name, want) =>
  expect(compiled({ ...CLEAN, case: name }).model.name).toBe(want));

test("a vocabulary that is given twice must be one", () => {
  expect(importOfficial({ ...CLEAN, vocab: 60 })).toEqual({ error: "vocab is 60, but n_tokens is 61" });
});

describe("weights that do not fit", () => {
  const { model } = compiled(CLEAN);
  const graph = buildGraph(model, { kind: "evaluate", batch: 1, seqLen: 4 });
  const tensors = new Map(graph.params.map((p) => [p.official.tensor, { dtype: "F32", shape: p.official.shape }]));

  const extra = { dtype: "F16", shape: [61] };
  test("all of it at once: missing, of another shape, no numbers, left over", () => {
    const changed = new Map([...tensors, ["embedding.weight", { dtype: "F32", shape: [60, 32] }], ["lm_head.bias", { dtype: "I64", shape: [61] }], ["extra.bias", extra]]);
    changed.delete("transformer.layers.1.ffn.keys");
    expect(findOfficialWeights(model, changed)).toEqual({ problems: [
      'tensor "embedding.weight" is [60, 32], but the model\'s "embedding" makes it [61, 32]',
      'the checkpoint has no tensor "transformer.layers.1.ffn.keys", which the model\'s "b.feed_forward.up" is',
      'tensor "lm_head.bias" is I64, which is no floating-point dtype',
      'the checkpoint\'s tensor "extra.bias" has no place in the model',
    ] });
  });
  test.each(["F16", "BF16", "F64"])("numbers of %s fit", (dtype) => {
    const other = new Map([...tensors].map(([name, { shape }]) => [name, { dtype, shape }]));
    expect(findOfficialWeights(model, other)).toMatchObject({ scheme: "clean" });
  });
  test("names of the training code for a model that both codes have", () => {
    const renamed = new Map([...tensors].map(([name, info]) => [trainingName(name), info]));
    const found = findOfficialWeights(model, renamed);
    expect("scheme" in found && found.scheme).toBe("training");
  });
});

const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/^transformer\.layers\./, "unique_layers."], [/^lm_head/, "output"], [/attention\.sel_/, "self_attn.selections."], [/attention\.([qk])\.weight/, "self_attn.projections.$1"],
  [/attention\./, "self_attn.projections."], [/\.ffn\./, ".pkm."], [/\.ln1\./, ".self_attn.norm."], [/\.ln2\./, ".pkm.norm."],
];
const trainingName = (name: string): string => RENAMED.reduce((text, [from, to]) => text.replace(from, to), name);
