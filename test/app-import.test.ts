/** Official weights become a run folder that generate and eval read. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../runtime/files/safetensors.ts";
import { currentCheckpoint, weightsPath } from "../runtime/train/index.ts";
import { moeutHere } from "./support/cli.ts";
import { goldenFolder } from "./support/shared.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-import-"));
afterAll(() => rmSync(work, { recursive: true }));
const importTo = (folder: string, out: string, weights = join(folder, "weights.safetensors")): ReturnType<typeof moeutHere> =>
  moeutHere(["import", join(folder, "config.json"), weights, "--out", join(work, out)]);

describe.each([["a1", "the clean code"], ["b5", "the training code, keys and values in one tensor"], ["c1", "usage counters to ignore"]])("import of %s: %s", (prefix) => {
  const folder = goldenFolder(prefix);
  if (folder === null) return test.skip("no golden folder", () => {});

  test("keeps every number, under the names that checkpoints have", async () => {
    expect(await importTo(folder, prefix)).toMatchObject({ status: 0 });
    const got = readSafetensors(weightsPath(currentCheckpoint(join(work, prefix))!));
    const want = readSafetensors(join(folder, "weights.safetensors"));
    expect(got.tensors.size).toBeGreaterThan(10);
    for (const [name, { shape }] of got.tensors) {
      expect(want.tensors.get(name)?.shape, name).toEqual(shape);
      expect(got.readFloats(name), name).toEqual(want.readFloats(name));
    }
  });

  test("never writes over a run", async () => {
    expect(await importTo(folder, prefix)).toMatchObject({ status: 1, stderr: expect.stringContaining("already holds a run") as string });
  });
});

const [clean, dense] = [goldenFolder("a1"), goldenFolder("b5")];
test.skipIf(clean === null || dense === null)("weights of another model are refused by tensor, and nothing is made", async () => {
  expect(await importTo(dense!, "other", join(clean!, "weights.safetensors"))).toMatchObject({ status: 1, stderr: expect.stringMatching(/weights\.safetensors: .*embedding/) as string });
  expect(await moeutHere(["eval", join(work, "other"), "--data", "typescript"])).toMatchObject({ status: 1, stderr: expect.stringContaining("is not a run folder") as string });
});
