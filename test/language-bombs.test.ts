/** Texts that are large in one way: answers come in time that grows with the text, and not with its square or faster. */
import { describe, expect, test } from "vitest";
import { countMacs, countParams } from "../compiler/counts/index.ts";
import { diffModels } from "../compiler/diff/index.ts";
import { drawModel } from "../compiler/draw/index.ts";
import { format, printSpec, specHash } from "../compiler/format/index.ts";
import { checkSource, renderDiagnostics } from "../compiler/front.ts";

const N = 1_000;
/** Seconds of CPU: most take a tenth of one; with a square somewhere it is minutes. */
const MOST_CPU = 10;

const times = (f: (i: number) => string, between = "\n", n = N): string => Array.from({ length: n }, (_, i) => f(i)).join(between);
const files = (f: (i: number) => readonly (readonly [string, string])[]): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from({ length: N }, (_, i) => f(i)).flat());
const M = "model m { layer a {} }\n";
const MOE = "feed_forward moe { n_experts 4  expert_size 8  top_k 2 }";
const SIXTEEN = times((i) => `${4 * (i + 1)}`, ", ", 16);

interface Bomb {
  readonly text: string;
  readonly imports?: Readonly<Record<string, string>>;
  readonly overrides?: readonly string[];
  /** Errors and all; undefined: not the point. */
  readonly models?: number;
}

