/** Meaning of specs: defaults, inheritance, overrides, counts. */
import { describe, expect, test } from "vitest";
import { countMacs, countParams, measure } from "../compiler/counts/index.ts";
import { checkSource } from "../compiler/front.ts";
import { format, specHash } from "../compiler/format/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { PRESETS, presetOf } from "../compiler/ir/norm-placement.ts";
import { checkText, rendered } from "./support/corpus.ts";

function models(text: string, overrides: readonly string[] = []): Readonly<Record<string, ModelSpec>> {
  const result = checkText(`moeut 1\n${text}`, overrides);
  expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
  return Object.fromEntries(result.models.map((m) => [m.name, m]));
}

const model = (text: string, overrides: readonly string[] = []): ModelSpec => Object.values(models(text, overrides))[0]!;
const codes = (text: string, overrides: readonly string[] = []): readonly string[] =>
  checkText(`moeut 1\n${text}`, overrides).diagnostics.map((d) => d.code);

const MOEUT = `model m {
  vocab_size 8000  seq_len 1024  d_model 412
  layer a, b {
    norm layernorm at peri
    attention switchhead { n_heads 4  d_head 82  n_experts 8 on v, o  top_k 2 }
    feed_forward moe { n_experts 155  expert_size 128  top_k 12 }
  }
  stack (a, b) * 8
}
`;

describe("defaults", () => {
  test("of a bare model", () => {
    const m = model("model m { layer a {} }");
    expect(m).toMatchObject({
      vocabSize: 256, seqLen: 256, dModel: 128, embedding: { scale: 1, norm: null }, stack: "a",
      head: { norm: { kind: "layernorm", affine: true, eps: 1e-5 }, bias: true, tied: false },
      layers: [{
        placement: PRESETS.pre, norm: { kind: "layernorm" },
        attention: { kind: "mha", nHeads: 4, dHead: 32, gate: "none", rope: { nRotate: 16, base: 10_000 } },
        feedForward: { kind: "dense", dFf: 512, activation: "relu", bias: true },
      }],
      train: {
        optimizer: { lr: 2.5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 }, schedule: { kind: "cosine", warmup: 0, floor: 0.1 },
        gradClip: 0.25, batch: 8, accumulate: 1, steps: 1000, evalEvery: 100, checkpointEvery: 100,
      },
    });
  });

  const PLACED = [
    { why: "experts have routers that read the norm", text: "layer a { feed_forward moe {} }", placement: "peri", scale: 1, head: "layernorm" },
    { why: "the head takes the norm of the layers", text: "layer a { norm rmsnorm { eps 1e-6 } }", placement: "pre", scale: 1, head: "rmsnorm" },
    { why: "post: scaled embedding, no norm in front of the head", text: "layer a { norm layernorm at post }", placement: "post", scale: 8, head: undefined },
    { why: "what is written wins", text: "layer a { norm layernorm at post } embedding { scale 2 } head { norm rmsnorm }", placement: "post", scale: 2, head: "rmsnorm" },
  ] as const;
  test.each(PLACED)("$why", ({ text, placement, scale, head }) => {
    const m = model(`model m { d_model 64 ${text} }`);
    expect([presetOf(m.layers[0]!.placement), m.embedding.scale, m.head.norm?.kind]).toEqual([placement, scale, head]);
  });

  test("top_k is never more than the experts there are", () => {
    const [a] = model("model m { layer a { attention switchhead { n_experts 1 }  feed_forward moe { n_experts 3 } } }").layers;
    expect([a!.attention, a!.feedForward]).toMatchObject([{ topK: 1 }, { topK: 3 }]);
  });

  const ROPES = [[82, 0.5, 40], [82, 0.4878, 38], [13, 0.5, 6], [13, 1, 12], [8, 1, 8], [3, 0.5, null], [1, 1, null]] as const;
  test.each(ROPES)("d_head %d and fraction %d rotate %s channels", (dHead, fraction, nRotate) => {
    const m = model(`model m { layer a { attention mha { d_head ${dHead}  rope { fraction ${fraction} } } } }`);
    expect(m.layers[0]!.attention.rope?.nRotate ?? null).toBe(nRotate);
  });
});

