#!/usr/bin/env node
/** Runs the sources in a checkout and the built files in an installed package. */
import { existsSync } from "node:fs";

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
  try {
    return await (await import("../scripts/bundle.mjs")).checkoutEntry();
  } catch {
    await registerTsx();
    return url.href;
  }
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
