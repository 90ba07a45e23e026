/** The folder that compile writes: typed, self-contained, repeatable, and bit for bit what the command line computes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byteTokenizer } from "../runtime/data/index.ts";
import { readSafetensors } from "../runtime/files/safetensors.ts";
import { loadData } from "./support/data.ts";
import { commanded, node } from "./support/emitted.ts";
import { WEBGPU } from "./support/gpu.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "moeut-emit-"));
const folder = join(work, "tiny");
const STEPS = 3;
/** With random numbers inside its steps. */
const SPEC = [
  join(ROOT, "specs", "tiny.moeut"), "--set", "feed_forward.router.expert_dropout=0.3", "--set", "attention.router.input_dropout=0.1",
  "--set", "seq_len=32", "--set", "train.batch=4",
] as const;
const PROMPT = "the stack ";
const MAIN = WEBGPU[0] ?? "cpu";
afterAll(() => rmSync(work, { recursive: true }));

/** The emitted folder may use a device from anywhere; its own files import nothing of moeut. */
const RUNNER = `
const SEED = 7; // other weights, data and masks than those of seed 0
import { readFileSync, writeFileSync } from "node:fs";
import { openDevice } from ${JSON.stringify(join(ROOT, "runtime/adapter/index.ts"))};
import { load } from "./tiny/src/model.ts";
const { batches, prompt } = JSON.parse(readFileSync("batches.json", "utf8"));
const [adapter] = process.argv.slice(2);
const model = await (adapter === "cpu" ? load(null, { threads: 2 }) : load((await openDevice({ adapter })).device));
model.initialize(SEED);
for (const [step, b] of batches.entries()) await model.trainStep(step, [{ tokens: Uint32Array.from(b.tokens), targets: Uint32Array.from(b.targets) }], { seed: SEED });
const tokens = [];
for await (const token of model.generate(prompt, { maxTokens: 20, seed: 5 })) tokens.push(token);
const weights = (await model.officialWeights()).map(({ name, data }) => [name, Buffer.from(data.buffer).toString("base64")]);
const file = await model.saveWeights();
writeFileSync("weights.safetensors", file);
model.initialize(1);
model.loadWeights(readFileSync("weights.safetensors"));
const continued = async (prompt, seed) => { const all = []; for await (const token of model.generate(prompt, { maxTokens: 20, seed })) all.push(token); return all; };
const again = await continued(prompt, 5);
const other = [116, 104];
const alone = await continued(other, 6);
const together = await Promise.all([continued(prompt, 5), continued(other, 6)]);
const messageOf = async (act) => { try { await act(); return "no error"; } catch (error) { return error.message; } };
const refusals = [
  await messageOf(() => model.generate([])), await messageOf(() => model.generate([65, 256])), await messageOf(() => model.loadWeights(file.subarray(0, 1000))),
  await messageOf(() => model.trainStep(0, [{ tokens: new Uint32Array(7), targets: new Uint32Array(7) }])),
];
writeFileSync("result.json", JSON.stringify({ tokens, again, alone, together, weights, refusals }));
process.exit(0);
`;

const compile = (out: string): Promise<string> => commanded("compile", ...SPEC, "--target", "this", "--adapter", MAIN, "--out", out);

beforeAll(async () => {
  await compile(folder);
  symlinkSync(join(ROOT, "node_modules"), join(work, "node_modules"), "junction");
  writeFileSync(
    join(work, "text.txt"), "a layer is a pool of weights, a site is where it is used, and the stack is the order.\n".repeat(80),
  );
});

describe("an emitted folder", () => {
  test("has no import that leads out of it, apart from the packages it declares", () => {
    const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.[tj]s$/.test(name));
    for (const path of sources) {
      const imports = readFileSync(join(folder, path), "utf8").matchAll(/^(?:(?:import|export)\b[^"]*?from |.*import\()"([^"]+)"/gm);
      const targets = [...imports].map((m) => m[1]!).filter((target) => !/^node:|^webgpu$/.test(target));
      for (const target of targets) expect(existsSync(join(folder, dirname(path), target)), `${path}: ${target}`).toBe(true);
    }
    expect(sources.length).toBeGreaterThan(90);
  });

  test("type-checks strictly by its own settings", () => {
    node([join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", folder], work);
  });

  test("is the same, byte for byte, when written again", async () => {
    const again = join(work, "again");
    await compile(again);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.\w+$/.test(name)).sort();
    expect(readdirSync(again, { recursive: true, encoding: "utf8" }).filter((name) => /\.\w+$/.test(name)).sort()).toEqual(files);
    for (const file of files) expect(readFileSync(join(again, file)).equals(readFileSync(join(folder, file))), file).toBe(true);
  });

  test.each([...new Set([MAIN, "cpu"])])("trains and generates alone, to the same bits as the command line, on %s", async (adapter) => {
    const data = await loadData(join(work, "text.txt"), { tokenizer: byteTokenizer, seqLen: 32, batch: 4, seed: 7 });
    const batches = Array.from({ length: STEPS }, (_, step) => data.batchAt(step))
      .map((b) => ({ tokens: [...b.tokens], targets: [...b.targets] }));
    writeFileSync(join(work, "batches.json"), JSON.stringify({ batches, prompt: [...Buffer.from(PROMPT)] }));
    writeFileSync(join(work, "runner.mts"), RUNNER);
    node(["--import", "tsx", "runner.mts", adapter], work);
    const got = JSON.parse(readFileSync(join(work, "result.json"), "utf8")) as { tokens: number[]; again: number[]; alone: number[]; together: number[][]; weights: [string, string][]; refusals: string[] };

    // Warm-up and decay start alike, however long the run: three steps of warm-up do not know its end.
    const run = join(work, `run-${adapter}`);
    const [spec, text, steps] = [join(folder, "spec.moeut"), join(work, "text.txt"), String(STEPS)];
    await commanded("train", spec, "--data", text, "--out", run, "--steps", steps, "--seed", "7", "--adapter", adapter);
    const checkpoint = readdirSync(join(run, "checkpoints"))[0]!;
    const want = readSafetensors(join(run, "checkpoints", checkpoint, "weights.safetensors"));
    expect(got.weights.length).toBe(want.tensors.size);
    const isWanted = ([name, base64]: [string, string]): boolean => Buffer.from(want.readBytes(name)).equals(Buffer.from(base64, "base64"));
    for (const tensor of got.weights) expect(isWanted(tensor), tensor[0]).toBe(true);
    const sampling = ["--prompt", PROMPT, "--max-tokens", "20", "--seed", "5", "--adapter", adapter];
    const generated = await commanded("generate", run, ...sampling, "--json");
    expect({ text: new TextDecoder().decode(Uint8Array.from(got.tokens)) }).toEqual({ text: (JSON.parse(generated) as { text: string }).text });

    const saved = readSafetensors(join(work, "weights.safetensors"));
    expect([...saved.tensors.keys()].sort()).toEqual([...want.tensors.keys()].sort());
    for (const name of saved.tensors.keys()) expect(Buffer.from(saved.readBytes(name)).equals(Buffer.from(want.readBytes(name))), name)
      .toBe(true);
    expect(got.again).toEqual(got.tokens);
    expect(got.together).toEqual([got.tokens, got.alone]);
    for (const [i, message] of [/prompt is empty/, /256 at position 1 is no token: .* 0 to 255/, /safetensors file/, /7 numbers do not fill/].entries()) expect(got.refusals[i]).toMatch(message);
  });
});