describe("stack", () => {
  const STACKS = [
    { stack: "(a, b) * 2", canonical: "(a, b) * 2", sites: "a0 b0 a1 b1" },
    { stack: "a * 2, b * 2", canonical: "a * 2, b * 2", sites: "a0 a1 b0 b1" },
    { stack: "own(a) * 3", canonical: "own(a) * 3", sites: "a.0:0 a.1:0 a.2:0" },
    { stack: "own(a * 2, b) * 2", canonical: "own(a * 2, b) * 2", sites: "a.0:0 a.1:0 b.0:0 a.2:0 a.3:0 b.1:0" },
    { stack: "b, a, own(a), a", canonical: "b, a, own(a), a", sites: "b0 a0 a.0:0 a1" },
    { stack: "((a) * 1, (b)) * 2", canonical: "(a, b) * 2", sites: "a0 b0 a1 b1" },
    { stack: "(a * 2) * 2, (b)", canonical: "(a * 2) * 2, b", sites: "a0 a1 a2 a3 b0" },
  ];
  test.each(STACKS)("$stack", ({ stack, canonical, sites }) => {
    const m = model(`model m { layer a, b {}  stack ${stack} }`);
    const shown = m.schedule.map(({ layer, pass }) => `${m.layers[layer]!.name}${m.layers[layer]!.name.includes(".") ? ":" : ""}${pass}`);
    expect([m.stack, shown.join(" ")]).toEqual([canonical, sites]);
  });
});

describe("inheritance", () => {
  test("another kind keeps what both kinds have", () => {
    const { child } = models(`
      model m { layer a { attention switchhead { n_heads 2  d_head 10  top_k 1  rope { base 500 } }  feed_forward moe { activation silu } } }
      model child from m { layer * { norm layernorm at pre  attention mha { gate sigmoid }  feed_forward dense { d_ff 9 } } }`);
    expect(child!.layers[0]).toMatchObject({
      placement: PRESETS.pre, attention: { kind: "mha", nHeads: 2, dHead: 10, gate: "sigmoid", rope: { base: 500 } },
      feedForward: { kind: "dense", dFf: 9, activation: "silu" },
    });
  });

  test("`bias true` and `false` are kept, `shared_output` is not", () => {
    const dense = (bias: string): unknown =>
      models(`model m { layer a { feed_forward moe { bias ${bias} } } }\nmodel d from m { layer a { feed_forward dense {} } }`)["d"]!.layers[0]!.feedForward;
    expect([dense("false"), dense("true"), dense("shared_output")]).toMatchObject([{ bias: false }, { bias: true }, { bias: true }]);
  });

  test("rope comes back after rope none", () => {
    const { c } = models("model m { layer a { attention mha { rope none } } }\nmodel c from m { layer a { attention { rope { base 7 } } } }");
    expect(c!.layers[0]!.attention.rope).toEqual({ nRotate: 16, base: 7 });
  });

  test("layer * means all layers, wherever it stands", () => {
    const m = model("model m { layer * { norm rmsnorm }  layer a, b { attention mha {} } }");
    expect(m.layers.map((l) => l.norm.kind)).toEqual(["rmsnorm", "rmsnorm"]);
  });

  test("the recipe: the file's own holds over an imported one, a model's own over both", () => {
    const files: Readonly<Record<string, string>> = { "base.moeut": "moeut 1\nmodel base { layer a {}  train { batch 3 } }\ntrain { steps 5  batch 2 }" };
    const text = 'moeut 1\nimport "base.moeut"\nmodel child from base { train { eval_every 9 } }\nmodel alone { layer a {} }\ntrain { steps 7 }';
    const result = checkSource({ file: "x.moeut", text }, { readFile: (path) => ({ file: path, text: files[path]! }) });
    expect(result.diagnostics).toEqual([]);
    expect(result.models.map((m) => [m.name, m.train.steps, m.train.batch, m.train.evalEvery])).toEqual([
      ["child", 7, 3, 9], ["alone", 7, 8, 100],
    ]);
  });
});

