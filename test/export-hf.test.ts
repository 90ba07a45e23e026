/** Exported PyTorch models: their text, the way back, and what they compute beside the float64 reference and the official code. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { checkText, readSpecFile } from "../api/spec.ts";
import { readSafetensors, type SafetensorsFile } from "../runtime/files/safetensors.ts";
import { deviation, readGolden, readOfficial } from "./support/golden.ts";
import { moeutHere, ROOT } from "./support/cli.ts";
import { fnSpec, goldenModel } from "./support/models.ts";
import { moe, ODD_MODELS, mha, T, twice, V } from "./support/odd-models.ts";
import { goldenFolder } from "./support/shared.ts";
import { randomParams } from "./support/tiny-graph.ts";
import { exportedText, stepsOf, writeCase, type Inputs } from "./support/torch/cases.ts";
import { runPython, torchPython } from "./support/torch/python.ts";

const folder = mkdtempSync(join(tmpdir(), "moeut-torch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

describe("text", () => {
  const own = (name: string): string => exportedText(twice(mha(), moe({}, null, { ...fnSpec("fn f(x) = 2 * x * tanh(x)"), name }), "pre"));

  test("a function keeps its name", () => expect(own("swell")).toContain("def swell(x: Tensor) -> Tensor:\n    return 2 * x * x.tanh()"));

  test.each(["rows", "lambda", "torch", "x", "grouped_mm", "hidden"])("but not %s, which means something else there", (name) => {
    expect(own(name)).toContain(`def ${name}_fn(x: Tensor)`);
  });

  test("the 44M model fits a few pages", () => {
    const { models } = checkText(readSpecFile(join(ROOT, "specs/moeut_44m.moeut")), []);
    const text = exportedText(models.find(({ name }) => name === "moeut_44m")!);
    expect(text.trimEnd().split("\n").length).toBeLessThan(250);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});

describe("the command", () => {
  const exported = (...args: readonly string[]): ReturnType<typeof moeutHere> => moeutHere(["export", "hf", ...args]);

  test("writes the same weights that it reads back", async () => {
    expect(await exported("specs/tiny.moeut", "--out", at("tiny"))).toMatchObject({ status: 0 });
    expect(await moeutHere(["import", "hf", at("tiny"), "--out", at("run")])).toMatchObject({ status: 0 });
    expect(await exported(at("run"), "--out", at("again"))).toMatchObject({ status: 0 });
    for (const file of ["model.safetensors", "config.json", "modeling_tiny.py", "spec.moeut", "tokenizer.json"]) {
      expect(readFileSync(join(at("again"), file)).equals(readFileSync(join(at("tiny"), file))), file).toBe(true);
    }
    expect(readFileSync(join(at("again"), "README.md"), "utf8")).toContain("layer a, b {");
  });

  test("refuses a folder of others, and to import one that is not whole", async () => {
    const others = expect.stringContaining("other files") as string;
    expect(await exported("specs/tiny.moeut", "--out", join(ROOT, "specs"))).toMatchObject({ status: 1, stderr: others });
    rmSync(join(at("again"), "spec.moeut"));
    const stderr = expect.stringContaining("has no spec.moeut") as string;
    expect(await moeutHere(["import", "hf", at("again"), "--out", at("none")])).toMatchObject({ status: 1, stderr });
    expect(existsSync(at("none"))).toBe(false);
  });
});

const python = await torchPython();

/** As `python -m py_compile` does, for all files at once, and leaves nothing. */
const COMPILE = `
import pathlib, sys
for file in pathlib.Path(sys.argv[1]).rglob("*.py"):
    compile(file.read_text(), str(file), "exec", dont_inherit=True)
`;

/** What does not follow from the rounding of float64, or of the float32 that golden folders hold. */
const EXACT = 1e-9;
const ROUNDED = 4e-7;

function caseOf(name: string, model: ModelSpec, seqLen: number, more: (given: Inputs) => Partial<Inputs> = () => ({})): void {
  const [batch, count] = [2, 2 * seqLen];
  const tokens = Array.from({ length: count }, (_, i) => (i * 31 + 7) % model.vocabSize);
  const targets = Array.from({ length: count }, (_, i) => (i * 17 + 3) % model.vocabSize);
  const params = randomParams(buildGraph(model, { kind: "train", batch, seqLen }), 5, V === model.vocabSize ? 0.3 : 0.1);
  const given = { batch, seqLen, tokens, targets, params };
  writeCase(join(folder, "cases", name), model, { ...given, ...more(given) });
}

/** Balance over the batch, by a bias, and by sequences; tokens that halt. */
const SPEC = `moeut 1
model m {
  vocab_size 256  seq_len 16  d_model 16
  halting graves
  layer a {
    norm rmsnorm at peri
    attention switchhead { n_heads 2  d_head 8  n_experts 3 on v, o  top_k 2  balance entropy { weight 0.01  scope batch, passes } }
    feed_forward moe { n_experts 6  expert_size 8  top_k 2  balance load { weight 0.01  scope batch, site  bias_rate 0.01 } }
  }
  stack a * 3
}
train { optimizer adamw { lr 1e-2 }  schedule linear { warmup 2 }  batch 4  steps 4  checkpoint_every 2 }
`;

const scriptAt = (name: string): string => join(import.meta.dirname, "support", "torch", name);

