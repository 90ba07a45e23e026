/** Files that are meant as specs, and what is said about them on the command line. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { specText } from "../api/spec-text.ts";
import { checkSource, renderDiagnostics } from "../compiler/front.ts";
import { checkText, rendered } from "./support/corpus.ts";
import { json, moeutHere } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-spec-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(scratch, name), content);
  return join(scratch, name);
};

const SPEC = "moeut 1\nmodel m { layer a {} }\n";
const swapped = (text: string): Buffer => Buffer.from(text, "utf16le").swap16();

describe("what cannot be a spec is named, once", () => {
  const OTHERS: readonly { readonly why: string; readonly bytes: Uint8Array; readonly is: RegExp }[] = [
    { why: "UTF-16 with a mark", bytes: Buffer.from(`\uFEFF${SPEC}`, "utf16le"), is: /UTF-16; save it as UTF-8/ },
    { why: "UTF-16 with a mark, big end first", bytes: swapped(`\uFEFF${SPEC}`), is: /UTF-16/ },
    { why: "UTF-16 without one", bytes: Buffer.from(SPEC, "utf16le"), is: /UTF-16/ },
    { why: "UTF-16 without one, big end first", bytes: swapped(SPEC), is: /UTF-16/ },
    { why: "gzip", bytes: gzipSync(SPEC), is: /packed with gzip/ },
    { why: "zeros", bytes: new Uint8Array(4096), is: /binary/ },
    { why: "a program", bytes: Buffer.from("\x7fELF\x02\x01\x01\0\0\0\0\xff\xfe\x12", "latin1"), is: /binary/ },
    { why: "noise", bytes: Uint8Array.from({ length: 999 }, (_, i) => 1 + ((i * 197) % 255)), is: /not text in UTF-8/ },
    { why: "Latin-1", bytes: Buffer.from(`${SPEC}// caf\xe9`, "latin1"), is: /not text in UTF-8/ },
    { why: "nothing", bytes: new Uint8Array(0), is: /empty/ },
    { why: "white space", bytes: Buffer.from("\uFEFF \r\n\t"), is: /empty/ },
  ];
  test.each(OTHERS)("$why", async ({ why, bytes, is }) => {
    const path = file(`${why}.moeut`, bytes);
    for (const command of [["check"], ["inspect"], ["fmt"], ["print", "--ir", "ast"]]) {
      const { status, stdout, stderr } = await moeutHere([command[0]!, path, ...command.slice(1)]);
      expect(status, command[0]).toBe(1);
      expect(stderr).toMatch(is);
      expect(`${stdout}${stderr}`.match(/error/g)!.length).toBeLessThanOrEqual(2); // the message, and check's "1 error"
    }
    const importing = await moeutHere(["check", file("importing.moeut", `moeut 1\nimport "${why}.moeut"\nmodel m { layer a {} }\n`)]);
    expect(importing.stderr).toMatch(is);
    expect(importing.stdout).toMatch(/: 1 error\n$/);
  });

  test("a mark of UTF-8 is none of its business", async () => {
    expect(specText(Buffer.from(`\uFEFF${SPEC}`))).toBe(SPEC);
    expect((await moeutHere(["check", file("marked.moeut", `\uFEFF${SPEC}`)])).status).toBe(0);
  });

  test.each(["name,key\nalice,hunter2", "-----BEGIN KEY-----\nhunter2 = 3\n", "hunter2 hunter3", "{ \"key\": \"hunter2\" }", "# hunter2\nsome text: hunter2"])("lines of an imported text that is no spec are not shown: %s", (text) => {
    const result = checkSource(
      { file: "main", text: 'moeut 1\nimport "other"\nmodel m { layer a {} d_model 0 }' }, { readFile: (path) => ({ file: path, text }) },
    );
    expect(result.diagnostics.map((d) => d.code)).toEqual(["import-not-spec", "out-of-range"]);
    expect(JSON.stringify(result)).not.toContain("hunter");
  });

  test("those of one that says it is a spec are", () => {
    const result = checkSource(
      { file: "main", text: 'moeut 1\nimport "other"' }, { readFile: (path) => ({ file: path, text: "moeut 1\nmodel m { layer a { }" }) },
    );
    expect(result.diagnostics.map((d) => [d.code, d.span?.file])).toEqual([["unclosed-block", "other"]]);
  });
});

describe("at most 50 are printed, the gravest", () => {
  const text = `${SPEC}model n { layer a { attention mha { n_heads 64 } } }\n${Array.from({ length: 60 }, (_, i) => `model l${i} { layer a {} layer b {} stack a * 2 }`).join("\n")}\n`;

  test("warnings come after errors, and all are counted", () => {
    const warnings = rendered(checkText(text));
    expect(warnings.match(/^warning/gm)).toHaveLength(50);
    expect(warnings).toMatch(/and 11 warnings more\n$/);
    const both = rendered(checkText(`${text}model e { d_model 0  layer a {} }\n${"] ; ".repeat(3)}`));
    expect(both.match(/^error/gm)).toHaveLength(7);
    expect(both.match(/^warning/gm)).toHaveLength(43);
    expect(both).toMatch(/and 18 warnings more\n$/);
  });

  test("JSON has all of them", async () => {
    const result = await moeutHere(["check", "--json", file("many.moeut", `${SPEC}${"]\n".repeat(300)}`)]);
    expect(json(result).files[0].diagnostics).toHaveLength(300);
    expect(json(result).files[0].errors).toBe(300);
  });

  test("none is none", () => expect(renderDiagnostics([], [])).toBe(""));
});

describe("a note about one model does not show for another", () => {
  const spec = file("noted.moeut", `moeut 1
fn holed(x) = log(x)
model a { seq_len 8  layer l { feed_forward moe { n_experts 4  top_k 4 } } }
model b { seq_len 8  layer l {} }
model c from a { layer l { feed_forward { top_k 2 } } }
model d from a { layer l { feed_forward { expert_size 8 } } }
model e { seq_len 8  match params a  layer l { feed_forward dense { d_ff solve } } }
model f { seq_len 8  layer l { feed_forward dense { activation holed } } }
model g from f { layer l { feed_forward { activation relu } } }
compare grid { base b  vary train.optimizer.lr in 1e-3, 10 }
`);
  test.each([
    { model: "a", codes: ["every-expert-chosen"] },
    { model: "b", codes: [] },
    { model: "c", codes: [] },
    { model: "d", codes: ["every-expert-chosen"] },
    { model: "e", codes: ["solved"] },
    { model: "f", codes: ["fn-not-finite"] },
    { model: "g", codes: [] },
    { model: "grid_10", codes: ["unusual-lr"] },
    { model: "grid_1e_3", codes: [] },
  ])("of $model", async ({ model, codes }) => {
    const { status, stderr } = await moeutHere(["inspect", spec, "--model", model, "--resolved"]);
    expect(status, stderr).toBe(0);
    expect([...stderr.matchAll(/^\w+\[([\w-]+)\]/gm)].map((match) => match[1])).toEqual(codes);
  });

  test("of two that are compared, each thing once", async () => {
    const { stderr } = await moeutHere(["diff", `${spec}:a`, `${spec}:d`]);
    expect(stderr.match(/every-expert-chosen/g)).toHaveLength(1);
    expect(stderr).not.toMatch(/solved|fn-not-finite/);
  });

  test("check says which models each is about", async () => {
    const { diagnostics } = json(await moeutHere(["check", "--json", spec])).files[0];
    expect(diagnostics.filter((d: { code: string }) => d.code === "every-expert-chosen").map((d: { models: string[] }) => d.models))
      .toEqual([["a", "d"]]);
  });
});

describe("mistakes in one model do not stand in the way of another", () => {
  const spec = file("faulty.moeut", `moeut 1
model a { seq_len 8  layer l { norm layernorm { eps 1e-46 } } }
model b from a { layer l { norm layernorm { eps 1e-5 } } }
model c { seq_len 8  layer l {}  expect params 3 }
model d { seq_len 8  layer l {} }
model e from nowhere {}
compare grid { base d  vary d_model in 8, 0 }
compare sound { base d  vary d_model in 16, 32 }
`);
  const inspect = (...model: readonly string[]) =>
    moeutHere(["inspect", spec, "--resolved", ...model.flatMap((name) => ["--model", name])]);

  test.each(["d", "sound_16"])("of %s nothing is wrong", async (name) => expect(await inspect(name))
    .toMatchObject({ status: 0, stderr: "" }));

  test.each([
    { name: "c", codes: ["expect-failed"] },
    { name: "a", codes: ["indistinct-number", "expect-failed", "unknown-model", "out-of-range"] },
    { name: "b", codes: ["indistinct-number", "expect-failed", "unknown-model", "out-of-range"] },
    { name: "grid_8", codes: ["indistinct-number", "expect-failed", "unknown-model", "out-of-range"] },
    { name: undefined, codes: ["indistinct-number", "expect-failed", "unknown-model", "out-of-range"] },
  ])("of $name something is", async ({ name, codes }) => {
    const { status, stderr } = await inspect(...(name === undefined ? [] : [name]));
    expect([...stderr.matchAll(/^error\[([\w-]+)\]/gm)].map((match) => match[1])).toEqual(codes);
    expect(status).toBe(1);
  });

  test("but those of the file do", async () => {
    const { status, stderr } = await moeutHere(["inspect", file("broken.moeut", "moeut 1\nmodel a { layer l {} }\ntrain { batch 0 }\n]"), "--resolved", "--model", "a"]);
    expect([status, stderr.match(/^error\[/gm)!.length]).toEqual([1, 2]);
  });
});
