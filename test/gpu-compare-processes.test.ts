/** Several processes for one comparison: each run is made once, a killed process loses nothing, and the numbers are those of one. */
import { existsSync, readdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { json, moeut, moeutHere, type CliResult } from "./support/cli.ts";
import { scratchFolder } from "./support/scratch.ts";
import { twoWidths } from "./support/small-specs.ts";

const { root, file } = scratchFolder("processes");
const at = (...names: readonly string[]): string => join(root, ...names);

const COMPARE = `eval "lines.jsonl"  tune lr in 1e-2, 1e-5 { steps 10 }`;
const SPEC = file("widths.moeut", twoWidths(COMPARE, "steps 40  checkpoint_every 10"));
file("lines.jsonl", Array.from({ length: 6 }, (_, i) => `{"choices": ["dull boy ${i}", "xqz ${i}"], "gold": 0}\n`).join(""));
const TEXT = file("text.txt", "All work and no play makes Jack a dull boy.\n".repeat(200));
const GIVEN = [
  "compare", SPEC, "--data", TEXT, "--tasks", at("lines.jsonl"), "--eval-tokens", "500", "--adapter", "cpu", "--threads", "2", "--json",
];

interface Outcome {
  readonly variants: readonly { readonly [name in "validation_loss" | "difference" | "runs"]: object | null }[];
  readonly tasks: readonly object[];
  readonly tuning: object;
}

/** What does not depend on when and where runs were made. */
function numbersOf(result: CliResult): object {
  const { variants, tasks, tuning } = json(result) as Outcome;
  return { tasks, tuning, variants: variants.map(({ validation_loss, difference, runs }) => ({ validation_loss, difference, runs })) };
}

/** Those that hold a run folder now, by the names of their locks. */
const holders = (folder: string): readonly number[] => (existsSync(folder) ? readdirSync(folder, { recursive: true }) : [])
  .map(String).filter((path) => path.includes(".moeut-lock~")).map((path) => Number(path.split("~")[1]));

describe.skipIf(process.platform === "win32")("processes", () => {
  test("two for one command, one of them killed somewhere: as one process does it", async () => {
    let killed: number | null = null;
    const after = Math.floor(Math.random() * 60);
    let said = 0;
    const both = await moeut([...GIVEN, "--out", at("both"), "-j", "2"], (all, child) => {
      const lines = all.split("\n").filter((line) => /^\[\d\]/.test(line)).length;
      if (killed !== null || lines <= said || (said = lines) < after) return;
      const victim = [...holders(at("both", "trials")), ...holders(at("both", "runs"))].find((pid) => pid !== child.pid);
      if (victim !== undefined) process.kill((killed = victim), "SIGKILL");
    });
    const one = await moeutHere([...GIVEN, "--out", at("one")]);
    expect(numbersOf(both), `killed after ${after} lines:\n${both.stderr}`).toEqual(numbersOf(one));
    expect(both.stderr).toMatch(/^\[1\] /m);
    expect(both.stderr).toMatch(/^\[2\] /m);
    expect(readFileSync(at("both", "report.html"), "utf8")).toContain("</html>");

    const finals = readdirSync(at("both", "runs")).map((name) => at("both", "runs", name, "final.json"));
    for (const path of finals) utimesSync(path, 1, 1);
    const again = await Promise.all([moeut([...GIVEN, "--out", at("both")]), moeutHere([...GIVEN, "--out", at("both"), "--no-report"])]);
    expect(again.map(({ status }) => status)).toEqual([0, 0]);
    expect(numbersOf(again[0])).toEqual(numbersOf(one));
    expect(again[1].stdout).toBe("");
    expect(finals.map((path) => statSync(path).mtimeMs)).toEqual(finals.map(() => 1000));
  });

  test("what several processes cannot share is refused", async () => {
    const [, spec] = GIVEN;
    const result = await moeutHere(["compare", spec!, "--data", "-", "--out", at("none"), "-j", "2"]);
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining("several processes cannot share standard input") as string });
  });
});
