/**
 * Makes docs/results/ again: a night on two cores. What is finished is kept in the folder of runs, so it may be killed and started again.
 *
 *   npx tsx scripts/results.ts DATA RUNS         DATA has tinyshakespeare/, blimp/ and cogs/ with the published files
 *   npx tsx scripts/results.ts DATA RUNS norms   only those named
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { CompareResults } from "../runtime/compare/results.ts";
import { aboutText } from "../runtime/report/about.ts";
import { conclusion } from "../runtime/report/conclusion.ts";

const ROOT = join(import.meta.dirname, "..");
const RESULTS = join(ROOT, "docs", "results");

/** One comparison. `data` and `flags` are as the command takes them; DATA stands for the folder of published files. */
interface Result {
  readonly spec: string;
  readonly data: string;
  readonly flags: readonly string[];
}

const SHAKESPEARE = "DATA/tinyshakespeare/input.txt";
/** Five seeds where a minute trains one on two cores, three elsewhere; trials are half as long as runs. */
const TEXT = ["--tokenizer", "RUNS/tokenizer.json", "--seeds", "5", "--tune", "lr=1e-3,2e-3,4e-3,8e-3,1.6e-2", "--tune-steps", "250"];

/** Of pairs, trials are a third as long as runs. */
const pairs = (vocabulary: number, length: number, ...steps: readonly string[]): readonly string[] =>
  ["--seeds", "3", "--tune", "lr=1e-3,2e-3,4e-3,8e-3", ...steps, "--set", `vocab_size=${vocabulary}`, "--set", `seq_len=${length}`];

const COMPARISONS: Readonly<Record<string, Result>> = {
  norms: { spec: "norms", data: SHAKESPEARE, flags: TEXT },
  grouping: { spec: "grouping", data: SHAKESPEARE, flags: TEXT },
  language: { spec: "language", data: SHAKESPEARE, flags: [...TEXT, "--tasks", "blimp", "--limit", "200", "--tasks-data", "DATA"] },
  "scan-length": { spec: "compositional", data: "scan:length", flags: pairs(23, 64, "--tune-steps", "500") },
  "scan-jump": { spec: "compositional", data: "scan:addprim_jump", flags: pairs(23, 64, "--tune-steps", "500") },
  listops: { spec: "compositional", data: "listops:5", flags: [...pairs(19, 100, "--tune-steps", "500"), "--limit", "200"] },
  cogs: { spec: "compositional", data: "cogs:DATA/cogs", flags: pairs(882, 192, "--steps", "900", "--tune-steps", "300") },
};

const [from, to, ...chosen] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  console.error("usage: npx tsx scripts/results.ts DATA RUNS [NAME…]");
  process.exit(1);
}
const unknown = chosen.filter((name) => !Object.hasOwn(COMPARISONS, name));
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(", ")}; choose among ${Object.keys(COMPARISONS).join(", ")}`);
  process.exit(1);
}
const [data, runs] = [resolve(from), resolve(to)];
const named = (word: string): string => word.replace(/^DATA|(?<=:)DATA/, data).replace(/^RUNS/, runs);

/** What stops the command stops the script: the command has said why. */
function moeut(...words: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [join(ROOT, "bin", "moeut.mjs"), ...words.map(named)], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** The command as a reader would type it at the top of a clone. */
const commandOf = (name: string, { spec, data: source, flags }: Result): readonly string[] =>
  ["compare", `docs/results/${spec}.moeut`, "--data", source, ...flags, "--out", `RUNS/${name}`];

/** Paths of this machine as the command has them. */
const withoutPaths = (text: string): string => text.replaceAll(data, "DATA").replaceAll(runs, "RUNS");

function write(name: string, result: Result): void {
  const folder = named(`RUNS/${name}`);
  const results = JSON.parse(readFileSync(join(folder, "results.json"), "utf8")) as CompareResults;
  const table = readFileSync(join(folder, "table.md"), "utf8");
  const command = `\`\`\`\nnpx moeut ${commandOf(name, result).join(" ")}\n\`\`\``;
  const { versions, adapter, environment: { processors } } = results;
  const where = `DATA is the folder with the published files, RUNS any folder. This was moeut ${versions.moeut} on Node ${versions.node}, `
    + `adapter ${adapter.kind}, ${processors}.`;
  const page = [`# ${results.title}`, aboutText(results), ...conclusion(results), table.trim(), command, where].map(withoutPaths);
  writeFileSync(join(RESULTS, `${name}.md`), `${page.join("\n\n")}\n`);
  copyFileSync(join(folder, "table.csv"), join(RESULTS, `${name}.csv`));
}

mkdirSync(runs, { recursive: true });
if (!existsSync(named("RUNS/tokenizer.json"))) {
  moeut("tokenizer", "train", SHAKESPEARE, "--vocab-size", "1024", "--out", "RUNS/tokenizer.json");
}
for (const [name, result] of Object.entries(COMPARISONS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  moeut(...commandOf(name, result), "--jobs", String(availableParallelism()));
  write(name, result);
}
