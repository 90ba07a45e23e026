import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { byteTokenizer, decodeText, encodeText, type Dataset, type Tokenizer } from "../runtime/data/index.ts";
import { glob, matcher } from "../runtime/data/glob.ts";
import { scanPairs, scanSplit, scanText } from "../runtime/data/scan.ts";
import { permutation } from "../runtime/data/shuffle.ts";
import { readSource } from "../runtime/data/source.ts";
import { UserError } from "../runtime/errors.ts";
import { loadData, type DataOptions } from "./support/data.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root, file } = scratchFolder("data");

const OPTIONS: DataOptions = { tokenizer: byteTokenizer, seqLen: 4, batch: 2, seed: 1, validationFraction: 0.25 };
const textOf = async (source: string | readonly string[]): Promise<string> => Buffer.from((await readSource(source)).text).toString();

describe("byte tokenizer", () => {
  test.each(["", "plain", "naïve ☃ 🧪", "\u0000\uffff"])("gives %j back", (text) => {
    expect(decodeText(byteTokenizer, encodeText(byteTokenizer, text))).toBe(text);
  });
});

describe("permutation", () => {
  test("is one, for any size, seed and epoch", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.nat(), fc.string(), (n, seed, stream) => {
        const order = permutation(n, seed, stream);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(permutation(n, seed, stream)).toEqual(order);
      }),
      { seed: 1 },
    );
  });

  test("differs between seeds and between streams", () => {
    const orders = [1, 2].flatMap((seed) => ["a", "b"].map((stream) => permutation(100, seed, stream).join()));
    expect(new Set(orders).size).toBe(4);
  });

  test("puts every element everywhere equally often", () => {
    const [n, trials] = [6, 6000];
    const counts = new Float64Array(n * n);
    for (let seed = 0; seed < trials; seed++) permutation(n, seed, "test").forEach((element, place) => counts[element * n + place]!++);
    const chiSquare = counts.reduce((sum, count) => sum + (count - trials / n) ** 2 / (trials / n), 0);
    expect(chiSquare).toBeLessThan(52.6); // 25 degrees of freedom, p = 0.001
  });
});

describe("glob", () => {
  beforeAll(() => {
    for (const name of ["a.txt", "b.md", "c/d.txt", "c/e/f.txt", "c/.hidden.txt", ".dir/g.txt"]) file(`glob/${name}`, "x");
  });
  const names = (pattern: string): readonly string[] => glob(join(root, "glob", pattern)).map((path) => path.slice(root.length + 6));

  test.each([
    ["*.txt", ["a.txt"]],
    ["**/*.txt", ["a.txt", "c/d.txt", "c/e/f.txt"]],
    ["**", ["a.txt", "b.md", "c/d.txt", "c/e/f.txt"]],
    ["c/**/f.txt", ["c/e/f.txt"]],
    ["?.{md,txt}", ["a.txt", "b.md"]],
    ["[!a].*", ["b.md"]],
    ["[a-b].*", ["a.txt", "b.md"]],
    ["*/d.txt", ["c/d.txt"]],
    ["c/.*.txt", ["c/.hidden.txt"]],
    ["nothing*", []],
    ["a.txt/*", []],
  ])("%s", (pattern, want) => {
    expect(names(pattern)).toEqual(want);
  });

  test("any part without special characters matches itself alone", () => {
    fc.assert(fc.property(fc.string({ minLength: 1 }).filter((text) => !/[*?[\]{}/]/.test(text)), (text) => matcher(text)(text)));
  });
});