describe("--set", () => {
  const SETS = [
    { set: "d_model=64", of: (m: ModelSpec) => m.dModel, is: 64 },
    { set: "feed_forward.n_experts=20", of: (m: ModelSpec) => m.layers.map((l) => l.feedForward.kind === "moe" && l.feedForward.nExperts), is: [20, 20] },
    { set: "layer.a.feed_forward.n_experts=20", of: (m: ModelSpec) => m.layers.map((l) => l.feedForward.kind === "moe" && l.feedForward.nExperts), is: [20, 155] },
    { set: "norm.at=pre", of: (m: ModelSpec) => m.layers.map((l) => l.placement), is: [PRESETS.pre, PRESETS.pre] },
    { set: "attention.on = q, v", of: (m: ModelSpec) => m.layers.map((l) => l.attention.kind === "switchhead" && l.attention.on), is: [["q", "v"], ["q", "v"]] },
    { set: "attention.rope=none", of: (m: ModelSpec) => m.layers.map((l) => l.attention.rope), is: [null, null] },
    { set: "feed_forward=dense", of: (m: ModelSpec) => m.layers.map((l) => l.feedForward.kind), is: ["dense", "dense"] },
    { set: "train.optimizer.lr=1e-3", of: (m: ModelSpec) => m.train.optimizer.lr, is: 1e-3 },
    { set: "train.schedule=constant", of: (m: ModelSpec) => m.train.schedule.kind, is: "constant" },
    { set: "stack=a, own(b) * 2", of: (m: ModelSpec) => m.layers.map((l) => l.name), is: ["a", "b.0", "b.1"] },
  ];
  test.each(SETS)("$set", ({ set, of, is }) => expect(of(model(MOEUT, [set]))).toEqual(is));

  test("drops what was claimed or solved of the file as it is written", () => {
    const text = `${MOEUT}model d from m { layer * { norm layernorm at pre  feed_forward dense { d_ff solve } }  match params m  expect params 44_346_580 +- 10K }`;
    expect(codes(text)).toContain("solved");
    expect(models(text, ["feed_forward.d_ff=9"])["d"]!.layers[0]!.feedForward).toMatchObject({ dFf: 9 });
  });

  test("reaches the models that others inherit from or are matched to", () => {
    const { d, m } = models(
      `${MOEUT}model d from m { layer * { norm layernorm at pre  feed_forward dense { d_ff solve } }  match params m }`, ["d_model=64"],
    );
    expect(d!.dModel).toBe(64);
    expect(Math.abs(countParams(d!).total / countParams(m!).total - 1)).toBeLessThan(0.001);
  });

  test("the later one wins", () => expect(model(MOEUT, ["d_model=64", "d_model=32"]).dModel).toBe(32));
});

