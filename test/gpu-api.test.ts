/** The library on a device: the program of docs/api.md, as it stands there. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { decodeWeights } from "../runtime/standalone/safetensors.ts";
import { PROGRAM } from "./support/api-page.ts";
import { ROOT } from "./support/cli.ts";
import { MAIN } from "./support/gpu.ts";

mkdirSync(join(ROOT, ".moeut"), { recursive: true });
const work = mkdtempSync(join(ROOT, ".moeut", "test-api-")); // in the checkout, where its packages are found
afterAll(() => rmSync(work, { recursive: true }));

test("the program of docs/api.md checks, compiles, trains and generates", async () => {
  await build({
    absWorkingDir: ROOT, stdin: { contents: PROGRAM, loader: "ts", resolveDir: ROOT }, outfile: join(work, "program.mjs"),
    bundle: true, format: "esm", platform: "node", packages: "external", alias: { moeut: "./api/index.ts" },
  });
  const env = { ...process.env, MOEUT_ADAPTER: MAIN };
  const { status, stdout, stderr } = spawnSync(process.execPath, ["program.mjs"], { cwd: work, encoding: "utf8", env });
  expect(status, stderr).toBe(0);
  const losses = [...stdout.matchAll(/^step \d+ on .+: (\d\.\d+)$/gm)].map((match) => Number(match[1]));
  expect(losses).toHaveLength(2);
  expect(losses[1]).toBeLessThan(losses[0]!);
  expect(readdirSync(join(work, "small"))).toContain("model.js");
  expect(decodeWeights(readFileSync(join(work, "small.safetensors"))).size).toBeGreaterThan(5);
});
