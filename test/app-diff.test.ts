/** `moeut diff` and `moeut draw` as they are called. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

function moeut(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/moeut.mjs", ...args], { cwd: ROOT, encoding: "utf8" });
  return { status, stdout, stderr };
}

test("two models of one file, by either way of naming them", () => {
  const named = moeut("diff", "specs/demo.moeut:moeut", "specs/demo.moeut:dense", "--json");
  const diff = JSON.parse(named.stdout);
  expect([named.status, diff.same, diff.after.params - diff.before.params, diff.a.model, diff.b.model]).toEqual([0, false, -12, "moeut", "dense"]);
  expect(moeut("diff", "specs/demo.moeut", "specs/demo.moeut", "--model-a", "moeut", "--model-b", "dense").stdout).toContain("feed_forward moe → dense");
  expect(moeut("diff", "specs/tiny.moeut", "specs/tiny.moeut").stdout).toMatch(/are the same architecture \(hash [0-9a-f]{16}\)/);
});

const MISTAKES = [
  { why: "no such file", args: ["diff", "nowhere.moeut", "specs/tiny.moeut"], says: "cannot read nowhere.moeut" },
  { why: "no such model", args: ["diff", "specs/demo.moeut:denso", "specs/tiny.moeut"], says: "did you mean dense?" },
  { why: "several models", args: ["draw", "specs/demo.moeut"], says: "choose one with --model" },
] as const;
test.each(MISTAKES)("$why", ({ args, says }) => {
  const { status, stderr } = moeut(...args);
  expect([status, stderr]).toEqual([1, expect.stringContaining(says)]);
});

test("draw writes a picture", () => {
  const out = join(mkdtempSync(join(tmpdir(), "moeut-")), "pictures", "dense.svg");
  expect(moeut("draw", "specs/demo.moeut", "--model", "dense", "-o", out).status).toBe(0);
  expect(readFileSync(out, "utf8")).toMatch(/^<svg .*<\/svg>\n$/s);
});
