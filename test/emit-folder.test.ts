/** An emitted folder on the processor: run by plain Node, typed for other programs, and built by what others build with. */
import { spawnSync } from "node:child_process";
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { check } from "../api/check.ts";
import { compile } from "../api/compile.ts";
import { decodeText, encodeText } from "../runtime/data/index.ts";
import { readTokenizer } from "../runtime/tokenizer/file.ts";
import { ROOT } from "./support/cli.ts";
import { commanded, emitTrained, node, OPTIONS, PROMPT, textOfCommand } from "./support/emitted.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-folder-"));
afterAll(() => rmSync(work, { recursive: true }));
const folder = join(work, "tiny");
const COMPLETE = `model.complete(${JSON.stringify(PROMPT)}, ${JSON.stringify(OPTIONS)})`;
let expected: string;

beforeAll(async () => {
  const { run } = await emitTrained(work);
  expected = await textOfCommand(run, "cpu");
});

/** What a program prints, as JSON. */
function printed(program: string): unknown {
  writeFileSync(join(work, "program.mjs"), program);
  return JSON.parse(node(["program.mjs"], work));
}

const LOAD = `import { load, SIZES } from "./tiny/model.js"; const model = await load(null, { threads: 2 });`;

describe("under Node, without any package", () => {
  test("continues text as the command line does, in whole characters", () => {
    const pieces = printed(`${LOAD} const all = [];
      for await (const piece of ${COMPLETE}) all.push(piece);
      console.log(JSON.stringify(all));`);
    expect((pieces as string[]).join("")).toBe(expected);
    expect((pieces as string[]).every((piece) => piece !== "")).toBe(true);
  });

  test("gives the logits of texts of any length: those of their beginnings, and of what forward measures", () => {
    const result = printed(`${LOAD}
      const text = Array.from({ length: SIZES.seqLen + 1 }, (_, i) => (i * 37) % 256);
      const all = await model.logits(text.slice(0, SIZES.seqLen));
      const short = await model.logits(text.slice(0, 5));
      const losses = await model.forward({ tokens: Uint32Array.from(text.slice(0, -1)), targets: Uint32Array.from(text.slice(1)) });
      const row = (i) => all.subarray(i * 256, (i + 1) * 256);
      const lossAt = (i) => Math.log(row(i).reduce((sum, x) => sum + Math.exp(x), 0)) - row(i)[text[i + 1]];
      const off = Math.max(...losses.map((loss, i) => Math.abs(loss - lossAt(i))));
      const messages = [];
      for (const wrong of [[], text, [256]]) await model.logits(wrong).catch((error) => messages.push(error.message));
      const same = short.every((x, i) => x === all[i]);
      const [batch, train] = [SIZES.batch, "trainStep" in model];
      console.log(JSON.stringify({ lengths: [all.length, short.length], same, off, messages, batch, train }));`);
    expect(result).toMatchObject({ lengths: [64 * 256, 5 * 256], same: true, batch: 1, train: false });
    const { off, messages } = result as { off: number; messages: string[] };
    expect(off).toBeLessThan(1e-4);
    expect(messages).toEqual([
      "the text has 0 tokens; the model takes 1 to 64", "the text has 65 tokens; the model takes 1 to 64",
      "the text: 256 at position 0 is no token: the model has tokens 0 to 255",
    ]);
  });

  test("trains on questions and answers where it is compiled for it: targets that are IGNORED count for nothing", () => {
    const layer = "layer a { attention mha { n_heads 1 }  feed_forward dense { d_ff 8 } }";
    const { models } = check(`moeut 1\nmodel small { vocab_size 8  seq_len 6  d_model 8  ${layer}  stack a }\ntrain { batch 2 }`);
    for (const masked of [true, false]) {
      for (const { path, content } of compile(models[0]!, { masked }).files) {
        mkdirSync(dirname(join(work, String(masked), path)), { recursive: true });
        writeFileSync(join(work, String(masked), path), content);
      }
    }
    const result = printed(`import * as masked from "./true/model.js"; import { load } from "./false/model.js";
      const model = await masked.load();
      const tokens = Uint32Array.from({ length: 12 }, (_, i) => i % 8);
      const targets = tokens.map((token, i) => (i % 6 < 3 ? masked.IGNORED : (token * 3 + 1) % 8));
      model.initialize(0);
      const losses = await model.forward({ tokens, targets });
      const { ceLoss } = await model.trainStep(0, [{ tokens, targets }]);
      const message = await (await load()).trainStep(0, [{ tokens, targets }]).catch((error) => error.message);
      console.log(JSON.stringify({ losses: [...losses], ceLoss, message }));`) as { losses: number[]; ceLoss: number; message: string };
    expect(result.losses.filter((loss) => loss === 0)).toHaveLength(6);
    expect(result.ceLoss).toBeCloseTo(result.losses.reduce((a, b) => a + b, 0) / 6, 5);
    expect(result.message).toBe("targets: 4294967295 at position 0 is no token: the model has tokens 0 to 7");
  });

  test("reads no more than it needs, and says which file is missing or not whole", () => {
    const needed = ["cpu.json", "cpu.wasm", "weights.safetensors"];
    const copy = join(work, "copy");
    cpSync(folder, copy, { recursive: true });
    rmSync(join(copy, "plan.json"));
    rmSync(join(copy, "kernels"), { recursive: true });
    const messageOf = (): unknown => printed(`import { load } from "./copy/model.js";
      console.log(JSON.stringify(await load().then((model) => (model.destroy(), "it loads"), (error) => error.message)));`);
    expect(messageOf()).toBe("it loads");
    for (const name of needed) {
      renameSync(join(copy, name), join(copy, "aside"));
      expect(messageOf()).toMatch(new RegExp(`^the file ${name} of this model is missing: cannot read .*${name} \\(ENOENT\\)$`));
      const bytes = readFileSync(join(copy, "aside"));
      writeFileSync(join(copy, name), bytes.subarray(0, bytes.length / 2));
      expect(messageOf()).toMatch(new RegExp(`^the file ${name} of this model is not whole, or .* \\(.+\\); copy it anew$`));
      renameSync(join(copy, "aside"), join(copy, name));
    }
    const other = readFileSync(join(copy, "cpu.wasm"));
    other[other.length - 1]! ^= 1; // in a kernel's name: what a cache keeps of an earlier emission is a sound module, too
    writeFileSync(join(copy, "cpu.wasm"), other);
    expect(messageOf()).toMatch(/^the file cpu\.wasm of this model is not whole, .* \(cpu\.json belongs to another\); copy it anew$/);
  });

  test("refuses a number of threads that is none", () => {
    expect(printed(`import { load } from "./tiny/model.js";
      const messageOf = (threads) => load(null, { threads }).then(() => "it loads", (error) => error.message);
      console.log(JSON.stringify(await Promise.all([0, 1.5, NaN, 1e6].map(messageOf))));`))
      .toEqual([0, 1.5, NaN, 1e6].map((n) => `threads is ${n}; it must be a whole number from 1 to 1024`));
  });

  test("has an example that runs as it is", () => {
    expect(node(["example.js"], folder)).toMatch(/^on .+\na layer is /);
  });

  test("needs a file of weights, where none came along", async () => {
    const bare = join(work, "bare");
    await commanded("compile", join(ROOT, "specs", "tiny.moeut"), "--inference", "--out", bare);
    expect(node(["example.js", join(folder, "weights.safetensors")], bare)).toMatch(/\na layer is /);
    expect(() => node(["example.js"], bare)).toThrow("say which weights");
  });
});

