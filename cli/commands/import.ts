import type { Command } from "commander";
import { compileModel } from "../../compiler/compile.ts";
import { countParams } from "../../compiler/counts/index.ts";
import { printSpec, specHash } from "../../compiler/format/index.ts";
import { findOfficialWeights, importOfficial } from "../../compiler/import/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { byteTokenizer } from "../../runtime/data/index.ts";
import { severalProblems, UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { nonFinite, readSafetensors, type SafetensorsFile } from "../../runtime/files/safetensors.ts";
import type { ParamPlan } from "../../runtime/standalone/plan.ts";
import type { Executor } from "../../runtime/standalone/types.ts";
import { createRun, saveCheckpoint, type RunInfo } from "../../runtime/train/index.ts";
import { readJson } from "../../runtime/train/run-folder.ts";
import { outFolder } from "../options.ts";
import { chooseModel, specOf } from "../spec.ts";
import { grouped } from "../terminal.ts";
import { runInfo } from "../variants.ts";

interface Options {
  readonly out: string;
}

export function define(command: Command): void {
  command.argument("<config>", "config.json: the options of the official code under \"args\", with context and vocab if they do not say them")
    .argument("<weights>", "the state dictionary as safetensors, under the names of either official repository")
    .requiredOption("--out <folder>", "the run folder: generate and eval read it", outFolder)
    .action(run);
}

/** No device is needed: the numbers only change their names. */
async function run(configPath: string, weightsFile: string, { out }: Options): Promise<void> {
  const imported = importOfficial(readJson(configPath));
  if ("error" in imported) throw new UserError(`${configPath}: ${imported.error}`);
  const model = chooseModel(specOf({ file: `${configPath} as a spec`, text: imported.spec }, []), { set: [] });
  const weights = readSafetensors(weightsFile);
  const found = findOfficialWeights(model, weights.tensors);
  if ("problems" in found) throw severalProblems(weightsFile, found.problems);
  const unfit = Object.values(found.places).flatMap(({ tensor }) => nonFinite(tensor, weights.readFloats(tensor)));
  if (unfit.length > 0) throw severalProblems(weightsFile, [...new Set(unfit)]);
  const { params } = compileModel(model, { batch: 1, seqLen: model.seqLen, entries: ["evaluate"] });
  const info = infoOf(model, weightsFile);
  await withOwnFolder(out, async () => {
    createRun(out, { spec: printSpec(model) }, info);
    await saveCheckpoint(out, holder(weights, found.places, params), params, { format: 1, step: 0, sequences: 0, seed: 0, specHash: info.specHash, dataId: "" });
  });
  process.stdout.write(`${out}: ${model.name}, ${grouped(countParams(model).total)} parameters, hash ${specHash(model)}\n`);
}

const infoOf = (model: ModelSpec, weightsFile: string): RunInfo =>
  runInfo(model, 0, { source: [`weights of ${weightsFile}`], id: "", tokenizer: byteTokenizer.id, tokens: 0 }, {
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
