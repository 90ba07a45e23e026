/** Prepared corpora: shards of tokens that do not depend on how they were made, and what is read from them. */
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { corpusOf } from "../cli/data.ts";
import { openCorpus } from "../runtime/corpus/corpus.ts";
import { readIndex, writeIndex, type CorpusIndex } from "../runtime/corpus/index-file.ts";
import { PLAIN } from "../runtime/data/document.ts";
import { datasetOf } from "../runtime/data/index.ts";
import { sourceDocuments } from "../runtime/data/source.ts";
import { UserError } from "../runtime/errors.ts";
import { readTokenizer } from "../runtime/tokenizer/file.ts";
import { hashOf, json, moeut, moeutHere, ROOT } from "./support/cli.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root, file } = scratchFolder("prepare");

/** A little more than a shard: numbered lines in JSONL. */
const words = (i: number): string => Array.from({ length: 50 }, (_, j) => `${i}.${j} All work and no play makes dull. `).join("");
const LINES = Array.from({ length: 9000 }, (_, i) => words(i));
const corpus = file("corpus.jsonl", LINES.map((text) => `${JSON.stringify({ text })}\n`).join(""));
const prepareHere = (out: string): ReturnType<typeof moeutHere> =>
  moeutHere(["data", "prepare", corpus, "--out", join(root, out), "--json"]);
const KILLING = ["--import", join(ROOT, "test", "support", "kill-at-rename.mjs")];
const files = (folder: string): Readonly<Record<string, string>> => Object.fromEntries(
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name)).sort().map((path) => [path.slice(join(root, folder).length + 1), hashOf(path)]),
);
const tokensOf = (folder: string, part: string, { shards }: CorpusIndex): Uint16Array => {
  const bytes = Buffer.concat(shards.flatMap(({ name }) => readFileSync(join(root, folder, part, `${name}.tokens`))));
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
};

