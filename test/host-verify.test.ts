/** What a golden folder must hold before anything is compared, and what counts as near. No device. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenModel } from "../cli/commands/verify.ts";
import { UserError } from "../runtime/errors.ts";
import { readSafetensors, writeSafetensors, type TensorToWrite } from "../runtime/files/safetensors.ts";
import { differentSets, ofChange, ofLargest, relative } from "../runtime/verify/deviation.ts";
import { moeutHere } from "./support/cli.ts";
import { MADE_CONFIG, makeGolden } from "./support/made-golden.ts";
import { goldenFolder } from "./support/shared.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-verify-"));
const sound = join(work, "sound");
let count = 0;
beforeAll(() => makeGolden(sound));
afterAll(() => rmSync(work, { recursive: true }));

type Change = (tensors: TensorToWrite[]) => TensorToWrite[];
type FileName = "weights" | "io" | "train";

/** The sound folder with one file written anew, and with other words in its configuration. */
function changed(file: FileName, change: Change, config: object = {}): string {
  const folder = join(work, `${count++}`);
  cpSync(sound, folder, { recursive: true });
  const path = join(folder, `${file}.safetensors`);
  const from = readSafetensors(path);
  const tensors = [...from.tensors].map(([name, { dtype, shape }]): TensorToWrite =>
    dtype === "F32" ? { name, dtype, shape, data: from.readFloats(name) } : { name, dtype: "I32", shape, data: from.readIntegers(name) });
  writeSafetensors(path, change(tensors));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...MADE_CONFIG, ...config }));
  return folder;
}

const drop = (name: string): Change => (all) => all.filter((tensor) => tensor.name !== name);
const replaceWith = (name: string, next: Partial<TensorToWrite>): Change =>
  (all) => all.map((tensor) => (tensor.name === name ? { ...tensor, ...next } as TensorToWrite : tensor));
const put = (name: string, index: number, value: number): Change => (all) =>
  all.map((tensor) => (tensor.name === name ? { ...tensor, data: tensor.data.slice().fill(value, index, index + 1) } as TensorToWrite : tensor));
const nothing = { shape: [0], data: new Float32Array(0) };
const add = (tensor: TensorToWrite): Change => (all) => [...all, tensor];
const halves: Change = (all) =>
  all.map((tensor) => (tensor.name === "logits" ? { ...tensor, dtype: "F64", data: Float64Array.from(tensor.data) } : tensor));

test("the sound folder, and every official one", () => {
  expect(goldenModel(sound).golden).toMatchObject({ applications: 2, trainSteps: 2, selections: ["sel.att_v", "sel.att_o", "sel.ffn"] });
  for (const prefix of ["a1", "a2", "a4", "b1", "b2", "b3", "b4", "b5", "b6", "b8", "c1"]) {
    const folder = goldenFolder(prefix);
    if (folder !== null) expect(goldenModel(folder).golden.trainSteps, prefix).toBe(10);
  }
});

const NAMES: readonly (readonly [FileName, string])[] = [
  ["io", "logits"], ["io", "ce_loss"], ["io", "reg_loss"], ["io", "embed_out"], ["io", "layers"], ["io", "sel.ffn"], ["io", "sel.att_v"], ["io", "sel.att_o"], ["io", "tokens"], ["io", "targets"],
  ["io", "grad.embedding.weight"], ["io", "grad.transformer.layers.0.attention.sel_v"], ["train", "tokens"], ["train", "targets"], ["train", "loss"], ["train", "ce_loss"], ["train", "reg_loss"],
  ["train", "grad_norm"], ["train", "sel.ffn"], ["train", "sel.att_o"], ["train", "final.lm_head.bias"], ["weights", "lm_head.bias"],
];

test.each(NAMES)("%s without %s, or with nothing in it", (file, name) => {
  for (const change of [drop(name), replaceWith(name, nothing), replaceWith(name, { ...nothing, shape: [0, 2, 5] })]) {
    expect(() => goldenModel(changed(file, change))).toThrow(UserError);
    expect(() => goldenModel(changed(file, change))).toThrow(new RegExp(`${file}\\.safetensors: .*"${name.replaceAll(".", "\\.")}"`));
  }
});

