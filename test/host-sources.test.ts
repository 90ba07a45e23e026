/** Which files are text, in which encoding and kind; pipes and devices; globs. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync, closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, symlinkSync, truncateSync, utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { glob, matcher } from "../runtime/data/glob.ts";
import { readBytes } from "../runtime/data/read.ts";
import { readSource } from "../runtime/data/source.ts";
import { UserError } from "../runtime/errors.ts";
import { fuzz } from "./support/fuzz.ts";

const root = mkdtempSync(join(tmpdir(), "moeut-sources-"));
afterAll(() => rmSync(root, { recursive: true }));
const isWindows = process.platform === "win32";

function file(name: string, content: string | Uint8Array): string {
  const path = join(root, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const read = async (...source: readonly string[]): Promise<{ readonly text: string; readonly notes: readonly string[] }> => {
  const { text, notes } = await readSource(source);
  return { text: Buffer.from(text).toString(), notes };
};
const refusal = async (...source: readonly string[]): Promise<string> => {
  try {
    await readSource(source);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  throw new Error("it was read");
};

const utf16 = (text: string, bigEndian = false): Buffer =>
  (bigEndian ? Buffer.from(text, "utf16le").swap16() : Buffer.from(text, "utf16le"));
const utf32 = (text: string, bigEndian = false): Buffer => Buffer.concat([...text].map((c) => {
  const unit = Buffer.alloc(4);
  if (bigEndian) unit.writeUInt32BE(c.codePointAt(0)!);
  else unit.writeUInt32LE(c.codePointAt(0)!);
  return unit;
}));
const TEXT = "naïve ☃ 🧪, and so on\n";
const JSONL = '{"text":"one"}\n{"text":"two"}\n';

describe("encodings and kinds that are recognised", () => {
  test.each([
    { why: "UTF-8 with a mark", name: "mark8.txt", content: `\ufeff${TEXT}`, want: TEXT },
    { why: "UTF-16, little-endian, with a mark", name: "mark16le.txt", content: utf16(`\ufeff${TEXT}`), want: TEXT, note: /UTF-16 or UTF-32, as the mark/ },
    { why: "UTF-16, big-endian, with a mark", name: "mark16be.txt", content: utf16(`\ufeff${TEXT}`, true), want: TEXT, note: /UTF-16/ },
    { why: "UTF-32, little-endian, with a mark", name: "mark32le.txt", content: utf32(`\ufeff${TEXT}`), want: TEXT, note: /UTF-32/ },
    { why: "UTF-32, big-endian, with a mark", name: "mark32be.txt", content: utf32(`\ufeff${TEXT}`, true), want: TEXT, note: /UTF-32/ },
    { why: "JSONL in UTF-16", name: "mark16.jsonl", content: utf16(`\ufeff${JSONL}`), want: "one\ntwo\n", note: /UTF-16/ },
    { why: "JSONL with a mark and Windows line ends", name: "crlf.jsonl", content: `\ufeff${JSONL.replaceAll("\n", "\r\n")}`, want: "one\ntwo\n" },
    { why: "an ending in capitals", name: "CAPITALS.JSONL", content: JSONL, want: "one\ntwo\n" },
    { why: "another ending of JSONL", name: "lines.NdJson", content: JSONL, want: "one\ntwo\n" },
    { why: "an array of objects", name: "array.json", content: '[{"text":"one"},\n {"id":2,"text":"two\\n"}]', want: "one\ntwo\n" },
    { why: "an array of strings", name: "strings.json", content: '["one","two"]', want: "one\ntwo\n" },
    { why: "one object", name: "object.json", content: '{"text":"one"}', want: "one\n" },
    { why: "JSONL that is called .json", name: "lines.json", content: JSONL, want: "one\ntwo\n" },
    { why: "gzip with capitals", name: "CAPITALS.TXT.GZ", content: gzipSync(TEXT), want: TEXT },
    { why: "gzip by its content alone", name: "packed.txt", content: gzipSync(TEXT), want: TEXT },
    { why: "gzip of several members", name: "members.gz", content: Buffer.concat([gzipSync("one\n"), gzipSync("two\n")]), want: "one\ntwo\n" },
    { why: "gzip of JSON", name: "ARRAY.Json.Gz", content: gzipSync('["one"]'), want: "one\n" },
    { why: "gzip of UTF-16", name: "mark16.txt.gz", content: gzipSync(utf16(`\ufeff${TEXT}`)), want: TEXT, note: /UTF-16/ },
    { why: "a text that begins like another format", name: "riff.txt", content: "RIFF is a format. ID3, PAR1 and BZh too.\n", want: "RIFF is a format. ID3, PAR1 and BZh too.\n" },
  ])("$why", async ({ name, content, want, note }) => {
    const { text, notes } = await read(file(name, content));
    expect(text).toBe(want);
    expect(notes).toEqual(note === undefined ? [] : [expect.stringMatching(note)]);
  });

  test.each([
    { why: "GBK", bytes: Buffer.from([0xb6, 0xab, 0xb9, 0xfd, 0xd5, 0xd5, 0x0a]) },
    { why: "Latin-1", bytes: Buffer.from("caf\xe9 cr\xe8me\n", "latin1") },
    { why: "UTF-8 that is cut off", bytes: Buffer.concat([Buffer.from("snow ☃").subarray(0, -1), Buffer.from("\n")]) },
  ])("bytes that are not UTF-8 are kept, with a note: $why", async ({ why, bytes }) => {
    const { text, notes } = await readSource(file(`${why}.bytes`, bytes));
    expect(Buffer.from(text)).toEqual(bytes);
    expect(notes).toEqual([expect.stringMatching(/\.bytes is not UTF-8; the bytes are taken as they are.*iconv/)]);
  });
});

describe("what is no text is refused by its name", () => {
  const binary = (begin: string | Uint8Array): Buffer =>
    Buffer.concat([typeof begin === "string" ? Buffer.from(begin, "latin1") : begin, Buffer.from([0, 1, 0xff, 0xfe, 7])]);
  const tar = Buffer.concat([Buffer.alloc(257, "a"), Buffer.from("ustar\x0000")]);
  test.each([
    { name: "a.zip", content: binary("PK\x03\x04"), message: /is not text but a zip archive/ },
    { name: "a.zst", content: binary("\x28\xb5\x2f\xfd"), message: /Zstandard/ },
    { name: "a.bz2", content: binary("BZh91AY&SY"), message: /bzip2; unpack it first/ },
    { name: "a.xz", content: binary("\xfd7zXZ\0"), message: /xz; unpack/ },
    { name: "a.parquet", content: binary("PAR1"), message: /Parquet/ },
    { name: "a.pdf", content: "%PDF-1.4 all letters", message: /a PDF/ },
    { name: "a.rtf", content: "{\\rtf1 all letters}", message: /rich text/ },
    { name: "a.png", content: binary("\x89PNG\r\n\x1a\n"), message: /a PNG image/ },
    { name: "a.jpg", content: binary("\xff\xd8\xff\xe0"), message: /a JPEG image/ },
    { name: "a.tar", content: tar, message: /a tar archive/ },
    { name: "a.tar.gz", content: gzipSync(tar), message: /a tar archive/ },
    { name: "a.gz.gz", content: gzipSync(gzipSync("x")), message: /gzip within gzip/ },
    { name: "a.sqlite", content: binary("SQLite format 3\0"), message: /an SQLite database/ },
    { name: "le16.txt", content: utf16("plain words without a mark\n"), message: /seems to be UTF-16LE without a byte order mark; convert it, for instance with iconv -f UTF-16LE/ },
    { name: "be16.txt", content: utf16("plain words without a mark\n", true), message: /seems to be UTF-16BE without/ },
    { name: "le32.txt", content: utf32("plain words without a mark\n"), message: /seems to be UTF-32LE without/ },
    { name: "be32.txt", content: utf32("plain words without a mark\n", true), message: /seems to be UTF-32BE without/ },
    { name: "odd16.txt", content: Buffer.concat([utf16("\ufeffab"), Buffer.from("c")]), message: /mark of UTF-16LE and cannot be read as such/ },
    { name: "odd32.txt", content: Buffer.concat([utf32("\ufeffab"), Buffer.from("c")]), message: /mark of UTF-32LE and cannot be read as such/ },
    { name: "beyond32.txt", content: Buffer.concat([utf32("\ufeff"), Buffer.from([0, 0, 0x7f, 0x7f])]), message: /mark of UTF-32LE and cannot be read as such/ },
    { name: "cut.txt", content: gzipSync("x".repeat(1000)).subarray(0, 25), message: /cut\.txt is not a sound gzip file/ },
    { name: "tail.gz", content: Buffer.concat([gzipSync("x"), Buffer.from("garbage")]), message: /tail\.gz is not a sound gzip file/ },
    { name: "latin.jsonl", content: Buffer.from('{"text":"ok"}\n{"text":"caf\xe9"}\n', "latin1"), message: /latin\.jsonl:2: this line is not UTF-8, and JSON is/ },
    { name: "latin.json", content: Buffer.from('[{"text":"caf\xe9"}]', "latin1"), message: /latin\.json is not UTF-8/ },
    { name: "other.jsonl", content: '{"text":"ok"}\n\n{"content":"x","id":1}\n', message: /other\.jsonl:3: this line has no field "text" that is a string \(it has content, id\)/ },
    { name: "other.json", content: '[{"text":"ok"},{"content":"x"}]', message: /other\.json: element 2 has no field "text".*\(it has content\); to learn it as it is, give it another ending/ },
    { name: "numbers.json", content: "[1, 2]", message: /numbers\.json: element 1 has no field "text"/ },
    { name: "code.json", content: '{"a": 1}', message: /code\.json: its value has no field "text"/ },
    { name: "broken.json", content: '[{"text":"ok"},', message: /broken\.json is not JSON \(.+\); to learn it as it is/ },
    { name: "half.json", content: '{"text":"one"}\n{"text":\n', message: /half\.json:2: this line is not JSON/ },
  ])("$name", async ({ name, content, message }) => {
    expect(await refusal(file(`refused/${name}`, content))).toMatch(message);
  });

  test("any bytes are read or refused, and never crash", async () => {
    const names = ["x", "x.txt", "x.jsonl", "x.json", "x.gz", "x.json.gz"];
    const begins = [
      "", "\xff\xfe", "\xfe\xff", "\xff\xfe\0\0", "\xef\xbb\xbf", "\x1f\x8b", "\x1f\x8b\x08\0", '{"text":', "[", '["', "PK\x03\x04",
      "\xfd7zXZ\0",
    ];
    const parts = [fc.constantFrom(...names), fc.constantFrom(...begins), fc.uint8Array({ maxLength: 60 })] as const;
    await fc.assert(fc.asyncProperty(...parts, async (name, begin, bytes) => {
      const path = file(`any/${name}`, Buffer.concat([Buffer.from(begin, "latin1"), bytes]));
      try {
        expect((await readSource(path)).text.at(-1)).toBeDefined();
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect((error as Error).message).toContain(path);
      }
    }), { seed: 1, numRuns: 300 });
  });
});

describe("empty files", () => {
  test("beside others are skipped, and named", async () => {
    file("some/a.txt", "a\n");
    file("some/empty.txt", "");
    file("some/mark.txt", "\ufeff");
    file("some/blank.jsonl", "\n\n");
    const { text, notes } = await read(join(root, "some", "*"));
    expect(text).toBe("a\n");
    expect(notes).toEqual([expect.stringMatching(/blank\.jsonl, .*empty\.txt, .*mark\.txt are empty and skipped/)]);
    expect((await read(join(root, "some/a.txt"), join(root, "some/empty.txt"))).notes)
      .toEqual([expect.stringMatching(/empty\.txt is empty and skipped/)]);
  });

  test("alone are refused", async () => {
    for (let i = 0; i < 5; i++) file(`none/${i}.txt`, "");
    expect(await refusal(join(root, "none", "*"))).toMatch(/all 5 files are empty: .*0\.txt, .*1\.txt, .*2\.txt and 2 more/);
    expect(await refusal("")).toMatch(/a name among the data is empty/);
  });
});

test("a file that is named twice is said to be", async () => {
  const path = file("twice.txt", "x\n");
  expect(await read(path, path)).toEqual({ text: "x\nx\n", notes: [expect.stringMatching(/twice\.txt is named more than once/)] });
});

describe("globs", () => {
  const at = (pattern: string): readonly string[] => glob(join(root, "globs", pattern)).map((path) => path.slice(root.length + 7));
  for (const name of ["a.txt", "b.txt", "[x].txt", "[d]/in.txt", "deep/1/2/3/4/5/6/7/8/9/x.txt", "{q.txt", "-.txt", "😀.txt"]) file(
    `globs/${name}`, "x",
  );

  test.each([
    ["[z-a]*", /the range z-a in the glob \[z-a\] runs backwards; write a-z/],
    ["{a,b", /the glob .*\{a,b has a \{ that is not closed/],
    ["{".repeat(100), /braces more than 50 deep/],
    ["{a,b}".repeat(20), /stands for more than 10000 patterns/],
    ["[[:alpha:]]*", /is not understood; say the characters/],
  ])("%s is refused with its reason", async (pattern, message) => {
    expect(await refusal(join(root, "globs", pattern))).toMatch(message);
  });

  test.each([
    ["[x]*", []],
    ["[[]*", ["[x].txt"]],
    ["[]x[]*", ["[x].txt"]],
    ["[x].txt", ["[x].txt"]],
    ["[d]/*", ["[d]/in.txt"]],
    ["[^b].txt", ["-.txt", "a.txt", "😀.txt"]],
    ["[!-b].txt", ["a.txt", "😀.txt"]],
    ["[a-].txt", ["-.txt", "a.txt"]],
    ["[😀-😎].txt", ["😀.txt"]],
    ["?.txt", ["-.txt", "a.txt", "b.txt", "😀.txt"]],
    ["**/**/**/x.txt", ["deep/1/2/3/4/5/6/7/8/9/x.txt"]],
    ["**/9/**", ["deep/1/2/3/4/5/6/7/8/9/x.txt"]],
    ["[", []],
    ["{[d]/i*,{a,b}}.txt", ["[d]/in.txt", "a.txt", "b.txt"]],
    ["{[d]/in,a,none}.txt", ["[d]/in.txt", "a.txt"]],
    ["[{]q*", ["{q.txt"]],
    ["{}*", []],
    [`*${"x*".repeat(20)}`, []],
    ["*?*.?*t", ["-.txt", "[x].txt", "a.txt", "b.txt", "{q.txt", "😀.txt"]],
  ])("%s", (pattern, want) => {
    expect(at(pattern)).toEqual(want);
  });

  test.skipIf(isWindows)("links: a loop is not followed, one to a directory is no file, one to nothing is said to be", async () => {
    file("links/sub/a.txt", "x");
    symlinkSync(join(root, "links"), join(root, "links", "sub", "loop"));
    symlinkSync("self", join(root, "links", "self"));
    symlinkSync("sub", join(root, "links", "folder"));
    const names = (pattern: string): readonly string[] => glob(join(root, "links", pattern)).map((path) => path.slice(root.length + 7));
    expect(names("**/*.txt")).toEqual(["sub/a.txt"]);
    expect(names("*/*.txt")).toEqual(["folder/a.txt", "sub/a.txt"]);
    expect(await refusal(join(root, "links", "*"))).toMatch(/cannot read .*self: its symbolic links form a loop/);
  });

  test.skipIf(isWindows)("pipes and sockets that match are no files", async () => {
    file("mixed/a.txt", "x");
    execFileSync("mkfifo", [join(root, "mixed", "pipe.txt")]);
    expect((await read(join(root, "mixed", "*"))).text).toBe("x\n");
  });

  test("many stars take no longer than a few", () => {
    expect(matcher(`${"*a".repeat(100)}*b`)("a".repeat(250))).toBe(false);
    expect(matcher(`${"*a".repeat(100)}*b`)(`${"a".repeat(250)}b`)).toBe(true);
  });

  test("any pattern matches or is refused", async () => {
    const pieces = [
      "*", "**", "?", "[", "]", "{", "}", ",", "!", "^", "-", "\\", "(", ")", "|", "+", "$", ".", "a", "z", "/", "..", ":", "😀", "\ud800",
      "\u0301",
    ];
    const outcomes = await fuzz<readonly string[]>({
      inputOf: (d) => Array.from({ length: d.below(25) }, () => d.pick(pieces)),
      examine: (pattern) => outcomeOf(`${join(root, "globs")}/${pattern.join("").replaceAll("../", "")}*`),
      smaller: (pattern, d) => pattern.filter(() => !d.once(3)),
      usual: 500,
    });
    console.info(`glob fuzzer: ${Object.entries(outcomes).map(([what, count]) => `${count} ${what}`).join(", ")}`);
  }, 2_147_483_647);
});

