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
    { why: "an unknown option", args: ["bench", "specs/tiny.moeut", "--adaptor", "x"], message: /unknown option '--adaptor'\n\(Did you mean --adapter\?\)/ },
    { why: "an adapter for what needs none", args: ["check", "specs/tiny.moeut", "--adapter", "swiftshader"], message: /unknown option '--adapter'/ },
    { why: "a model for all that a file holds", args: ["check", "specs/demo.moeut", "--model", "dense"], message: /unknown option '--model'/ },
    { why: "a model for a run, which has one", args: ["generate", "nowhere", "--model", "tiny"], message: /unknown option '--model'/ },
    { why: "the same for eval", args: ["eval", "nowhere", "--data", "scan", "--model", "tiny"], message: /unknown option '--model'/ },
    { why: "a list beside what it is left out of", args: ["inspect", "specs/tiny.moeut", "--resolved", "--kernels"], message: /'--kernels' cannot be used with option '--resolved'/ },
    { why: "two things to do with a file", args: ["fmt", "specs/tiny.moeut", "--stdout", "--check"], message: /'--stdout' cannot be used with option '--check'/ },
    { why: "an entry point of a tree", args: ["print", "specs/tiny.moeut", "--ir", "ast", "--entry", "decode"], message: /--entry does nothing beside --ir ast/ },
    { why: "overrides of a tree", args: ["print", "specs/tiny.moeut", "--ir", "ast", "--set", "d_model=8"], message: /--set does nothing beside --ir ast/ },
    { why: "an entry point of a model", args: ["print", "specs/tiny.moeut", "--entry", "train"], message: /--entry does nothing beside --ir model/ },
    { why: "an adapter for any machine", args: ["compile", "specs/tiny.moeut", "--out", out, "--target", "portable", "--adapter", "null"], message: /--adapter does nothing beside --target portable/ },
    { why: "an adapter without a name", args: [...train, "--data", "scan", "--adapter", ""], message: /'--adapter <name>' argument '' is invalid. It is empty/ },
    { why: "a model twice", args: ["diff", "specs/demo.moeut:dense", "specs/tiny.moeut", "--model-a", "moeut"], message: /name the model once: dense behind the file, or moeut/ },
    { why: "steps twice", args: [...train, "--data", "scan", "--set", "train.steps=4", "--steps", "5"], message: /give --steps 5 or --set train.steps=4, not both/ },
    { why: "a seed beyond whole numbers", args: [...train, "--data", "scan", "--seed", "9007199254740992"], message: /It must be a whole number from 0 to 9007199254740991\./ },
    { why: "a missing option", args: ["train", "specs/tiny.moeut", "--data", "scan"], message: /required option '--out <folder>'/ },
    { why: "a number that is none", args: [...train, "--data", "scan", "--steps", "many"], message: /'many' is invalid.*whole number/ },
    { why: "an unknown file", args: ["inspect", "nowhere.moeut"], message: /cannot read nowhere.moeut: no such file/ },
    { why: "a directory for a spec", args: ["inspect", "specs"], message: /cannot read specs: it is a directory/ },
    { why: "no spec at all", args: ["train", "--data", "scan", "--out", out], message: /name a spec \(FILE.moeut\)/ },
    { why: "several models and no choice", args: ["train", "specs/demo.moeut", "--data", "scan", "--out", out], message: /several models; choose one with --model: moeut, dense/ },
    { why: "a model that is not there", args: [...train, "--data", "scan", "--model", "tyni"], message: /has no model "tyni"; it has tiny/ },
    { why: "unknown data", args: [...train, "--data", "nowhere.txt"], message: /cannot read nowhere.txt: no such file/ },
    { why: "an empty directory for data", args: [...train, "--data", mkdtempSync(join(scratch, "empty-"))], message: /no file is in .*empty-/ },
    { why: "empty data", args: [...train, "--data", file("empty.txt", "")], message: /empty.txt is empty/ },
    { why: "binary data", args: [...train, "--data", file("binary.txt", Uint8Array.of(1, 0, 2))], message: /is not text/ },
    { why: "a text shorter than the context", args: [...train, "--data", file("short.txt", "too short")], message: /too short.*seq_len 64/ },
    { why: "a run that is none", args: ["generate", "specs"], message: /specs is not a run folder/ },
    { why: "a golden folder that is none", args: ["eval", "nowhere", "--data", "scan"], message: /nowhere is not a run folder/ },
    { why: "steps and tokens at once", args: ["compare", "specs/demo.moeut", "--data", "scan", "--out", out, "--steps", "1", "--tokens", "5"], message: /--steps or --tokens, not both/ },
    { why: "no margin", args: ["compare", "a.moeut", "--data", "scan", "--out", out, "--margin", "0"], message: /a number above 0/ },
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

/** `--name` of all options in the help of a command. */
async function optionsOf(command: string): Promise<readonly string[]> {
  const { stdout } = await moeutHere([command, "--help"]);
  return [...stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map((match) => match[1]!).filter((name) => name !== "help");
}

test.each([
  ["check", "set json"], ["fmt", "check stdout"], ["inspect", "model set json resolved kernels"], ["diff", "model-a model-b set json"], ["draw", "model set out"],
  ["print", "model set ir entry json"], ["generate", "set adapter threads prompt max-tokens seed temperature top-k top-p json"],
])("%s declares what it uses: %s", async (command, options) => {
  expect([...(await optionsOf(command))].sort()).toEqual(options.split(" ").sort());
});

test("an adapter that is not there is said first", async () => {
  const { status, stderr } = await moeutHere(["train", "nowhere.moeut", "--data", "nowhere.txt", "--out", join(scratch, "never"), "--adapter", "voodoo"]);
  expect(stderr).toMatch(/^error: no adapter matches "voodoo" \(--adapter\); available here: /);
  expect(status).toBe(2);
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
  for (const name of ["check", "fmt", "inspect", "print", "compile", "train", "generate", "eval", "analyze", "compare", "verify", "bench", "doctor", "demo"]) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
});