describe("files", () => {
  test("text as it is, one after the other, in the order given", async () => {
    const [a, b] = [file("one.txt", "end without newline"), file("two.txt", "bytes: é\n")];
    expect(await textOf([a, b])).toBe("end without newline\nbytes: é\n");
    expect(await textOf([b, a])).toBe("bytes: é\nend without newline\n");
  });

  test("gzip, JSONL and both", async () => {
    const lines = '{"text":"first"}\r\n\n{"text":"sec\\nond\\n","id":2}\n';
    expect(await textOf(file("x.txt.gz", gzipSync("packed\n")))).toBe("packed\n");
    expect(await textOf(file("x.jsonl", lines))).toBe("first\nsec\nond\n");
    expect(await textOf(file("x.jsonl.gz", gzipSync(lines)))).toBe("first\nsec\nond\n");
  });

  test("a directory is the files below it, sorted; hidden ones are none of them", async () => {
    const files = { "b.txt": "b\n", "a/z.txt": "z\n", "a/.hidden": "no\n", "[c]/y.jsonl": '{"text":"y"}' };
    for (const [name, text] of Object.entries(files)) file(`folder/${name}`, text);
    expect(await textOf(join(root, "folder"))).toBe("y\nz\nb\n");
  });

  test("a file whose name looks like a glob is that file", async () => {
    expect(await textOf(file("[a]*.txt", "literal\n"))).toBe("literal\n");
  });

  test("a byte order mark is not text", async () => {
    expect(await textOf(file("bom.txt", "\ufeffhi\n"))).toBe("hi\n");
  });

  test.each([
    { why: "no such file", path: () => join(root, "none.txt"), message: /cannot read .*none\.txt: no such file/ },
    { why: "directory without files", path: () => mkdirSync(join(root, "bare/b"), { recursive: true })!, message: /no file is in .*bare/ },
    { why: "glob without match", path: () => join(root, "*.none"), message: /no file matches .*\*\.none/ },
    { why: "empty file", path: () => file("empty.txt", ""), message: /empty\.txt is empty/ },
    { why: "empty gzip", path: () => file("empty.gz", gzipSync("")), message: /empty\.gz is empty/ },
    { why: "binary", path: () => file("binary.txt", Buffer.from([65, 66, 0, 67])), message: /binary\.txt is not text: byte 2 is 0/ },
    { why: "binary JSONL", path: () => file("binary.jsonl", Buffer.from([0x89, 0x50, 0, 1])), message: /is not text/ },
    { why: "not JSON", path: () => file("bad.jsonl", '{"text":"a"}\nplain text\n'), message: /bad\.jsonl:2: this line is not JSON/ },
    { why: "no text field", path: () => file("field.jsonl", '{"txt":"a"}\n'), message: /field\.jsonl:1: this line has no field "text"/ },
    { why: "text that is a number", path: () => file("number.jsonl", '{"text":1}\n'), message: /number\.jsonl:1/ },
    { why: "JSON that is null", path: () => file("null.jsonl", "null\n"), message: /null\.jsonl:1/ },
    { why: "JSONL of blank lines", path: () => file("blank.jsonl", "\n\n"), message: /blank\.jsonl is empty/ },
    { why: "not gzip", path: () => file("not.gz", "plain"), message: /not\.gz is not a sound gzip file/ },
    { why: "truncated gzip", path: () => file("cut.gz", gzipSync("x".repeat(1000)).subarray(0, 20)), message: /cut\.gz is not a sound gzip file/ },
    { why: "a task of pairs", path: () => "scan:length", message: /scan:length is a task of pairs and no text: .* eval --tasks scan/ },
    { why: "built-in among files", path: () => [file("ok.txt", "ok"), "typescript"], message: /built-in source typescript cannot be mixed/ },
  ])("$why", async ({ path, message }) => {
    const attempt = loadData(path(), OPTIONS);
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(message);
  });
});

