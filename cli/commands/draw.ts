import { drawModel } from "../../compiler/draw/index.ts";
import type { Command } from "commander";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { addAdapterOption, addSpecOptions, type SpecOptions } from "../options.ts";
import { chooseModel, loadSpec } from "../spec.ts";

interface Options extends SpecOptions {
  readonly out?: string;
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(command.argument("<file>", "a spec"))).option("-o, --out <file.svg>", "where to write (default: standard output)").action(run);
}

function run(file: string, options: Options): void {
  const svg = drawModel(chooseModel(loadSpec(file, options.set), options));
  if (options.out === undefined) process.stdout.write(svg);
  else writeAtomic(options.out, svg);
}
