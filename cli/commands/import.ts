import type { Command } from "commander";
import { compileModel } from "../../compiler/compile.ts";
import { countParams } from "../../compiler/counts/index.ts";
import { printSpec, specHash } from "../../compiler/format/index.ts";
import { numbersOf } from "../../compiler/import/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { elements } from "../../compiler/ir/tensor-type.ts";
import { byteTokenizer } from "../../runtime/data/index.ts";
import { severalProblems, UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { nonFinite } from "../../runtime/files/safetensors.ts";
import type { Weights } from "../../runtime/files/shards.ts";
import type { ParamPlan } from "../../runtime/standalone/plan.ts";
import type { Executor } from "../../runtime/standalone/types.ts";
import { createRun, logPath, saveCheckpoint, writeLog, type RunInfo } from "../../runtime/train/index.ts";
import { grouped } from "../../runtime/units.ts";
import { importedFolder, importedOfficial, type Imported, type Parts } from "../imports.ts";
import { addSetOption, outFolder, refuseOptions, type SetOption } from "../options.ts";
import { tokenizerFor } from "../tokenizer.ts";
import { runInfo } from "../variants.ts";

interface Options extends SetOption {
  readonly out?: string;
  readonly tokenizer?: string;
}

export function define(command: Command): void {
  addSetOption(command.argument("<config>", CONFIG).argument("[weights]", WEIGHTS))
    .option("--out <folder>", "the run folder: generate and eval read it (default: print the spec; needs no weights)", outFolder)
    .option("--tokenizer <file>", "what its tokens are: a tokenizer.json or a SentencePiece .model, where no folder brings one")
    .action(run);
}

const CONFIG = 'config.json: the options of the official code under "args", with context and vocab if they do not say them; or hf';
const WEIGHTS = "the state dictionary as safetensors, under the names of either official repository; "
  + "behind hf, a folder of transformers, of a family that is known, or of `export hf`";

async function run(config: string, weights: string | undefined, { out, set, tokenizer }: Options, command: Command): Promise<void> {
  if (out === undefined) refuseOptions(command, ["set", "tokenizer"], "a spec that is printed");
  if (config === "hf" && weights === undefined) throw new UserError("behind hf stands a folder with a config.json");
  const imported = config === "hf" ? importedFolder(weights!, set) : importedOfficial(config, weights, set);
  if (out === undefined) process.stdout.write(imported.text);
  else await makeRun(imported, tokenizerOf(imported, tokenizer), out);
}

/** UserError if two are said, or if the model has no room for it. */
function tokenizerOf({ model, tokenizer }: Imported, path: string | undefined): Imported["tokenizer"] {
  if (path === undefined) return tokenizer;
  if (tokenizer !== null) throw new UserError("the folder brings a tokenizer of its own; leave --tokenizer out");
  const { id, file } = tokenizerFor({ tokenizer: path }, [model]);
  return file === undefined ? null : { id, text: file };
}

/** No device is needed: the numbers only change their names and their order. */
async function makeRun({ model, weights, training }: Imported, tokenizer: Imported["tokenizer"], out: string): Promise<void> {
  const { file, parts } = weights();
  const tensors = new Set(Object.values(parts).flat().map(({ tensor }) => tensor));
  const unfit = [...tensors].flatMap((tensor) => nonFinite(tensor, file.readFloats(tensor)));
  if (unfit.length > 0) throw severalProblems(file.path, unfit);
  const { params } = compileModel(model, { batch: 1, seqLen: model.seqLen, entries: ["evaluate"] });
  const info = training === null ? infoOf(model, file.path, tokenizer) : runInfo(model, training.seed, training.data, training.adapter);
  const { step, log } = training ?? { step: 0, log: [] };
  await withOwnFolder(out, async () => {
    createRun(out, { spec: printSpec(model), tokenizer: tokenizer?.text }, info);
    const { seed, specHash: hash, data, recipe: { batch } } = info;
    if (log.length > 0) writeLog(logPath(out), log);
    const state = { format: 1, step, sequences: step * batch, seed, specHash: hash, dataId: data.id } as const;
    await saveCheckpoint(out, holder(file, parts, params), params, state);
  });
  process.stdout.write(`${out}: ${model.name}, ${grouped(countParams(model).total)} parameters, hash ${specHash(model)}\n`);
}

const infoOf = (model: ModelSpec, weightsFile: string, tokenizer: Imported["tokenizer"]): RunInfo =>
  runInfo(model, 0, { source: [`weights of ${weightsFile}`], id: "", tokenizer: tokenizer?.id ?? byteTokenizer.id, tokens: 0 }, {
    kind: "none", name: "imported",
  });

/** Weights from the file, moments of zero. */
function holder(weights: Weights, parts: Parts, params: readonly ParamPlan[]): Pick<Executor, "read"> {
  const sizes = new Map(params.map((p) => [p.name, elements(p.shape)]));
  return {
    read: async (name) => {
      const [state, param] = [name.slice(0, name.indexOf("/")), name.slice(name.indexOf("/") + 1)];
      const numbers = new Float32Array(sizes.get(param)!);
      if (state === "param") fill(numbers, weights, parts[param]!);
      return numbers;
    },
  };
}

function fill(numbers: Float32Array, weights: Weights, parts: Parts[string]): void {
  let at = 0;
  for (const part of parts) {
    const some = numbersOf(part, weights.readFloats(part.tensor));
    numbers.set(some, at);
    at += some.length;
  }
}
