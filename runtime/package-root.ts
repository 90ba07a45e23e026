import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Directory of moeut's package.json: the checkout, or the installed package. */
export const PACKAGE_ROOT: string = (() => {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return directory;
})();

export const VERSION: string = (JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")) as { version: string }).version;

/** A package ships no sources. */
export const IS_CHECKOUT: boolean = existsSync(join(PACKAGE_ROOT, "cli", "main.ts"));