/** Routers of more kinds than they have names, one without a term of the loss, and a layer whose name is one of theirs. */
const ROUTERS = `moeut 1
model routers {
  vocab_size 53  seq_len 19  d_model 12
  layer a, b, router {
    attention switchhead { n_heads 2  d_head 8  n_experts 3 on v, o  top_k 1 }
    feed_forward moe { n_experts 4  expert_size 8  top_k 2 }
  }
  layer a { feed_forward { balance entropy { weight 0.1 } } }
  layer b { feed_forward { router { score softmax }  balance entropy { weight 0.1 } } }
  layer router { feed_forward { balance load { weight 0.1 } } }
  stack a, b, router
}
`;

/** Each small model of specs/; the first of each file makes ten steps too. */
function smallSpecs(): void {
  for (const file of readdirSync(join(ROOT, "specs")).filter((name) => name.endsWith(".moeut"))) {
    const { models } = checkText(readSpecFile(join(ROOT, "specs", file)), []);
    for (const [i, model] of models.filter(({ dModel }) => dModel === 64).entries()) {
      caseOf(`specs-${file}-${model.name}`, model, 6, (given) => (i === 0 ? { steps: stepsOf(model, given) } : {}));
    }
  }
}

function golden(prefix: string): void {
  const path = goldenFolder(prefix);
  if (path === null) return;
  const { config, weights, io, train } = readGolden(path);
  const model = goldenModel(config);
  const { batch, context: seqLen, training: t } = config;
  const graph = buildGraph(model, { kind: "evaluate", batch, seqLen });
  const steps = {
    tokens: train.readIndices("tokens"), targets: train.readIndices("targets"), final: readOfficial(train, graph, "final."),
    recipe: [t.lr, ...t.betas, t.eps, t.weight_decay, t.grad_clip],
  };
  writeCase(join(folder, "cases", `golden-${prefix}`), model, {
    batch, seqLen, tokens: [...io.readIndices("tokens")], targets: [...io.readIndices("targets")],
    params: readOfficial(weights, graph), steps,
  });
}

async function trainingInputs(): Promise<void> {
  writeFileSync(at("spec.moeut"), SPEC);
  writeFileSync(at("text.txt"), "All work and no play makes Jack a dull boy.\n".repeat(60));
  expect(await moeutHere(["data", "prepare", at("text.txt"), "--out", at("data"), "--validation", "0"])).toMatchObject({ status: 0 });
  expect(await moeutHere(["export", "hf", at("spec.moeut"), "--out", at("model")])).toMatchObject({ status: 0 });
}

/** Words for forks.py. */
const training = (processes: number, out: string, ...args: readonly string[]): readonly string[] =>
  ["+", `${processes}`, join(at("model"), "train.py"), "--data", at("data"), "--dtype", "float64", "--out", at(out), ...args];

describe.skipIf(python === null)("PyTorch", () => {
  let results: readonly Readonly<Record<string, unknown>>[] = [];
  beforeAll(async () => {
    for (const [name, model] of Object.entries(ODD_MODELS)) caseOf(name.replaceAll(/\W+/g, "-"), model, T);
    caseOf("routers-of-many-kinds", checkText({ file: "routers.moeut", text: ROUTERS }, []).models[0]!, T);
    smallSpecs();
    for (const prefix of ["a1", "a2", "a4", "b1", "b2", "b3", "b4", "b5", "b6", "b8", "c1"]) golden(prefix);
    await trainingInputs();
    const printed = runPython(python!, [
      scriptAt("forks.py"), "+", "1", scriptAt("check.py"), at("cases"),
      ...training(2, "two"), ...training(2, "sharded", "--sharding", "fsdp", "--stop", "2"),
      ...training(1, "one"), ...training(1, "sharded", "--checkpoint-activations"),
    ]);
    results = printed.trim().split("\n").map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  });

  test("computes what the reference does, with caches, padding and checkpoints too, and trains as the official code", () => {
    const wrong = results.flatMap(({ name, ...deviations }) => Object.entries(deviations).flatMap(([what, deviation]) => {
      const bound = what === "steps" && (name as string).startsWith("golden") ? ROUNDED : EXACT;
      return (deviation as number) < bound ? [] : `${name as string}: ${what} ${deviation as number}`;
    }));
    expect(wrong).toEqual([]);
    expect(results.length).toBeGreaterThan(Object.keys(ODD_MODELS).length + 30);
  });

  test("is valid, formatted and typed, and has no unused name", () => {
    runPython(python!, ["-c", COMPILE, at("cases")]);
    if (!hasRuff()) return console.warn("not checked: this Python has no ruff");
    const ruff = (...args: readonly string[]): string =>
      runPython(python!, ["-m", "ruff", ...args, "--line-length", "120", "--no-cache", at("cases")]);
    ruff("check", "--isolated", "--select", "E,F,I,UP,ANN");
    ruff("format", "--isolated", "--check");
  });

  test("train.py trains on two processes as on one, sharded or not, and goes on with another number of them", () => {
    const [one, ...others] = ["one", "two", "sharded"].map((name) => readSafetensors(join(at(name), "model.safetensors")));
    const worst = (other: SafetensorsFile): number =>
      Math.max(...Array.from(one!.tensors.keys(), (name) => deviation(doubles(other, name), doubles(one!, name))));
    for (const other of others) expect(worst(other)).toBeLessThan(EXACT);
    expect(readFileSync(join(at("sharded"), "log.jsonl"), "utf8").trim().split("\n").length).toBe(4);
  });

  const hasRuff = (): boolean => {
    try {
      return runPython(python!, ["-m", "ruff", "--version"]) !== "";
    } catch {
      return false;
    }
  };

  const doubles = (file: SafetensorsFile, name: string): Float64Array => new Float64Array(file.readBytes(name).slice().buffer);
});
