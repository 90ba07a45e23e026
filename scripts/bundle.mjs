/** The sources as JavaScript: a few files instead of hundreds, which Node loads several times as fast as it strips types. Plain JavaScript, because it runs before anything is compiled. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCES = ["api", "cli", "compiler", "grammar", "runtime"];
/** The command line, what `import "moeut"` gives, and a thread that makes tokens. */
const ENTRIES = { "main": join("cli", "main.ts"), "index": join("api", "index.ts"), "encode-worker": join("runtime", "corpus", "encode-worker.ts") };
/** Packages that keep their own files; chevrotain, hundreds of them, is taken in. */
const OUTSIDE = ["commander", "echarts", "ts-morph", "typescript", "webgpu"];

/** Writes main.js and its parts into a folder; rejects with esbuild's errors. */
export async function bundle(outdir, options) {
  const { build } = await import("esbuild");
  await build({ absWorkingDir: ROOT, entryPoints: ENTRIES, outdir, bundle: true, splitting: true, format: "esm", platform: "node", target: "node20.19", logLevel: "silent", ...options });
}

/** The entry of a checkout, as a URL: a bundle whose name is the hash of what it was made from, so that it cannot be stale. */
export async function checkoutEntry() {
  const hash = sourceHash();
  const directory = join(ROOT, ".moeut", "bundles", hash);
  use(hash);
  if (!existsSync(directory)) await make(directory);
  return pathToFileURL(join(directory, "main.js")).href;
}

function sourceHash() {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true }).filter((name) => name.endsWith(".ts")).sort().map((name) => join(folder, name)));
  for (const file of ["package-lock.json", join("scripts", "bundle.mjs"), ...files]) hash.update(`${file}\0`).update(readFileSync(join(ROOT, file))).update("\0");
  return hash.digest("hex").slice(0, 32);
}

/** Complete or not at all; of two processes that make it at once, the first wins. */
async function make(directory) {
  mkdirSync(dirname(directory), { recursive: true });
  const temporary = mkdtempSync(`${directory}.tmp-`);
  try {
    await bundle(temporary, { external: OUTSIDE, sourcemap: true });
    renameSync(temporary, directory);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(directory)) throw error;
  }
  removeOld(dirname(directory));
}

/** Files HASH~PID: which bundle a process runs, parts of which it may still load, until it ends. */
const USES = join(ROOT, ".moeut", "uses");

function use(hash) {
  const file = join(USES, `${hash}~${process.pid}`);
  try {
    mkdirSync(USES, { recursive: true });
    writeFileSync(file, "");
  } catch {
    return; // where nobody can write, nobody removes a bundle
  }
  process.once("exit", () => rmSync(file, { force: true }));
}

/** Bundles of running processes. Files of those that were killed go away. */
function inUse() {
  const uses = readdirSync(USES).map((file) => ({ file, hash: file.split("~")[0], pid: Number(file.split("~")[1]) }));
  for (const { file } of uses.filter(({ pid }) => !isAlive(pid))) rmSync(join(USES, file), { force: true });
  return new Set(uses.filter(({ pid }) => isAlive(pid)).map(({ hash }) => hash));
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM"; // another user's
  }
}

/** All but the newest few and those that somebody runs. */
function removeOld(folder) {
  const used = inUse();
  const age = (name) => -(statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const byAge = readdirSync(folder).map((name) => ({ name, age: age(name) })).sort((a, b) => a.age - b.age);
  for (const { name } of byAge.slice(4).filter((bundle) => !used.has(bundle.name))) rmSync(join(folder, name), { recursive: true, force: true });
}
