import { join } from "node:path";
import { Option, type Command } from "commander";
import type { BudgetSpec, CompareSpec } from "../../compiler/ir/compare-spec.ts";
import { UserError } from "../../runtime/errors.ts";
import { listOf } from "../../runtime/report/words.ts";
import type { TaskProtocol } from "../../runtime/tasks/items.ts";
import { budgetFlags, budgetOf, budgetPart } from "../budget.ts";
import { baselineOf, MARGIN, type ComparisonOptions } from "../compare-plan.ts";
import { processesFor } from "../compare-processes.ts";
import { asText } from "../compare-table.ts";
import { NO_TASKS, type TaskOptions } from "../compare-tasks.ts";
import { tuneOptions, tuneValues } from "../compare-tune.ts";
import { compareModels } from "../comparison.ts";
import { interruptible } from "../interrupt.ts";
import {
  addAdapterOption, addDataOption, collect, filled, LIMIT, list, namesOf, outFolder, positive, refuseOptions, separateSpecs, whole, wholes,
  withSteps, type AdapterOption,
} from "../options.ts";
import { withDevices } from "../../api/session.ts";
import { loadSpec } from "../spec.ts";
import { readSweep } from "../sweep.ts";
import { printJson } from "../terminal.ts";
import { tokenizerOption } from "../tokenizer.ts";
import { chosenBlocks, modelsToCompare } from "../variants.ts";

/** What is compared and how: plain data, which a sweep keeps in its folder. */
export interface Options extends AdapterOption {
  readonly data?: readonly string[];
  readonly out?: string;
  readonly steps?: number;
  readonly tokens?: number;
  readonly budget?: Partial<BudgetSpec>;
  readonly seeds?: number;
  readonly tokenizer?: string;
  readonly model: readonly string[];
  readonly set: readonly string[];
  readonly baseline?: string;
  readonly evalTokens: number;
  readonly margin?: number;
  readonly tasks?: readonly string[];
  readonly tasksData?: string;
  readonly at?: readonly number[];
  readonly protocol: TaskProtocol;
  readonly limit?: number;
  readonly taskMargin: number;
  readonly depths?: readonly number[];
  readonly tune?: readonly number[];
  readonly tuneSeeds?: number;
  readonly tuneSteps?: number;
  readonly prompt?: string;
}

interface Own {
  readonly gather?: string;
  readonly jobs: number;
  readonly report: boolean;
  readonly json?: boolean;
}

const OUT = "runs, report.html, results.json and tables; the same command again continues an interrupted comparison";

export function define(command: Command): void {
  addComparisonOptions(command, OUT)
    .option("--gather <folder>", "alone: the results of the jobs that `moeut sweep` wrote into the folder; nothing is trained", filled)
    .option("-j, --jobs <n>", "processes that train at the same time, each with its share of the threads", whole(1), 1)
    .option("--no-report", "train and measure the runs, beside other processes, one of which makes the report")
    .option("--json", "print the results as one JSON document")
    .action(interruptible(run));
}

/** @param out what the folder is for */
export function addComparisonOptions(command: Command, out: string): Command {
  return addAdapterOption(addDataOption(command.argument("[file...]", "specs"), false))
    .option("--out <folder>", out, outFolder)
    .option("--steps <n>", "optimizer steps of every run (default: as the specs say)", whole(1))
    .option("--tokens <n>", "training tokens of every run, instead of steps; of pairs those that are answered", whole(1))
    .option("--budget <unit=n>", "what each variant may spend: steps, tokens, macs or seconds of training; bytes of weights", budgetPart)
    .option("--seeds <k>", "runs per variant: seeds 0 to k - 1 (default: as a compare block says, else 3)", whole(1))
    .option("--model <name>", "a model or compare block to take (repeatable; default: all)", collect, [])
    .option("--baseline <name>", "the variant that the others are held against (default: the first)")
    .option("--set <path=value>", "override a field of all specs (repeatable)", collect, [])
    .addOption(tokenizerOption())
    .option("--eval-tokens <n>", "held-out tokens behind the final losses, at most", whole(1), 32_768)
    .option("--margin <nats>", `differences of the loss within it are equivalent (default: the compare block's, else ${MARGIN})`, positive)
    .option("--tasks <list>", "tasks of `eval` that measure each run, or none (default: the compare block's, else those of pairs)", list)
    .option("--tasks-data <folder>", "where the published files of the tasks are", filled)
    .option("--at <steps>", "steps of training at which the tasks measure each run besides its end, for instance 1000,2000", wholes(1))
    .addOption(new Option("--protocol <name>", "of benchmarks, as in eval").choices(["moeut", "harness"]).default("moeut"))
    .option("--limit <n>", LIMIT, whole(1))
    .option("--task-margin <share>", "shares of right answers within it are called equivalent", positive, NO_TASKS.margin)
    .option("--depths <list>", "passes at which recurrent models are measured too, for instance 1,4,8, or none "
      + "(default: from 1 to twice the trained ones, if that takes at most a tenth of the work of training)", depths)
    .option("--tune <lr=values>", "gives each variant the best of these learning rates, found on other seeds: lr=1e-3,2e-3", tuneValues)
    .option("--tune-seeds <k>", "trials of each value (default: 1)", whole(1))
    .option("--tune-steps <n>", "optimizer steps of a trial (default: as the runs)", whole(1))
    .option("--prompt <text>", "what the samples continue (default: the beginning of the held-out text)");
}

