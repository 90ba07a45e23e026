import { Option, type Command } from "commander";
import { parse } from "../../compiler/1-parse/index.ts";
import { compileModel, graphOf, planModel } from "../../compiler/compile.ts";
import { createReporter } from "../../compiler/diagnostics/index.ts";
import { printSpec } from "../../compiler/format/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { listFusion } from "../../compiler/listing/fusion.ts";
import { listGraph } from "../../compiler/listing/graph.ts";
import { listPlan } from "../../compiler/listing/plan.ts";
import { addSpecOptions, refuseOptions, type SpecOptions } from "../options.ts";
import { readSpecFile } from "../../api/spec.ts";
import { chooseModel, loadSpec } from "../spec.ts";
import { printJson } from "../terminal.ts";

const PHASES = ["ast", "model", "graph", "gradients", "fusion", "plan"] as const;
const ENTRIES = ["train", "evaluate", "prefill", "decode"] as const;

interface Options extends SpecOptions {
  readonly ir: (typeof PHASES)[number];
  readonly entry: (typeof ENTRIES)[number];
  readonly json?: boolean;
}

export function define(command: Command): void {
  addSpecOptions(command.argument("<file>", "a spec"))
    .addOption(new Option("--ir <phase>", "what to print; ast is always JSON").choices(PHASES).default("model"))
    .addOption(new Option("--entry <name>", "the entry point, for graphs and plans").choices(ENTRIES).default("train"))
    .option("--json", "the value itself as one JSON document, in place of its listing")
    .action(run);
}

function run(file: string, options: Options, command: Command): void {
  if (options.ir === "ast") refuseOptions(command, ["model", "set", "entry"], "--ir ast");
  if (options.ir === "model") refuseOptions(command, ["entry"], "--ir model");
  if (options.ir === "ast") return printJson(parse(readSpecFile(file), createReporter()));
  const { value, listing } = valueOf(options, chooseModel(loadSpec(file, options.set), options));
  if (options.json === true) printJson(value);
  else process.stdout.write(listing);
}

/** Values between phases are plain data: JSON is all of them, the listing is what a person looks for. */
function valueOf({ ir, entry }: Options, model: ModelSpec): { readonly value: unknown; readonly listing: string } {
  const size = { batch: model.train.batch / model.train.accumulate, seqLen: model.seqLen };
  switch (ir) {
    case "graph": case "gradients": {
      const graph = graphOf(model, entry, size, ir === "gradients");
      return { value: graph, listing: listGraph(graph) };
    }
    case "fusion": {
      const plan = planModel(model, { ...size, entries: [entry] });
      return { value: plan, listing: listFusion(plan) };
    }
    case "plan": {
      const plan = compileModel(model, { ...size, entries: entry === "train" ? ["train", "update"] : [entry] });
      return { value: plan, listing: listPlan(plan) };
    }
    default: return { value: model, listing: printSpec(model) };
  }
}