describe("counts", () => {
  test("MACs as the authors count them, by hand for MoEUT 44M", () => {
    const [T, d, H, c, F, u, k, E, ka, n, r, depth] = [1024, 412, 4, 82, 155, 128, 12, 8, 2, 2, 2, 16];
    const attention = 2 * H * c * T * T + (n * ka + 4 - n) * d * H * c * T + n * H * ka * T * c + r * E * d * T;
    const feedForward = 2 * T * d * u * k + T * d * F;
    expect(countMacs(model(MOEUT)).moeut).toBe(depth * (attention + feedForward));
  });

  test("MACs of a dense layer, with head and causal attention", () => {
    const m = model("model m { vocab_size 11  seq_len 5  d_model 6  layer a { attention mha { n_heads 2  gate sigmoid }  feed_forward dense { d_ff 7 } } }");
    // 15 pairs of positions, 2 · 3 channels, scores and values; four projections; a gate per head; two maps; the head.
    expect(countMacs(m).full).toBe(2 * 6 * 15 + 4 * 6 * 6 * 5 + 2 * 6 * 5 + 2 * 6 * 7 * 5 + 6 * 11 * 5);
    expect(countMacs(m).moeut).toBe(2 * 6 * 25 + 4 * 6 * 6 * 5 + 2 * 6 * 7 * 5);
  });

  test("active parameters: the chosen experts of each layer and one row of the embedding", () => {
    const { total, active } = countParams(model("model m { vocab_size 11  d_model 6  layer a { attention switchhead { n_heads 1  d_head 2  n_experts 3 on v  top_k 1 }  feed_forward moe { n_experts 5  expert_size 4  top_k 2 } }  stack a * 3 }"));
    const shared = 3 * 2 * 6 + 3 * 6 + 5 * 6 + 3 * 2 * 6 + 11 * 6 + 11; // q k o, routers, three norms, head
    expect(total).toBe(shared + 11 * 6 + 3 * 6 * 2 + 2 * 5 * 6 * 4);
    expect(active).toBe(shared + 6 + 6 * 2 + 2 * 2 * 6 * 4);
  });

  test("identity is the architecture: not names, not the recipe", () => {
    const { a, b, c } = models("model a { layer x {}  stack x * 2 }\nmodel b { layer y {}  stack (y), y  train { steps 3 } }\nmodel c from a { d_model 64 }");
    expect(specHash(b!)).toBe(specHash(a!));
    expect(specHash(c!)).not.toBe(specHash(a!));
  });
});

describe("solve", () => {
  test("finds the nearest whole number", () => {
    const target = countParams(model(MOEUT)).total;
    const dense = (dFf: number | string): string => `${MOEUT}model d from m { layer * { norm layernorm at pre  attention mha { n_heads 10  d_head 41 }  feed_forward dense { d_ff ${dFf} } }  stack own(a) * 16 ${dFf === "solve" ? "match params m" : ""} }`;
    const found = models(dense("solve"))["d"]!.layers[0]!.feedForward;
    if (found.kind !== "dense") throw new Error("not dense");
    const off = (dFf: number): number => Math.abs(countParams(models(dense(dFf))["d"]!).total - target);
    expect(off(found.dFf)).toBeLessThanOrEqual(Math.min(off(found.dFf - 1), off(found.dFf + 1)));
  });

  test("skips sizes that are no model", () => {
    const { d } = models(`${MOEUT}model d { d_model solve  layer a { attention mha { n_heads 12 } }  stack own(a) * 4  match params m }`);
    expect(d!.dModel % 12).toBe(0);
  });
});

describe("compare", () => {
  const compare = (text: string) => {
    const result = checkText(`moeut 1\n${MOEUT}compare c { base m  ${text} }`);
    expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
    return result.compares[0]!;
  };

  test("several fields make a grid, the first slowest, one layer or all of them", () => {
    const { variants, vary, seeds } = compare("vary layer.a.feed_forward.top_k in 2, 4  vary attention.rope.fraction in 0.25, 1  seeds 3");
    expect(variants.map((v) => v.settings)).toEqual([[2, 0.25], [2, 1], [4, 0.25], [4, 1]].map(([k, f]) => ({ "layer.a.feed_forward.top_k": `${k}`, "attention.rope.fraction": `${f}` })));
    expect(variants.map((v) => v.model.layers.map((l) => [l.feedForward.kind === "moe" && l.feedForward.topK, l.attention.rope!.nRotate])))
      .toEqual([
      [[2, 20], [12, 20]], [[2, 82], [12, 82]], [[4, 20], [12, 20]], [[4, 82], [12, 82]]]);
    expect([vary.length, seeds]).toEqual([2, 3]);
  });

  test("a margin, where it says one", () => {
    const margin = (more: string): number | null => compare(`vary layer.a.feed_forward.top_k in 2, 4  ${more}`).margin;
    expect([margin(""), margin("margin 0.02")]).toEqual([null, 0.02]);
  });

  test("stacks, written in quotes", () => {
    const { variants } = compare('vary stack in "(a, b) * 2", "a * 2, b * 2", "a, b * 2", "own(a) * 4"  vary feed_forward.top_k in 2');
    expect(variants.map((v) => [v.model.name, v.model.stack, v.settings["stack"]])).toEqual([
      ["c_a_b_2_2", "(a, b) * 2", "(a, b) * 2"], ["c_a_2_b_2_2", "a * 2, b * 2", "a * 2, b * 2"], ["c_a_b_2_2_v2", "a, b * 2", "a, b * 2"], ["c_own_a_4_2", "own(a) * 4", "own(a) * 4"]]);
  });

  const MATCHES = ["params", "active", "macs"] as const;
  test.each(MATCHES)("match %s to the base, by a field that is not varied", (what) => {
    const { variants, match } = compare(`vary norm.at in pre, sandwich  vary feed_forward.top_k in 10, 12  match ${what} by feed_forward.expert_size`);
    const base = models(MOEUT)["m"]!;
    expect(match).toEqual({ measure: what, by: "feed_forward.expert_size" });
    for (const { model: variant } of variants) expect(Math.abs(measure(variant, what) / measure(base, what) - 1)).toBeLessThan(0.01);
  });
});

