import { existsSync, readFileSync } from "node:fs";

/** Of the package, whether this is its source or its built form (dist/cli). */
export function version(): string {
  const path = ["../package.json", "../../package.json"].map((relative) => new URL(relative, import.meta.url)).find((url) => existsSync(url));
  return path === undefined ? "0.0.0" : (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
