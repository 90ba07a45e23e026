import { readFileSync, statSync } from "node:fs";
import type { Command } from "commander";
import { drawModel } from "../../compiler/draw/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { sha256 } from "../../runtime/files/sha256.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { addSpecOptions, outFile, type SpecOptions } from "../options.ts";
import { chooseModel, loadSpec } from "../spec.ts";

interface Options extends SpecOptions {
  readonly out?: string;
}

export function define(command: Command): void {
  addSpecOptions(command.argument("<file>", "a spec")).option("-o, --out <file.svg>", "where to write (default: standard output)", outFile)
    .action(run);
}

function run(file: string, options: Options): void {
  const svg = sealed(drawModel(chooseModel(loadSpec(file, options.set), options)));
  if (options.out === undefined) process.stdout.write(svg);
  else {
    requirePicture(options.out);
    writeAtomic(options.out, svg);
  }
}

/** With its SHA-256 in a comment behind it: so a picture that somebody worked on can be told from one that only the tool wrote. */
const sealed = (svg: string): string => `${svg}<!-- drawn by moeut, sha256 ${sha256([svg])} -->\n`;

const unsealed = (text: string): string => text.replace(/<!-- drawn by moeut, [^\n]*\n$/, "");

/** UserError for a file that is not as it was drawn: the spec itself, say, or a picture of somebody else. */
function requirePicture(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return;
  const text = readFileSync(path, "utf8");
  if (text === sealed(unsealed(text))) return;
  throw new UserError(`${path} is there and is no SVG as moeut drew it; it is left as it is. Choose another name with --out, or remove it`);
}