describe("with a tokenizer", () => {
  const tokenizer = readTokenizer(join(ROOT, "test", "tokenizers", "bpe.model"));
  const [model] = check(`moeut 1
model small {
  vocab_size 420  seq_len 16  d_model 8
  layer a { attention mha { n_heads 1  d_head 8 }  feed_forward dense { d_ff 8 } }
  stack a
}`).models;
  const text = { tokenizer: tokenizer.file! };

  test("turns text into its tokens and tokens into text, without any package", () => {
    for (const { path, content } of compile(model!, { inference: true, text }).files) {
      mkdirSync(dirname(join(work, "small", path)), { recursive: true });
      writeFileSync(join(work, "small", path), content);
    }
    const prompt = "naïve 🙂 the plan";
    const [continued, tokens] = printed(`import { load } from "./small/model.js";
      const model = await load(null, { threads: 1 });
      const [options, pieces, tokens] = [{ maxTokens: 60, seed: 3 }, [], []];
      for await (const piece of model.complete(${JSON.stringify(prompt)}, options)) pieces.push(piece);
      for await (const token of model.generate(${JSON.stringify([...encodeText(tokenizer, prompt)])}, options)) tokens.push(token);
      console.log(JSON.stringify([pieces.join(""), tokens]));`) as readonly [string, readonly number[]];
    expect(continued).toBe(decodeText(tokenizer, tokens));
  });

  test("that has more tokens than the model is refused", () => {
    expect(() => compile({ ...model!, vocabSize: 400 }, { text }))
      .toThrow("the tokenizer has 420 tokens, and model small a vocab_size of 400: give it `vocab_size 420`");
  });
});

