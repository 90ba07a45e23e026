import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { compileModel, isCausal } from "../../compiler/compile.ts";
import { PORTABLE } from "../../compiler/5-plan/index.ts";
import { emit, type EmittedFile } from "../../compiler/6-emit/index.ts";
import type { Profile } from "../../compiler/ir/plan.ts";
import { openDevice } from "../../runtime/adapter/index.ts";
import { cannotRead, systemCode, UserError } from "../../runtime/errors.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { PACKAGE_ROOT } from "../../runtime/package-root.ts";
import { addAdapterOption, addSpecOptions, type AdapterOption, type SpecOptions } from "../options.ts";
import { profileOf } from "../session.ts";
import { chooseModel, loadSpec } from "../spec.ts";
import { bytes, printJson } from "../terminal.ts";
import { version } from "../version.ts";

interface Options extends SpecOptions, AdapterOption {
  readonly out: string;
  readonly target: "this" | "portable";
  readonly force?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(command.argument("<file>", "a spec")))
    .requiredOption("--out <folder>", "where the files go")
    .addOption(new Option("--target <target>", "kernels for this machine's adapter, or for any (no subgroups)").choices(["this", "portable"]).default("this"))
    .option("--force", "write into a folder that holds other files")
    .option("--json", "print one JSON document")
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const model = chooseModel(loadSpec(file, options.set), options);
  requireOurs(options);
  const { batch, accumulate } = model.train;
  const profile = await profileFor(options);
  const plan = compileModel(model, { batch: batch / accumulate, seqLen: model.seqLen, entries: ["train", "update", "evaluate", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])], profile });
  const files = emit({ model, plan, version: version(), runtime: runtimeSources() });
  rmSync(join(options.out, "kernels"), { recursive: true, force: true }); // an earlier emission may have had others
  for (const { path, text } of files) writeAtomic(join(options.out, path), text);
  report(files, model.name, plan.memory.total, options);
}

/** Only an empty folder, or one that compile wrote before. */
function requireOurs({ out, force }: Options): void {
  if (force === true) return;
  try {
    const names = readdirSync(out);
    if (names.length > 0 && !(names.includes("manifest.json") && names.includes("plan.json"))) throw new UserError(`${out} holds other files; choose another folder, or add --force to write into it`);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (systemCode(error) === "ENOTDIR") throw new UserError(`${out} is a file; --out takes a folder`);
    if (systemCode(error) !== "ENOENT") throw cannotRead(out, error);
  }
}

async function profileFor({ target, adapter }: Options): Promise<Profile> {
  if (target === "portable") return PORTABLE;
  const handle = await openDevice({ adapter });
  handle.close();
  return profileOf(handle.info);
}

/** The files of runtime/standalone as they are in the checkout or package. */
function runtimeSources(): Readonly<Record<string, string>> {
  const directory = join(PACKAGE_ROOT, "runtime", "standalone");
  if (!existsSync(directory)) throw new Error(`${directory} is missing from this installation`);
  return Object.fromEntries(readdirSync(directory).filter((name) => name.endsWith(".ts")).map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

function report(files: readonly EmittedFile[], model: string, memory: number, { out, json }: Options): void {
  const kernels = files.filter((f) => f.path.startsWith("kernels/")).length;
  if (json === true) printJson({ model, out, files: files.map((f) => f.path), memory });
  else process.stdout.write(`${out}: ${files.length} files, ${kernels} kernels, ${bytes(memory)} of buffers; README.md there says how to run it\n`);
}
