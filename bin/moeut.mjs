#!/usr/bin/env node
/** Runs the sources in a checkout, which is set up first if it is new, and the built files in an installed package. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`moeut needs Node 20.19 or newer; this is Node ${process.versions.node}`);
  process.exit(2);
}

const source = new URL("../cli/main.ts", import.meta.url);
await import(existsSync(source) ? await runnable(source) : new URL("../dist/main.js", import.meta.url).href);

/** The sources as a bundle; where that cannot be written, the files themselves through tsx, which takes a second longer. */
async function runnable(url) {
  process.setSourceMapsEnabled(true);
  if (!existsSync(new URL("../node_modules", import.meta.url))) setUp();
  try {
    return await (await import("../scripts/bundle.mjs")).checkoutEntry();
  } catch {
    await registerTsx();
    return url.href;
  }
}

/** Standard output belongs to the command: what is said meanwhile goes to standard error. */
function setUp() {
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL("../scripts/setup.mjs", import.meta.url))], { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(2); // it has said why
}

async function registerTsx() {
  try {
    (await import("tsx/esm/api")).register();
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    console.error("moeut: the dependencies of this checkout are not installed; run `node scripts/setup.mjs`");
    process.exit(2);
  }
}