test("weights that do not fit the model are refused, and what makes no sense for a run folder", async () => {
  const out = join(work, "none");
  const compile = (...more: readonly string[]): Promise<unknown> => commanded("compile", join(work, "run"), "--out", out, ...more);
  const message = /ended with 1:[^]*these weights do not fit the model: the tensor ".+" has the shape/;
  await expect(compile("--set", "d_model=32")).rejects.toThrow(message);
  await expect(compile("--model", "tiny")).rejects.toThrow(/--model does nothing beside a run folder/);
  expect(existsSync(out)).toBe(false);
});

const PROGRAM = `import { load, requestDevice, type TinyModel } from "moeut-tiny";
const model: TinyModel = await load(await requestDevice(undefined), { threads: 1 });
let text = "";
for await (const piece of ${COMPLETE}) text += piece;
(globalThis as { result?: string }).result = text;
console.log(JSON.stringify(text));
`;

/** A project that has the folder as a package. */
function project(name: string): string {
  const path = join(work, name);
  mkdirSync(join(path, "node_modules"), { recursive: true });
  symlinkSync(folder, join(path, "node_modules", "moeut-tiny"), "junction");
  writeFileSync(join(path, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(path, "program.ts"), PROGRAM);
  return path;
}

/** What a bundle prints; the folder's data lies beside it unless the bundler brought it. */
const run = (bundle: string): unknown => JSON.parse(node([bundle], dirname(bundle)));

describe("builds with", () => {
  test("plain tsc: strict, by the types of its JavaScript", () => {
    const path = project("tsc");
    for (const name of ["@webgpu", "@types"]) symlinkSync(join(ROOT, "node_modules", name), join(path, "node_modules", name), "junction");
    const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const tsc = (...args: readonly string[]): string => spawnSync(process.execPath, [TSC, ...args], { cwd: path, encoding: "utf8" }).stdout;
    const LIBRARIES = ["--lib", "es2023,dom", "--types", "@webgpu/types", "--skipDefaultLibCheck"];
    const STRICT = ["--strict", "--target", "es2022", "--module", "nodenext", ...LIBRARIES];
    const wrong = ["trainStep(0, [])", `read("nothing")`].map((call) => `(await load()).${call};\n`);
    writeFileSync(join(path, "wrong.ts"), `import { load } from "moeut-tiny";\n${wrong.join("")}`);
    const problems = tsc(...STRICT, "program.ts", "wrong.ts").match(/^\S.*error TS\d+/gm);
    expect(problems).toEqual(["wrong.ts(2,16): error TS2339", "wrong.ts(3,21): error TS2345"]);
    expect(run(join(path, "program.js"))).toBe(expected);
  });

  test("esbuild, with the data put beside the bundle", async () => {
    const path = project("esbuild");
    const outfile = join(path, "out", "bundle.js");
    await build({ entryPoints: [join(path, "program.ts")], bundle: true, format: "esm", minify: true, outfile });
    for (const name of ["cpu.json", "cpu.wasm", "weights.safetensors"]) cpSync(join(folder, name), join(path, "out", name));
    expect(run(outfile)).toBe(expected);
  });

  test("Vite, which brings the data along", async ({ skip }) => {
    const vite = await import(["vite"].join("")).catch(() => null) as null | { readonly build: (options: object) => Promise<unknown> };
    if (vite === null) return skip("vite is not installed");
    const path = project("vite");
    writeFileSync(join(path, "index.html"), `<script type="module" src="./program.ts"></script>`);
    await vite.build({ root: path, logLevel: "error", base: "./", build: { target: "es2022", modulePreload: false } });
    const assets = join(path, "dist", "assets");
    expect(readdirSync(assets).filter((name) => !name.endsWith(".js")).map((name) => name.replace(/-[\w-]{8}\./, ".")).sort())
      .toEqual(["cpu.json", "cpu.wasm", "plan.json", "weights.safetensors"]);
    writeFileSync(join(assets, "package.json"), JSON.stringify({ type: "module" }));
    expect(run(join(assets, readdirSync(assets).find((name) => name.endsWith(".js"))!))).toBe(expected);
  });
});
