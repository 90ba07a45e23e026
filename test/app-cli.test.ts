/** Commands that need no adapter, and mistakes that are found before one is opened. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { json, moeut, moeutHere } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-cli-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(scratch, name), content);
  return join(scratch, name);
};

describe("mistakes on the command line: one message, status 1", () => {
  const out = join(scratch, "never");
  const train = ["train", "specs/tiny.moeut", "--out", out];
  test.each([
    { why: "an unknown command", args: ["trian"], message: /unknown command 'trian'\n\(Did you mean train\?\)/ },
    { why: "an unknown option", args: ["inspect", "specs/tiny.moeut", "--adaptor", "x"], message: /unknown option '--adaptor'\n\(Did you mean --adapter\?\)/ },
    { why: "a missing option", args: ["train", "specs/tiny.moeut", "--data", "scan"], message: /required option '--out <folder>'/ },
    { why: "a number that is none", args: [...train, "--data", "scan", "--steps", "many"], message: /'many' is invalid.*whole number/ },
    { why: "an unknown file", args: ["inspect", "nowhere.moeut"], message: /cannot read nowhere.moeut: no such file/ },
    { why: "a directory for a spec", args: ["inspect", "specs"], message: /cannot read specs: it is a directory/ },
    { why: "no spec at all", args: ["train", "--data", "scan", "--out", out], message: /name a spec \(FILE.moeut\)/ },
    { why: "several models and no choice", args: ["train", "specs/demo.moeut", "--data", "scan", "--out", out], message: /several models; choose one with --model: moeut, dense/ },
    { why: "a model that is not there", args: [...train, "--data", "scan", "--model", "tyni"], message: /has no model "tyni"; it has tiny/ },
    { why: "unknown data", args: [...train, "--data", "nowhere.txt"], message: /cannot read nowhere.txt: no such file/ },
    { why: "a directory for data", args: [...train, "--data", "specs"], message: /specs is a directory/ },
    { why: "empty data", args: [...train, "--data", file("empty.txt", "")], message: /empty.txt is empty/ },
    { why: "binary data", args: [...train, "--data", file("binary.txt", Uint8Array.of(1, 0, 2))], message: /is not text/ },
    { why: "a text shorter than the context", args: [...train, "--data", file("short.txt", "too short")], message: /too short.*seq_len 64/ },
    { why: "a run that is none", args: ["generate", "specs"], message: /specs is not a run folder/ },
    { why: "a golden folder that is none", args: ["eval", "nowhere", "--data", "scan"], message: /nowhere is not a run folder/ },
    { why: "steps and tokens at once", args: ["compare", "specs/demo.moeut", "--data", "scan", "--out", out, "--steps", "1", "--tokens", "5"], message: /--steps or --tokens, not both/ },
    { why: "a comparison of one", args: ["compare", "specs/tiny.moeut", "--data", "scan", "--out", out], message: /needs at least two models; there is only tiny/ },
    { why: "batches that differ", args: ["compare", "specs/tiny.moeut", "specs/demo.moeut", "--data", "scan", "--out", out], message: /batch is 8 and 4; make them equal, for instance with --set train.batch=8/ },
  ])("$why", async ({ args, message }) => {
    const { status, stdout, stderr } = await moeutHere(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at .*:\d+:\d+/); // no stack
    expect(stdout).toBe("");
    expect(status).toBe(1);
    expect(readdirSync(scratch)).not.toContain("never");
  });
});

describe("check and fmt", () => {
  const bad = file("bad.moeut", "moeut 1\nmodel m {\n  vocab_size 256\n  seq_len 64\n  d_model 64\n  layer a { feed_forward moe { n_experts 4  expert_sise 32  top_k 8 } }\n  stack a * 2\n}\n");
  test("errors: status 1, the diagnostics in JSON, one file does not hide the next", async () => {
    const result = await moeutHere(["check", bad, "nowhere.moeut", "specs/tiny.moeut", "--json"]);
    const { ok, files } = json(result);
    expect(result.status).toBe(1);
    expect(ok).toBe(false);
    expect(files.map((f: { errors: number }) => f.errors > 0)).toEqual([true, true, false]);
    expect(files[0].diagnostics[0]).toMatchObject({ severity: "error", span: { file: bad } });
  });
  test("a right spec: status 0", async () => {
    const { status, stdout } = await moeutHere(["check", "specs/tiny.moeut"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "specs/tiny.moeut: ok (1 model: tiny)\n" });
  });
  test("--set reaches the spec, and its mistakes are found", async () => {
    const { status, stderr } = await moeutHere(["inspect", "specs/tiny.moeut", "--set", "d_modle=32"]);
    expect(status).toBe(1);
    expect(stderr).toContain("d_model");
  });
  test("fmt keeps comments, is idempotent, and --check says what is not canonical", async () => {
    const path = file("loose.moeut", readFileSync("specs/tiny.moeut", "utf8").replaceAll("  ", "   "));
    expect((await moeutHere(["fmt", "--check", path])).status).toBe(1);
    expect((await moeutHere(["fmt", path])).status).toBe(0);
    expect((await moeutHere(["fmt", "--check", path])).status).toBe(0);
    expect(readFileSync(path, "utf8")).toContain("// Learns in seconds");
  });
});

test("help lists every command and is quick to load: no compiler, no adapter", async () => {
  const { status, stdout } = await moeut(["--help"]);
  expect(status).toBe(0);
  for (const name of ["check", "fmt", "inspect", "print", "compile", "train", "generate", "eval", "compare", "verify", "bench", "doctor", "demo"]) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
});