describe("norms", () => {
  const layer = (placed: string) => `model m { layer a { norm layernorm ${placed}  feed_forward moe {} } }`;
  const readers = (m: ModelSpec | undefined): readonly string[] => m!.layers[0]!.placement.readers;

  test("a set that is a preset is that preset", () => {
    expect(model(layer("on k, q")).layers[0]!.placement).toEqual(PRESETS.peri);
    expect(specHash(model(layer("on q, k")))).toBe(specHash(model(layer("at peri"))));
    expect(specHash(model(layer("on v, feed_forward, q, k")))).toBe(specHash(model(layer("at pre"))));
    expect(specHash(model(layer("on q")))).not.toBe(specHash(model(layer("on k"))));
  });

  test("`on` replaces an inherited `at`, and the other way round", () => {
    const { b, c } = models(`${layer("at sandwich")}\nmodel b from m { layer a { norm rmsnorm on v } }\nmodel c from b { layer a { norm layernorm at post } }`);
    expect([b!.layers[0]!.placement, c!.layers[0]!.placement]).toEqual([{ stands: "before", readers: ["v"] }, PRESETS.post]);
  });

  test("--set replaces what is written", () => {
    expect(readers(model(layer("at peri"), ["norm.on=v, feed_forward"]))).toEqual(["v", "feed_forward"]);
    expect(readers(model(layer("on v"), ["norm.at=peri"]))).toEqual(["q", "k"]);
  });

  const READ = [
    { why: "no gate, nothing named", text: "norm layernorm on feed_forward  attention mha {}", norms: ["feed_forward"] },
    { why: "a gate", text: "norm layernorm on feed_forward  attention mha { gate sigmoid }", norms: ["attention", "feed_forward"] },
    { why: "a router that reads what values read", text: "norm layernorm on feed_forward  attention moa { router { input residual } }", norms: ["feed_forward"] },
    { why: "a router", text: "norm layernorm on q  feed_forward moe {}", norms: ["attention", "feed_forward"] },
    { why: "a router that reads what experts read", text: "norm layernorm on q  feed_forward moe { router { input residual } }", norms: ["attention"] },
    { why: "behind the sum, whoever reads", text: "norm layernorm at post", norms: ["attention", "feed_forward"] },
  ];
  test.each(READ)("exist if something reads them: $why", ({ text, norms }) => {
    const names = countParams(model(`model m { layer a { ${text} } }`)).tensors.map(({ name }) => name);
    expect(["attention", "feed_forward"].filter((part) => names.includes(`a.norm_${part}.weight`))).toEqual(norms);
    expect(codes(`model m { layer a { ${text} } }`).filter((code) => code === "idle-norm")).toHaveLength(2 - norms.length);
  });
});