const BOMBS: Readonly<Record<string, Bomb>> = {
  "nested blocks": { text: `model m ${times(() => "{ x ", "")}${times(() => "}", "")}` },
  "blocks that stay open": { text: `model m ${times(() => "{ x ", "")}` },
  "nested parentheses in a stack": { text: `model m { layer a {} stack ${times(() => "(", "")}a${times(() => ")", "")} }` },
  "nested parentheses in a function": { text: `fn f(x) = ${times(() => "(", "")}x${times(() => ")", "")}` },
  "nested repetitions": { text: `model m { layer a {} stack ${"(".repeat(60)}a${") * 1e9".repeat(60)} }` },
  "long names": { text: `model ${"m".repeat(100 * N)} { layer ${"a".repeat(100 * N)} {} ${"z".repeat(100 * N)} 1 }` },
  "a long line": { text: `model m { layer a {} ${times(() => "d_model 64", "  ")} }` },
  "a long comment": { text: `// ${"x".repeat(1_000 * N)}\n${M}`, models: 1 },
  "many comments": { text: `${times(() => "// why")}\nmodel m {\nlayer a {} // a\n${times(() => "// why")}\n${times((i) => `layer l${i} {} // ${i}`)}\n}`, models: 1 },
  "comments of other languages": { text: `${times((i) => `/* ${i} */ # x`)}\n${M}` },
  "long numbers": { text: `model m { layer a {} d_model ${"9".repeat(100 * N)} seq_len 1${"_1".repeat(100 * N)}_ vocab_size 1e${"9".repeat(N)} }` },
  "many models": { text: times((i) => `model m${i} { layer a {} }`), models: N },
  "models of one name": { text: times(() => M) },
  "a chain of from": { text: `model m0 { layer a {} }\n${times((i) => `model m${i + 1} from m${i} { seq_len ${i + 2} }`)}`, models: N + 1 },
  "a chain of from, the youngest first": { text: `${times((i) => `model m${N - i} from m${N - i - 1} { seq_len ${i + 2} }`)}\nmodel m0 { layer a {} }`, models: N + 1 },
  "a chain of from with a mistake": { text: `model m0 { layer a {} d_model 0 }\n${times((i) => `model m${i + 1} from m${i} { seq_len 0 }`)}`, models: 0 },
  // All of them together have 180,300 layers: that many are listed, and each costs the same.
  "a chain of from in which each adds a layer": {
    text: `model m0 { }\n${times((i) => `model m${i + 1} from m${i} { layer l${i} { ${MOE} } }`, "\n", 600)}`,
    models: 600,
  },
  "a circle of from": { text: times((i) => `model m${i} from m${(i + 1) % N} { }`), models: 0 },
  "a chain of match, the youngest first": { text: `${times((i) => `model m${3 * N - i} { match params m${3 * N - i - 1} layer a { feed_forward dense { d_ff solve } } }`, "\n", 3 * N)}\nmodel m0 { layer a {} }`, models: 3 * N + 1 },
  "many fields": { text: `model m { layer a {}\n${times((i) => `d_mode${i} 64\nd_model 64`)} }` },
  "many claims": { text: `model m { layer ${times((i) => `l${i}`, ", ")} {} ${times(() => "expect params 3")} }` },
  "many overrides": { text: M, overrides: Array.from({ length: N }, (_, i) => `d_model=${4 * (i + 1)}`), models: 1 },
  "imports in a chain": { text: `import "0"\n${M}`, imports: files((i) => [[`${i}`, `moeut 1\nimport "${i + 1}"\n`]]) },
  "imports in diamonds": { text: `import "0a"\nimport "0b"\n${M}`, imports: files((i) => ["a", "b"].map((s) => [`${i}${s}`, i === 60 ? "moeut 1" : `moeut 1\nimport "${i + 1}a"\nimport "${i + 1}b"\nfn f${i}${s}(x) = x * x\n`])), models: 1 },
  "many imports": { text: `${times((i) => `import "${i}"`)}\nimport "none"\n${M}`, imports: files((i) => [[`${i}`, `moeut 1\nmodel m${i} { layer a {} }`]]) },
  "many compares": { text: `${M}${times((i) => `compare c${i} { base m  vary d_model in 4, 8 }`)}`, models: 1 },
  "many grids": { text: `${M}${times((i) => `compare c${i} { base m  vary d_model in ${SIXTEEN}  vary seq_len in ${SIXTEEN} }`)}` },
  "a grid of many dimensions": { text: `${M}compare c { base m  ${times(() => "vary seq_len in 1, 2")} }` },
  "a grid of one point": { text: `${M}compare c { base m  ${times(() => "vary seq_len in 4")} }` },
  "a grid with a match": { text: `${M}compare c { base m  match params by feed_forward.d_ff  vary d_model in ${times((i) => `${4 * (i + 1)}`, ", ", 250)} }` },
  "signs without meaning": { text: `${M}${times(() => "] ; =", " ")}` },
  "errors of the parser": { text: `${times(() => "model { }")}\n${times((i) => `fn f${i}(x) = x +`)}\n${times(() => "import \"x")}\n${times(() => "}")}` },
  "many layers": { text: `model m { ${times((i) => `layer l${i} {}`)} layer * { feed_forward moe { balance load {} } } }`, models: 1 },
  "names that are no layers": { text: `model m { layer a {} stack ${times((i) => `l${i}`, ", ")} }` },
  "many copies": { text: `model m { layer a {} stack own(a) * ${N} }`, models: 1 },
  "a deep core": { text: `model m { layer a {} core { inject add  pass_embedding learned } stack core(a) * ${N} }`, models: 1 },
  "functions that call each other": { text: `fn f0(x, y) = x\n${times((i) => `fn f${i + 1}(x, y) = f${i}(f${i}(x, y), f${i}(y, x))`)}\n${M}`, models: 1 },
  "functions that double": { text: `fn f0(x) = x * x\n${times((i) => `fn f${i + 1}(x) = f${i}(f${i}(x))`)}\n${M}` },
  "functions in a circle": { text: times((i) => `fn f${i}(x) = f${(i + 1) % N}(x)`) },
  "functions of many parameters": { text: `fn f(${times((i) => `x${i}`, ", ")}) = x0\nfn g(x) = max(${times(() => "x", ", ")})\n${M}` },
  "long sums": { text: `${times((i) => `fn f${i}(x) = ${times(() => "x", " + ", 190)}`, "\n", 100)}\n${M}`, models: 1 },
  "large functions of large functions": { text: `fn g(x) = ${times(() => "x", " + ", 199)}\n${times((i) => `fn h${i}(x) = g(g(x))`)}\n${M}` },
};

function detonate({ text: body, imports = {}, overrides = [] }: Bomb): number {
  const text = `moeut 1\n${body}`;
  const { models, diagnostics, sources } = checkSource({ file: "main", text }, {
    overrides, readFile: (path) => (path in imports ? { file: path, text: imports[path]! } : { problem: "no such file" }),
  });
  renderDiagnostics(diagnostics, sources);
  format({ file: "main", text });
  const last = models.at(-1);
  if (last === undefined) return models.length;
  diffModels(models[0]!, last);
  drawModel(last);
  printSpec(last);
  specHash(last);
  countParams(last);
  countMacs(last);
  return models.length;
}

describe("large texts", () => {
  test.each(Object.entries(BOMBS))("%s", (_, bomb) => {
    const before = process.cpuUsage();
    const models = detonate(bomb);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6, "seconds of CPU").toBeLessThan(MOST_CPU);
    if (bomb.models !== undefined) expect(models).toBe(bomb.models);
  }, 600_000);
});

test("a comparison of models whose layers all differ", () => {
  const model = (name: string, width: number): string =>
    `model ${name} { ${times((i) => `layer l${i} { feed_forward dense { d_ff ${width * (i + 1)} } }`, "\n", 150)} }`;
  const { models } = checkSource(
    { file: "main", text: `moeut 1\n${model("a", 1)}\n${model("b", 2)}` }, { readFile: () => ({ problem: "no such file" }) },
  );
  const before = process.cpuUsage();
  const { before: from, after, changes } = diffModels(models[0]!, models[1]!);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6, "seconds of CPU").toBeLessThan(MOST_CPU);
  expect(changes).toHaveLength(150);
  expect(changes.reduce((sum, { effect }) => sum + (effect?.params ?? 0), 0)).toBe(after.params - from.params);
}, 600_000);
