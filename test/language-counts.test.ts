/** Counts by named conventions against arithmetic by hand. */
import { describe, expect, test } from "vitest";
import { countApplied, countConventions, countParams, paperTrainingMacs } from "../compiler/counts/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { checkFile, checkText, rendered } from "./support/corpus.ts";

const SPECS = new URL("../specs/", import.meta.url);

function model(text: string): ModelSpec {
  const result = checkText(`moeut 1\n${text}`);
  expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
  return result.models[0]!;
}

const counts = (text: string) => countConventions(model(text));

describe("a shared σ-MoE layer, applied three times", () => {
  // V = 11, T = 5, D = 6; two heads of 3; four experts of size 2, two active; one layer, three applications.
  const text = `model m {
    vocab_size 11  seq_len 5  d_model 6
    layer a { norm layernorm at peri  attention mha { n_heads 2  d_head 3 }  feed_forward moe { n_experts 4  expert_size 2  top_k 2 } }
    stack a * 3
    train { batch 7  steps 10 }
  }`;
  const embedding = 11 * 6;
  const head = 11 * 6 + 11 + 2 * 6; // weights, bias, norm
  const attention = 4 * 6 * 6;
  const norms = 2 * 2 * 6;
  const router = 4 * 6;
  const expert = 2 * 6 * 2;

  test("parameters", () => {
    const layer = attention + norms + router + 4 * expert;
    expect(counts(text).params).toEqual({
      unique: embedding + head + layer,
      active: 6 + head + attention + norms + router + 2 * expert,
      effective: embedding + head + 3 * layer,
    });
  });

  test("MACs", () => {
    const products = attention + 2 * expert + router; // per token and application
    const causal = (2 * 6 * 15) / 5; // 15 pairs of 5 positions, scores and mixes of 6 channels, per token
    const square = (2 * 6 * 25) / 5;
    const forward = {
      moeut: 3 * (products + square),
      causal: 3 * (products + causal) + 66, causal_no_head: 3 * (products + causal),
      square: 3 * (products + square) + 66, square_no_head: 3 * (products + square),
    };
    const { macs } = counts(text);
    expect(macs.forward).toEqual(forward);
    expect(macs.training).toEqual(Object.fromEntries(Object.entries(forward).map(([name, n]) => [name, 3 * n])));
    expect(paperTrainingMacs(model(text))).toBe(3 * (products + square) * 5 * 7 * 10);
  });
});

describe("SwitchHead", () => {
  // D = 4, T = 3, two heads of 2 with three experts on v and o, one active: each head has routers of its own.
  const { macs, params } = counts("model m { vocab_size 5  seq_len 3  d_model 4  layer a { norm layernorm at peri  attention switchhead { n_heads 2  d_head 2  n_experts 3 on v, o  top_k 1 }  feed_forward dense { d_ff 7  bias false } } }");
  const projections = 4 * 4 * 4; // q, k, and one expert each of v and o
  const weights = 2 * 4 * 1; // the chosen experts' outputs times their scores, v and o
  const feedForward = 2 * 4 * 7;

  test("routers of two heads are two, but one to the authors", () => {
    expect(macs.forward.moeut).toBe((2 * 4 * 9) / 3 + projections + weights + 2 * 3 * 4 + feedForward);
    expect(macs.forward.causal_no_head).toBe((2 * 4 * 6) / 3 + projections + weights + 2 * 2 * 3 * 4 + feedForward);
  });

  test("active parameters have one of three experts", () => {
    expect(params.unique - params.active).toBe(2 * (2 * 2 * 2 * 4) + 4 * 4); // two of three experts, 2 heads × 2 × 4 numbers, v and o; four rows of the embedding
  });
});

