import type { Command } from "commander";
import { renderDiagnostics } from "../../compiler/front.ts";
import { messageOf, UserError } from "../../runtime/errors.ts";
import { addSetOption, type SetOption } from "../options.ts";
import { checkText, readSpecFile } from "../../api/spec.ts";
import { useColor } from "../spec.ts";
import { printJson } from "../terminal.ts";

export function define(command: Command): void {
  addSetOption(command.argument("<file...>", "specs")).option("--json", "print one JSON document").action(run);
}

function run(files: readonly string[], options: SetOption & { readonly json?: boolean }): void {
  const results = files.map((file) => checkFile(file, options.set));
  if (options.json === true) printJson({ ok: results.every((r) => r.errors === 0), files: results.map(({ text: _, ...rest }) => rest) });
  else for (const result of results) printResult(result);
  if (results.some((result) => result.errors > 0)) process.exitCode = 1;
}

type Result = ReturnType<typeof checkFile>;

/** A file that cannot be read is a finding too, so that the others are still checked. */
function checkFile(file: string, overrides: readonly string[]) {
  try {
    const source = readSpecFile(file);
    const { models, diagnostics, sources } = checkText(source, overrides);
    const count = (severity: string): number => diagnostics.filter((d) => d.severity === severity).length;
    return {
      file, errors: count("error"), warnings: count("warning"), models: models.map((m) => m.name), diagnostics,
      text: renderDiagnostics(diagnostics, sources, { color: useColor() }),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = messageOf(error);
    return { file, errors: 1, warnings: 0, models: [], diagnostics: [{ severity: "error", message }], text: `error: ${message}\n` };
  }
}

function printResult({ file, errors, warnings, models, text }: Result): void {
  process.stderr.write(text === "" ? "" : `${text}\n`);
  const some = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
  const verdict = errors > 0 ? some(errors, "error")
    : models.length === 0 ? "ok (no models)" : `ok (${some(models.length, "model")}: ${models.join(", ")})`;
  process.stdout.write(`${file}: ${verdict}${warnings > 0 ? `, ${some(warnings, "warning")}` : ""}\n`);
}
