import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { compile } from "../../api/compile.ts";
import { openAnyAdapter, profileOf } from "../../api/session.ts";
import { PORTABLE } from "../../compiler/5-plan/index.ts";
import type { EmittedFile, Tokens } from "../../compiler/7-emit/index.ts";
import type { Profile } from "../../compiler/ir/plan.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { SourceText } from "../../compiler/ir/source.ts";
import { byteTokenizer, type Tokenizer } from "../../runtime/data/index.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { ownLeftovers, writeOwn } from "../../runtime/files/written.ts";
import { encodeWeights } from "../../runtime/standalone/safetensors.ts";
import { bytes } from "../../runtime/units.ts";
import { addAdapterOption, addSpecOptions, outFolder, refuseOptions, type AdapterOption, type SpecOptions } from "../options.ts";
import { requireFree, requireOwn } from "../own-files.ts";
import { chooseModel, loadSpec, type Spec } from "../spec.ts";
import { printJson } from "../terminal.ts";
import { readTrainedRun, type TrainedRun } from "../trained-run.ts";

interface Options extends SpecOptions, AdapterOption {
  readonly out: string;
  readonly target: "this" | "portable";
  readonly inference?: boolean;
  readonly masked?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(command.argument("<file>", "a spec, or a run folder, whose weights come along")))
    .requiredOption("--out <folder>", "where the files go", outFolder)
    .option("--inference", "nothing that trains: no gradients, no moments, batches of one sequence")
    .option("--masked", "trainStep takes targets that are IGNORED, whose positions count for nothing; so it does of a run of pairs")
    .addOption(new Option("--target <target>", TARGET).choices(["portable", "this"]).default("portable"))
    .option("--force", "write into a folder that holds other files, beside them")
    .option("--json", "print one JSON document")
    .action(run);
}

const TARGET = "kernels for any GPU, or for this machine's adapter (subgroups of its size)";

/** What is compiled. */
interface Input {
  readonly model: ModelSpec;
  readonly sources: readonly SourceText[];
  readonly weights?: Uint8Array;
  /** Where a run says it. */
  readonly text?: Tokens;
  readonly masked?: boolean;
}

async function run(file: string, options: Options, command: Command): Promise<void> {
  if (options.inference === true) refuseOptions(command, ["masked"], "--inference");
  if (options.target === "portable") refuseOptions(command, ["adapter", "threads"], "--target portable (the default)");
  const isFolder = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder) refuseOptions(command, ["model"], "a run folder, which has one model");
  const input = isFolder ? inputOfRun(readTrainedRun(file, options.set)) : inputOfSpec(loadSpec(file, options.set), options);
  await withOwnFolder(options.out, () => compileInto(input, options));
}

const inputOfSpec = (spec: Spec, options: Options): Input => ({ model: chooseModel(spec, options), sources: spec.sources });

function inputOfRun({ info, model, sources, weights, tokenizer }: TrainedRun): Input {
  const tensors = Array.from(weights.tensors, ([name, { shape }]) => ({ name, shape, data: weights.readFloats(name) }));
  return { model, sources, weights: encodeWeights(tensors), text: tokensOf(tokenizer, model), masked: info.data.positions !== undefined };
}

/** Of an imported model it is not known what its tokens are; where they are bytes, there are as many. */
function tokensOf({ file }: Tokenizer, { vocabSize }: ModelSpec): Tokens {
  if (file !== undefined) return { tokenizer: file };
  return vocabSize === byteTokenizer.vocabSize ? "bytes" : null;
}

async function compileInto({ model, ...input }: Input, options: Options): Promise<void> {
  requireFree(options, "manifest.json");
  const inference = options.inference === true;
  const masked = !inference && (options.masked ?? input.masked ?? false);
  const { files, plan } = compile(model, { ...input, profile: await profileFor(options), inference, masked });
  requireOwn(files, options.out);
  const leftovers = ownLeftovers(options.out, files);
  writeOwn(options.out, files);
  for (const path of leftovers.filter((name) => DISPENSABLE.test(name))) rmSync(join(options.out, path), { force: true });
  report(files, model.name, plan.memory.total, options);
}

/** The only names that an emission can have and a later one lack. A record may be anyone's: nothing else is deleted for being listed. */
const DISPENSABLE = new RegExp(`^(${[
  String.raw`kernels/[\w.-]+\.wgsl`, String.raw`(src/)?runtime/((cpu|tokenizer)/)?[\w.-]+\.(ts|js)`, String.raw`(model|example)\.ts`,
  String.raw`index\.html`, String.raw`tokenizer\.json`,
].join("|")})$`);

async function profileFor(options: Options): Promise<Profile> {
  if (options.target === "portable") return PORTABLE;
  const handle = await openAnyAdapter(options);
  handle.close();
  return handle.info.kind === "cpu" ? PORTABLE : profileOf(handle.info); // every folder has kernels for the processor
}

function report(files: readonly EmittedFile[], model: string, memory: number, { out, json }: Options): void {
  const kernels = files.filter((f) => f.path.startsWith("kernels/")).length;
  if (json === true) printJson({ model, out, files: files.map((f) => f.path), memory });
  else process.stdout.write(
    `${out}: ${files.length} files, ${kernels} kernels, ${bytes(memory)} of buffers; README.md there says how to run it\n`);
}