const otherShape = (shape: readonly number[]): Change => replaceWith("logits", { shape });
test.each<[string, FileName, Change, RegExp]>([
  ["axes in another order", "io", otherShape([5, 2, 11]), /"logits" is F32 \[5, 2, 11\] and not F32 \[2, 5, 11\]/],
  ["axes run together", "io", otherShape([10, 11]), /"logits" is F32 \[10, 11\] and not F32 \[2, 5, 11\]/],
  ["another dtype", "io", halves, /"logits" is F64 \[2, 5, 11\] and not F32/],
  ["a tensor too many", "io", add({ name: "sel.att", dtype: "I32", shape: [1], data: Int32Array.of(0) }), /"sel.att" is not one that this model has/],
  ["a gradient too many", "io", add({ name: "grad.extra", dtype: "F32", shape: [1], data: Float32Array.of(0) }), /"grad.extra" is not one that this model has/],
  ["a weight too many", "weights", add({ name: "extra", dtype: "F32", shape: [1], data: Float32Array.of(0) }), /"extra" has no place in the model/],
  ["NaN to be reached", "io", put("logits", 7, NaN), /"logits" is not finite: element 7 is NaN/],
  ["an infinite gradient", "io", put("grad.embedding.weight", 3, Infinity), /"grad.embedding.weight" is not finite: element 3 is Infinity/],
  ["an infinite loss", "train", put("ce_loss", 1, Infinity), /"ce_loss" is not finite: element 1 is Infinity/],
  ["a weight that is NaN", "weights", put("lm_head.bias", 2, NaN), /"lm_head.bias" is not finite: element 2 is NaN/],
  ["a token outside the vocabulary", "io", put("tokens", 4, 11), /element 4 of "tokens" is 11, which is no token of a vocabulary of 11/],
  ["a negative target", "train", put("targets", 9, -1), /element 9 of "targets" is -1, which is no token/],
])("%s", (_, file, change, message) => {
  const folder = changed(file, change);
  expect(() => goldenModel(folder)).toThrow(UserError);
  expect(() => goldenModel(folder)).toThrow(message);
});

test("everything that is wrong with a file is said at once", () => {
  expect(() => goldenModel(changed("io", (all) => drop("layers")(drop("sel.ffn")(all)))))
    .toThrow(/no tensor "sel\.ffn"\n.*no tensor "layers"/);
});

test.each<[string, object, RegExp]>([
  ["another batch", { batch: 3 }, /"tokens" is I32 \[2, 5\] and not I32 \[3, 5\]/],
  ["no batch", { batch: undefined }, /says nothing about batch/],
  ["no sequence", { batch: 0 }, /batch is 0/],
  ["no training", { training: undefined }, /says nothing about training/],
  ["no steps", { training: { ...MADE_CONFIG.training, steps: 0 } }, /training.steps is 0; it must be a positive whole number/],
  ["more steps than recorded", { training: { ...MADE_CONFIG.training, steps: 10 } }, /"loss" is F32 \[2\] and not F32 \[10\]/],
  ["another vocabulary", { vocab: 12, args: { ...MADE_CONFIG.args, n_tokens: 12 } }, /"embedding.weight" is \[11, 10\]/],
  ["another depth", { args: { ...MADE_CONFIG.args, n_layers: 3 } }, /"layers" is F32 \[2, 2, 5, 10\] and not F32 \[3, 2, 5, 10\]/],
  ["another model", { args: { ...MADE_CONFIG.args, group_size: 2 } }, /no tensor "transformer.layers.1/],
])("a configuration with %s", (_, config, message) => {
  const folder = changed("io", (all) => all, config);
  expect(() => goldenModel(folder)).toThrow(UserError);
  expect(() => goldenModel(folder)).toThrow(message);
});

test.each(["config.json", "io.safetensors", "train.safetensors", "weights.safetensors"])("no %s", (name) => {
  const folder = changed("io", (all) => all);
  rmSync(join(folder, name));
  expect(() => goldenModel(folder)).toThrow(UserError);
  expect(() => goldenModel(folder)).toThrow(name);
});

test("files of another folder's model", () => {
  const folder = changed("io", (all) => all);
  writeFileSync(join(folder, "io.safetensors"), readFileSync(join(sound, "train.safetensors")));
  expect(() => goldenModel(folder)).toThrow(/io\.safetensors: (.|\n)*no tensor "logits"/);
});

test("files only are no folders to verify", async () => {
  const result = await moeutHere(["verify", join(sound, "config.json"), join(sound, "io.safetensors")]);
  expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining("none of the 2 paths is a folder") as string });
});

describe("deviations", () => {
  test.each<[string, number, number]>([
    ["of the greatest entry", ofLargest([1, 2.5], [1, 2]), 0.25],
    ["NaN", ofLargest([NaN, 2], [1, 2]), Infinity],
    ["zeros for zeros", ofLargest([0, -0], [0, 0]), 0],
    ["anything else for zeros", ofLargest([0, 1e-30], [0, 0]), Infinity],
    ["noise for zeros", ofLargest([0, 2 ** -20], [0, 0], 1), 2 ** -20],
    ["more than noise for zeros", ofLargest([0, 1e-5], [0, 0], 1), Infinity],
    ["a loss", relative(1.5, 1), 0.5],
    ["a loss of 0", relative(0, 0), 0],
    ["a regularizer that should not be there", relative(1e-6, 0), Infinity],
    ["a change", ofChange([2, 1], [3, 1], [1, 1]), 0.5],
    ["no change where there should be none", ofChange([1], [1], [1]), 0],
    ["a change where there should be none", ofChange([1.001], [1], [1]), Infinity],
    ["sets in any order", differentSets([1, 2, 3, 4], [2, 1, 4, 4], 2), 1],
  ])("%s", (_, got, want) => expect(got).toBe(want));
});
