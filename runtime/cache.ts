import { accessSync, constants, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { makeDirectory } from "./files/folder.ts";
import { IS_CHECKOUT, PACKAGE_ROOT } from "./package-root.ts";

/**
 * Directory for what can be made again (unpacked drivers, compiled shaders, tuning results); created if missing.
 * MOEUT_CACHE_DIR wins. A checkout keeps its cache inside itself, so that nothing outside the repository is touched;
 * an installed package uses XDG_CACHE_HOME/moeut or ~/.cache/moeut. Falls back to the system's temporary directory.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const candidates = [environment["MOEUT_CACHE_DIR"], checkoutCache(), userCache(environment)];
  const usable = candidates.find((path) => path !== undefined && path !== "" && isWritable(path));
  return usable === undefined ? temporaryCache() : resolve(usable);
}

const checkoutCache = (): string | undefined => (IS_CHECKOUT ? join(PACKAGE_ROOT, ".moeut", "cache") : undefined);

function userCache(environment: NodeJS.ProcessEnv): string {
  const base = environment["XDG_CACHE_HOME"];
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "moeut");
}

function temporaryCache(): string {
  const path = join(tmpdir(), `moeut-cache-${process.getuid?.() ?? "user"}`);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

function isWritable(path: string): boolean {
  try {
    makeDirectory(path);
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