const depths = (text: string): readonly number[] => (text.trim() === "none" ? [] : wholes(1)(text));

async function run(words: readonly string[], options: Options & Own, command: Command): Promise<void> {
  const { gather } = options;
  const { rawArgs } = command.parent as unknown as { readonly rawArgs: readonly string[] };
  if (gather === undefined) return compare(comparisonOf(words, options), options, rawArgs);
  refuseOptions(command, namesOf(command).filter((name) => !["gather", "json", "adapter", "threads"].includes(name)), "--gather");
  if (words.length > 0) throw new UserError("--gather takes the specs of its sweep; leave the others out");
  const sweep = readSweep<Options>(gather);
  const comparison = comparisonOf(sweep.words, { ...sweep.options, out: gather });
  return compare({ ...comparison, gather: true }, options, rawArgs);
}

/** @param words specs, and what came between them and the data */
export function comparisonOf(words: readonly string[], options: Options): ComparisonOptions {
  const { out } = options;
  if (options.data === undefined) throw new UserError("give the data to train on with --data");
  if (out === undefined) throw new UserError("give a folder for the runs with --out");
  const { files, data } = separateSpecs(words, options.data);
  const flags = budgetFlags(options);
  const specs = files.map((file) => loadSpec(file, withSteps(options.set, options.steps)));
  const models = specs.flatMap((spec) => modelsToCompare(spec, options.model));
  const compares = specs.flatMap((spec) => chosenBlocks(spec, options.model));
  const seeds = options.seeds ?? Math.max(0, ...compares.map((compare) => compare.seeds));
  return {
    title: titleOf(models.map((model) => model.name)), models, baseline: baselineOf(models, options.baseline), source: data,
    settings: Object.fromEntries(compares.flatMap(({ variants }) => variants.map(({ model, settings }) => [model.name, settings]))),
    ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
    seeds: Array.from({ length: seeds === 0 ? 3 : seeds }, (_, seed) => seed), out,
    finalTokens: options.evalTokens, margin: options.margin ?? strictest(compares), depths: options.depths ?? null,
    tasks: taskOptions(options, compares), tune: tuneOptions(options, compares), budget: budgetOf(flags, compares),
    prompt: options.prompt ?? null, sampleTokens: 240,
    gather: false, onlyRuns: false, processes: null,
  };
}

/** @param args the command line, for other processes to do the same */
async function compare(comparison: ComparisonOptions, options: AdapterOption & Own, args: readonly string[]): Promise<void> {
  const { out } = comparison;
  const { jobs } = options;
  if (jobs > 1 && comparison.source.includes("-")) {
    throw new UserError("several processes cannot share standard input: name a file, or prepare a corpus");
  }
  if (jobs > 1 && comparison.budget.spent?.unit === "seconds") {
    throw new UserError("a budget of seconds is of the whole machine: leave -j out");
  }
  const processes = jobs === 1 ? null : processesFor(jobs, args, options.threads);
  const results = await withDevices(options, (device) => compareModels(device, { ...comparison, onlyRuns: !options.report, processes }));
  if (results === null && !options.report) return;
  if (results === null) {
    process.stdout.write(`stopped; everything done so far is saved in ${out}, and the same command continues\n`);
  } else if (options.json === true) printJson(results);
  else process.stdout.write(`${asText(results)}\nreport: ${join(out, "report.html")}\n`);
}

/** The least margin of the compare blocks. */
const strictest = (compares: readonly CompareSpec[]): number =>
  (compares.length === 0 ? MARGIN : Math.min(...compares.map(({ margin }) => margin ?? MARGIN)));

/** Flags, else what the compare blocks say. */
function taskOptions({ tasks, tasksData, at, protocol, limit, taskMargin }: Options, compares: readonly CompareSpec[]): TaskOptions {
  const names = tasks ?? compares.flatMap((compare) => compare.tasks.names);
  return {
    names: names.length === 0 ? null : names.filter((name) => name !== "none"), at: at ?? compares.flatMap((compare) => compare.tasks.at),
    folder: tasksData ?? null, protocol, limit: limit ?? null, margin: taskMargin,
  };
}

/** "a, b and c" of at most five names. */
function titleOf(names: readonly string[]): string {
  if (names.length > 5) return `${names.length} variants compared: ${names[0]} … ${names.at(-1)}`;
  return `${listOf(names)} compared`;
}
