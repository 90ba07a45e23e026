/** Checkpoints of published families: what is made of them computes what transformers computes. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildGraph } from "../compiler/3-graph/index.ts";
import { checkText, readSpecFile } from "../api/spec.ts";
import { format } from "../compiler/format/index.ts";
import { numberText } from "../compiler/ir/number-text.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { readSafetensors, writeSafetensors, type TensorToWrite } from "../runtime/files/safetensors.ts";
import { currentCheckpoint, weightsPath } from "../runtime/train/index.ts";
import { moeutHere, ROOT } from "./support/cli.ts";
import { deviation, readOfficial } from "./support/golden.ts";
import { scratchFolder } from "./support/scratch.ts";
import { runPython, torchPython } from "./support/torch/python.ts";

const FIXTURES = join(ROOT, "test/families");
const { root, file } = scratchFolder("families");

/** Both sides compute in float64, from weights in float32. */
const EXACT = 1e-9;

interface Case {
  readonly tokens: readonly number[];
  readonly logits: readonly number[];
}

interface Fixture extends Case {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;

/** The numbers of make.py. */
function numbers(name: string, shape: readonly number[]): Float32Array {
  const hash = [...new TextEncoder().encode(name)].reduce((h, byte) => Math.imul(h ^ byte, 16777619), 2166136261 | 0);
  const count = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: count }, (_, i) => {
    const mixed = [[16, 0x85ebca6b], [13, 0xc2b2ae35]].reduce((x, [shift, factor]) => Math.imul(x ^ (x >>> shift!), factor!), i ^ hash);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32 - 0.5 + (name.endsWith("norm.weight") ? 1 : 0);
  });
}

const tensorsOf = ({ tensors }: Fixture): readonly TensorToWrite[] =>
  Object.entries(tensors).map(([name, shape]) => ({ name, dtype: "F32", shape, data: numbers(name, shape) }));

const fixture = (name: string): Fixture => readJson(join(FIXTURES, `${name}.json`));

let count = 0;

/** A checkpoint with one file of weights. @returns its folder */
function folderOf({ config }: Pick<Fixture, "config">, tensors: readonly TensorToWrite[]): string {
  const folder = join(root, `${count++}`);
  file(`${count - 1}/config.json`, JSON.stringify(config));
  writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}

const imported = (folder: string): ReturnType<typeof moeutHere> => moeutHere(["import", "hf", folder, "--out", `${folder}-run`]);

/** What a run's weights make of tokens, in float64. */
function logitsOf(run: string, tokens: readonly number[]): Float64Array {
  const { models } = checkText(readSpecFile(join(run, "spec.moeut")), []);
  const graph = buildGraph(models[0]!, { kind: "evaluate", batch: 1, seqLen: tokens.length });
  const params = readOfficial(readSafetensors(weightsPath(currentCheckpoint(run)!)), graph);
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets: tokens } });
  return values[graph.outputs["logits"]!]! as Float64Array;
}

const NAMES = readdirSync(FIXTURES).filter((name) => name.endsWith(".json")).map((name) => name.replace(".json", ""));

test.each(NAMES)("%s computes the logits of transformers", async (name) => {
  const made = fixture(name);
  const folder = folderOf(made, tensorsOf(made));
  expect(await imported(folder)).toMatchObject({ status: 0, stderr: "" });
  expect(deviation(logitsOf(`${folder}-run`, made.tokens), made.logits)).toBeLessThan(EXACT);
});

