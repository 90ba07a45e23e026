import { readFileSync, statSync } from "node:fs";
import type { Command } from "commander";
import { drawModel } from "../../compiler/draw/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { addSpecOptions, outFile, type SpecOptions } from "../options.ts";
import { chooseModel, loadSpec } from "../spec.ts";

interface Options extends SpecOptions {
  readonly out?: string;
}

export function define(command: Command): void {
  addSpecOptions(command.argument("<file>", "a spec")).option("-o, --out <file.svg>", "where to write (default: standard output)", outFile).action(run);
}

function run(file: string, options: Options): void {
  const svg = drawModel(chooseModel(loadSpec(file, options.set), options));
  if (options.out === undefined) process.stdout.write(svg);
  else {
    requirePicture(options.out);
    writeAtomic(options.out, svg);
  }
}

/** UserError for a file that no drawing was: the spec itself, say. */
function requirePicture(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true || readFileSync(path, "utf8").startsWith("<svg")) return;
  throw new UserError(`${path} is there and is no SVG; it is left as it is. Choose another name with --out`);
}
