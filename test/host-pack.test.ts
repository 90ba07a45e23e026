import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROGRAM, PROGRAM_WITHOUT_DEVICE } from "./support/api-page.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "moeut-pack-"));
const installed = join(project, "node_modules", "moeut");
afterAll(() => rmSync(project, { recursive: true }));

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", shell: process.platform === "win32" && command === "npm", env: { ...process.env, XDG_CACHE_HOME: join(project, "cache") } });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Puts the package where npm would, with its run-time dependencies beside it (links to those of the checkout) and nothing that is only for development. */
function install(): void {
  run(process.execPath, [join("scripts", "build.mjs")], ROOT);
  run("npm", ["pack", "--ignore-scripts", "--pack-destination", project], ROOT);
  const archive = readdirSync(project).find((name) => name.endsWith(".tgz"))!;
  mkdirSync(installed, { recursive: true });
  run("tar", ["-xzf", archive, "-C", installed, "--strip-components=1"], project);
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as { packages: Record<string, { dev?: boolean }> };
  for (const [path, { dev }] of Object.entries(packages)) {
    const isOutermost = path.lastIndexOf("node_modules/") === 0;
    if (isOutermost && dev !== true && existsSync(join(ROOT, path))) link(path);
  }
}

function link(path: string): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  symlinkSync(join(ROOT, path), join(project, path), "junction");
}

const WRONG = `
import { check } from "moeut";
const n: number = check(1).models[0]!.dModel;
export const s: string = n;
`;
/** Every rule, also for declaration files, apart from those of TypeScript itself. */
const STRICT = [
  "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--module", "nodenext", "--types", "node",
  "--skipDefaultLibCheck",
];

const moeut = (...args: readonly string[]): string => run(process.execPath, [join(installed, "bin", "moeut.mjs"), ...args], project);

describe.runIf(existsSync(join(ROOT, "cli", "main.ts")))("the package, installed elsewhere", () => {
  beforeAll(install);

  test("holds what it needs and nothing of the workshop", () => {
    expect(readdirSync(installed).sort()).toEqual(expect.arrayContaining(["bin", "dist", "package.json", "specs"]));
    for (const name of ["test", "scripts", "cli", "compiler", "node_modules"]) expect(existsSync(join(installed, name))).toBe(false);
    expect(existsSync(join(project, "node_modules", "tsx"))).toBe(false);
  });

  test("explains its adapter, and caches outside itself", () => {
    expect(JSON.parse(moeut("doctor", "--json", "--adapter", "null"))).toMatchObject({ chosen: { kind: "null" }, cache: join(project, "cache", "moeut") });
  });

  test("checks a spec", () => {
    moeut("check", join(installed, "specs", "tiny.moeut"));
  });

  test("compiles a spec to a standalone folder, whose sources it has to bring along", () => {
    const layer = "layer a { attention mha { n_heads 1 }  feed_forward dense { d_ff 8 } }";
    writeFileSync(join(project, "small.moeut"), `moeut 1\nmodel m { vocab_size 8  seq_len 4  d_model 8  ${layer} }\n`);
    moeut("compile", "small.moeut", "--inference", "--out", join(project, "out"));
    expect(readdirSync(join(project, "out")).length).toBeGreaterThan(2);
  });

  test("has types that stand alone: the program of docs/api.md fits them, and what does not is found", () => {
    link("node_modules/@types/node"); // for the program's own imports
    link("node_modules/undici-types");
    writeFileSync(join(project, "program.mts"), PROGRAM);
    writeFileSync(join(project, "wrong.mts"), WRONG);
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, ...STRICT, "program.mts", "wrong.mts"], { cwd: project, encoding: "utf8" });
    expect(stdout.match(/^\S.*: error TS\d+/gm)).toEqual([
      expect.stringContaining("wrong.mts(3,25): error"), expect.stringContaining("wrong.mts(4,14): error"),
    ]);
  });

  test("is a library too", async () => {
    writeFileSync(join(project, "program.mjs"), (await transform(PROGRAM_WITHOUT_DEVICE, { loader: "ts" })).code);
    const lines = run(process.execPath, ["program.mjs"], project).split("\n");
    expect(lines.slice(0, 2)).toEqual(["small: 2 applications of 1 layer, 0 warnings", "small at 15"]);
    expect(lines[2]).toMatch(/^\d+ kernels, \d+ bytes of buffers$/);
    const small = ["kernels", "model.js", "cpu.wasm", "plan.json", "runtime", "src"];
    expect(readdirSync(join(project, "small"))).toEqual(expect.arrayContaining(small));
  });
});
