/** Reference data that is kept beside the repository, for tests that can use it. */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

/** A path in the data folder: $MOEUT_SHARED, or `../shared` beside the repository. */
const sharedPath = (...names: readonly string[]): string => join(process.env["MOEUT_SHARED"] ?? resolve(root, "../shared"), ...names);

/** The golden folder whose name starts with `prefix`, or null, with the reason on the console. */
export function goldenFolder(prefix: string): string | null {
  const golden = sharedPath("golden");
  const name = existsSync(golden) ? readdirSync(golden).find((entry) => entry.startsWith(`${prefix}-`)) : undefined;
  if (name === undefined) console.warn(`skipped: no golden case ${prefix} in ${golden} (set MOEUT_SHARED to the folder that holds golden/)`);
  return name === undefined ? null : join(golden, name);
}

/** The folder of published data sets, or null, with the reason on the console. */
export function dataFolder(): string | null {
  const folder = sharedPath("data");
  if (existsSync(folder)) return folder;
  console.warn(`skipped: no published data in ${folder} (set MOEUT_SHARED to the folder that holds data/)`);
  return null;
}
