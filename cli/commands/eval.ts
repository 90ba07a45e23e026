import { Option, type Command } from "commander";
import { UserError } from "../../runtime/errors.ts";
import { PAIR_TASKS } from "../../runtime/pairs/tasks.ts";
import { TASKS } from "../../runtime/tasks/tasks.ts";
import { evaluateTasks } from "../eval/benchmarks.ts";
import { evaluateText } from "../eval/loss.ts";
import type { EvalOptions } from "../eval/options.ts";
import { interruptible } from "../interrupt.ts";
import { addAdapterOption, addDataOption, addSetOption, LIMIT, list, outFile, refuseOptions, whole, wholes } from "../options.ts";

const IMPOSSIBLE = "a depth that the model cannot have is named, makes the exit status 1, and does not keep the others from being measured";

const PROTOCOLS = "as the MoEUT training code or lm-evaluation-harness does it "
  + "(default: moeut for benchmarks; texts in disjoint blocks, the last partial one too)";

const NAMED_TASKS = [...Object.keys(TASKS), ...PAIR_TASKS].join(",");

export function define(command: Command): void {
  addAdapterOption(addSetOption(addDataOption(command.argument("<run>", "a run folder"), false)))
    .option("--tasks <list>", `instead of a text: ${NAMED_TASKS}, or JSONL or TSV files of one's own`, list)
    .addOption(new Option("--protocol <name>", PROTOCOLS).choices(["moeut", "harness"]))
    .option("--limit <n>", LIMIT, whole(1))
    .option("--items <file>", "write what came out for every item of the benchmarks, as JSONL", outFile)
    .option("--stride <n>", "windows n tokens apart: each token once, with at least seq_len - n before it (default: n = seq_len)", whole(1))
    .option("--max-tokens <n>", "predict about so many tokens at most, spread evenly over the data", whole(1))
    .option("--passes <list>", `apply the repeated group of the stack so many times, for instance 1,4,8,16; ${IMPOSSIBLE}`, wholes(1))
    .option("--json", "print one JSON document; of several depths, an array of them")
    .action(interruptible(run));
}

async function run(folder: string, options: EvalOptions, command: Command): Promise<void> {
  const { data, tasks, protocol } = options;
  if (tasks !== undefined) {
    refuseOptions(command, ["stride", "max-tokens"], "--tasks");
    return evaluateTasks(folder, { ...options, tasks });
  }
  refuseOptions(command, ["items", "limit"], "a text, which is measured by its loss");
  if (protocol !== undefined) refuseOptions(command, ["stride"], "--protocol");
  if (protocol === "harness") refuseOptions(command, ["max-tokens"], "--protocol harness");
  if (data === undefined) throw new UserError("give the text to measure with --data, or benchmarks with --tasks");
  return evaluateText(folder, { ...options, data });
}