function outcomeOf(pattern: string): string {
  try {
    return glob(pattern).length > 0 ? "matched" : "matched nothing";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return "refused";
  }
}

describe.skipIf(isWindows)("pipes, devices, sockets, sizes", () => {
  const script = join(import.meta.dirname, "support", "read-source.ts");
  const reading = (shell: string): { readonly text?: string; readonly error?: string; readonly notes?: readonly string[] } => {
    const { stdout, stderr } = spawnSync("bash", ["-c", shell.replaceAll("READ", `${process.execPath} --import tsx ${script}`)], {
      encoding: "utf8", input: "from the test\n",
    });
    return JSON.parse(stdout === "" ? stderr : stdout);
  };

  test.each([
    { why: "standard input as -", shell: "printf abc | READ -", want: { text: "abc\n" } },
    { why: "standard input as /dev/stdin", shell: "printf abc | READ /dev/stdin", want: { text: "abc\n" } },
    { why: "standard input that is a socket", shell: "READ /dev/stdin", want: { text: "from the test\n" } },
    { why: "process substitution", shell: "READ <(printf abc) <(printf def)", want: { text: "abc\ndef\n" } },
    { why: "a slow writer, packed", shell: "(printf a | gzip; sleep 0.2; printf b | gzip) | READ -", want: { text: "ab\n" } },
    { why: "nothing", shell: ": | READ -", want: { error: "- is empty" } },
    { why: "an endless device as standard input", shell: "READ - < /dev/zero", want: { error: "standard input is a device, not a text" } },
  ])("$why", ({ shell, want }) => {
    expect(reading(shell)).toMatchObject(want);
  });

  test("an endless device", async () => {
    expect(await refusal("/dev/zero")).toBe("/dev/zero is a device, not a file of text");
  });

  test("a named pipe", async () => {
    const pipe = join(root, "named-pipe");
    execFileSync("mkfifo", [pipe]);
    const writer = spawn("sh", ["-c", `printf abc > "${pipe}"`]);
    expect((await read(pipe)).text).toBe("abc\n");
    await new Promise((done) => (writer.exitCode === null ? writer.on("close", done) : done(null)));
  });

  test("a socket", async () => {
    const path = join(root, "socket");
    const server = createServer();
    await new Promise<void>((done) => server.listen(path, done));
    expect(await refusal(path)).toMatch(/socket is a socket, not a file of text/);
    await new Promise((done) => server.close(done));
  });

  test("more than 2 GiB", async () => {
    const path = join(root, "large.txt");
    const handle = openSync(path, "w");
    ftruncateSync(handle, 2 ** 31);
    closeSync(handle);
    expect(await refusal(path)).toMatch(/large\.txt is larger than 2 GiB/);
    rmSync(path);
  });

  test.each([
    { why: "longer", write: (path: string) => appendFileSync(path, "more\n") },
    { why: "shorter", write: (path: string) => truncateSync(path, 10) },
    { why: "another of the same length", write: (path: string) => (writeFileSync(path, "z".repeat(1000)), utimesSync(path, 1, 1)) },
  ])("a file that becomes $why while it is read", ({ write }) => {
    const path = file("changing.txt", "a".repeat(1000));
    expect(() => readBytes(path, (...args) => (write(path), readSync(...args))))
      .toThrow(/changing\.txt changed while it was read; try again when nothing writes to it/);
  });

  test("a file without a size that has text all the same", async () => {
    if (process.platform === "linux") expect((await read("/proc/self/status")).text).toMatch(/^Name:/);
  });
});
