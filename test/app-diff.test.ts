/** `moeut diff` and `moeut draw` as they are called. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { moeutHere } from "./support/cli.ts";

const moeut = (...args: readonly string[]) => moeutHere(args);

test("two models of one file, by either way of naming them", async () => {
  const named = await moeut("diff", "specs/demo.moeut:moeut", "specs/demo.moeut:dense", "--json");
  const diff = JSON.parse(named.stdout);
  expect([named.status, diff.same, diff.after.params - diff.before.params, diff.a.model, diff.b.model]).toEqual([
    0, false, -12, "moeut", "dense",
  ]);
  expect((await moeut("diff", "specs/demo.moeut", "specs/demo.moeut", "--model-a", "moeut", "--model-b", "dense")).stdout)
    .toContain("feed_forward moe → dense");
  expect((await moeut("diff", "specs/tiny.moeut", "specs/tiny.moeut")).stdout).toMatch(/are the same architecture \(hash [0-9a-f]{16}\)/);
});

const MISTAKES = [
  { why: "no such file", args: ["diff", "nowhere.moeut", "specs/tiny.moeut"], says: "cannot read nowhere.moeut" },
  { why: "no such model", args: ["diff", "specs/demo.moeut:denso", "specs/tiny.moeut"], says: "did you mean dense?" },
  { why: "several models", args: ["draw", "specs/demo.moeut"], says: "choose one with --model" },
] as const;
test.each(MISTAKES)("$why", async ({ args, says }) => {
  const { status, stderr } = await moeut(...args);
  expect([status, stderr]).toEqual([1, expect.stringContaining(says)]);
});

test("draw writes a picture", async () => {
  const out = join(mkdtempSync(join(tmpdir(), "moeut-")), "pictures", "dense.svg");
  expect((await moeut("draw", "specs/demo.moeut", "--model", "dense", "-o", out)).status).toBe(0);
  expect(readFileSync(out, "utf8")).toMatch(/^<svg .*<\/svg>\n<!-- drawn by moeut, sha256 [0-9a-f]{64} -->\n$/s);
});
