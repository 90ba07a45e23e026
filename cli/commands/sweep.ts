import { chmodSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { withDevices } from "../../api/session.ts";
import { allJobs } from "../../runtime/compare/index.ts";
import { jobName } from "../../runtime/compare/run.ts";
import { lossOf } from "../../runtime/compare/difference.ts";
import { UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { writeOwn } from "../../runtime/files/written.ts";
import { PACKAGE_ROOT } from "../../runtime/package-root.ts";
import { openSweep, type ComparisonOptions } from "../compare-plan.ts";
import { compareJob } from "../comparison.ts";
import { corpusOf } from "../data.ts";
import { interruptible } from "../interrupt.ts";
import { collect, filled, namesOf, refuseOptions } from "../options.ts";
import { requireOwn } from "../own-files.ts";
import { readSweep, SWEEP_FILE, type SweepInfo } from "../sweep.ts";
import { scriptOf, type Job, type SweepScript, type Torchrun } from "../sweep-script.ts";
import { addComparisonOptions, comparisonOf, type Options } from "./compare.ts";

interface Own {
  readonly emit: SweepScript["kind"];
  readonly torchrun?: string;
  readonly trainArgs?: string;
  readonly sbatch: readonly string[];
  readonly job?: string;
}

const TORCHRUN = "train with PyTorch: the exported train.py, launched with these words, for instance \"--nproc-per-node 8\"";

export function define(command: Command): void {
  const emit = new Option("--emit <kind>", "a script for a shell, or an array of jobs for sbatch").choices(["sh", "slurm"]).default("sh");
  addComparisonOptions(command, "the comparison: the script goes there, and so do the runs")
    .addOption(emit)
    .option("--torchrun <words>", TORCHRUN, filled)
    .option("--train-args <words>", "with --torchrun, for train.py: \"--sharding fsdp --dtype bfloat16\"", filled)
    .option("--sbatch <option>", "with --emit slurm, an option of the jobs, for instance --gres=gpu:8 (repeatable)", collect, [])
    .option("--job <name>", "with --out alone: does one job of the sweep that is there, as its script has it done", filled)
    .action(interruptible(run));
}

async function run(words: readonly string[], given: Options & Own, command: Command): Promise<void> {
  const { job, emit, torchrun, trainArgs, sbatch, ...options } = given;
  if (job !== undefined) return runJob(job, words, options, command);
  const comparison = comparisonOf(words, options);
  const { out } = comparison;
  requireJobs(comparison, given);
  const path = `sweep.${emit}`;
  const jobs = await withOwnFolder(out, async () => {
    const plan = await openSweep(comparison);
    const jobs = allJobs({ ...comparison, ...plan })
      .map((one): Job => ({ name: jobName(one), variant: one.variant.name, seed: one.seed }));
    const info: SweepInfo<Options> = { format: 1, words, options };
    const script = scriptOf({
      kind: emit, jobs, directory: process.cwd(), out, program: join(PACKAGE_ROOT, "bin", "moeut.mjs"), sbatch,
      torchrun: torchrun === undefined ? null
        : { launch: torchrun, train: trainArgs ?? "", data: comparison.source, evalEvery: plan.evalEvery } satisfies Torchrun,
    });
    const files = [
      ...plan.variants.map(({ name, spec }) => ({ path: `specs/${name}.moeut`, content: spec })),
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
function requireJobs({ source, tasks, budget, tune }: ComparisonOptions, { torchrun, trainArgs, emit, sbatch }: Own): void {
  if (source.includes("-")) throw new UserError("jobs cannot share standard input: name a file, or prepare a corpus");
  if (budget.spent?.unit === "seconds") throw new UserError("jobs have no clock in common: give another budget than seconds");
  if (emit === "sh" && sbatch.length > 0) throw new UserError("--sbatch does nothing beside --emit sh; leave one of them out");
  if (torchrun === undefined && trainArgs !== undefined) throw new UserError("--train-args does nothing without --torchrun");
  if (torchrun === undefined) return;
  if (tasks.at.length > 0) throw new UserError("train.py measures no tasks on its way: leave --at (`at` in the compare block) out");
  if (tune !== null) {
    throw new UserError("train.py searches no learning rates: find them by a sweep without --torchrun, and write each into its model");
  }
  if (corpusOf(source) === null) {
    throw new UserError(`train.py reads a prepared corpus: \`moeut data prepare ${source.join(" ")} --out DIR\` makes one for --data`);
  }
}

async function runJob(name: string, words: readonly string[], { out }: Options, command: Command): Promise<void> {
  refuseOptions(command, namesOf(command).filter((option) => !["job", "out"].includes(option)), "--job");
  if (words.length > 0) throw new UserError("--job takes the specs of its sweep; leave the others out");
  if (out === undefined) throw new UserError("give the folder of the sweep with --out");
  const sweep = readSweep<Options>(out);
  const comparison = comparisonOf(sweep.words, { ...sweep.options, out });
  const final = await withDevices(sweep.options, (device) => compareJob(device, comparison, name));
  if (final === null) process.stdout.write(`${name}: stopped; the same command goes on\n`);
  else process.stdout.write(`${name}: ${final.diverged ?? `done, held-out loss ${lossOf(final)!.toFixed(4)}`}\n`);
}
