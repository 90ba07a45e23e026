/** Makes dist/ for the package, from nothing, so that no file of an older build gets into it. Dependencies stay outside: npm installs them. */
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";
import { apiTypes } from "./types.mjs";

const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
rmSync(dist, { recursive: true, force: true });
await bundle(dist, { packages: "external" });
writeFileSync(join(dist, "index.d.ts"), apiTypes());