describe("checkpoints as they come", () => {
  const [made, mixed] = [fixture("llama"), fixture("mixtral")];
  const tensors = tensorsOf(made);
  const weightsOf = (run: string): string => readFileSync(weightsPath(currentCheckpoint(run)!)).toString("base64");
  let plain = "";
  beforeAll(async () => {
    const folder = folderOf(made, tensors);
    await imported(folder);
    plain = weightsOf(`${folder}-run`);
  });

  test("in several files", async () => {
    const folder = folderOf(made, []);
    rmSync(join(folder, "model.safetensors"));
    const halves = [tensors.slice(0, 5), tensors.slice(5)];
    halves.forEach((half, i) => writeSafetensors(join(folder, `model-${i}.safetensors`), half));
    const weightMap = Object.fromEntries(halves.flatMap((half, i) => half.map(({ name }) => [name, `model-${i}.safetensors`])));
    const index = join(folder, "model.safetensors.index.json");
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: weightMap }));
    expect(await imported(folder)).toMatchObject({ status: 0 });
    expect(weightsOf(`${folder}-run`)).toBe(plain);
    const says = async (map: unknown): Promise<string> => {
      writeFileSync(index, JSON.stringify({ weight_map: map }));
      const { status, stderr } = await moeutHere(["import", "hf", folder, "--out", join(root, "none")]);
      return `${status} ${stderr}`;
    };
    expect(await says({ ...weightMap, "lm_head.weight": "model-1.safetensors" }))
      .toMatch(/^1 .*model-1\.safetensors holds the tensor "lm_head\.weight"; it does not/);
    expect(await says({ "lm_head.weight": "../other.safetensors" })).toMatch(/^1 .*names no safetensors files beside it/);
    expect(await says(undefined)).toMatch(/^1 .*names no safetensors files beside it/);
  });

  test("of the bare model, with tables of old versions and a head that is tied", async () => {
    const tied = fixture("llama_tied");
    const bare = tensorsOf(tied).map((tensor) => ({ ...tensor, name: tensor.name.replace(/^model\./, "") }));
    const table: TensorToWrite = { name: "layers.0.self_attn.rotary_emb.inv_freq", dtype: "F32", shape: [2], data: Float32Array.of(1, 2) };
    const head = { ...bare.find(({ name }) => name === "embed_tokens.weight")!, name: "lm_head.weight" };
    expect(await imported(folderOf(tied, [...bare, table, head]))).toMatchObject({ status: 0 });
  });

  test("with tensors missing, of another shape and left over: all of them are named", async () => {
    const [head, ...rest] = tensorsOf(mixed);
    const [name, gone] = ["model.layers.0.block_sparse_moe.experts.3.w2.weight", "model.norm.weight"];
    const odd = rest.filter((tensor) => tensor.name !== gone)
      .map((tensor) => (tensor.name === name ? { ...tensor, shape: [tensor.data.length] } : tensor));
    const extra = { ...head!, name: "model.layers.9.mlp.weight" };
    const { status, stderr } = await imported(folderOf(mixed, [head!, ...odd, extra]));
    expect(status).toBe(1);
    expect(stderr).toContain(`no tensor "${gone}", which the model's "head.norm.weight" is`);
    expect(stderr).toContain(`tensor "${name}" is [`);
    expect(stderr).toContain('tensor "model.layers.9.mlp.weight" has no place in the model');
  });

  test("with a tokenizer, which the run keeps", async () => {
    const folder = folderOf(made, tensors);
    const tokenizer = join(folder, "tokenizer.json");
    expect(await moeutHere(["tokenizer", "train", "typescript", "--vocab-size", "300", "--out", tokenizer])).toMatchObject({ status: 0 });
    await imported(folder);
    expect(readFileSync(join(`${folder}-run`, "tokenizer.json"), "utf8")).toBe(readFileSync(tokenizer, "utf8"));
  });

  test("without weights: the spec is printed as `moeut fmt` would lay it out, and --out says what is missing", async () => {
    const folder = folderOf({ config: { ...mixed.config, unsloth_version: "1" } }, []);
    rmSync(join(folder, "model.safetensors"));
    const { status, stdout, stderr } = await moeutHere(["import", "hf", folder]);
    expect([status, stderr]).toEqual([0, `${join(folder, "config.json")}: ignored, as transformers do: unsloth_version\n`]);
    expect(format({ file: "", text: stdout })).toBe(stdout);
    expect(checkText({ file: "", text: stdout }, []).diagnostics).toEqual([]);
    expect(stdout).toContain("router { score softmax  weight renormalized }");
    const missing = expect.stringMatching(/has no weights: neither model\.safetensors nor model\.safetensors\.index\.json/) as string;
    expect(await imported(folder)).toMatchObject({ status: 1, stderr: missing });
  });

  test("a field of the spec is set for the run", async () => {
    const folder = folderOf(made, tensors);
    expect(await moeutHere(["import", "hf", folder, "--out", `${folder}-run`, "--set", "seq_len=7"])).toMatchObject({ status: 0 });
    expect(readFileSync(join(`${folder}-run`, "spec.moeut"), "utf8")).toContain("seq_len 7 ");
    const foreign = expect.stringContaining('models of this family have no "head.bias"') as string;
    const biased = ["import", "hf", folder, "--out", join(root, "none"), "--set", "head.bias=true"];
    expect(await moeutHere(biased)).toMatchObject({ status: 1, stderr: foreign });
    const stderr = expect.stringContaining("--set") as string;
    expect(await moeutHere(["import", "hf", folder, "--set", "seq_len=7"])).toMatchObject({ status: 1, stderr });
  });
});

