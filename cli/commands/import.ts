import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { compileModel } from "../../compiler/compile.ts";
import { countParams } from "../../compiler/counts/index.ts";
import { printSpec, specHash } from "../../compiler/format/index.ts";
import { findOfficialWeights, findTorchWeights, importOfficial } from "../../compiler/import/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { byteTokenizer } from "../../runtime/data/index.ts";
import { severalProblems, UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { nonFinite, readSafetensors, type SafetensorsFile } from "../../runtime/files/safetensors.ts";
import type { ParamPlan } from "../../runtime/standalone/plan.ts";
import type { Executor } from "../../runtime/standalone/types.ts";
import { createRun, saveCheckpoint, type RunInfo } from "../../runtime/train/index.ts";
import { readJson } from "../../runtime/train/run-folder.ts";
import { BYTE_TOKENIZER } from "../../runtime/tokenizer/bytes.ts";
import { readTokenizer } from "../../runtime/tokenizer/file.ts";
import { grouped } from "../../runtime/units.ts";
import { outFolder } from "../options.ts";
import { chooseModel, loadSpec, specOf } from "../spec.ts";
import { runInfo } from "../variants.ts";

interface Options {
  readonly out: string;
}

export function define(command: Command): void {
  command.argument("<config>", CONFIG).argument("<weights>", WEIGHTS)
    .requiredOption("--out <folder>", "the run folder: generate and eval read it", outFolder)
    .action(run);
}

const CONFIG = 'config.json: the options of the official code under "args", with context and vocab if they do not say them; or hf';
const WEIGHTS = "the state dictionary as safetensors, under the names of either official repository; behind hf, a folder of `export hf`";

/** No device is needed: the numbers only change their names. */
async function run(config: string, weights: string, { out }: Options): Promise<void> {
  const { model, file, weightsFile, places, tokenizer } = config === "hf" ? exported(weights) : official(config, weights);
  const unfit = Object.values(places).flatMap(({ tensor }) => nonFinite(tensor, file.readFloats(tensor)));
  if (unfit.length > 0) throw severalProblems(weightsFile, [...new Set(unfit)]);
  const { params } = compileModel(model, { batch: 1, seqLen: model.seqLen, entries: ["evaluate"] });
  const info = infoOf(model, weightsFile, tokenizer);
  await withOwnFolder(out, async () => {
    createRun(out, { spec: printSpec(model), tokenizer: tokenizer?.text }, info);
    const state = { format: 1, step: 0, sequences: 0, seed: 0, specHash: info.specHash, dataId: "" } as const;
    await saveCheckpoint(out, holder(file, places, params), params, state);
  });
  process.stdout.write(`${out}: ${model.name}, ${grouped(countParams(model).total)} parameters, hash ${specHash(model)}\n`);
}

/** A model, and where its weights are. */
interface Imported {
  readonly model: ModelSpec;
  readonly file: SafetensorsFile;
  readonly weightsFile: string;
  readonly places: Places;
  /** Null for bytes, or where it is not known what tokens are. */
  readonly tokenizer: { readonly id: string; readonly text: string } | null;
}

function official(configPath: string, weightsFile: string): Imported {
  const imported = importOfficial(readJson(configPath));
  if ("error" in imported) throw new UserError(`${configPath}: ${imported.error}`);
  const model = chooseModel(specOf({ file: `${configPath} as a spec`, text: imported.spec }, []), { set: [] });
  const file = readSafetensors(weightsFile);
  return { model, file, weightsFile, places: placed(weightsFile, findOfficialWeights(model, file.tensors)), tokenizer: null };
}

/** UserError if the folder is not whole. */
function exported(folder: string): Imported {
  const [spec, weightsFile] = [join(folder, "spec.moeut"), join(folder, "model.safetensors")];
  if (!existsSync(spec)) throw new UserError(`${folder} has no spec.moeut; copy that of the exported folder into it`);
  const model = chooseModel(loadSpec(spec, []), { set: [] });
  const file = readSafetensors(weightsFile);
  const places = placed(weightsFile, findTorchWeights(model, file.tensors));
  return { model, file, weightsFile, places, tokenizer: tokenizerOf(join(folder, "tokenizer.json")) };
}

function placed(file: string, found: { readonly places: Places } | { readonly problems: readonly string[] }): Places {
  if ("problems" in found) throw severalProblems(file, found.problems);
  return found.places;
}

function tokenizerOf(path: string): Imported["tokenizer"] {
  const text = existsSync(path) ? readFileSync(path, "utf8") : BYTE_TOKENIZER;
  return text === BYTE_TOKENIZER ? null : { id: readTokenizer(path).id, text };
}

const infoOf = (model: ModelSpec, weightsFile: string, tokenizer: Imported["tokenizer"]): RunInfo =>
  runInfo(model, 0, { source: [`weights of ${weightsFile}`], id: "", tokenizer: tokenizer?.id ?? byteTokenizer.id, tokens: 0 }, {
    kind: "none", name: "imported",
  });

type Places = Readonly<Record<string, { readonly tensor: string; readonly start: number }>>;

/** Weights from the file, moments of zero. */
function holder(weights: SafetensorsFile, places: Places, params: readonly ParamPlan[]): Pick<Executor, "read"> {
  const sizes = new Map(params.map((p) => [p.name, p.shape.reduce((a, b) => a * b, 1)]));
  return {
    read: async (name) => {
      const [state, param] = [name.slice(0, name.indexOf("/")), name.slice(name.indexOf("/") + 1)];
      const size = sizes.get(param)!;
      const { tensor, start } = places[param]!;
      return state === "param" ? weights.readFloats(tensor).slice(start, start + size) : new Float32Array(size);
    },
  };
}