describe("balance by bias", () => {
  const ff = (balance: string, train = "") => `model m { layer a { feed_forward moe { ${balance} } }  ${train} }`;
  const balancing = (balance: string): unknown => {
    const { feedForward } = model(ff(balance)).layers[0]!;
    return feedForward.kind === "moe" && [feedForward.balance?.kind ?? null, feedForward.router.loadBiasRate];
  };

  test.each([
    ["balance none", [null, null]], ["balance bias {}", [null, 0.001]], ["balance bias { rate 0 }", [null, 0]], ["balance load {}", ["load", null]],
    ["balance load { bias_rate 0.1 }", ["load", 0.1]], ["balance entropy { bias_rate 0.1 }", ["entropy", 0.1]], ["balance mutual_information { bias_rate 0.1 }", ["mutual_information", 0.1]],
  ])("%s", (text, want) => expect(balancing(text)).toEqual(want));

  test.each([["balance bias {}", []], ["balance load { scope sequence  bias_rate 0.1 }", []], ["balance load { bias_rate 0.1 }", ["accumulated-balance"]]])(
    "%s, in parts of a batch", (text, want) => expect(codes(ff(text, "train { batch 4  accumulate 2 }"))).toEqual(want));
});

describe("format", () => {
  test("settles line ends, tabs and blank lines", () => {
    const text = "\uFEFFmoeut 1\r\n\r\n\r\nmodel m{\r\n\tlayer a{attention mha{n_heads 4 d_head 8}} // a\r\n\r\n}";
    expect(format({ file: "x", text })).toBe("moeut 1\n\nmodel m {\n  layer a { attention mha { n_heads 4  d_head 8 } }  // a\n}\n");
  });

  test("takes a bare carriage return for a line end, as the parser does", () =>
    expect(format({ file: "x", text: "moeut 1\r// why\rmodel m {\rlayer a {} // a\rd_model 8 }" }))
      .toBe("moeut 1\n// why\nmodel m {\n  layer a {}  // a\n  d_model 8\n}\n"));

  test("leaves text alone that it cannot read", () => expect(format({ file: "x", text: "model {{" })).toBe("model {{"));
  test("of nothing is nothing", () => expect(format({ file: "x", text: " \n" })).toBe(""));
});

describe("one mistake, one message", () => {
  const MISTAKES = [
    { why: "a wrong field hides nothing else in the file, and nothing follows from it", text: "model m { layer a { feed_forward moe { n_expert 64  top_k 32 } } }\nmodel n { layer a { norm layernorm at prei } }", codes: ["unknown-field", "unknown-choice"] },
    { why: "what a parent did wrong is not repeated for its children", text: "model m { d_model 0  layer a {} }\nmodel n from m { seq_len 8 }\nmodel o from n { seq_len 9 }", codes: ["out-of-range"] },
    { why: "an unknown parent leaves the layers open", text: "model m from nowhere { layer * { norm layernorm at pre }  stack (a, b) * 2 }", codes: ["unknown-model"] },
    { why: "half a number is not a missing value", text: "model m { d_model 6x4  layer a {} }", codes: ["bad-number"] },
    { why: "a broken base breaks its compare silently", text: "model m { layer a { attention foo } }\ncompare c { base m  vary d_model in 8, 16 }", codes: ["unknown-kind"] },
    { why: "the recipe is checked without a model", text: "train { batch 0 }", codes: ["out-of-range"] },
    { why: "a stack that is none, in a grid", text: 'model m { layer a {} }\ncompare c { base m  vary stack in "a * 2", "own(a" }', codes: ["unexpected-token"] },
    { why: "a stack of layers that are not there, in a grid", text: 'model m { layer a {} }\ncompare c { base m  vary stack in "(a, b) * 2" }', codes: ["unknown-layer"] },
    { why: "a match by what is no field", text: "model m { layer a {} }\ncompare c { base m  vary d_model in 8, 16  match params by feed_forward.n_expert }", codes: ["unknown-path"] },
    { why: "an unclosed brace is one mistake", text: "model m {\n  layer a {\n    attention mha { n_heads 4\n  }\n  stack a * 2\n}\nmodel n from m { d_model 64 }", codes: ["unclosed-block"] },
  ] as const;
  test.each(MISTAKES)("$why", ({ text, codes: want }) => expect(codes(text)).toEqual(want));

  test("one name means one model, imports included", () => {
    const text = 'moeut 1\nimport "base.moeut"\nimport "base.moeut"\nmodel m { layer a {} }';
    const result = checkSource(
      { file: "x.moeut", text }, { readFile: (path) => ({ file: path, text: "moeut 1\nmodel m { layer a {} }" }) },
    );
    expect(result.diagnostics.map((d) => [d.code, d.span?.file, d.labels[0]?.span.file]))
      .toEqual([["duplicate-model", "x.moeut", "base.moeut"]]);
  });
});

