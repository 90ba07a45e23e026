/**
 * The whole test command: types, lint and meanwhile a Python with PyTorch, then vitest. Ends with one line "N passed, N failed, N skipped"
 * and exit status 0 only if nothing failed and something passed. Arguments go to vitest, and then nothing else is done:
 * `npm test -- test/host-files.test.ts`.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const node = (args) => spawnSync(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] }).status ?? 1;

/** What is checked without running anything; each that fails counts as one failure. */
const STATIC = [
  { name: "type check", args: [join("node_modules", "typescript", "bin", "tsc"), "--noEmit"] },
  { name: "lint", args: [join("node_modules", "@biomejs", "biome", "bin", "biome"), "lint"] },
];

/** @returns names of those that failed */
const failedChecks = () => STATIC.filter(({ name, args }) => {
  console.log(`${name} …`);
  return node(args) !== 0;
}).map(({ name }) => name);

/** Through when the Python is made, or cannot be. */
const makePython = () => new Promise((done) => {
  const options = { stdio: ["ignore", "inherit", "inherit"] };
  spawn(process.execPath, [join(ROOT, "scripts", "python.mjs")], options).on("error", done).on("close", done);
});

/** Counts from vitest's JSON report; a file that cannot even be loaded counts as one failure. */
function runTests(args) {
  mkdirSync(join(ROOT, ".moeut"), { recursive: true });
  const directory = mkdtempSync(join(ROOT, ".moeut", "test-"));
  const report = join(directory, "report.json");
  try {
    const status = node([join("node_modules", "vitest", "vitest.mjs"), "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...args]);
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
const python = args.length > 0 ? null : makePython();
const broken = args.length > 0 ? [] : failedChecks();
await python;
const tests = runTests(args);
const unexplained = tests.status !== 0 && tests.failed === 0 ? 1 : 0; // for instance an error outside any test
const failed = tests.failed + unexplained + broken.length;
for (const name of broken) console.error(`the ${name} failed (counted as one failure)`);
process.exitCode = failed === 0 && tests.passed > 0 ? 0 : 1;
console.log(`${tests.passed} passed, ${failed} failed, ${tests.skipped} skipped`);
