/** Where commands write: nothing is written over that moeut did not write, and a place that cannot be is named before any work. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { moeutHere } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-out-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(scratch, `${count++}`);
const SPEC = `// mine
${readFileSync("specs/tiny.moeut", "utf8")}`;

/** Every command that takes --out, with all it needs beside that. */
const COMMANDS: readonly (readonly [name: string, args: readonly string[]])[] = [
  ["train", ["train", "specs/tiny.moeut", "--data", "scan"]],
  ["compare", ["compare", "specs/demo.moeut", "--data", "scan"]],
  ["demo", ["demo"]],
  ["compile", ["compile", "specs/tiny.moeut"]],
  ["import", ["import", "config.json", "weights.safetensors"]],
];

describe.each([...COMMANDS, ["draw", ["draw", "specs/tiny.moeut"]] as const])("%s", (_, args) => {
  test.each(["", " "])("--out %j is empty", async (out) => {
    const here = (): readonly string[] => readdirSync(".").filter((name) => name !== ".moeut"); // the bundle of another test
    const before = here();
    const { status, stderr } = await moeutHere([...args, "--out", out]);
    expect(stderr).toContain("--out is empty");
    expect(status).toBe(1);
    expect(here()).toEqual(before);
  });
  test.skipIf(process.platform !== "linux")("a place that the system does not let be: its reason, status 2", async () => {
    const { status, stderr } = await moeutHere([...args, "--out", "/proc/x"]);
    expect(stderr).toMatch(/^error: cannot write .*ENOENT: no such file or directory/);
    expect(status).toBe(2);
  });
});

describe.each(COMMANDS)("%s", (_, args) => {
  test("a file in place of the folder: status 1, before anything else is looked at", async () => {
    const out = fresh();
    writeFileSync(out, "mine");
    expect(await moeutHere([...args, "--out", out])).toMatchObject({
      status: 1, stderr: `error: ${out} is a file; --out takes a folder\n`,
    });
    expect(readFileSync(out, "utf8")).toBe("mine");
  });
});

describe("the user's files stay", () => {
  test("a folder that holds a spec is no free folder for a run of that spec", async () => {
    const out = fresh();
    mkdirSync(out);
    writeFileSync(join(out, "spec.moeut"), SPEC);
    const { status, stderr } = await moeutHere(["train", join(out, "spec.moeut"), "--data", "typescript", "--out", out]);
    expect(stderr).toMatch(/is not empty, and it is not a run; choose another folder with --out/);
    expect(status).toBe(1);
    expect(readdirSync(out)).toEqual(["spec.moeut"]);
    expect(readFileSync(join(out, "spec.moeut"), "utf8")).toBe(SPEC);
  });

  const small = `${fresh()}.moeut`;
  const LAYER = "layer a { attention mha { n_heads 1 }  feed_forward dense { d_ff 8 } }";
  writeFileSync(small, `moeut 1\nmodel m { vocab_size 16  seq_len 8  d_model 8  ${LAYER} }\n`);
  const compileInto = (out: string, ...more: readonly string[]): ReturnType<typeof moeutHere> =>
    moeutHere(["compile", small, "--out", out, ...more]);

  test("compile --force writes beside other files, never over them", async () => {
    const out = fresh();
    mkdirSync(out);
    writeFileSync(join(out, "package.json"), "{}");
    writeFileSync(join(out, "notes.txt"), "mine");
    const refused = await compileInto(out, "--force");
    expect(refused.stderr).toMatch(/not as moeut wrote them.*: package\.json; move/);
    expect(refused.status).toBe(1);
    expect(readdirSync(out).sort()).toEqual(["notes.txt", "package.json"]);
    rmSync(join(out, "package.json"));
    expect((await compileInto(out, "--force")).status).toBe(0);
    expect((await compileInto(out)).status).toBe(0);
    expect(readFileSync(join(out, "notes.txt"), "utf8")).toBe("mine");
  });

  test("what was changed in an emitted folder stays: all that was is named, and nothing is written", async () => {
    const out = fresh();
    expect((await compileInto(out)).status).toBe(0);
    const kernel = `kernels/${readdirSync(join(out, "kernels"))[0]!}`;
    const mine: Readonly<Record<string, string>> = { "example.js": "a", "manifest.json": "{}", "runtime/load.js": "", [kernel]: "// b" };
    for (const [path, text] of Object.entries(mine)) writeFileSync(join(out, path), text);
    const plan = readFileSync(join(out, "plan.json"), "utf8");
    for (const more of [[], ["--force"], ["--set", "d_model=32"]]) {
      const { status, stderr } = await compileInto(out, ...more);
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("choose another folder with --out") as string });
      for (const [path, text] of Object.entries(mine)) {
        expect(stderr).toContain(path);
        expect(readFileSync(join(out, path), "utf8")).toBe(text);
      }
    }
    expect(readFileSync(join(out, "plan.json"), "utf8")).toBe(plan);
    for (const path of Object.keys(mine)) rmSync(join(out, path));
    expect((await compileInto(out, "--set", "d_model=32")).status).toBe(0);
    expect(readFileSync(join(out, "plan.json"), "utf8")).not.toBe(plan);
  });

  test("a folder without a record of what was written: what differs is not written over, what is the same may stand", async () => {
    const out = fresh();
    expect((await compileInto(out)).status).toBe(0);
    rmSync(join(out, ".moeut-written.json"));
    expect(await compileInto(out)).toMatchObject({ status: 1, stderr: expect.stringContaining("holds other files") as string });
    expect((await compileInto(out, "--force", "--set", "d_model=32")).stderr).toContain("plan.json");
    expect((await compileInto(out, "--force")).status).toBe(0);
  });

  test("draw replaces its own pictures only", async () => {
    const [spec, picture, theirs] = [`${fresh()}.moeut`, `${fresh()}.svg`, `${fresh()}.svg`];
    writeFileSync(spec, SPEC);
    writeFileSync(theirs, "<svg>mine</svg>");
    const draw = (out: string): ReturnType<typeof moeutHere> => moeutHere(["draw", spec, "-o", out]);
    for (let i = 0; i < 2; i++) expect((await draw(picture)).status).toBe(0);
    const edited = readFileSync(picture, "utf8").replace("</title>", " (mine)</title>");
    writeFileSync(picture, edited);
    for (const [path, text] of [[spec, SPEC], [theirs, "<svg>mine</svg>"], [picture, edited]] as const) {
      expect(await draw(path)).toMatchObject({ status: 1, stderr: expect.stringContaining("is no SVG as moeut drew it") as string });
      expect(readFileSync(path, "utf8")).toBe(text);
    }
  });

  test("fmt keeps the rights of a file", async () => {
    const spec = `${fresh()}.moeut`;
    writeFileSync(spec, SPEC.replace("{ ", "{   "), { mode: 0o640 });
    expect((await moeutHere(["fmt", spec])).stdout).toContain("formatted");
    expect(statSync(spec).mode & 0o777).toBe(process.platform === "win32" ? 0o666 : 0o640);
  });

  test("a mistake that is found after the folder was made leaves no folder", async () => {
    const out = join(fresh(), "deep");
    expect((await moeutHere(["train", "specs/tiny.moeut", "--data", "nowhere.txt", "--out", out])).status).toBe(1);
    expect(existsSync(join(out, ".."))).toBe(false);
  });
});