/** Sizes as they are published, and how many parameters the models are known to have. */
const PUBLISHED: readonly (readonly [name: string, parameters: number, config: Readonly<Record<string, unknown>>])[] = [
  ["Llama-3.2-1B", 1_235_814_400, {
    model_type: "llama", vocab_size: 128_256, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16, num_attention_heads: 32,
    num_key_value_heads: 8, head_dim: 64, max_position_embeddings: 131_072, rms_norm_eps: 1e-5, tie_word_embeddings: true,
    rope_theta: 500_000,
    rope_scaling: { factor: 32, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 8192, rope_type: "llama3" },
  }],
  ["Mixtral-8x7B", 46_702_792_704, {
    model_type: "mixtral", vocab_size: 32_000, hidden_size: 4096, intermediate_size: 14_336, num_hidden_layers: 32, num_attention_heads: 32,
    num_key_value_heads: 8, max_position_embeddings: 32_768, num_local_experts: 8, num_experts_per_tok: 2, rope_theta: 1e6,
    sliding_window: null,
  }],
  ["OLMoE-1B-7B", 6_919_161_856, {
    model_type: "olmoe", vocab_size: 50_304, hidden_size: 2048, intermediate_size: 1024, num_hidden_layers: 16, num_attention_heads: 16,
    num_key_value_heads: 16, max_position_embeddings: 4096, num_experts: 64, num_experts_per_tok: 8, clip_qkv: null, rope_scaling: null,
  }],
  ["Qwen1.5-MoE-A2.7B", 14_315_784_192, {
    model_type: "qwen2_moe", vocab_size: 151_936, hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 24,
    num_attention_heads: 16, num_key_value_heads: 16, max_position_embeddings: 8192, num_experts: 60, num_experts_per_tok: 4,
    moe_intermediate_size: 1408, shared_expert_intermediate_size: 5632, use_sliding_window: false, sliding_window: 32_768,
  }],
  ["Qwen3-30B-A3B", 30_532_122_624, {
    model_type: "qwen3_moe", vocab_size: 151_936, hidden_size: 2048, intermediate_size: 6144, num_hidden_layers: 48,
    num_attention_heads: 32, num_key_value_heads: 4, head_dim: 128, max_position_embeddings: 40_960, num_experts: 128,
    num_experts_per_tok: 8, moe_intermediate_size: 768, norm_topk_prob: true, mlp_only_layers: [],
  }],
  ["pythia-70m", 70_426_624, {
    model_type: "gpt_neox", vocab_size: 50_304, hidden_size: 512, intermediate_size: 2048, num_hidden_layers: 6, num_attention_heads: 8,
    max_position_embeddings: 2048, rotary_pct: 0.25, rotary_emb_base: 10_000,
  }],
  ["gpt2", 124_439_808, { model_type: "gpt2", vocab_size: 50_257, n_ctx: 1024, n_embd: 768, n_head: 12, n_layer: 12, n_positions: 1024 }],
];

