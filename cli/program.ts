/** The commands. Loads only the command that was asked for, so that help is quick. */
import { Command, CommanderError } from "commander";
import { exitStatusOf, messageOf } from "../runtime/errors.ts";
import { VERSION } from "../runtime/package-root.ts";

interface CommandModule {
  /** Adds arguments, options and the action. */
  readonly define: (command: Command) => void;
}

interface Listed {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const COMMANDS: Readonly<Record<string, Listed>> = {
  check: { summary: "find mistakes in specs", load: () => import("./commands/check.ts") },
  fmt: { summary: "lay out specs in the canonical way", load: () => import("./commands/fmt.ts") },
  inspect: { summary: "count parameters, work and memory; list kernels and what was fused", load: () => import("./commands/inspect.ts") },
  diff: { summary: "say what differs between two models, and what each difference costs", load: () => import("./commands/diff.ts") },
  draw: { summary: "draw a model as an SVG", load: () => import("./commands/draw.ts") },
  print: { summary: "print what a phase of the compiler makes of a spec", load: () => import("./commands/print.ts") },
  compile: { summary: "write a folder that runs without moeut, on a GPU or the processor", load: () => import("./commands/compile.ts") },
  export: { summary: "write a model as a Hugging Face checkpoint with its PyTorch code", load: () => import("./commands/export.ts") },
  import: { summary: "make a run folder of a published, official or exported checkpoint", load: () => import("./commands/import.ts") },
  data: { summary: "make tokens of a corpus that need not fit into memory", load: () => import("./commands/data.ts") },
  tokenizer: { summary: "train a tokenizer", load: () => import("./commands/tokenizer.ts") },
  train: { summary: "train a model", load: () => import("./commands/train.ts") },
  generate: { summary: "continue a prompt with a trained model", load: () => import("./commands/generate.ts") },
  eval: { summary: "measure loss, perplexity and bits per byte of a trained model", load: () => import("./commands/eval.ts") },
  analyze: { summary: "show how a trained model uses its experts, by layer, pass and token", load: () => import("./commands/analyze.ts") },
  compare: { summary: "train variants under one budget and write a report", load: () => import("./commands/compare.ts") },
  sweep: { summary: "write the runs of a comparison as jobs, for a shell or Slurm", load: () => import("./commands/sweep.ts") },
  verify: { summary: "replay numbers of the official code on this adapter", load: () => import("./commands/verify.ts") },
  bench: { summary: "measure the speed of a model on this adapter", load: () => import("./commands/bench.ts") },
  doctor: { summary: "show adapters, limits and what would be faster", load: () => import("./commands/doctor.ts") },
  demo: { summary: "train a small MoEUT and its dense baseline, and compare them", load: () => import("./commands/demo.ts") },
};

/** @param argv without node and script @returns the exit status */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(wantedCommand(argv));
    await program.parseAsync(argv, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

/** The command that will run, or whose help is wanted; null if there is none of that name. */
function wantedCommand(argv: readonly string[]): string | null {
  const words = argv.filter((word) => !word.startsWith("-"));
  const name = words[0] === "help" ? words[1] : words[0];
  return name !== undefined && Object.hasOwn(COMMANDS, name) ? name : null;
}

async function createProgram(wanted: string | null): Promise<Command> {
  const program = new Command("moeut")
    .description("Compiles declarative specs of mixture-of-experts Universal Transformers to WebGPU, trains and compares them.")
    .version(VERSION, "-V, --version")
    .exitOverride()
    .showHelpAfterError("(add --help for a list of what there is)");
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).summary(summary).description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`).exitOverride();
    command.showHelpAfterError(`(moeut ${name} --help lists arguments and options)`);
    if (name === wanted) (await load()).define(command);
  }
  return program;
}

/** Prints an error as its kind wants it: a mistake in one line, a bug with its stack. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 || error.code === "commander.helpDisplayed" ? 0 : 1;
  const status = exitStatusOf(error);
  if (status < 3) console.error(`error: ${messageOf(error)}`);
  else {
    console.error(`This is a bug in moeut ${VERSION}. Please report it with the text below and, if you can, the spec.\n`);
    console.error(error instanceof Error ? error.stack : String(error));
  }
  return status;
}
