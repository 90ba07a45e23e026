/** How the command line starts: in a checkout always the sources as they are, and no more of them than a command needs. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-start-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let count = 0;

/** A checkout whose whole program is cli/main.ts. */
function checkout(main: string): string {
  const root = join(scratch, `${count++}`);
  const folders = ["api", "cli", "compiler", "grammar", join("runtime", "corpus"), "scripts"];
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  for (const file of [join("bin", "moeut.mjs"), join("scripts", "bundle.mjs"), "package.json", "package-lock.json"]) cpSync(
    join(ROOT, file), join(root, file),
  );
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"), "junction");
  writeFileSync(join(root, "cli", "main.ts"), main);
  for (const entry of [join("api", "index.ts"), join("runtime", "corpus", "encode-worker.ts")]) writeFileSync(join(root, entry), "");
  return root;
}

const start = (root: string) =>
  spawnSync(process.execPath, [join(root, "bin", "moeut.mjs")], { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } });
const bundles = (root: string): readonly string[] => readdirSync(join(root, ".moeut", "bundles"));

describe("a checkout", () => {
  test("never runs stale sources, also where size and time of a file are the same", () => {
    const root = checkout(`import { word } from "../runtime/word.ts";\nconsole.log(word satisfies string);`);
    const word = join(root, "runtime", "word.ts");
    writeFileSync(word, `export const word: string = "one";`);
    const { atime, mtime } = statSync(word);
    expect(start(root)).toMatchObject({ stdout: "one\n", stderr: "", status: 0 });
    writeFileSync(word, `export const word: string = "two";`);
    utimesSync(word, atime, mtime);
    expect(start(root).stdout).toBe("two\n");
    expect(start(root).stdout).toBe("two\n");
    expect(bundles(root)).toHaveLength(2);
  });

  test("keeps few bundles", () => {
    const root = checkout("");
    for (let i = 0; i < 6; i++) mkdirSync(join(root, ".moeut", "bundles", `old-${i}`), { recursive: true });
    start(root);
    expect(bundles(root)).toHaveLength(4);
    expect(bundles(root).filter((name) => !name.startsWith("old-"))).toHaveLength(1);
    expect(readdirSync(join(root, ".moeut", "uses"))).toEqual([]);
  });

  test("keeps the bundle of a process that runs, however old it is", async () => {
    const root = checkout(`console.log("up"); setTimeout(() => {}, 60_000);`);
    const running = spawn(process.execPath, [join(root, "bin", "moeut.mjs")]);
    await once(running.stdout, "data");
    const [own] = bundles(root);
    utimesSync(join(root, ".moeut", "bundles", own!), 1, 1);
    for (let i = 0; i < 6; i++) mkdirSync(join(root, ".moeut", "bundles", `old-${i}`));
    writeFileSync(join(root, "cli", "main.ts"), "");
    start(root);
    expect(bundles(root)).toContain(own);
    running.kill("SIGKILL");
    await once(running, "exit");
    writeFileSync(join(root, "cli", "main.ts"), "// another");
    start(root);
    expect(bundles(root)).not.toContain(own);
  });

  test("may be started several times at once", async () => {
    const root = checkout(`console.log("here");`);
    const run = (): Promise<number | null> =>
      new Promise((done) => spawn(process.execPath, [join(root, "bin", "moeut.mjs")]).on("exit", done));
    expect(await Promise.all([run(), run(), run()])).toEqual([0, 0, 0]);
    expect(bundles(root)).toHaveLength(1);
  });

  test("runs without a place for bundles", () => {
    const root = checkout(`console.log("here" satisfies string);`);
    writeFileSync(join(root, ".moeut"), "in the way");
    expect(start(root)).toMatchObject({ stdout: "here\n", stderr: "", status: 0 });
  });

  test("shows where an error comes from in the sources, and mistakes in them", () => {
    const root = checkout(`type Nothing = undefined;\n\nthrow new Error("here" satisfies string);`);
    expect(start(root).stderr).toMatch(/main\.ts:3/);
    expect(start(checkout("const = 3;")).stderr).toMatch(/main\.ts:1/);
  });

  test("sets itself up when it is new, and says so where that is not for a reader of its output", () => {
    const root = checkout('console.log("here");');
    rmSync(join(root, "node_modules"));
    const setup = (then: string): void =>
      writeFileSync(join(root, "scripts", "setup.mjs"), `import fs from "node:fs"; console.log("set-up"); ${then}`);
    setup("process.exit(2)");
    expect(start(root)).toMatchObject({ stdout: "", stderr: "set-up\n", status: 2 });
    const [there, here] = [ROOT, root].map((folder) => JSON.stringify(join(folder, "node_modules")));
    setup(`fs.symlinkSync(${there}, ${here}, "junction");`);
    expect(start(root)).toMatchObject({ stdout: "here\n", stderr: "set-up\n", status: 0 });
    expect(start(root)).toMatchObject({ stdout: "here\n", stderr: "", status: 0 });
  });

  test("says so when dependencies are missing", () => {
    const root = checkout("");
    rmSync(join(root, "node_modules"));
    mkdirSync(join(root, "node_modules"));
    expect(start(root)).toMatchObject({
      status: 2, stderr: "moeut: the dependencies of this checkout are not installed; run `node scripts/setup.mjs`\n",
    });
  });
});

/** Files that a call of the command line loads, apart from those of Node. */
function loaded(...args: readonly string[]): readonly string[] {
  const list = join(scratch, `loaded-${count++}`);
  const hooks = `import fs from "node:fs"; export async function load(url, context, next) { if (url.startsWith("file:")) fs.appendFileSync(${JSON.stringify(list)}, url + "\\n"); return next(url, context); }`;
  const register = `import { register } from "node:module"; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const { status, stderr } = spawnSync(
    process.execPath, ["--import", `data:text/javascript,${encodeURIComponent(register)}`, join(ROOT, "bin", "moeut.mjs"), ...args],
    { cwd: ROOT, encoding: "utf8" },
  );
  expect(status, stderr).toBe(0);
  return readFileSync(list, "utf8").trim().split("\n").map((url) => fileURLToPath(url));
}

/** What is loaded is what start-up costs; unlike seconds it is the same on every machine. */
describe("a command loads what it needs", () => {
  beforeAll(() => void loaded("--version")); // makes the bundle, if nobody did
  const kilobytes = (files: readonly string[]): number => files.reduce((sum, file) => sum + statSync(file).size, 0) / 1000;
  test.each([
    { args: ["--version"], limit: 60 },
    { args: ["--help"], limit: 60 },
    { args: ["check", "specs/tiny.moeut"], limit: 1200 },
  ])("$args", ({ args, limit }) => {
    const files = loaded(...args);
    expect(files.map((file) => dirname(file)).filter((folder) => /node_modules.(ts-morph|typescript|echarts|webgpu|tsx|esbuild)/.test(folder))).toEqual([]);
    expect(files.length).toBeLessThan(40);
    expect(kilobytes(files)).toBeLessThan(limit);
  });
});