describe("a mistake that models share makes none of them valid", () => {
  const SHARED = [
    { why: "repetitions that are none", statement: "layer a {}  stack a * -1", code: "bad-repetition" },
    { why: "half a repetition", statement: "layer a {}  stack (a, a) * 1.5", code: "bad-repetition" },
    { why: "an unknown layer", statement: "layer a {}  stack b * 2", code: "unknown-layer" },
    { why: "two cores", statement: "layer a {}  stack core(a) * 2, core(a) * 2", code: "misplaced-core" },
    { why: "a function of stacks that there is not", statement: "layer a {}  stack twice(a)", code: "unknown-stack-function" },
    { why: "a stack that is too deep", statement: "layer a {}  stack (a * 1000) * 1000", code: "stack-too-deep" },
    { why: "a field set twice", statement: "layer a {}  d_model 64  d_model 64", code: "duplicate-field" },
    { why: "rivals", statement: "layer a { norm layernorm at pre on q }", code: "rival-fields" },
    { why: "a clause that the field does not take", statement: "layer a {}  d_model 64 at pre", code: "unexpected-clause" },
    { why: "a statement that belongs elsewhere", statement: "layer a { stack a }", code: "misplaced-statement" },
    { why: "a layer named twice", statement: "layer a, a {}", code: "repeated-value" },
    { why: "two stacks", statement: "layer a {}  stack a  stack a * 2", code: "duplicate-field" },
  ] as const;
  test.each(SHARED)("$why", ({ statement, code }) => {
    const text = `moeut 1\nmodel m { ${statement} }\nmodel n from m {}\nmodel o from n { seq_len 8 }\ncompare c { base n  vary d_model in 8, 16 }`;
    const { models: valid, compares, diagnostics } = checkText(text);
    expect(diagnostics.map((d) => d.code)).toEqual([code]);
    expect([valid, compares]).toEqual([[], []]);
  });

  test("in the recipe of a file and in overrides as well", () => {
    const two = "model m { layer a {} }\nmodel n { layer a {} }\nmodel o from m {}";
    expect(checkText(`moeut 1\n${two}\ntrain { batch 8  batch 8 }`).models).toEqual([]);
    const overridden = checkText(`moeut 1\n${two}`, ["stack=a * 0"]);
    expect(overridden.diagnostics.map((d) => d.code)).toEqual(["bad-repetition"]);
    expect(overridden.models).toEqual([]);
  });

  test("in the variants of two grids", () => {
    const { diagnostics, compares } = checkText('moeut 1\nmodel m { layer a {} }\nmodel n from m {}\ncompare c { base m  vary stack in "a", "a * -1" }\ncompare d { base n  vary stack in "a * -1", "a * 2" }');
    expect([diagnostics.map((d) => d.code), compares]).toEqual([["bad-repetition", "bad-repetition"], []]);
  });
});

