import { Option, type Command } from "commander";
import { parse } from "../../compiler/1-parse/index.ts";
import { createReporter, renderDiagnostics } from "../../compiler/diagnostics/index.ts";
import { format } from "../../compiler/format/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { readSpecFile } from "../../api/spec.ts";
import { useColor } from "../spec.ts";

export function define(command: Command): void {
  command.argument("<file...>", "specs").option("--check", "change nothing; exit with 1 if a file is not in canonical form")
    .addOption(new Option("--stdout", "print the result instead of changing files").conflicts("check")).action(run);
}

interface Options {
  readonly check?: boolean;
  readonly stdout?: boolean;
}

function run(files: readonly string[], options: Options): void {
  for (const file of files) formatFile(file, options);
}

function formatFile(file: string, options: Options): void {
  const source = readSpecFile(file);
  const report = createReporter();
  parse(source, report);
  if (report.errors > 0) {
    process.stderr.write(renderDiagnostics(report.all, [source], { color: useColor() }));
    throw new UserError(`${file} has syntax errors and was left as it is`);
  }
  const text = format(source);
  if (options.stdout === true) process.stdout.write(text);
  else if (text === source.text) return;
  else if (options.check === true) {
    process.stdout.write(`${file} is not in canonical form\n`);
    process.exitCode = 1;
  } else {
    writeAtomic(file, text);
    process.stdout.write(`${file} formatted\n`);
  }
}