describe("dataset", () => {
  const letters = "abcdefghijklmnopqrstuvwxyz".repeat(10);
  const load = (changes: Partial<DataOptions> = {}, text = letters): Promise<Dataset> =>
    loadData(file("letters.txt", text), { ...OPTIONS, ...changes });
  const rows = (tokens: Uint32Array): readonly string[] =>
    Array.from({ length: tokens.length / 4 }, (_, row) => tokens.slice(4 * row, 4 * row + 4).join());
  const held = (data: Dataset): readonly string[] =>
    [...data.validationBatches()].flatMap((batch) => rows(batch.tokens).slice(0, batch.scoredFrom.length));
  const epoch = (data: Dataset, first = 0): readonly string[] =>
    Array.from({ length: Math.floor(data.trainBlocks / 2) }, (_, step) => rows(data.batchAt(first + step).tokens)).flat();

  test("targets are the tokens one position later", async () => {
    const text = Array.from({ length: 200 }, (_, i) => String.fromCharCode(33 + (i % 90))).join("");
    const { tokens, targets } = (await load({}, text)).batchAt(3);
    for (const [i, token] of tokens.entries()) expect(targets[i]).toBe(33 + ((token - 33 + 1) % 90));
  });

  test("training and validation share no token and leave none out but the last few", async () => {
    const text = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("").replace("\0", "\x01");
    const tokenizer: Tokenizer = {
      ...byteTokenizer, id: "latin1", encode: (bytes) => Buffer.from(Buffer.from(bytes).toString("utf8"), "latin1"),
    };
    const data = await load({ tokenizer, batch: 1 }, text);
    const trained = Array.from({ length: data.trainBlocks }, (_, step) => data.batchAt(step))
      .flatMap(({ tokens, targets }) => [...tokens, ...targets]);
    const validated = [...data.validationBatches()].flatMap(({ tokens, targets }) => [...tokens, ...targets]);
    expect(trained.filter((token) => token > 1 && validated.includes(token))).toEqual([]);
    expect(new Set([...trained, ...validated]).size).toBe(254);
    expect(data.validationBlocks).toBe(Math.round(0.25 * (data.trainBlocks + data.validationBlocks)));
  });

  test("every epoch visits each block once, in another order", async () => {
    const data = await load({ batch: 1, validationFraction: 0.5 }, letters.slice(0, 259)); // 26 blocks to train on
    const visit = (which: number): readonly string[] => Array.from({ length: 26 }, (_, i) => rows(data.batchAt(which * 26 + i).tokens)[0]!);
    expect(data.trainBlocks).toBe(26);
    expect([...visit(0)].sort()).toEqual([...visit(1)].sort());
    expect(visit(0)).not.toEqual(visit(1));
    expect(visit(0)).toEqual(visit(0));
  });

  test("a batch depends on its step alone: asking in any order, or after loading anew, gives the same", async () => {
    const [one, two] = [await load(), await load()];
    const steps = [0, 1, 57, 3, 1000, 0, 21];
    const want = steps.map((step) => one.batchAt(step));
    expect([...steps].reverse().map((step) => two.batchAt(step)).reverse()).toEqual(want);
  });

  test("another seed changes the order, not the split and not the id", async () => {
    const [one, two] = [await load({ seed: 1 }), await load({ seed: 2 })];
    expect(held(one)).toEqual(held(two));
    expect(one.dataId).toBe(two.dataId);
    expect(epoch(one)).not.toEqual(epoch(two));
  });

  test.each([
    { why: "one letter", changes: {}, text: letters.replace("z", "Z") },
    { why: "another context", changes: { seqLen: 5 }, text: letters },
    { why: "another share held out", changes: { validationFraction: 0.5 }, text: letters },
  ])("the id tells data apart: $why", async ({ changes, text }) => {
    expect((await load(changes, text)).dataId).not.toBe((await load()).dataId);
  });

  test("a limited validation uses blocks from everywhere, and the last batch says how full it is", async () => {
    const data = await load({ validationFraction: 1, batch: 4 });
    const batches = [...data.validationBatches(10 * 4)];
    expect(batches.map((batch) => batch.scoredFrom.length)).toEqual([4, 4, 2]);
    expect(batches[2]!.tokens.subarray(8)).toEqual(new Uint32Array(8));
    expect([...data.validationBatches(0)].map((batch) => batch.scoredFrom.length)).toEqual([1]);
    expect([...data.validationBatches()].reduce((sum, batch) => sum + batch.scoredFrom.length, 0)).toBe(data.validationBlocks);
    expect(data).toMatchObject({ trainBlocks: 0, nTokens: 261, bytesPerToken: 1 });
  });

  test("shares of 0 and 1 train on all and evaluate all", async () => {
    expect(await load({ validationFraction: 0 })).toMatchObject({ trainBlocks: 52, validationBlocks: 0 });
    expect(await load({ validationFraction: 1 })).toMatchObject({ trainBlocks: 0, validationBlocks: 52 });
  });

  test.each([
    { why: "shorter than two contexts", text: "short\n", changes: {}, message: /letters\.txt is too short: it has 6 tokens, and seq_len 4 needs at least 10: 5 to train on and 5 to hold out/ },
    { why: "shorter than one", text: "sho\n", changes: { validationFraction: 1 }, message: /it has 4 tokens, and seq_len 4 needs at least 5$/ },
    { why: "token outside the vocabulary", text: letters, changes: { vocabSize: 100 }, message: /letters\.txt: token 3 is 100 \(tokenizer "bytes"\), but the model's vocab_size is 100/ },
  ])("$why", async ({ text, changes, message }) => {
    const attempt = load(changes, text);
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(message);
  });

  test("a vocabulary smaller than the tokenizer's is fine if the data fits", async () => {
    expect((await load({ vocabSize: 128 })).nTokens).toBe(261);
  });
});

describe("built-in sources", () => {
  test("typescript: megabytes of declarations, the same each time", async () => {
    const { text } = await readSource("typescript");
    expect(text.length).toBeGreaterThan(2_500_000);
    expect(Buffer.from(text).includes("interface Promise<T>")).toBe(true);
    const [one, two] = [
      await loadData("typescript", { ...OPTIONS, seqLen: 128 }), await loadData("typescript", { ...OPTIONS, seqLen: 128, seed: 9 }),
    ];
    expect(one.dataId).toBe(two.dataId);
  });

  test("scan without a split holds all commands", async () => {
    expect((await textOf("scan")).split("\n")).toHaveLength(20_911);
  });
});

describe("scan", () => {
  test("20,910 different commands of at most 9 words and 1 to 48 actions", () => {
    const pairs = scanPairs();
    expect(new Set(pairs.map((pair) => pair.command)).size).toBe(20_910);
    expect(Math.max(...pairs.map((pair) => pair.command.split(" ").length))).toBe(9);
    expect(Math.max(...pairs.map((pair) => pair.actions.length))).toBe(48);
    expect(Math.min(...pairs.map((pair) => pair.actions.length))).toBe(1);
  });

  test.each([
    ["jump", "I_JUMP"],
    ["jump left", "I_TURN_LEFT I_JUMP"],
    ["turn opposite right", "I_TURN_RIGHT I_TURN_RIGHT"],
    ["walk around left", "I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK"],
    ["run opposite left after walk right", "I_TURN_RIGHT I_WALK I_TURN_LEFT I_TURN_LEFT I_RUN"],
    ["look thrice and jump", "I_LOOK I_LOOK I_LOOK I_JUMP"],
  ])("%s", (command, actions) => {
    expect(scanPairs().find((pair) => pair.command === command)?.actions.join(" ")).toBe(actions);
  });

  test.each([
    { split: "simple", train: 16_728, test: 4_182 },
    { split: "length", train: 16_990, test: 3_920 },
    { split: "addprim_jump", train: 14_670, test: 7_706 },
    { split: "addprim_turn_left", train: 21_890, test: 1_208 },
    { split: "around_right", train: 15_225, test: 4_476 },
  ] as const)("$split has the published sizes and no test command in training", ({ split, train, test: nTest }) => {
    const parts = scanSplit(split);
    expect([parts.train.length, parts.test.length]).toEqual([train, nTest]);
    const trained = new Set(parts.train.map((pair) => pair.command));
    expect(parts.test.filter((pair) => trained.has(pair.command))).toEqual([]);
  });

  /** SHA-256 of the sorted lines of the published files (github.com/brendenlake/SCAN, commit c4b756cb): `sort tasks.txt | sha256sum`. */
  const PUBLISHED = [
    { what: "all pairs", pairs: () => scanPairs(), hash: "6be4b39bc8bf3a20be810b6991250d0493e608560609db6765dd679e1ed1c98e" },
    { what: "length, training", pairs: () => scanSplit("length").train, hash: "7ffb97f45029871c94bede7e723f7a4aa179eb99fe2b977a18283310422c719d" },
    { what: "length, test", pairs: () => scanSplit("length").test, hash: "3297fd0b676c391f7bc3a7385aa66a7fdf64f6f8e81ad584810c1d4ebd0eaa2c" },
    { what: "addprim_jump, training", pairs: () => scanSplit("addprim_jump").train, hash: "0683daacfdce23cf8ed6f5077feda21785e93ac82e0d11363a9280b7b0c6561e" },
    { what: "addprim_jump, test", pairs: () => scanSplit("addprim_jump").test, hash: "522454c6280eab957dfc4ea9579ef1d780a716ac34df09619970e1d98822d7e2" },
    { what: "addprim_turn_left, training", pairs: () => scanSplit("addprim_turn_left").train, hash: "e0c26b51b6bba2658e02d69ad53fc15399842d57356d3551a3ed192bca0f9ad4" },
    { what: "addprim_turn_left, test", pairs: () => scanSplit("addprim_turn_left").test, hash: "14dd6316d16204d2871678ee4bd35aba253416a9b4df36bb6dfdda153d46e549" },
  ];

  test.each(PUBLISHED)("equals the published lines, repeated ones included: $what", ({ pairs, hash }) => {
    const lines = scanText(pairs()).trimEnd().split("\n").sort();
    expect(createHash("sha256").update(`${lines.join("\n")}\n`).digest("hex")).toBe(hash);
  });
});