describe("numbers of single precision", () => {
  const ADAMW = (fields: string): string => `model m { layer a {} train { optimizer adamw { ${fields} } } }`;
  test.each([
    ADAMW("eps 1e-50"), ADAMW("lr 1e-60"), ADAMW("weight_decay 1e-39"), ADAMW("betas 1e-46, 0.9"), "model m { layer a { residual_scale 1e-40 } }", "model m { embedding { scale 1e-300 } layer a {} }",
    "model m { layer a {} core { state normal { std 1e-45 } inject add } stack core(a) * 2 }", "model m { layer a { feed_forward moe { router { expert_dropout 0.99999999 } } } }", "fn f(x) = x + 1e-60\nmodel m { layer a {} }",
  ])("%s is refused", (text) => expect(checkText(`moeut 1\n${text}`).diagnostics.map((d) => d.code)).toEqual(["indistinct-number"]));

  test.each([ADAMW("eps 1e-30  lr 0  weight_decay 0"), ADAMW("betas 0.9, 0.99999999"), "model m { layer a { norm layernorm { eps 1.2e-38 } } }", "model m { layer a { feed_forward moe { router { input_dropout 0.9999 } } } }"])(
    "%s is not", (text) => expect(codes(text)).toEqual([]));

  test("overrides and grids as well", () => {
    expect(codes("model m { layer a {} }", ["train.optimizer.eps=1e-46"])).toEqual(["indistinct-number"]);
    expect(codes("model m { layer a {} }\ncompare c { base m  vary norm.eps in 1e-5, 1e-46 }")).toEqual(["indistinct-number"]);
  });
});

describe("what is written otherwise elsewhere", () => {
  test.each([
    { text: "model m { layer a { feed_forward dense { activation swiglu } } }", code: "unknown-choice", hint: "`activation silu  glu true`" },
    { text: "model m { layer a { feed_forward moe { activation GeGLU } } }", code: "unknown-choice", hint: "`activation gelu  glu true`" },
    { text: "model m { layer a { feed_forward reglu { d_ff 8 } } }", code: "unknown-kind", hint: "`activation relu  glu true`" },
    { text: "model m { layer a { attention gqa { n_heads 4 } } }", code: "unknown-kind", hint: "n_kv_heads" },
    { text: "function f(x) = max(x, 0)\nmodel m { layer a {} }", code: "unknown-item", hint: "`fn f(x) = max(x, 0)`" },
    { text: "function f(x) {\n  return x;\n}\nmodel m { layer a {} }", code: "unknown-item", hint: "`fn f(x)" },
    { text: "def f(x, y): return x + y\nmodel m { layer a {} }", code: "unknown-item", hint: "`fn f(x)" },
    { text: "fn g(x) = x * x\nlet f = x -> x\nmodel m { layer a {} }", code: "unknown-item", hint: "`fn f(x)" },
    { text: "model m { layer a { norm layernorm { eps 1e−3 } } }", code: "bad-number", hint: "`1e-3`" },
    { text: "fn f(x) = x − 1\nmodel m { layer a {} }", code: "unexpected-character", hint: "a minus sign is `-`" },
    { text: "model m { layer a {} seq_len –8 }", code: "unexpected-character", hint: "a minus sign is `-`" },
    { text: "import “base.moeut”\nmodel m { layer a {} }", code: "unexpected-character", hint: "straight double quotes" },
    { text: "import 'base.moeut'\nmodel m { layer a {} }", code: "unexpected-character", hint: "double quotes" },
    { text: "model m { layer a {} stack a × 4 }", code: "unexpected-character", hint: "`*`" },
    { text: "model m { layer a {} d_mоdel 8 }", code: "unexpected-character", hint: "letters a to z" }, // a Cyrillic о
    { text: "model m { layer a {}\u200b }", code: "unexpected-character", hint: "cannot be seen" },
  ])("$text", ({ text, code, hint }) => {
    const { diagnostics } = checkText(`moeut 1\n${text}`);
    expect(diagnostics.map((d) => d.code)).toEqual([code]);
    expect(diagnostics[0]!.hint).toContain(hint);
  });

  test("spaces of other kinds are spaces", () => expect(codes("model m {\u00a0layer\u2003a {}\u3000d_model\u00a064 }")).toEqual([]));
});

test("independent mistakes of a model come together", () => {
  const text = "model m { layer a { feed_forward moe { n_experts 2  top_k 4 } }  layer b { attention mha { n_heads 3  n_kv_heads 2  d_head 8 } }\n  core { state zero }  stack core(a, b) * 2  train { batch 3  accumulate 2 } }";
  expect([...codes(text)].sort()).toEqual(["core-without-input", "top-k-exceeds-experts", "uneven-batch", "uneven-kv-heads"]);
});