describe("a prepared corpus", () => {
  beforeAll(async () => {
    const result = await prepareHere("whole");
    expect(result.stderr).toBe("");
    expect(json(result)).toMatchObject({ shards: 2, kept_bytes: 0 });
  });

  test("holds the documents in their order, apart by a newline where bytes are tokens, and holds out those whose hash is low", () => {
    const index = readIndex(join(root, "whole"));
    const isHeldOut = (text: string): boolean => createHash("sha256").update(text).digest().readUInt32BE() < 0.05 * 2 ** 32;
    for (const [part, wanted] of [["train", LINES.filter((text) => !isHeldOut(text))], ["validation", LINES.filter(isHeldOut)]] as const) {
      expect(Buffer.from(tokensOf("whole", part, index)).toString()).toBe(wanted.map((text) => `${text}\n`).join(""));
      const starts = index.shards.map(({ name }) => readFileSync(join(root, "whole", part, `${name}.documents`)));
      expect(starts.reduce((sum, bytes) => sum + bytes.length / 4, 0)).toBe(wanted.length);
      expect([0, 1].map((i) => starts[0]!.readUInt32LE(4 * i))).toEqual([0, wanted[0]!.length + 1]);
    }
  });

  test("is the same from a packed file; and with threads, killed at any moment and run again, without doing anything twice", async () => {
    const packed = file("packed/corpus.jsonl.gz", gzipSync(readFileSync(corpus), { level: 1 }));
    expect((await moeutHere(["data", "prepare", packed, "--out", join(root, "packed/out")])).status).toBe(0);
    const { "index.json": _, ...tokens } = files("whole");
    expect(files("packed/out")).toMatchObject(tokens);
    const out = join(root, "killed");
    const command = ["data", "prepare", corpus, "--out", out, "--threads", "2"];
    for (const moment of ["1 before", "4 before", "5 after", "2 after"]) {
      const killed = await moeut(command, () => {}, KILLING, { MOEUT_TEST_KILL: moment, MOEUT_TEST_FOLDER: out });
      expect(killed.status).toBeNull();
    }
    const last = await moeut([...command, "--json"]);
    expect(json(last).kept_bytes).toBeGreaterThanOrEqual(2 ** 24);
    expect(files("killed")).toEqual(files("whole"));
  });

  test("holds a token behind each document where the tokenizer has one for it, and none behind a passage", async () => {
    const [text, lines] = [file("long.txt", words(1).repeat(60)), file("lines.jsonl", '{"text":"one"}\n{"text":""}\n{"text":"two\\n"}\n')];
    const path = join(root, "tokenizer.json");
    expect((await moeutHere(["tokenizer", "train", text, lines, "--vocab-size", "300", "--out", path])).status).toBe(0);
    const out = join(root, "ended");
    expect((await moeutHere(["data", "prepare", text, lines, "--out", out, "--tokenizer", path, "--validation", "0"])).status).toBe(0);
    const tokenizer = readTokenizer(path);
    const wanted: number[] = [];
    for await (const document of sourceDocuments([text, lines], { ...PLAIN }, () => {})) {
      if (document.text.length === 0) continue;
      wanted.push(...tokenizer.encode(document.text), ...(document.continues ? [] : [tokenizer.endOfText!]));
    }
    expect(wanted.filter((token) => token === tokenizer.endOfText)).toHaveLength(3);
    expect([...tokensOf("ended", "train", readIndex(out))]).toEqual(wanted);
  });

  test("is trained on in blocks of all its tokens, as if they lay in memory, and knows itself by its hashes", () => {
    const opened = corpusOf([join(root, "whole")])!;
    const all = tokensOf("whole", "train", opened.index);
    const [seqLen, batch] = [100, 3];
    const data = datasetOf(opened, { seqLen, batch, seed: 1 });
    expect(data.trainBlocks).toBe(Math.floor(all.length / (seqLen + 1)));
    const drawn = new Set<number>();
    for (const step of [0, 1, 50, 1000, 20_000]) {
      const { tokens, targets } = data.batchAt(step);
      for (let row = 0; row < batch; row++) {
        const got = [...tokens.subarray(row * seqLen, (row + 1) * seqLen), targets[(row + 1) * seqLen - 1]!];
        const block = blockOf(all, got, seqLen + 1);
        expect(block).toBeGreaterThanOrEqual(0);
        drawn.add(block);
      }
    }
    expect(drawn.size).toBe(15);
    const crossing = opened.index.shards[0]!.train.tokens - 3;
    const read = new Uint32Array(6);
    opened.split(seqLen).train.tokens.read(crossing, read);
    expect([...read]).toEqual([...all.subarray(crossing, crossing + 6)]);
    expect(data.dataId).not.toBe(datasetOf(opened, { seqLen: 99, batch, seed: 1 }).dataId);
    expect(opened.bytesPerToken).toBe(1);
  });

  describe("that was damaged", () => {
    const damaged = (name: string, damage: (folder: string) => void): string => {
      const folder = join(root, "damaged", name);
      cpSync(join(root, "whole"), folder, { recursive: true });
      damage(folder);
      return folder;
    };
    const flip = (path: string): void => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(path, bytes);
    };

    test("is noticed when it is read, not before, and by `data check`; preparing again mends it and nothing else", async () => {
      const folder = damaged("bit", (at) => flip(join(at, "train", "00001.tokens")));
      const { train, validation } = openCorpus(folder).split(8);
      const some = new Uint32Array(4);
      train.tokens.read(0, some);
      validation.tokens.read(0, some);
      expect(() => train.tokens.read(train.tokens.length - 4, some))
        .toThrow(/train.00001\.tokens is damaged: its SHA-256 is not that of the index; the same `moeut data prepare` again/);
      const checked = await moeutHere(["data", "check", folder]);
      expect(checked).toMatchObject({ status: 1, stderr: expect.stringMatching(/train.00001\.tokens is damaged/) });
      const mended = await prepareHere("damaged/bit");
      expect(mended.stderr).toMatch(/note: .*train.00001\.tokens is damaged.*; it is made anew/);
      expect(json(mended).kept_bytes).toBeGreaterThanOrEqual(2 ** 24);
      expect(files("damaged/bit")).toEqual(files("whole"));
      expect((await moeutHere(["data", "check", folder])).stdout).toMatch(/2 shards, all as they were written/);
    });

    test("is not mended with another text", async () => {
      const folder = damaged("other", (at) => flip(join(at, "train", "00001.tokens")));
      const other = file("other.jsonl", LINES.map((text, i) => `${JSON.stringify({ text: i === 8999 ? "changed" : text })}\n`).join(""));
      const before = hashOf(join(folder, "index.json"));
      const { status, stderr } = await moeutHere(["data", "prepare", other, "--out", folder]);
      expect(stderr).toMatch(/the source is not what .*other was begun with/);
      expect(status).toBe(1);
      expect(hashOf(join(folder, "index.json"))).toBe(before);
    });

    test.each([
      { why: "a file that is gone", damage: (at: string) => rmSync(join(at, "train", "00000.tokens")), message: /train.00000\.tokens is missing/ },
      { why: "a file cut short", damage: (at: string) => truncateSync(join(at, "validation", "00001.tokens"), 100), message: /validation.00001\.tokens has 100 of \d+ bytes/ },
      { why: "a longer file", damage: (at: string) => appendFileSync(join(at, "train", "00001.tokens"), "xx"), message: /train.00001\.tokens has \d+ of \d+ bytes/ },
      { why: "an index that is no JSON", damage: (at: string) => truncateSync(join(at, "index.json"), 100), message: /index\.json is not JSON; it was damaged/ },
      { why: "an index with another number", damage: (at: string) => replaceIn(join(at, "index.json"), /"bytes": 1/, '"bytes": 2'), message: /index\.json was damaged, or changed after it was written/ },
      { why: "an index of another version", damage: (at: string) => edit(at, { version: 2 }), message: /index\.json is of another version \(2\), which this one cannot read/ },
      { why: "one that is not finished", damage: (at: string) => edit(at, { complete: false }), message: /is not finished: the same `moeut data prepare` again goes on with it/ },
    ])("$why is refused before training", ({ why, damage, message }) => {
      const folder = damaged(why, damage);
      expect(() => openCorpus(folder)).toThrow(UserError);
      expect(() => openCorpus(folder)).toThrow(message);
    });
  });
});

