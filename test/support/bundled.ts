/** Sources as JavaScript, for tests that start processes of their own: those start in a fifth of the time that tsx takes. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll } from "vitest";
import { ROOT } from "./cli.ts";

/**
 * @param entry from the root of the checkout @returns the URL of a bundle inside the checkout, where its packages are found; removed after
 * the tests of the file
 */
export async function bundled(entry: string): Promise<string> {
  mkdirSync(join(ROOT, ".moeut"), { recursive: true });
  const directory = mkdtempSync(join(ROOT, ".moeut", "test-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  await build({ absWorkingDir: ROOT, entryPoints: [entry], outdir: directory, bundle: true, format: "esm", platform: "node", packages: "external" });
  return pathToFileURL(join(directory, basename(entry).replace(/ts$/, "js"))).href;
}
