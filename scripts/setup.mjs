/**
 * Makes a checkout ready to run: checks Node and installs the locked dependencies if they are missing or differ from
 * package-lock.json. Plain JavaScript without dependencies, because it runs before there are any.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const STAMP = join(ROOT, "node_modules", ".moeut-setup");

function requireNode(major, minor) {
  const [haveMajor, haveMinor] = process.versions.node.split(".").map(Number);
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return;
  fail(`moeut needs Node ${major}.${minor} or newer; this is Node ${process.versions.node}. Get a newer one from https://nodejs.org`);
}

/** What the installed tree was made from: the lock file, and the platform its native parts are for. */
function wantedStamp() {
  const lock = readFileSync(join(ROOT, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${process.platform} ${process.arch}\n`;
}

const isStamped = (stamp) => existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp;

/** npm's own record of what it installed agrees with the lock file: somebody ran npm by hand. */
function isInstalled() {
  const record = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const have = JSON.parse(readFileSync(record, "utf8")).packages;
  const want = Object.entries(JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages).filter(([path]) => path !== "");
  return want.every(([path, { version, optional }]) => (have[path] === undefined ? optional === true : have[path].version === version && existsSync(join(ROOT, path))));
}

function install() {
  console.log("moeut set-up: installing the locked dependencies (npm ci) …");
  const started = Date.now();
  const npm = npmCommand(["ci", "--no-audit", "--no-fund", "--include=dev", "--include=optional"]);
  const result = spawnSync(npm.command, npm.args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], shell: npm.shell });
  if (result.error) fail(`cannot start npm: ${result.error.message}`);
  if (result.status !== 0) fail(`npm ci failed (status ${result.status ?? result.signal}); the reason is above`);
  console.log(`moeut set-up: done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** Under `npm run`, npm says where it is; that works on Windows too, where npm itself is a script that needs a shell. */
function npmCommand(args) {
  const npmScript = process.env.npm_execpath;
  if (npmScript !== undefined && /\.c?js$/.test(npmScript)) return { command: process.execPath, args: [npmScript, ...args], shell: false };
  return { command: "npm", args, shell: process.platform === "win32" };
}

function fail(message) {
  console.error(`moeut set-up: ${message}`);
  process.exit(2);
}

requireNode(20, 19);
const stamp = wantedStamp();
if (!isStamped(stamp)) {
  if (!isInstalled()) install();
  writeFileSync(STAMP, stamp);
}
