/** Documents of every format, as streams: what they are, and what is said of a file that has none. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PLAIN, type DocumentOptions } from "../runtime/data/document.ts";
import { passagesOf } from "../runtime/data/passages.ts";
import { sourceDocuments } from "../runtime/data/source.ts";
import { UserError } from "../runtime/errors.ts";
import { ROOT } from "./support/cli.ts";
import { scratchFolder } from "./support/scratch.ts";

const { root, file } = scratchFolder("documents");

async function documents(source: string | readonly string[], options: Partial<DocumentOptions> = {}): Promise<readonly string[]> {
  const texts: string[] = [];
  const stream = sourceDocuments([source].flat(), { ...PLAIN, tables: true, ...options }, () => {});
  for await (const { text } of stream) texts.push(Buffer.from(text).toString());
  return texts;
}

const parquet = (name: string): string => join(ROOT, "test", "parquet", `${name}.parquet`);
const STORIES = ["first", "zweites: ünd\nüber zwei Zeilen\n", "☃ 🧪", "fourth", "the last one"];

describe("documents", () => {
  const lines = STORIES.map((text) => `${JSON.stringify({ text, meta: { text: `meta ${text}` }, "a.b": `dot ${text}` })}\n`).join("");
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const rows = [["id", "text", "note"], ...STORIES.map((text, i) => [String(i), quoted(text), 'a "stray" quote'])];
  const table = (delimiter: string, end = "\n"): string => rows.map((row) => row.join(delimiter) + end).join("");

  test.each([
    { why: "JSONL", name: "a.jsonl", content: lines },
    { why: "JSONL that is called .json", name: "lines.json", content: lines },
    { why: "an array", name: "array.json", content: JSON.stringify(STORIES.map((text) => ({ text }))) },
    { why: "CSV", name: "a.csv", content: table(",") },
    { why: "CSV with Windows line ends", name: "windows.csv", content: table(",", "\r\n") },
    { why: "CSV without a newline at the end, and with blank lines", name: "end.csv", content: `\n${table(",").trimEnd()}` },
    { why: "TSV", name: "A.TSV", content: table("\t") },
    { why: "text", name: "a.txt", content: STORIES.join("<|>"), options: { between: "<|>" } },
    { why: "text that ends with what stands between", name: "b.txt", content: STORIES.map((text) => `${text}---`).join(""), options: { between: "---" } },
  ])("$why, as it is and packed", async ({ name, content, options }) => {
    expect(await documents(file(name, content), options)).toEqual(STORIES);
    expect(await documents(file(`${name}.gz`, gzipSync(content)), options)).toEqual(STORIES);
  });

  test.each(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])("Parquet, %s, as it is and packed", async (codec) => {
    expect(await documents(parquet(codec))).toEqual(STORIES);
    expect(await documents(file(`${codec}.parquet.gz`, gzipSync(readFileSync(parquet(codec)))))).toEqual(STORIES);
  });

  test.each(["pages", "pages-v2", "pages-index"])("Parquet whose row groups are read in parts: %s", async (name) => {
    const texts = await documents(parquet(name));
    expect(texts).toHaveLength(24_000);
    expect(texts.findIndex((text, i) => text !== `${i} ${"all work and no play ".repeat(20)}`)).toBe(-1);
  });

  test("Parquet whose texts are bytes: what is no UTF-8 becomes U+FFFD", async () => {
    expect(await documents(parquet("bytes"))).toEqual(["caf\ufffd", "☃"]);
  });

  test("fields further down, and fields with dots in their names", async () => {
    const path = file("nested.jsonl", lines);
    expect(await documents(path, { field: "meta.text" })).toEqual(STORIES.map((text) => `meta ${text}`));
    expect(await documents(path, { field: "a.b" })).toEqual(STORIES.map((text) => `dot ${text}`));
    expect(await documents(parquet("snappy"), { field: "meta.text" })).toEqual(STORIES.map((text) => `meta ${text}`));
  });

  test("quotes: doubled, around delimiters, behind other letters", async () => {
    const path = file("quotes.csv", 'text,x\n"a ""word"", and more",1\n5" disk,2\n"",3\n"two\n\nparts"!,4\n');
    expect(await documents(path)).toEqual(['a "word", and more', '5" disk', "", "two\n\nparts!"]);
  });

  test("a directory and files of several formats, one after the other", async () => {
    file("mixed/a.jsonl", '{"text":"one"}\n');
    file("mixed/b/c.txt", "two");
    expect(await documents([join(root, "mixed"), parquet("none")])).toEqual(["one", "two", ...STORIES]);
  });

  test("a table is a text like any other where nobody asks for a column", async () => {
    expect(await documents(file("plain.csv", "a,b\n"), { tables: false })).toEqual(["a,b\n"]);
  });

  test("passages are the text, of bounded length, wherever its pieces are cut", async () => {
    const paragraphs = fc.array(fc.stringMatching(/^[a-zß☃ \n]{0,9000}$/, { size: "max" }), { maxLength: 30 });
    await fc.assert(fc.asyncProperty(paragraphs, fc.integer({ min: 1, max: 100_000 }), async (texts, step) => {
      const text = Buffer.from(texts.join("\n\n"));
      const cut = async (size: number): Promise<readonly Buffer[]> => {
        const parts: Buffer[] = [];
        const pieces = async function* (): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < text.length; at += size) yield text.subarray(at, at + size);
        };
        for await (const { text: part } of passagesOf("", pieces, PLAIN)) parts.push(Buffer.from(part));
        return parts;
      };
      const parts = await cut(step);
      expect(Buffer.concat(parts).equals(text)).toBe(true);
      expect(parts.every((part) => part.length <= 2 ** 16)).toBe(true);
      expect((await cut(1_000_000)).map((part) => part.length)).toEqual(parts.map((part) => part.length));
    }), { seed: 1, numRuns: 20 });
  });

  test.each([
    { name: "open.csv", content: 'text\nfine\n"never closed\nmore\n', message: /open\.csv:3: a quote is opened in this row and never closed/ },
    { name: "short.csv", content: "id,text\n1,fine\n2\n", message: /short\.csv:3: this row has 1 of 2 columns, and "text" is not among them/ },
    { name: "other.tsv", content: "id\tcontent\n", message: /other\.tsv:1: the first row names no column "text" \(it names id, content\); choose one with --field/ },
    { name: "latin.csv", content: Buffer.from("text\ncaf\xe9\n", "latin1"), message: /latin\.csv:2: this line is not UTF-8/ },
    { name: "cut.parquet", content: readFileSync(parquet("none")).subarray(0, 1500), message: /cut\.parquet cannot be read as Parquet/ },
    { name: "empty.parquet", content: "", message: /empty\.parquet cannot be read as Parquet/ },
    { name: "page.parquet", content: damagedPage(), message: /page\.parquet: rows 1 to 2 cannot be read as Parquet/ },
    { name: "null.parquet", content: readFileSync(parquet("null")), message: /null\.parquet: row 2 has no field "text" that is a string/ },
    { name: "field.parquet", content: readFileSync(parquet("none")), field: "body", message: /field\.parquet has no column "body" \(it has id, text, meta\); choose one with --field/ },
    { name: "deep.jsonl", content: '{"meta":{"text":"fine"}}\n{"meta":{}}\n', field: "meta.text", message: /deep\.jsonl:2: this line has no field "meta\.text" that is a string \(it has meta\)/ },
    { name: "half.jsonl.gz", content: gzipSync("x".repeat(100_000)).subarray(0, 60), message: /half\.jsonl\.gz is not a sound gzip file/ },
    { name: "late.txt", content: Buffer.concat([Buffer.alloc(3_000_000, "a"), Buffer.from([0])]), message: /late\.txt is not text: byte 3000000 is 0/ },
  ])("$name is refused, with the place and the reason", async ({ name, content, field = "text", message }) => {
    const attempt = documents(file(`refused/${name}`, content), { field });
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(message);
  });
});

/** The bytes of the first page of the column text, of which the reader needs all. */
function damagedPage(): Uint8Array {
  const bytes = Buffer.from(readFileSync(parquet("snappy")));
  const at = bytes.indexOf("first") - 12;
  return bytes.fill(0xff, at, at + 24);
}
