import { Option, type Command } from "commander";
import { parse } from "../../compiler/1-parse/index.ts";
import { compileModel, graphOf } from "../../compiler/compile.ts";
import { createReporter } from "../../compiler/diagnostics/index.ts";
import { addAdapterOption, addSpecOptions, type SpecOptions } from "../options.ts";
import { chooseModel, loadSpec, readSpecFile } from "../spec.ts";
import { printJson } from "../terminal.ts";

const PHASES = ["ast", "model", "graph", "gradients", "plan"] as const;
const ENTRIES = ["train", "evaluate", "prefill", "decode"] as const;

interface Options extends SpecOptions {
  readonly ir: (typeof PHASES)[number];
  readonly entry: (typeof ENTRIES)[number];
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(command.argument("<file>", "a spec")))
    .addOption(new Option("--ir <phase>", "what to print").choices(PHASES).default("model"))
    .addOption(new Option("--entry <name>", "the entry point, for graphs and plans").choices(ENTRIES).default("train"))
    .action(run);
}

/** Values between phases are plain data, so JSON is their picture. */
function run(file: string, options: Options): void {
  if (options.ir === "ast") return printJson(parse(readSpecFile(file), createReporter()));
  const model = chooseModel(loadSpec(file, options.set), options);
  const size = { batch: model.train.batch / model.train.accumulate, seqLen: model.seqLen };
  switch (options.ir) {
    case "model": return printJson(model);
    case "graph": return printJson({ ...graphOf(model, options.entry, size, false) });
    case "gradients": return printJson(graphOf(model, options.entry, size));
    case "plan": return printJson(compileModel(model, { ...size, entries: options.entry === "train" ? ["train", "update"] : [options.entry] }));
  }
}
