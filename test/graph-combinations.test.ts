/**
 * Features that do not depend on each other, together: every pair of them is checked, planned, and its gradients are compared with finite
 * differences in float64.
 */
import { expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { compileModel, isCausal } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { checkText, rendered } from "./support/corpus.ts";
import { NOISE } from "./support/odd-models.ts";
import { randomParams, worstSlope } from "./support/tiny-graph.ts";

const [B, T, V] = [2, 5, 11];
const tokens = Array.from({ length: B * T }, (_, i) => (i * 7 + 3) % V);
const targets = Array.from({ length: B * T }, (_, i) => (i * 5 + 1) % V);
const inputs = { tokens, targets, loss_scale: [0.5], noise: NOISE };

interface Written {
  readonly attention?: string;
  readonly feedForward?: string;
  readonly norm?: string;
  readonly top?: string;
  readonly stack?: string;
}

const text = ({ attention = "attention mha { n_heads 2  d_head 6 }", feedForward = "feed_forward dense { d_ff 9 }", norm = "norm layernorm at peri", top = "", stack = "a * 2" }: Written): string =>
  `moeut 1\nmodel m { vocab_size ${V}  seq_len ${T}  d_model 7  ${top}  layer a { ${norm}  ${attention}  ${feedForward} }  stack ${stack}  train { batch ${B} } }`;

function modelOf(source: string): ModelSpec {
  const result = checkText(source);
  expect(result.diagnostics.filter((d) => d.severity === "error"), rendered(result)).toEqual([]);
  return result.models[0]!;
}

/** Every entry is planned; losses are numbers, and their gradients are those of finite differences. */
function expectSound(source: string): void {
  const model = modelOf(source);
  compileModel(model, {
    batch: B, seqLen: T, chunk: 3,
    entries: isCausal(model) ? ["train", "update", "evaluate", "prefill", "decode"] : ["train", "update", "evaluate"],
  });
  const graph = buildGraph(model, { kind: "train", batch: B, seqLen: T });
  const params = randomParams(graph, 5, 0.3);
  const worst = worstSlope(graph, params, inputs, 1e-6);
  expect(worst.error, worst.param).toBeLessThan(1e-6);
}

/** Terms of the loss. */
const TERMS = [
  ...["sequence", "batch", "token"].flatMap((over) => ["passes", "site"].map((by) => `entropy { weight 0.3  scope ${over}, ${by} }`)),
  ...["batch", "sequence"].flatMap((over) => ["site", "passes"].map((by) => `load { weight 0.3  scope ${over}, ${by} }`)),
  "mutual_information { weight 0.3 }",
];
const withBias = (term: string, i: number): string => (i % 2 === 0 ? term : term.replace("}", " bias_rate 0.01 }"));

const OWNERS: Readonly<Record<string, (balance: string) => Written>> = {
  ...Object.fromEntries(["q", "k", "v", "o", "v, o", "q, k, v, o"].map((on) =>
    [`switchhead on ${on}`, (balance: string) => ({ attention: `attention switchhead { n_heads 3  d_head 6  n_experts 4 on ${on}  top_k 2  balance ${balance} }` })])),
  "moa": (balance) => ({ attention: `attention moa { n_experts 4  expert_size 8  d_head 4  top_k 2  balance ${balance} }` }),
  "moe": (balance) => ({ feedForward: `feed_forward moe { n_experts 5  expert_size 6  top_k 2  balance ${balance} }` }),
};
const HALTINGS = ["halting none", "halting act { threshold 0.6 }", "halting graves { threshold 0.8 }"];

// Halting and biases go round, so that each owner and each term meets all of it.
test.each(Object.entries(OWNERS).flatMap(([owner, write], i) => [...TERMS.map((term, j) => withBias(term, i + j)), "none", "bias { rate 0.01 }"].map((balance, j) => ({ owner, balance, top: HALTINGS[(i + j) % 3]!, write }))))(
  "$owner, balance $balance, $top", ({ write, balance, top }) => expectSound(text({ ...write(balance), top })));

const FACTORS: { readonly [K in keyof Required<Written> | "core" | "embedding" | "head"]: readonly string[] } = {
  attention: [
    "attention mha { n_heads 2  d_head 6 }", "attention mha { n_heads 2  d_head 6  gate sigmoid  rope none }", "attention mha { n_heads 4  n_kv_heads 2  d_head 4  window 2 }",
    "attention mha { n_heads 2  d_head 6  causal false  positions relative { max 3 } }", "attention switchhead { n_heads 2  d_head 6  n_experts 3 on v, o  top_k 2 }",
    "attention switchhead { n_heads 2  d_head 5  n_experts 3 on q, k  top_k 2  qk_norm rmsnorm { }  router { input residual  score softmax } }",
    "attention moa { n_experts 4  expert_size 8  d_head 4  top_k 2  positions relative { max 2 }  router { score softmax  weight renormalized  hidden 5 }  balance mutual_information { weight 0.1 } }",
  ],
  feedForward: [
    "feed_forward dense { d_ff 9  activation gelu }", "feed_forward dense { d_ff 9  activation silu  glu true  bias false }", "feed_forward moe { n_experts 5  expert_size 6  top_k 2  activation silu }",
    "feed_forward moe { n_experts 5  expert_size 6  top_k 3  activation silu  glu true  bias true  n_shared 1  router { score softmax  weight renormalized  z_loss 0.1 }  balance load { weight 0.1 } }",
    "feed_forward moe { n_experts 5  expert_size 6  top_k 2  activation gelu  bias shared_output  router { input residual  sampled 1  expert_dropout 0.2  bias true }  balance entropy { weight 0.1  bias_rate 0.01 } }",
  ],
  norm: ["norm layernorm at peri", "norm layernorm at pre", "norm rmsnorm at post", "norm rmsnorm at sandwich", "norm layernorm on v, feed_forward", "norm layernorm on q, k { affine false }  residual_scale 0.5"],
  top: HALTINGS,
  core: ["", "core { inject add  state zero }", "core { inject concat  pass_embedding learned }", "core { inject gate  state normal { std 0.4 } }", "core { pass_embedding sinusoidal { base 50  positions true } }"],
  embedding: ["", "embedding { scale 2  norm layernorm { } }", "embedding { scale sqrt_d_model }"],
  head: ["", "head { tied true  bias false  norm rmsnorm { } }"],
  stack: ["own(a) * 2", "a * 3", "a, core(a) * 2", "core(a) * 3, a"],
};
type Row = Readonly<Record<keyof typeof FACTORS, string>>;

/** A marked core and a stack of passes belong together. */
const isAllowed = ({ core, stack }: Partial<Row>): boolean =>
  core === undefined || stack === undefined || core === "" || stack.includes("core");

/** Rows in which every allowed pair of values meets: each row takes, factor by factor, the value that meets most of what it has not met. */
function pairwise(): readonly Row[] {
  const names = Object.keys(FACTORS) as (keyof typeof FACTORS)[];
  const pair = (f: string, a: string, g: string, b: string): string => (f < g ? `${f} ${a} | ${g} ${b}` : `${g} ${b} | ${f} ${a}`);
  const open = new Set(names.flatMap((f, i) => names.slice(i + 1)
    .flatMap((g) => FACTORS[f].flatMap((a) => FACTORS[g].flatMap((b) => (isAllowed({ [f]: a, [g]: b }) ? [pair(f, a, g, b)] : []))))));
  const rows: Row[] = [];
  while (open.size > 0) {
    const [first] = open;
    const given = names.flatMap((f) => FACTORS[f].filter((a) => first!.split(" | ").includes(`${f} ${a}`)).map((a) => [f, a] as const));
    const row: Partial<Record<keyof typeof FACTORS, string>> = Object.fromEntries(given);
    for (const f of names) {
      if (row[f] !== undefined) continue;
      const gain = (a: string): number => Object.entries(row).filter(([g, b]) => open.has(pair(f, a, g, b))).length;
      row[f] = FACTORS[f].filter((a) => isAllowed({ ...row, [f]: a })).reduce((best, a) => (gain(a) > gain(best) ? a : best));
    }
    names.forEach((f, i) => names.slice(i + 1).forEach((g) => open.delete(pair(f, row[f]!, g, row[g]!))));
    rows.push(row as Row);
  }
  return rows;
}

test.each(pairwise())("$attention, $feedForward, $norm, $top, $core, $embedding, $head, $stack", ({ core, embedding, head, top, ...parts }) =>
  expectSound(text({ ...parts, top: `${top}  ${core}  ${embedding}  ${head}` })));

test("mutual information of heads is the mean over heads of what each has by itself", () => {
  const graph = buildGraph(modelOf(text(OWNERS["switchhead on v"]!("mutual_information { weight 0.3 }"))), {
    kind: "train", batch: B, seqLen: T,
  });
  const values = evaluateGraph(graph, { params: randomParams(graph, 5, 0.3), inputs });
  const [heads, experts, passes] = [3, 4, 2];
  const logits = graph.values.filter((v) => v.name === "a.attention.router_v.logits").map((v) => values[v.id]!); // [B, T, H, E] per pass
  expect(logits).toHaveLength(passes);
  const pLogP = (p: readonly number[]): number => p.reduce((sum, x) => sum + x * Math.log(x), 0);
  const weight = 1 / (B * T * passes * experts);
  const ofHead = (head: number): number => {
    const rows = logits.flatMap((all) => Array.from({ length: B * T }, (_, row) => {
      const exps = Array.from(all.subarray((row * heads + head) * experts, (row * heads + head + 1) * experts), Math.exp);
      return exps.map((e) => e / exps.reduce((a, b) => a + b, 0));
    }));
    const load = Array.from({ length: experts }, (_, e) => rows.reduce((sum, row) => sum + weight * row[e]!, 0));
    return -(rows.reduce((sum, row) => sum + weight * pLogP(row), 0) + pLogP(load));
  };
  expect(values[graph.outputs["reg_loss"]!]![0]).toBeCloseTo((0.3 * (ofHead(0) + ofHead(1) + ofHead(2))) / 3, 12);
});
