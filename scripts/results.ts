/**
 * Makes docs/results/ again: a night on two cores. What is finished is kept in the folder of runs, so it may be killed and started again.
 *
 *   npx tsx scripts/results.ts DATA RUNS         DATA has tinyshakespeare/, blimp/ and cogs/ with the published files
 *   npx tsx scripts/results.ts DATA RUNS norms   only those named
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { CompareResults } from "../runtime/compare/results.ts";
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
const PAIRS = ["--seeds", "3", "--tune", "lr=1e-3,2e-3,4e-3,8e-3", "--tune-steps", "500"];
const sized = (vocabulary: number, length: number): readonly string[] =>
  ["--set", `vocab_size=${vocabulary}`, "--set", `seq_len=${length}`];

const COMPARISONS: Readonly<Record<string, Result>> = {
  norms: { spec: "norms", data: SHAKESPEARE, flags: TEXT },
  grouping: { spec: "grouping", data: SHAKESPEARE, flags: TEXT },
  language: { spec: "language", data: SHAKESPEARE, flags: [...TEXT, "--tasks", "blimp", "--limit", "200", "--tasks-data", "DATA"] },
  "scan-length": { spec: "compositional", data: "scan:length", flags: [...PAIRS, ...sized(23, 64)] },
  "scan-jump": { spec: "compositional", data: "scan:addprim_jump", flags: [...PAIRS, ...sized(23, 64)] },
  listops: { spec: "compositional", data: "listops:5", flags: [...PAIRS, ...sized(19, 100)] },
  cogs: { spec: "compositional", data: "cogs:DATA/cogs", flags: [...PAIRS, "--steps", "1000", ...sized(882, 192)] },
};

const [from, to, ...chosen] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  console.error("usage: npx tsx scripts/results.ts DATA RUNS [NAME…]");
  process.exit(1);
}
const [data, runs] = [resolve(from), resolve(to)];
const named = (word: string): string => word.replace(/^DATA|(?<=:)DATA/, data).replace(/^RUNS/, runs);
const moeut = (...words: readonly string[]): void =>
  void execFileSync(process.execPath, [join(ROOT, "bin", "moeut.mjs"), ...words.map(named)], { cwd: ROOT, stdio: "inherit" });

/** The command as a reader would type it at the top of a clone. */
const commandOf = (name: string, { spec, data: source, flags }: Result): readonly string[] =>
  ["compare", `docs/results/${spec}.moeut`, "--data", source, ...flags, "--out", `RUNS/${name}`];

function write(name: string, result: Result): void {
  const folder = named(`RUNS/${name}`);
  const results = JSON.parse(readFileSync(join(folder, "results.json"), "utf8")) as CompareResults;
  const table = readFileSync(join(folder, "table.md"), "utf8");
  const command = `\`\`\`\nnpx moeut ${commandOf(name, result).join(" ")}\n\`\`\``;
  const page = [`# ${results.title}`, ...conclusion(results), table.trim(), command];
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