const edit = (folder: string, change: Partial<Record<keyof CorpusIndex, unknown>>): void =>
  writeIndex(folder, { ...readIndex(folder), ...change } as CorpusIndex);

function replaceIn(path: string, pattern: RegExp, by: string): void {
  writeFileSync(path, readFileSync(path, "utf8").replace(pattern, by));
}

/** Which block of `length` tokens this is, or −1. */
function blockOf(all: Uint16Array, wanted: readonly number[], length: number): number {
  for (let start = 0; start + length <= all.length; start += length) {
    if (wanted.every((token, i) => all[start + i] === token)) return start / length;
  }
  return -1;
}

describe("mistakes", () => {
  const small = file("small.jsonl", '{"text":"one"}\n{"text":"two"}\n');
  const out = join(root, "small");
  beforeAll(async () => expect((await moeutHere(["data", "prepare", small, "--out", out, "--validation", "0"])).status).toBe(0));

  test.each([
    { why: "another share", args: [small, "--out", out, "--validation", "0.2"], message: /was begun with --validation 0, and now it is 0\.2; undo the change, or choose another folder/ },
    { why: "another field", args: [small, "--out", out, "--validation", "0", "--field", "text.x"], message: /begun with --field "text", and now it is "text\.x"/ },
    { why: "another text", args: [file("changed.jsonl", '{"text":"one"}\n{"text":"2"}\n'), "--out", out, "--validation", "0"], message: /the source is not what .*small was begun with/ },
    { why: "less text", args: [file("less.jsonl", '{"text":"one"}\n'), "--out", out, "--validation", "0"], message: /the source is not what/ },
    { why: "a folder with something else", args: [small, "--out", join(file("else/a.txt", "x"), "..")], message: /else holds something else than a prepared corpus/ },
    { why: "a prepared corpus as source", args: [out, "--out", join(root, "again")], message: /small is a prepared corpus: its tokens are data as they are, and no text/ },
    { why: "a share of all", args: [small, "--out", join(root, "again"), "--validation", "1"], message: /It must be a number from 0 to below 1/ },
    { why: "an unknown escape", args: [small, "--out", join(root, "again"), "--between", "\\q"], message: /--between: \\q is not understood; of escapes there are/ },
    { why: "a task of pairs", args: ["scan:length", "--out", join(root, "again")], message: /scan:length is a task of pairs and no text: train on it with --data/ },
    { why: "no source", args: [join(root, "none.txt"), "--out", join(root, "again")], message: /cannot read .*none\.txt: no such file/ },
  ])("$why is said", async ({ args, message }) => {
    const { status, stderr } = await moeutHere(["data", "prepare", ...args]);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  test.each([
    { why: "nothing held out", args: ["--data", out, "--set", "seq_len=2"], message: /small is too short: 0 of its tokens are held out, and seq_len 2 needs at least 3/ },
    { why: "mixed with others", args: ["--data", small, out], message: /small is a prepared corpus, which cannot be mixed with other data/ },
    { why: "a vocabulary that is too small", args: ["--data", out, "--set", "vocab_size=200"], message: /small has 256 tokens, and model tiny a vocab_size of 200: give it `vocab_size 256`/ },
  ])("training: $why is said before anything is compiled", async ({ args, message }) => {
    const { status, stderr } = await moeutHere(["train", "specs/tiny.moeut", "--out", join(root, "run"), ...args]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/compiling/);
    expect(status).toBe(1);
  });
});
