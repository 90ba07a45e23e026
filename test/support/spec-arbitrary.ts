/**
 * Arbitrary valid specs, tiny and in odd sizes. `specText` is text as people might lay it out; `modelSpec` is what the
 * checker makes of it, for tests of later phases.
 */
import fc from "fast-check";
import { ACTIVATIONS, type ModelSpec, NORM_READERS } from "../../compiler/ir/model-spec.ts";
import { NORM_KINDS } from "../../compiler/parameters/parameters.ts";
import { checkText, rendered } from "./corpus.ts";

const between = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const field = (name: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<string> => value.map((v) => `${name} ${String(v)}`);
const maybe = (text: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof({ weight: 2, arbitrary: text }, { weight: 1, arbitrary: fc.constant("") });
const flag = fc.boolean();

/** Statements in one block, on one line or several, some with comments. */
const block = (head: string, ...statements: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom("  ", "\n", "\n\n", " // why\n", "\n// on a line of its own\n"), ...statements)
    .map(([gap, ...parts]) => `${head} {${gap.includes("\n") ? "\n" : " "}${parts.filter((p) => p !== "").join(gap)}${gap.includes("\n") ? "\n" : " "}}`);

const norm = (head: string): fc.Arbitrary<string> =>
  fc.constantFrom(...NORM_KINDS).chain((kind) =>
    block(`${head} ${kind}`, maybe(field("eps", fc.constantFrom("1e-5", "1e-6", "0.001"))), maybe(field("affine", flag))));

const { sum: expression } = fc.letrec<{ sum: string; product: string; factor: string }>((tie) => ({
  sum: fc.oneof({ maxDepth: 2 }, tie("product"), fc.tuple(tie("sum"), fc.constantFrom(" + ", "-", " -", "\n  + "), tie("product")).map((parts) => parts.join(""))),
  product: fc.oneof({ maxDepth: 2 }, tie("factor"), fc.tuple(tie("product"), fc.constantFrom("*", " * ", " / "), tie("factor")).map((parts) => parts.join(""))),
  factor: fc.oneof({ maxDepth: 2 },
    fc.constantFrom("x", "x", "-x", "0.5", "-2", "1e-3", "15", "10_000"),
    tie("sum").map((inner) => `(${inner})`), tie("sum").map((inner) => `-(${inner})`),
    fc.tuple(fc.constantFrom("tanh", "sigmoid", "erf", "abs", "relu2", "gelu_tanh", "helper"), tie("sum")).map(([name, of]) => `${name}(${of})`),
    fc.tuple(fc.constantFrom("max", "min", "blend"), tie("sum"), tie("sum")).map(([name, a, b]) => `${name}(${a}, ${b})`),
    fc.tuple(fc.constantFrom("<", "<=", " > ", ">="), tie("sum"), tie("sum"), tie("sum"), tie("sum")).map(([sign, x, y, a, b]) => `where(${x}${sign}${y},${a} ,${b})`)),
}));

/** Two helpers, and the functions `act` and `grade` that blocks and routers use. */
const functions = fc.tuple(expression, expression, fc.constantFrom("\n", " // why\n", "  ")).map(([act, grade, gap]) =>
  [`fn act(x) = x * x + (${act})`, "fn blend(a,b)=a/2 +b/3", `fn grade(x) = tanh(x) + 0.1 * (${grade})`, "fn helper(x) = where(x<0, x, log(1+x))"].join(gap) + "\n")
  .filter((text) => checkText(`moeut 1\n${text}\nmodel m { layer a { feed_forward moe { activation act  router { score grade } } } }`).models.length === 1);

const anyNorm = fc.oneof(fc.constant("norm none"), norm("norm"));

const router = block("router",
  maybe(field("input", fc.constantFrom("norm", "residual"))),
  maybe(field("score", fc.constantFrom("sigmoid", "softmax", "grade"))),
  maybe(field("weight", fc.constantFrom("score", "renormalized"))),
  maybe(field("hidden", fc.constantFrom(0, 5))), maybe(field("eps", fc.constantFrom("0", "1e-6"))), maybe(field("bias", flag)), maybe(field("z_loss", fc.constantFrom("0", "0.001"))),
  maybe(field("expert_dropout", fc.constantFrom("0", "0.3"))), maybe(field("input_dropout", fc.constantFrom("0", "0.25"))), maybe(field("sampled", fc.constantFrom(0, 1))));

// Not over the batch: the recipe may split it.
const scope = (...over: string[]) => fc.tuple(fc.constantFrom(...over), fc.constantFrom("passes", "site")).map((words) => words.join(", "));
const weight = field("weight", fc.constantFrom("0.01", "1e-3", "0.5"));
const biasRate = maybe(field("bias_rate", fc.constantFrom("0", "0.001")));
const balance = fc.oneof(
  fc.constant("balance none"), block("balance entropy", weight, maybe(field("scope", scope("sequence", "token"))), biasRate),
  block("balance load", weight, field("scope", scope("sequence")), biasRate), block("balance bias", maybe(field("rate", fc.constantFrom("0.001", "0.1")))));

const rope = fc.oneof(
  fc.constant("rope none"), fc.constant(""),
  block("rope", maybe(field("fraction", fc.constantFrom("0.5", "1", "0.31"))), maybe(field("base", fc.constantFrom("10_000", "500"))),
    maybe(fc.constantFrom("stretch { factor 8  length 8 }", "stretch { factor 2.5 }"))));

/** top_k of at most n_experts. */
const experts = (max: number, write: (n: number) => string): fc.Arbitrary<string> =>
  between(1, max).chain((n) => between(1, Math.min(n, 4)).map((k) => `${write(n)}  top_k ${k}`));

const positions = maybe(fc.constantFrom("positions none", "positions relative { max 2 }", "positions relative { max 6 }"));
const scores = [
  rope, positions,
  maybe(fc.oneof(fc.constant("qk_norm none"), norm("qk_norm"))), maybe(field("window", fc.constantFrom(0, 1, 5))), maybe(field("causal", flag)),
] as const;
const heads = [field("n_heads", between(1, 3)), field("d_head", fc.constantFrom(4, 7, 8, 13)), ...scores] as const;
const projections = fc.subarray(["q", "k", "v", "o"], { minLength: 1 }).map((on) => on.join(", "));

const attention = fc.oneof(
  block("attention mha", ...heads, maybe(fc.constant("n_kv_heads 1")), maybe(field("gate", fc.constantFrom("none", "sigmoid"))),
    maybe(field("bias", fc.constantFrom(true, false, "qkv")))),
  projections.chain((on) => block("attention switchhead", ...heads, experts(5, (n) => `n_experts ${n} on ${on}`), maybe(router), maybe(balance))),
  fc.constantFrom("expert_size 8", "expert_size 24  d_head 12").chain((size) => block("attention moa", experts(5, (n) => `${size}  n_experts ${n}`), ...scores, maybe(router), maybe(balance))));

const activation = maybe(field("activation", fc.constantFrom(...ACTIVATIONS, "act")));

const feedForward = fc.oneof(
  block("feed_forward dense", field("d_ff", between(1, 40)), activation, maybe(field("glu", flag)), maybe(field("bias", flag))),
  block("feed_forward moe", experts(7, (n) => `n_experts ${n}`), field("expert_size", fc.constantFrom(1, 4, 9, 16)), activation,
    maybe(field("glu", flag)), maybe(field("bias", fc.constantFrom(true, false, "shared_output"))), maybe(fc.constantFrom("n_shared 0", "n_shared 2", "n_shared 2  shared_gate sigmoid")), maybe(router), maybe(balance)));

const layerNorm = (placement: string): fc.Arbitrary<string> => norm("norm").map((text) => text.replace(/norm (\w+)/, `norm $1 ${placement}`));

/** The same for all layers: those at post share no stream with others. */
const placements = fc.oneof(fc.constantFrom("at peri", "at pre", "at post", "at sandwich"), fc.subarray(NORM_READERS.slice(), { minLength: 1 }).map((readers) => `on ${readers.join(", ")}`));

const layer = (name: string, placement: string): fc.Arbitrary<string> => block(`layer ${name}`, layerNorm(placement), attention, feedForward, maybe(field("residual_scale", fc.constantFrom("1", "0.5"))));

const core = fc.constantFrom("none", "learned", "sinusoidal { base 50  positions true }").chain((embedding) => fc.constantFrom(
  "core { }", "core { inject concat  state normal { std 0.2 } }", `core { inject add  pass_embedding ${embedding} }`, `core { inject concat  state zero  pass_embedding ${embedding} }`, `core { inject gate  state zero }`, `core { pass_embedding ${embedding} }`));

/** Uses every layer, at most a dozen deep. */
function stack(names: readonly string[]): fc.Arbitrary<string> {
  const group = names.join(", ");
  return fc.tuple(between(1, 3), fc.constantFrom("", "own")).chain(([n, own]) => fc.constantFrom(
    `stack ${own}(${group}) * ${n}`,
    `stack ${names.map((name) => `${name} * ${n}`).join(", ")}`,
    `stack core(${own}(${group})) * ${n}`,
    `stack ${names[0]}, core(${names.at(-1)}, ${names[0]}) * ${n}, ${group}`,
    `stack (${own}(${names[0]}), ${group}) * ${n}`,
    `stack ${group}`,
    "",
  ));
}

const train = block("train",
  block("optimizer adamw", field("lr", fc.constantFrom("1e-3", "2.5e-4")), maybe(field("weight_decay", fc.constantFrom("0", "0.1"))), maybe(fc.constant("betas 0.9, 0.95"))),
  fc.constantFrom("", "schedule constant { }", "schedule linear { floor 0 }", "schedule cosine { warmup 2  floor 0.1 }"),
  fc.constantFrom("batch 2", "batch 4  accumulate 2", "batch 3  accumulate 3"),
  maybe(field("grad_clip", fc.constantFrom("none", "0.25"))), field("steps", between(3, 20)));

/** A file with one model `m` that has no errors (it may have warnings). */
export const specText: fc.Arbitrary<string> = fc.tuple(between(1, 3), placements, functions).chain(([count, placement, fns]) => {
  const names = ["a", "b", "c"].slice(0, count);
  return block(`moeut 1\n\n${fns}model m`,
    field("vocab_size", fc.constantFrom(5, 16, 53)), field("seq_len", fc.constantFrom(1, 3, 8, 19)), field("d_model", fc.constantFrom(4, 8, 16, 31, 37, 40)),
    maybe(block("embedding", maybe(field("scale", fc.constantFrom("1", "sqrt_d_model", "0.5"))), maybe(anyNorm))),
    maybe(fc.constantFrom("halting none", "halting act { threshold 0.6 }", "halting graves { threshold 0.8  bias 0.5 }")), maybe(core),
    maybe(block("head", maybe(field("bias", flag)), maybe(field("tied", flag)), maybe(anyNorm))),
    ...names.map((name) => layer(name, placement)), stack(names), train);
});

/** What the checker makes of `specText`. */
export const modelSpec: fc.Arbitrary<ModelSpec> = specText.map((text) => {
  const result = checkText(text);
  if (result.models.length !== 1) throw new Error(`a generated spec is wrong:\n${text}\n${rendered(result)}`);
  return result.models[0]!;
});
