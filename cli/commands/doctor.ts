import type { Command } from "commander";
import { doctor, renderDoctor } from "../../runtime/adapter/index.ts";
import { adapterOption, type AdapterOption } from "../options.ts";
import { printJson } from "../terminal.ts";

export function define(command: Command): void {
  command.addOption(adapterOption()).option("--json", "print one JSON document").action(run);
}

async function run(options: AdapterOption & { readonly json?: boolean }): Promise<void> {
  const report = await doctor(options);
  if (options.json === true) printJson(report);
  else process.stdout.write(renderDoctor(report));
  if (report.chosen === null) process.exitCode = 2;
}
