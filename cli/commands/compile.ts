import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { compileModel, isCausal } from "../../compiler/compile.ts";
import { PORTABLE } from "../../compiler/5-plan/index.ts";
import { emit, type EmittedFile } from "../../compiler/6-emit/index.ts";
import type { KernelPlan, Profile } from "../../compiler/ir/plan.ts";
import type { SourceText } from "../../compiler/ir/source.ts";
import { openDevice } from "../../runtime/adapter/index.ts";
import { cannotRead, systemCode, UserError } from "../../runtime/errors.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { PACKAGE_ROOT, VERSION } from "../../runtime/package-root.ts";
import { addAdapterOption, addSpecOptions, type AdapterOption, type SpecOptions } from "../options.ts";
import { profileOf } from "../session.ts";
import { chooseModel, loadSpec, readSpecFile } from "../spec.ts";
import { bytes, printJson } from "../terminal.ts";

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
  const earlier = earlierFiles(options);
  const { batch, accumulate } = model.train;
  const profile = await profileFor(options);
  const plan = compileModel(model, { batch: batch / accumulate, seqLen: model.seqLen, entries: ["train", "update", "evaluate", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])], profile });
  const files = emit({ model, plan, version: VERSION, runtime: runtimeSources(), sources: sourcesOf(plan) });
  for (const { path, text } of files) writeAtomic(join(options.out, path), text);
  const written = new Set(files.map((f) => f.path));
  for (const path of earlier) if (!written.has(path)) rmSync(join(options.out, path), { force: true });
  report(files, model.name, plan.memory.total, options);
}

/** What an earlier emission wrote into the folder. UserError for a folder with other contents, unless forced. */
function earlierFiles({ out, force }: Options): readonly string[] {
  const names = namesIn(out);
  if (names.length === 0) return [];
  const files = emittedFiles(join(out, "manifest.json"));
  if (files === null && force !== true) throw new UserError(`${out} holds other files; choose another folder, or add --force to write into it`);
  return files ?? [];
}

function namesIn(out: string): readonly string[] {
  try {
    return readdirSync(out);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw systemCode(error) === "ENOTDIR" ? new UserError(`${out} is a file; --out takes a folder`) : cannotRead(out, error);
  }
}

/** Files that a manifest lists, or null if it is none of ours. Only names that an emission can have: they will be deleted. */
function emittedFiles(manifest: string): readonly string[] | null {
  try {
    const { moeut, files } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly moeut?: unknown; readonly files?: unknown };
    return typeof moeut === "string" && Array.isArray(files) ? files.filter((path) => /^(kernels\/[\w.-]+\.wgsl|runtime\/[\w.-]+\.ts)$/.test(path as string)) : null;
  } catch {
    return null;
  }
}

/** Texts that launches come from; settings of the command line are no file. */
function sourcesOf({ entries }: KernelPlan): readonly SourceText[] {
  const names = new Set(Object.values(entries).flatMap((e) => e.dispatches.map((d) => d.origin.span?.file ?? "")));
  return [...names].filter((name) => existsSync(name)).map(readSpecFile);
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
