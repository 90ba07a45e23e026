/**
 * Whether a change of the compiler changes what it emits: hashes of everything that `moeut compile` writes beside the copied runtime, for
 * every model of specs/ and every kernel profile.
 *
 *   npx tsx scripts/emitted-bytes.ts                 prints one line a model and profile
 *   npx tsx scripts/emitted-bytes.ts --since COMMIT  compares with what that commit prints; exit status 1 if anything differs
 *
 * Names of specs (tiny, w1, …) as further arguments take only those.
 */
import { parseArgs } from "node:util";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CPU, PORTABLE, profileFor } from "../compiler/5-plan/index.ts";
import { emit } from "../compiler/7-emit/index.ts";
import { compilerFor, entriesOf } from "../compiler/compile.ts";
import { checkSource } from "../compiler/front.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan, Profile } from "../compiler/ir/plan.ts";

const ROOT = join(import.meta.dirname, "..");
const SPECS = join(ROOT, "specs");

const lanes = (kind: "gpu" | "lavapipe" | "swiftshader", n: number): Profile =>
  profileFor({ kind, subgroups: true, subgroupMin: n, subgroupMax: n });
const PROFILES: Readonly<Record<string, Profile>> = {
  portable: PORTABLE,
  "portable, software": profileFor({ kind: "lavapipe", subgroups: false, subgroupMin: 0, subgroupMax: 0 }),
  "swiftshader 4": lanes("swiftshader", 4), "lavapipe 8": lanes("lavapipe", 8), "gpu 32": lanes("gpu", 32), "gpu 64": lanes("gpu", 64),
};

/** Every model of a file, those of its comparisons too. */
function modelsOf(file: string): readonly ModelSpec[] {
  const readFile = (path: string) => ({ file: path, text: readFileSync(join(SPECS, path), "utf8") });
  const { models, compares } = checkSource(readFile(file), { readFile });
  return [...models, ...compares.flatMap((compare) => compare.variants.map((variant) => variant.model))];
}

function plannerOf(model: ModelSpec): (profile: Profile) => KernelPlan {
  const { train: { batch, accumulate }, seqLen } = model;
  return compilerFor(model, { batch: batch / accumulate, seqLen, entries: entriesOf(model) });
}

/** @param cpu the model's plan for the processor */
function hashOf(model: ModelSpec, plan: KernelPlan, cpu: KernelPlan): string {
  const hash = createHash("sha256");
  const files = emit({ model, plan, cpu, weights: null, text: null, version: "0", sources: [], runtime: {} });
  for (const { path, content } of files) hash.update(`${path}\n`).update(content).update("\n");
  return hash.digest("hex").slice(0, 16);
}

const { values: { since }, positionals: chosen } = parseArgs({ options: { since: { type: "string" } }, allowPositionals: true });
const isChosen = (file: string): boolean =>
  file.endsWith(".moeut") && (chosen.length === 0 || chosen.includes(file.slice(0, -".moeut".length)));

function* lines(): Generator<string> {
  for (const file of readdirSync(SPECS).filter(isChosen).sort()) {
    for (const model of modelsOf(file)) {
      const planFor = plannerOf(model);
      const cpu = planFor(CPU);
      for (const [name, profile] of Object.entries(PROFILES)) {
        yield `${hashOf(model, planFor(profile), cpu)}  ${file} ${model.name}, ${name}`;
      }
    }
  }
}

/** What this script prints in another commit. */
function linesAt(commit: string): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), "moeut-emitted-"));
  try {
    execFileSync("git", ["worktree", "add", "--detach", folder, commit], { cwd: ROOT, stdio: "ignore" });
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const command = ["--import", "tsx", "scripts/emitted-bytes.ts", ...chosen];
    return execFileSync(process.execPath, command, { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 26 }).trim().split("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
    execFileSync("git", ["worktree", "prune"], { cwd: ROOT });
  }
}

if (since === undefined) {
  for (const line of lines()) console.log(line);
} else {
  const [before, now] = [linesAt(since), [...lines()]];
  const different = [
    ...before.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
  console.log(different.length === 0 ? `all ${now.length} emissions are the same bytes as at ${since}` : different.join("\n"));
  process.exitCode = different.length === 0 ? 0 : 1;
}
