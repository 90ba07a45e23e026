import type { Command } from "commander";
import { openAnyAdapter } from "../../api/session.ts";
import { doctor, renderDoctor } from "../../runtime/adapter/index.ts";
import { addAdapterOptions, type AdapterOption } from "../options.ts";
import { printJson } from "../terminal.ts";

export function define(command: Command): void {
  addAdapterOptions(command).option("--json", "print one JSON document").action(run);
}

async function run(options: AdapterOption & { readonly json?: boolean }): Promise<void> {
  const report = await doctor(() => openAnyAdapter(options));
  if (options.json === true) printJson(report);
  else process.stdout.write(renderDoctor(report));
  if (report.chosen === null) process.exitCode = 2;
}
