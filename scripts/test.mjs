/**
 * The whole test command: vitest, meanwhile types, lint and a Python with PyTorch. Ends with one line "N passed, N failed, N skipped"
 * and exit status 0 only if nothing failed and something passed. Arguments go to vitest, and then nothing else is done:
 * `npm test -- test/host-files.test.ts`.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const start = (args, env = {}) =>
  spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } });

/** Exit status, 1 for a signal or a program that does not start. */
const ended = (child) => new Promise((done) => void child.on("error", () => done(1)).on("close", (status) => done(status ?? 1)));

/** What is checked without running anything; each that fails counts as one failure. */
const STATIC = [
  { name: "type check", args: [join("node_modules", "typescript", "bin", "tsc"), "--noEmit"] },
  { name: "lint", args: [join("node_modules", "@biomejs", "biome", "bin", "biome"), "lint"] },
];

/** Those that failed, and what they said. */
async function failedChecks() {
  const failed = [];
  for (const { name, args } of STATIC) {
    let said = "";
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => void (said += text));
    if (await ended(child) !== 0) failed.push({ name, said });
  }
  return failed;
}

/** Counts from vitest's JSON report; a file that cannot even be loaded counts as one failure. */
async function runTests(args, env) {
  mkdirSync(join(ROOT, ".moeut"), { recursive: true });
  const directory = mkdtempSync(join(ROOT, ".moeut", "test-"));
  const report = join(directory, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const status = await ended(start([join("node_modules", "vitest", "vitest.mjs"), "run", ...reporters, ...args], env));
    return { status, ...countsOf(report) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function countsOf(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
    const unloaded = testResults.filter((file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")).length;
    return { passed: numPassedTests, failed: numFailedTests + unloaded, skipped: numPendingTests + numTodoTests };
  } catch (error) {
    console.error(`no report from vitest: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const args = process.argv.slice(2);
const python = args.length > 0 ? null : start([join("scripts", "python.mjs")]);
const made = python && ended(python);
const [broken, tests] = await Promise.all([
  args.length > 0 ? [] : failedChecks(),
  runTests(args, { MOEUT_PYTHON_MAKER: `${python?.pid ?? ""}` }), // who needs the Python waits for its maker
]);
await made;
const unexplained = tests.status !== 0 && tests.failed === 0 ? 1 : 0; // for instance an error outside any test
const failed = tests.failed + unexplained + broken.length;
for (const { name, said } of broken) console.error(`${said}the ${name} failed (counted as one failure)`);
process.exitCode = failed === 0 && tests.passed > 0 ? 0 : 1;
console.log(`${tests.passed} passed, ${failed} failed, ${tests.skipped} skipped`);
