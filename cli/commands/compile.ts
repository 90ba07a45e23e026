import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { compileModel, isCausal } from "../../compiler/compile.ts";
import { PORTABLE } from "../../compiler/5-plan/index.ts";
import { emit, type EmittedFile } from "../../compiler/7-emit/index.ts";
import type { KernelPlan, Profile } from "../../compiler/ir/plan.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { SourceText } from "../../compiler/ir/source.ts";
import { openDevice } from "../../runtime/adapter/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { entriesOf, withOwnFolder } from "../../runtime/files/folder.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { PACKAGE_ROOT, VERSION } from "../../runtime/package-root.ts";
import { addAdapterOption, addSpecOptions, outFolder, refuseOptions, type AdapterOption, type SpecOptions } from "../options.ts";
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
    .requiredOption("--out <folder>", "where the files go", outFolder)
    .addOption(new Option("--target <target>", "kernels for this machine's adapter, or for any (no subgroups)").choices(["this", "portable"]).default("this"))
    .option("--force", "write into a folder that holds other files, beside them")
    .option("--json", "print one JSON document")
    .action(run);
}

async function run(file: string, options: Options, command: Command): Promise<void> {
  if (options.target === "portable") refuseOptions(command, ["adapter"], "--target portable");
  const model = chooseModel(loadSpec(file, options.set), options);
  await withOwnFolder(options.out, () => compileInto(model, options));
}

async function compileInto(model: ModelSpec, options: Options): Promise<void> {
  const earlier = earlierFiles(options);
  const { batch, accumulate } = model.train;
  const profile = await profileFor(options);
  const plan = compileModel(model, { batch: batch / accumulate, seqLen: model.seqLen, entries: ["train", "update", "evaluate", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])], profile });
  const files = emit({ model, plan, version: VERSION, runtime: runtimeSources(), sources: sourcesOf(plan) });
  requireOwn(files.map((f) => f.path), earlier, options.out);
  for (const { path, text } of files) writeAtomic(join(options.out, path), text);
  const written = new Set(files.map((f) => f.path));
  for (const path of earlier) if (!written.has(path) && DISPENSABLE.test(path)) rmSync(join(options.out, path), { force: true });
  report(files, model.name, plan.memory.total, options);
}

/** What an earlier emission wrote into the folder. UserError for a folder with other contents, unless forced. */
function earlierFiles({ out, force }: Options): readonly string[] {
  if (entriesOf(out).length === 0) return [];
  const files = emittedFiles(join(out, "manifest.json"));
  if (files !== null || force === true) return files ?? [];
  throw new UserError(`${out} holds other files; choose another folder, or add --force to write beside them`);
}

/** UserError if a file that is to be written is there, and not by an earlier emission. */
function requireOwn(paths: readonly string[], earlier: readonly string[], out: string): void {
  const foreign = paths.filter((path) => !earlier.includes(path) && existsSync(join(out, path)));
  if (foreign.length === 0) return;
  throw new UserError(`${out} holds files that moeut did not write and does not write over: ${foreign.join(", ")}; move them, or choose another folder`);
}

/** The only names that an emission can have and a later one lack. A manifest may be anyone's: nothing else is deleted for being listed. */
const DISPENSABLE = /^(kernels\/[\w.-]+\.wgsl|runtime\/[\w.-]+\.ts)$/;

/** The manifest and the files that it lists, or null if it is none of ours. */
function emittedFiles(manifest: string): readonly string[] | null {
  try {
    const { moeut, files } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly moeut?: unknown; readonly files?: unknown };
    return typeof moeut === "string" && Array.isArray(files) ? ["manifest.json", ...files.map(String)] : null;
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
