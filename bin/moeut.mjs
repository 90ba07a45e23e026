#!/usr/bin/env node
/** Runs the sources in a checkout (through tsx) and the built files in an installed package. */
import { existsSync } from "node:fs";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`moeut needs Node 20.19 or newer; this is Node ${process.versions.node}`);
  process.exit(2);
}

const source = new URL("../cli/main.ts", import.meta.url);
if (existsSync(source)) await runSource(source);
else await import(new URL("../dist/cli/main.js", import.meta.url).href);

async function runSource(url) {
  try {
    (await import("tsx/esm/api")).register();
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    console.error("moeut: the dependencies of this checkout are not installed; run `node scripts/setup.mjs`");
    process.exit(2);
  }
  await import(url.href);
}
