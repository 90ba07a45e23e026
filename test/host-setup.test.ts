import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { pythonProgram } from "./support/torch/python.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "moeut-setup-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;

/** A checkout with nothing but scripts and a lock file of one needed and one optional package. */
function checkout(files: Readonly<Record<string, string>> = {}): string {
  const root = join(folder, `${count++}`);
  const packages = {
    "": {}, "node_modules/needed": { version: "1.0.0" }, "node_modules/for-other-systems": { version: "2.0.0", optional: true },
  };
  const all = { "package-lock.json": JSON.stringify({ packages }), ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  mkdirSync(join(root, "scripts"));
  for (const name of ["setup.mjs", "python.mjs", "test.mjs"]) copyFileSync(join(ROOT, "scripts", name), join(root, "scripts", name));
  return root;
}

const run = (root: string, script: string, environment: NodeJS.ProcessEnv = {}, args: readonly string[] = []) =>
  spawnSync(process.execPath, [...args, join(root, "scripts", script)], { encoding: "utf8", env: { ...process.env, ...environment } });

const RECORD = (version: string): string => JSON.stringify({ packages: { "node_modules/needed": { version } } });

describe("setup", () => {
  const npm = join(folder, "npm-cli.js");
  writeFileSync(npm, `const fs = require("fs"); fs.mkdirSync("node_modules", { recursive: true }); fs.appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n"); process.exit(Number(process.env.NPM_STATUS ?? 0));`);
  const setup = (root: string, environment: NodeJS.ProcessEnv = {}) => run(root, "setup.mjs", { npm_execpath: npm, ...environment });
  const calls = (root: string): readonly string[] =>
    (existsSync(join(root, "npm-calls")) ? readFileSync(join(root, "npm-calls"), "utf8").trim().split("\n") : []);

  test("installs once, says so, and is silent afterwards", () => {
    const root = checkout();
    expect(setup(root).stdout).toMatch(/^moeut set-up: installing .*\nmoeut set-up: done in [\d.]+ s\n$/);
    expect(setup(root)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(calls(root)).toEqual(["ci --no-audit --no-fund --include=dev --include=optional"]);
  });

  test("installs again when the lock file changes", () => {
    const root = checkout();
    setup(root);
    writeFileSync(join(root, "package-lock.json"), JSON.stringify({ packages: { "node_modules/new": { version: "1.0.0" } } }));
    setup(root);
    expect(calls(root)).toHaveLength(2);
  });

  test("tries again after a failure", () => {
    const root = checkout();
    const failed = setup(root, { NPM_STATUS: "7" });
    expect(failed).toMatchObject({ status: 2, stderr: "moeut set-up: npm ci failed (status 7); the reason is above\n" });
    setup(root);
    expect(calls(root)).toHaveLength(2);
  });

  test.each([
    { why: "accepts what npm installed by hand", record: RECORD("1.0.0"), installs: 0 },
    { why: "does not accept another version", record: RECORD("1.0.1"), installs: 1 },
    { why: "does not accept a missing package", record: '{"packages":{}}', installs: 1 },
  ])("$why", ({ record, installs }) => {
    const root = checkout({ "node_modules/.package-lock.json": record, "node_modules/needed/package.json": "{}" });
    setup(root);
    expect(calls(root)).toHaveLength(installs);
  });

  test("refuses an old Node in words", () => {
    const old = `data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "18.20.4" } })`;
    const { status, stderr } = run(checkout(), "setup.mjs", {}, ["--import", old]);
    expect({ status, stderr }).toEqual({
      status: 2, stderr: "moeut set-up: moeut needs Node 20.19 or newer; this is Node 18.20.4. Get a newer one from https://nodejs.org\n",
    });
  });
});

describe.skipIf(process.platform === "win32")("the Python of the tests", () => {
  /** Makes its environments out of itself, notes what pip is asked for, and does as it is told: FAKE_PYTHON. */
  const FAKE = `#!/bin/sh
case "$*" in
  "-c import"*) if [ -n "$PYTHONDONTWRITEBYTECODE" ]; then echo "no bytecode" >&2; exit 1; fi ;;
  *"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *--report*) if [ "$FAKE_PYTHON" = hangs ]; then exec sleep 100; fi
    if [ "$FAKE_PYTHON" = offline ]; then echo "ERROR: No matching distribution found for torch==2.13.0" >&2; exit 1; fi
    if [ "$FAKE_PYTHON" = cuda ]; then name=nvidia-cublas; else name=torch; fi
    echo "{ \\"install\\": [{ \\"metadata\\": { \\"name\\": \\"$name\\" } }] }" ;;
  *"pip install"*) echo "$*" >> "$(dirname "$0")/../../calls"
    case "$*$FAKE_PYTHON" in *lm-eval*partly) echo "no lm-eval" >&2; exit 1 ;; esac ;;
esac
`;
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "python3"), FAKE, { mode: 0o755 });
  const made = (root: string, environment: NodeJS.ProcessEnv = {}): string => {
    const { status, stdout, stderr } = run(root, "python.mjs", { PATH: `${bin}:${process.env["PATH"]}`, MOEUT_PYTHON: "", ...environment });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout;
  };
  const calls = (root: string): number => readFileSync(join(root, ".moeut", "calls"), "utf8").trim().split("\n").length;

  test("is made once for a list of packages", () => {
    const root = checkout();
    expect(made(root)).toMatch(/^moeut set-up: making a Python .*\nmoeut set-up: done in \d+ s\n$/);
    expect(made(root)).toBe("");
    expect(calls(root)).toBe(3);
    const script = join(root, "scripts", "python.mjs");
    writeFileSync(script, readFileSync(script, "utf8").replace("ruff==", "ruff>"));
    expect(made(root)).toMatch(/done in/);
    expect(calls(root)).toBe(6);
  });

  test.each([
    ["PyTorch has CUDA only", { FAKE_PYTHON: "cuda" }, /pip finds no PyTorch without CUDA here \(it would install nvidia-cublas\)/],
    ["pip finds nothing", { FAKE_PYTHON: "offline" }, /skipped: ERROR: No matching distribution found for torch==2.13.0\n$/],
    ["it takes too long", { FAKE_PYTHON: "hangs", MOEUT_PYTHON_LIMIT: "0.5" }, /skipped: it was not made within 0.5 s\n$/],
    ["there is no Python", { PATH: "" }, /skipped: python3 cannot be started \(ENOENT\)\n$/],
  ])("is left out, with the reason, where %s", (_, environment, reason) => {
    const root = checkout();
    expect(made(root, environment)).toMatch(reason);
    expect(existsSync(join(root, ".moeut", "python"))).toBe(false);
  });

  test("comes without lm-evaluation-harness where only that is missing", () => {
    expect(made(checkout(), { FAKE_PYTHON: "partly" })).toMatch(/compared with lm-evaluation-harness: no lm-eval\n.*done in/);
  });

  test("has its bytecode, also where Python is told to write none", () => {
    expect(made(checkout(), { PYTHONDONTWRITEBYTECODE: "1" })).toMatch(/^moeut set-up: making .*\nmoeut set-up: done in \d+ s\n$/);
  });

  test("is waited for while it is made", async () => {
    const maker = spawn(process.execPath, ["-e", "setTimeout(() => {}, 300)"]);
    vi.stubEnv("MOEUT_PYTHON_MAKER", `${maker.pid}`);
    await pythonProgram();
    vi.unstubAllEnvs();
    expect(maker.exitCode).toBe(0);
  });

  test("is not made where another is named, or none", () => expect(made(checkout(), { MOEUT_PYTHON: "none" })).toBe(""));
});

