import { chmodSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { corpusOf } from "../data.ts";
import { openSweep } from "../compare-plan.ts";
import { runJobs } from "../../runtime/compare/run.ts";
import { UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { writeOwn } from "../../runtime/files/written.ts";
import { PACKAGE_ROOT } from "../../runtime/package-root.ts";
import { collect, filled } from "../options.ts";
import { requireOwn } from "../own-files.ts";
import { SWEEP_FILE, type SweepInfo } from "../sweep.ts";
import { scriptOf, type SweepScript } from "../sweep-script.ts";
import { addComparisonOptions, comparisonOf, type Options } from "./compare.ts";

interface Own {
  readonly emit: SweepScript["kind"];
  readonly torchrun?: string;
  readonly trainArgs?: string;
  readonly sbatch: readonly string[];
}

const TORCHRUN = "train with PyTorch: the exported train.py, launched with these words, for instance \"--nproc-per-node 8\"";

export function define(command: Command): void {
  const emit = new Option("--emit <kind>", "a script for a shell, or an array of jobs for sbatch").choices(["sh", "slurm"]).default("sh");
  addComparisonOptions(command, "the comparison: the script goes there, and so do the runs")
    .addOption(emit)
    .option("--torchrun <words>", TORCHRUN, filled)
    .option("--train-args <words>", "with --torchrun, for train.py: \"--sharding fsdp --dtype bfloat16\"", filled)
    .option("--sbatch <option>", "with --emit slurm, an option of the jobs, for instance --gres=gpu:8 (repeatable)", collect, [])
    .action(run);
}

async function run(words: readonly string[], { emit, torchrun, trainArgs, sbatch, ...options }: Options & Own): Promise<void> {
  const comparison = comparisonOf(words, options);
  const { out, seeds, source } = comparison;
  requireJobs(source, torchrun, trainArgs, comparison.tasks.at);
  if (comparison.budget.spent?.unit === "seconds") throw new UserError("jobs have no clock in common: give another budget than seconds");
  if (comparison.tune !== null) throw new UserError("jobs search no learning rates: leave `tune` out, or compare in this process");
  if (emit === "sh" && sbatch.length > 0) throw new UserError("--sbatch does nothing beside --emit sh; leave one of them out");
  const path = `sweep.${emit}`;
  const jobs = await withOwnFolder(out, async () => {
    const { variants, evalEvery } = await openSweep(comparison);
    const jobs = runJobs({ variants, seeds }).map(({ variant, seed }) => ({ variant: variant.name, seed }));
    const info: SweepInfo<Options> = { format: 1, words, options };
    const script = scriptOf({
      kind: emit, jobs, directory: process.cwd(), out, program: join(PACKAGE_ROOT, "bin", "moeut.mjs"), data: source, sbatch,
      settings: ["--set", `train.eval_every=${evalEvery}`, ...(torchrun === undefined ? trainOptions(options) : [])],
      torchrun: torchrun === undefined ? null : { launch: torchrun, train: trainArgs ?? "" },
    });
    const files = [
      ...variants.map(({ name, spec }) => ({ path: `specs/${name}.moeut`, content: spec })),
      { path: SWEEP_FILE, content: `${JSON.stringify(info, null, 2)}\n` }, { path, content: script },
    ];
    requireOwn(files, out);
    writeOwn(out, files);
    chmodSync(join(out, path), 0o755);
    return jobs;
  });
  process.stdout.write(`${join(out, path)}: ${jobs.length} jobs; ${emit === "sh" ? "sh" : "sbatch"} does them, `
    + `and \`moeut compare --gather ${out}\` makes the report\n`);
}

/** UserError for what only a comparison in one process can do. */
function requireJobs(source: readonly string[], torchrun: string | undefined, trainArgs: string | undefined, at: readonly number[]): void {
  if (source.includes("-")) throw new UserError("jobs cannot share standard input: name a file, or prepare a corpus");
  if (at.length > 0) throw new UserError("jobs measure no tasks on their way: leave --at out");
  if (torchrun === undefined && trainArgs !== undefined) throw new UserError("--train-args does nothing without --torchrun");
  if (torchrun !== undefined && corpusOf(source) === null) {
    throw new UserError(`train.py reads a prepared corpus: \`moeut data prepare ${source.join(" ")} --out DIR\` makes one for --data`);
  }
}

const trainOptions = ({ tokenizer, adapter, threads }: Options): readonly string[] => [
  ...(tokenizer === undefined ? [] : ["--tokenizer", tokenizer]), ...(adapter === undefined ? [] : ["--adapter", adapter]),
  ...(threads === undefined ? [] : ["--threads", String(threads)]),
];
