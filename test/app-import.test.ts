/** Official weights become a run folder that generate and eval read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readTrainedRun } from "../cli/trained-run.ts";
import { decodeText } from "../runtime/data/index.ts";
import { readSafetensors, writeSafetensors, type TensorToWrite } from "../runtime/files/safetensors.ts";
import { vocabularyText } from "../runtime/pairs/vocabulary.ts";
import { currentCheckpoint, weightsPath } from "../runtime/train/index.ts";
import { moeutHere } from "./support/cli.ts";
import { makeGolden } from "./support/made-golden.ts";
import { goldenFolder } from "./support/shared.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-import-"));
afterAll(() => rmSync(work, { recursive: true }));
const importTo = (folder: string, out: string, weights = join(folder, "weights.safetensors")): ReturnType<typeof moeutHere> =>
  moeutHere(["import", join(folder, "config.json"), weights, "--out", join(work, out)]);

describe.each([["a1", "the clean code"], ["b5", "the training code, keys and values in one tensor"], ["c1", "usage counters to ignore"]])("import of %s: %s", (prefix) => {
  const folder = goldenFolder(prefix);
  if (folder === null) return test.skip("no golden folder", () => {});

  test("keeps every number, under the names that checkpoints have", async () => {
    expect(await importTo(folder, prefix)).toMatchObject({ status: 0 });
    const got = readSafetensors(weightsPath(currentCheckpoint(join(work, prefix))!));
    const want = readSafetensors(join(folder, "weights.safetensors"));
    expect(got.tensors.size).toBeGreaterThan(10);
    for (const [name, { shape }] of got.tensors) {
      expect(want.tensors.get(name)?.shape, name).toEqual(shape);
      expect(got.readFloats(name), name).toEqual(want.readFloats(name));
    }
  });

  test("never writes over a run", async () => {
    expect(await importTo(folder, prefix)).toMatchObject({ status: 1, stderr: expect.stringContaining("already holds a run") as string });
  });
});

const [clean, dense] = [goldenFolder("a1"), goldenFolder("b5")];
test.skipIf(clean === null || dense === null)("weights of another model are refused by tensor, and nothing is made", async () => {
  expect(await importTo(dense!, "other", join(clean!, "weights.safetensors"))).toMatchObject({
    status: 1, stderr: expect.stringMatching(/weights\.safetensors: .*embedding/) as string,
  });
  expect(await moeutHere(["eval", join(work, "other"), "--data", "typescript"])).toMatchObject({
    status: 1, stderr: expect.stringContaining("is not a run folder") as string,
  });
});

describe("files as they come", () => {
  const made = join(work, "made");
  makeGolden(made);
  const config = readFileSync(join(made, "config.json"), "utf8");
  const weights = readSafetensors(join(made, "weights.safetensors"));
  const tensors = [...weights.tensors].map(([name, { shape }]) => ({ name, dtype: "F32" as const, shape, data: weights.readFloats(name) }));
  let count = 0;
  const importOf = (
    text: string | Buffer, all: readonly TensorToWrite[] = tensors, bytes?: Uint8Array,
  ): Promise<{ readonly status: number | null; readonly stderr: string; readonly out: string }> => {
    const [file, numbers, out] = ["json", "safetensors", "run"].map((kind) => join(work, `${count++}.${kind}`)) as [string, string, string];
    writeFileSync(file, text);
    if (bytes === undefined) writeSafetensors(numbers, all);
    else writeFileSync(numbers, bytes);
    return moeutHere(["import", file, numbers, "--out", out]).then((result) => ({ ...result, out }));
  };
  const numbersOf = (out: string): readonly Float32Array[] =>
    tensors.map(({ name }) => readSafetensors(weightsPath(currentCheckpoint(out)!)).readFloats(name));

  test("a run knows what its tokens are, if it is told with --tokenizer", async () => {
    const tokenizer = (name: string, words: readonly string[]): string => {
      writeFileSync(join(work, name), vocabularyText(words, false));
      return join(work, name);
    };
    const [fits, large] = [tokenizer("fits.json", ["one", "two"]), tokenizer("large.json", [..."abcdefgh"])];
    const importWith = (out: string, path: string): ReturnType<typeof moeutHere> =>
      moeutHere(["import", join(made, "config.json"), join(made, "weights.safetensors"), "--out", join(work, out), "--tokenizer", path]);
    expect((await importWith("told", fits)).status).toBe(0);
    expect(decodeText(readTrainedRun(join(work, "told"), []).tokenizer, [5, 4])).toBe("two one");
    expect(await importWith("not told", large)).toMatchObject({
      status: 1, stderr: expect.stringMatching(/large\.json has 12 tokens, and model \w+ a vocab_size of 11/) as string,
    });
    expect(await moeutHere(["import", join(made, "config.json"), "--tokenizer", fits])).toMatchObject({
      status: 1, stderr: expect.stringContaining("--tokenizer does nothing beside a spec that is printed") as string,
    });
  });

  test("a byte order mark is no damage", async () => expect(await importOf(`\ufeff${config}`)).toMatchObject({ status: 0 }));

  test.each<[string, string | Buffer, RegExp]>([
    ["UTF-16", Buffer.from(`\ufeff${config}`, "utf16le"), /is text in UTF-16; save it as UTF-8/],
    ["UTF-16 without a mark", Buffer.from(config, "utf16le"), /is text in UTF-16/],
    ["Latin-1", Buffer.from(config.replace("made", "m\u00e4de"), "latin1"), /is not text in UTF-8/],
    ["an option given twice", config.replace('"ff_k":', '"ff_k":8,"ff_k":'), /says "ff_k" twice/],
    ["nothing", "", /is empty/],
    ["a list", "[1]", /does not hold a JSON object/],
    ["deep nesting", `${'{"args":'.repeat(2_000)}1${"}".repeat(2_000)}`, /nests deeper than 64 levels/],
    ["NaN, which is not JSON", config.replace('"ff_k":2', '"ff_k":NaN'), /is not JSON/],
    ["a billion layers", config.replace('"group_size":1', '"group_size":1000000000'), /option group_size is 1000000000; it must be a whole number from 1 to 1000/],
  ])("refused: %s", async (_, text, message) => {
    const result = await importOf(text);
    expect(result).toMatchObject({ status: 1, stderr: expect.stringMatching(message) as string });
    expect(() => readFileSync(join(result.out, "run.json"))).toThrow();
  });

  test.each([NaN, Infinity, -Infinity])("a weight that is %s", async (value) => {
    const bad = tensors.map((tensor) => (tensor.name === "lm_head.bias" ? { ...tensor, data: tensor.data.slice().fill(value, 3, 4) } : tensor));
    expect(await importOf(config, bad)).toMatchObject({
      status: 1, stderr: expect.stringContaining(`tensor "lm_head.bias" is not finite: element 3 is ${value}`) as string,
    });
  });

  test("all tensors that do not fit, at once", async () => {
    const [first, ...rest] = tensors;
    const { stderr, status } = await importOf(config, [...rest, { name: "extra", dtype: "F32", shape: [1], data: Float32Array.of(1) }]);
    expect([status, stderr.includes(`"${first!.name}"`), stderr.includes('"extra"')]).toEqual([1, true, true]);
  });

  test.each([["BF16", (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0]! >>> 16], ["F16", () => 0x3555]] as const)("weights in %s are converted", async (dtype, half) => {
    let at = 0;
    const header = Buffer.from(JSON.stringify(Object.fromEntries(tensors.map(({ name, shape, data }) => [name, { dtype, shape, data_offsets: [at, (at += 2 * data.length)] }]))));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const halves = tensors.map(({ data }) => Uint16Array.from(data, half));
    const { status, out } = await importOf(config, [], Buffer.concat([length, header, ...halves.map(({ buffer }) => new Uint8Array(buffer))]));
    expect(status).toBe(0);
    const want = halves.map((bits) => Float32Array.from(bits, (b) => (dtype === "F16" ? 0.333251953125 : new Float32Array(Uint32Array.of(b << 16).buffer)[0]!)));
    expect(numbersOf(out)).toEqual(want);
  });
});