describe("the closing line of the tests", () => {
  const report = (passed: number, failed: number, skipped: number, unloaded = 0): string =>
    JSON.stringify({
      numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numTodoTests: 0,
      testResults: Array.from({ length: unloaded }, () => ({ status: "failed", assertionResults: [] })),
    });

  /** Exit statuses of what is run, and what comes of them. */
  interface Ending {
    readonly why: string;
    readonly types?: number;
    readonly lint?: number;
    readonly vitest: number;
    readonly report: string;
    readonly want: string;
    readonly status: number;
  }

  test.each([
    { why: "all pass", vitest: 0, report: report(5, 0, 2), want: "5 passed, 0 failed, 2 skipped", status: 0 },
    { why: "one fails", vitest: 1, report: report(4, 1, 0), want: "4 passed, 1 failed, 0 skipped", status: 1 },
    { why: "types do not fit", types: 2, vitest: 0, report: report(5, 0, 0), want: "5 passed, 1 failed, 0 skipped", status: 1 },
    { why: "lint finds something", lint: 1, vitest: 0, report: report(5, 0, 0), want: "5 passed, 1 failed, 0 skipped", status: 1 },
    { why: "a file does not load", vitest: 1, report: report(5, 0, 0, 1), want: "5 passed, 1 failed, 0 skipped", status: 1 },
    { why: "an error outside tests", vitest: 1, report: report(5, 0, 0), want: "5 passed, 1 failed, 0 skipped", status: 1 },
    { why: "the runner crashes", vitest: 139, report: "", want: "0 passed, 1 failed, 0 skipped", status: 1 },
    { why: "nothing ran", vitest: 0, report: report(0, 0, 3), want: "0 passed, 0 failed, 3 skipped", status: 1 },
  ] as readonly Ending[])("$why", ({ types = 0, lint = 0, vitest, report: content, want, status }) => {
    const writeReport = `import fs from "node:fs"; const file = process.argv.find((a) => a.startsWith("--outputFile.json=")).slice(18); fs.writeFileSync(file, ${JSON.stringify(content)}); process.exit(${vitest});`;
    const root = checkout({
      "node_modules/typescript/bin/tsc": `process.exit(${types})`,
      "node_modules/@biomejs/biome/bin/biome": `process.exit(${lint})`,
      "node_modules/vitest/vitest.mjs": writeReport,
    });
    const result = run(root, "test.mjs", { MOEUT_PYTHON: "none" });
    expect(result.stdout.trimEnd().split("\n").at(-1)).toBe(want);
    expect(result.status).toBe(status);
  });
});