test.each(PUBLISHED)("%s has its %d parameters", async (name, parameters, config) => {
  const folder = file(`${count++}/${name}/config.json`, JSON.stringify(config)).replace("/config.json", "");
  const { stdout, stderr } = await moeutHere(["import", "hf", folder]);
  expect(stderr).toBe("");
  expect(stdout).toContain(`expect params ${numberText(parameters)} +- 0`);
  expect(checkText({ file: "", text: stdout }, []).diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
});

const REFUSED: readonly (readonly [name: string, fields: Readonly<Record<string, unknown>>, message: string])[] = [
  ["llama", { model_type: "bert" }, 'model_type is "bert"; what can be imported is llama, '],
  ["llama", { hidden_size: undefined, vocab_size: "9" }, 'vocab_size is "9"; it must be a positive whole number\n  hidden_size is missing'],
  ["llama", { hidden_act: "tanh" }, 'hidden_act is "tanh"; what can be imported is silu, '],
  ["llama", { num_key_value_heads: 3 }, "num_key_value_heads is 3, which does not divide"],
  ["llama", { num_attention_heads: 3, head_dim: null, num_key_value_heads: 3 }, "heads cannot share evenly, and there is no head_dim"],
  ["llama", { quantization_config: { bits: 4 } }, "quantization_config is an object: quantized weights"],
  ["llama", { rope_parameters: { rope_type: "yarn", factor: 2 } }, 'rope_type is "yarn"; what can be imported is default, linear, llama3'],
  ["llama", { rope_parameters: null, rope_scaling: { type: "dynamic", factor: 2 } }, 'rope_type is "dynamic"; '],
  ["llama", { rope_parameters: { full_attention: { rope_theta: 5 } } }, "full_attention"],
  ["llama", { rope_parameters: { rope_type: "llama3", factor: 2, high_freq_factor: 4 } }, "low_freq_factor is missing"],
  ["gpt_neox", { hidden_size: 15 }, "hidden_size is 15, which 2 heads cannot share evenly"],
  ["gpt_neox", { rope_parameters: { partial_rotary_factor: 0.4 } }, "partial_rotary_factor is 0.4: of heads of 8 channels that is 3"],
  ["qwen2_moe", { shared_expert_intermediate_size: 9 }, "shared_expert_intermediate_size is 9, which is no whole number of experts"],
  ["gpt2", { scale_attn_weights: false }, "scale_attn_weights is false: "],
  ["olmoe", { clip_qkv: 8 }, "clip_qkv is 8: "],
  ["mixtral", { num_experts_per_tok: 9 }, "num_experts_per_tok is 9, more than the"],
  ["qwen3", { layer_types: ["sliding_attention", "full_attention"] }, "layer_types is a list of 2: windows in some layers alone"],
  ["qwen3_moe", { mlp_only_layers: [0] }, "mlp_only_layers is a list of 1: "],
];

test.each(REFUSED)("refused by name: %s with %j", async (name, fields, message) => {
  const folder = file(`${count++}/config.json`, JSON.stringify({ ...fixture(name).config, ...fields })).replace("/config.json", "");
  const stderr = expect.stringContaining(message) as string;
  expect(await moeutHere(["import", "hf", folder])).toMatchObject({ status: 1, stdout: "", stderr });
});

const python = await torchPython();

describe.skipIf(python === null)("beside transformers", () => {
  const make = (...args: readonly string[]): string => runPython(python!, [join(FIXTURES, "make.py"), ...args]);
  const folders = join(root, "random");
  const runOf = (name: string): string => join(root, "runs", name);
  const cases: Record<string, Case> = {};
  /** Cases whose logits are not those of transformers, and by how much. */
  const wrong = (logits: (name: string, tokens: readonly number[]) => ArrayLike<number>): readonly unknown[] => Object.entries(cases)
    .map(([name, want]) => [name, deviation(logits(name, want.tokens), want.logits)] as const).filter(([, error]) => !(error < EXACT));
  beforeAll(async () => {
    mkdirSync(join(root, "exported"));
    make("folders", folders, "7");
    for (const name of readdirSync(folders)) {
      const [folder, exported] = [join(folders, name), join(root, "exported", name)];
      cases[name] = readJson(join(folder, "case.json"));
      expect(await moeutHere(["import", "hf", folder, "--out", runOf(name)])).toMatchObject({ status: 0 });
      expect(await moeutHere(["export", "hf", runOf(name), "--out", exported])).toMatchObject({ status: 0 });
      writeFileSync(join(exported, "case.json"), JSON.stringify(cases[name]));
    }
  });

  test("random models of every family compute the same", () => {
    expect(wrong((name, tokens) => logitsOf(runOf(name), tokens))).toEqual([]);
    expect(Object.keys(cases)).toEqual(NAMES);
  });

  test("and so do they when they are exported again", () => {
    const logits = JSON.parse(make("logits", join(root, "exported"))) as Record<string, readonly number[]>;
    expect(wrong((name) => logits[name]!)).toEqual([]);
  });
});
