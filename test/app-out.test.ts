/** Where commands write: nothing is written over that moeut did not write, and a place that cannot be is named before any work. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  ["compile", ["compile", "specs/tiny.moeut", "--target", "portable"]],
  ["import", ["import", "config.json", "weights.safetensors"]],
];

describe.each([...COMMANDS, ["draw", ["draw", "specs/tiny.moeut"]] as const])("%s", (_, args) => {
  test.each(["", " "])("--out %j is empty", async (out) => {
    const before = readdirSync(".");
    const { status, stderr } = await moeutHere([...args, "--out", out]);
    expect(stderr).toContain("--out is empty");
    expect(status).toBe(1);
    expect(readdirSync(".")).toEqual(before);
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
    expect(await moeutHere([...args, "--out", out])).toMatchObject({ status: 1, stderr: `error: ${out} is a file; --out takes a folder\n` });
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

  test("compile --force writes beside other files, never over them", async () => {
    const out = fresh();
    mkdirSync(out);
    writeFileSync(join(out, "package.json"), "{}");
    writeFileSync(join(out, "notes.txt"), "mine");
    const compile = (): ReturnType<typeof moeutHere> => moeutHere(["compile", "specs/tiny.moeut", "--target", "portable", "--out", out, "--force"]);
    expect(await compile()).toMatchObject({ status: 1, stderr: expect.stringMatching(/did not write and does not write over: package\.json; move them/) as string });
    expect(readdirSync(out).sort()).toEqual(["notes.txt", "package.json"]);
    rmSync(join(out, "package.json"));
    expect((await compile()).status).toBe(0);
    expect((await compile()).status).toBe(0);
    expect(readFileSync(join(out, "notes.txt"), "utf8")).toBe("mine");
  });

  test("an emission does not replace a file that came into its folder later under a name it now needs", async () => {
    const out = fresh();
    const compile = (): ReturnType<typeof moeutHere> => moeutHere(["compile", "specs/tiny.moeut", "--target", "portable", "--out", out]);
    expect((await compile()).status).toBe(0);
    const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")) as { files: string[] };
    writeFileSync(join(out, "manifest.json"), JSON.stringify({ ...manifest, files: manifest.files.filter((path) => path !== "README.md") }));
    writeFileSync(join(out, "README.md"), "mine");
    expect(await compile()).toMatchObject({ status: 1, stderr: expect.stringContaining("README.md") as string });
    expect(readFileSync(join(out, "README.md"), "utf8")).toBe("mine");
  });

  test("draw replaces pictures only", async () => {
    const [spec, picture] = [`${fresh()}.moeut`, `${fresh()}.svg`];
    writeFileSync(spec, SPEC);
    expect(await moeutHere(["draw", spec, "-o", spec])).toMatchObject({ status: 1, stderr: expect.stringContaining("is no SVG") as string });
    expect(readFileSync(spec, "utf8")).toBe(SPEC);
    for (let i = 0; i < 2; i++) expect((await moeutHere(["draw", spec, "-o", picture])).status).toBe(0);
    expect(readFileSync(picture, "utf8")).toMatch(/^<svg/);
  });

  test("a mistake that is found after the folder was made leaves no folder", async () => {
    const out = join(fresh(), "deep");
    expect((await moeutHere(["train", "specs/tiny.moeut", "--data", "nowhere.txt", "--out", out])).status).toBe(1);
    expect(existsSync(join(out, ".."))).toBe(false);
  });
});