test("windows and encoders see other numbers of pairs", () => {
  const macs = (attention: string): number =>
    counts(`model m { vocab_size 5  seq_len 4  d_model 4  layer a { attention mha { n_heads 1  ${attention} } } }`).macs.forward.causal;
  const per = (pairs: number): number => (2 * 4 * pairs) / 4;
  expect(macs("window 2") - macs("")).toBe(per(1 + 2 + 2 + 2) - per(10));
  expect(macs("causal false") - macs("")).toBe(per(16) - per(10));
});

test("a tied table is active as a whole, and is one table however deep the model is", () => {
  const text = (depth: number) =>
    `model m { vocab_size 5  d_model 4  layer a { attention mha { n_heads 1 } }  head { tied true }  stack a * ${depth} }`;
  const { total } = countParams(model(text(1)));
  expect(counts(text(1)).params).toEqual({ unique: total, active: total, effective: total });
  const layer = 4 * 16 + 2 * 2 * 4 + (2 * 4 * 16 + 16 + 4);
  expect(counts(text(3)).params).toEqual({ unique: total, active: total, effective: total + 2 * layer });
});

test("what is applied once and in each pass, without the table and the head", () => {
  const applied = (stack: string, more = ""): unknown => countApplied(model(`model m {
    vocab_size 5  d_model 4  layer a, b { attention mha { n_heads 1 } }  ${more}  stack ${stack}
  }`));
  const layer = 4 * 16 + 2 * 2 * 4 + (2 * 4 * 16 + 16 + 4);
  const norm = 2 * 4; // of the head
  expect(applied("a, b")).toEqual({ once: 2 * layer + norm, repeated: 0, passes: 1 });
  expect(applied("(a, b) * 3")).toEqual({ once: norm, repeated: 2 * layer, passes: 3 });
  expect(applied("a, b * 3")).toEqual({ once: layer + norm, repeated: layer, passes: 3 });
  expect(applied("a, core(b) * 3", "core { inject concat }")).toEqual({ once: layer + norm, repeated: layer + 2 * 16, passes: 3 });
});

test("MoEUT 44M by hand", () => {
  const m = checkFile(SPECS, "moeut_44m.moeut").models[0]!;
  const [d, V, E, F] = [412, 8000, 8, 155];
  const attention = 2 * d * 328 + 2 * E * d * 328 + 2 * 4 * E * d; // q and k; experts of v and o; routers
  const feedForward = F * (2 * d * 128 + d);
  const layer = attention + feedForward + 2 * 2 * d;
  const rest = 2 * V * d + V + 2 * d;
  const { params } = countConventions(m);
  expect([params.unique, params.effective]).toEqual([44_345_792, rest + 16 * layer]);
  expect(params.unique).toBe(rest + 2 * layer);
});

test("a core of two layers and four passes: its maps, its passes' vectors, and who decides", () => {
  const text = (core: string) =>
    `model m { vocab_size 5  d_model 4  ${core}  layer p, a, b { attention mha { n_heads 1 } }  stack p, core(a, b) * 4, p }`;
  const [bare, gated] = [counts(text("")), counts(text("core { inject gate  pass_embedding learned }"))];
  expect(gated.params.unique - bare.params.unique).toBe(2 * 4 * 4 + 4 + 4 * 4); // two maps, the gate's bias, four vectors
  expect(gated.macs.forward.moeut - bare.macs.forward.moeut).toBe((1 + 4) * 4 * 4); // what is injected once, the state in every pass
  expect(counts(text("core { inject add }")).params).toEqual(bare.params);
  const [graves, act] = [counts(text("halting graves { }")), counts(text("halting act { }"))];
  expect(graves.params.unique - bare.params.unique).toBe(4 + 1); // the layer that a pass begins with decides
  expect(act.params.unique - bare.params.unique).toBe(4 * 4 + 4 + 2 * 4);
  expect(graves.macs.forward.causal - bare.macs.forward.causal).toBe(4 * 4);
  expect(act.macs.forward.causal - bare.macs.forward.causal).toBe(3 * (4 * 4 + 2 * 4));
});
