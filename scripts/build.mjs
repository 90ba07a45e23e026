/** Compiles the sources to dist/, from nothing, so that no file of an older build gets into a package. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
rmSync(join(ROOT, "dist"), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
process.exitCode = status ?? 1;
