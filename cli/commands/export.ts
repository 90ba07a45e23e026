import { readFileSync, statSync } from "node:fs";
import { Argument, type Command } from "commander";
import { countParams } from "../../compiler/counts/index.ts";
import { printSpec } from "../../compiler/format/index.ts";
import { initRule } from "../../compiler/parameters/init.ts";
import { namingScheme, officialPlace } from "../../compiler/parameters/naming.ts";
import { parametersOf, type ParameterSpec } from "../../compiler/parameters/parameters.ts";
import { elements } from "../../compiler/ir/tensor-type.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { torchFiles, torchPlace, type TokenizerFile, type Trained } from "../../compiler/torch/index.ts";
import { byteTokenizer, type Tokenizer } from "../../runtime/data/index.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import type { SafetensorsFile } from "../../runtime/files/safetensors.ts";
import { writeOwn } from "../../runtime/files/written.ts";
import { VERSION } from "../../runtime/package-root.ts";
import { initialize } from "../../runtime/standalone/initialize.ts";
import { encodeWeights } from "../../runtime/standalone/safetensors.ts";
import type { TokenizerJson } from "../../runtime/standalone/tokenizer/json.ts";
import { BYTE_TOKENIZER } from "../../runtime/tokenizer/bytes.ts";
import { tokenizerPath } from "../../runtime/train/index.ts";
import { grouped } from "../../runtime/units.ts";
import { addSpecOptions, outFolder, refuseOptions, whole, type SpecOptions } from "../options.ts";
import { requireFree, requireOwn } from "../own-files.ts";
import { chooseModel, loadSpec } from "../spec.ts";
import { readTrainedRun } from "../trained-run.ts";

interface Options extends SpecOptions {
  readonly out: string;
  readonly seed: number;
  readonly force?: boolean;
}

export function define(command: Command): void {
  const format = new Argument("<format>", "hf: what transformers load, with the PyTorch code of this very model").choices(["hf"]);
  addSpecOptions(command.addArgument(format).argument("<file>", "a spec, or a run folder, whose weights come along"))
    .requiredOption("--out <folder>", "where the files go", outFolder)
    .option("--seed <n>", "of the weights that a spec begins with", whole(0), 0)
    .option("--force", "write into a folder that holds other files, beside them")
    .action(run);
}

/** What is exported. */
interface Input {
  readonly model: ModelSpec;
  readonly trained: Trained | null;
  /** A parameter's numbers, row-major. */
  readonly numbers: (parameter: ParameterSpec) => Float32Array;
  /** Null where it is not known what tokens are. */
  readonly tokenizer: TokenizerFile | null;
}

async function run(_: string, file: string, options: Options, command: Command): Promise<void> {
  const isFolder = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder) refuseOptions(command, ["model", "seed"], "a run folder, which has one model and its weights");
  const input = isFolder ? inputOfRun(file, options) : inputOfSpec(file, options);
  await withOwnFolder(options.out, async () => exportInto(input, options));
}

function inputOfSpec(file: string, options: Options): Input {
  const model = chooseModel(loadSpec(file, options.set), options);
  const scheme = namingScheme(model);
  const numbers = (p: ParameterSpec): Float32Array => initialize(p.type.shape, initRule(model, scheme, p), options.seed, p.name);
  return { model, trained: null, numbers, tokenizer: model.vocabSize === byteTokenizer.vocabSize ? BYTES : null };
}

function inputOfRun(folder: string, { set }: Options): Input {
  const { model, info, step, weights, tokenizer } = readTrainedRun(folder, set);
  return {
    model, trained: { step, source: info.data.source.join(", "), tokens: info.data.tokens }, numbers: officialNumbers(model, weights),
    tokenizer: tokenizer.id === byteTokenizer.id ? BYTES : tokenizerFile(readFileSync(tokenizerPath(folder), "utf8"), tokenizer),
  };
}

const BYTES: TokenizerFile = { id: byteTokenizer.id, text: BYTE_TOKENIZER, end: null };

function tokenizerFile(text: string, { id, endOfText }: Tokenizer): TokenizerFile {
  const end = (JSON.parse(text) as TokenizerJson).added_tokens?.find((token) => token.id === endOfText);
  return { id, text, end: end === undefined ? null : { id: end.id, text: end.content } };
}

/** Checkpoints have the official names. */
function officialNumbers(model: ModelSpec, weights: SafetensorsFile): Input["numbers"] {
  const scheme = namingScheme(model);
  return (p) => {
    const { tensor, start } = officialPlace(model, scheme, p);
    return weights.readFloats(tensor).slice(start, start + elements(p.type.shape));
  };
}

function exportInto({ model, trained, numbers, tokenizer }: Input, options: Options): void {
  requireFree(options, "config.json");
  const total = countParams(model).total;
  const tensors = parametersOf(model).map((p) => ({ ...torchPlace(model, p), data: numbers(p) }));
  const files = [
    ...torchFiles(model, { spec: printSpec(model), parameters: total, version: VERSION, trained, tokenizer }),
    { path: "model.safetensors", content: encodeWeights(tensors, { format: "pt" }) },
  ];
  requireOwn(files, options.out);
  writeOwn(options.out, files);
  process.stdout.write(`${options.out}: ${model.name}, ${grouped(total)} parameters; README.md there says how to load and train it\n`);
}
