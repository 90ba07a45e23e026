import type { Command } from "commander";
import { printSpec } from "../../compiler/format/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { Dataset } from "../../runtime/data/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import {
  checkFolder, createProgress, currentCheckpoint, startRun, train, type DataInfo, type RunInfo, type RunTexts, type TrainResult,
} from "../../runtime/train/index.ts";
import { countedTokens } from "../../runtime/report/words.ts";
import { bytes, grouped } from "../../runtime/units.ts";
import { readTrainingData } from "../data.ts";
import { endingAtOnce, interruptible, watchInterrupt } from "../interrupt.ts";
import {
  addAdapterOption, addDataOption, addSpecOptions, outFolder, separateSpecs, whole, withSteps, type AdapterOption, type SpecOptions,
} from "../options.ts";
import { openSession, type PlannedSession } from "../../api/session.ts";
import { chooseModel, loadSpec } from "../spec.ts";
import { printJson, say } from "../terminal.ts";
import { tokenizerOption } from "../tokenizer.ts";
import { dataInfoOf, runInfo } from "../variants.ts";

interface Options extends SpecOptions, AdapterOption {
  readonly data: readonly string[];
  readonly out: string;
  readonly tokenizer?: string;
  readonly steps?: number;
  readonly seed: number;
  readonly resume?: boolean;
  readonly evalTokens?: number;
  readonly json?: boolean;
}

interface TrainOptions extends Options {
  /** What the run keeps. */
  readonly texts: RunTexts;
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(addDataOption(command.argument("[file]", "a spec"), true)))
    .requiredOption("--out <folder>", "the run folder: log and checkpoints", outFolder)
    .addOption(tokenizerOption())
    .option("--steps <n>", "optimizer steps (default: as the spec says)", whole(1))
    .option("--seed <n>", "for initial weights, data order, and what is random in a step", whole(0), 0)
    .option("--resume", "continue the run in the folder")
    .option("--eval-tokens <n>", "held-out tokens per evaluation, at most (default: four batches)", whole(1))
    .option("--json", "print the result as one JSON document")
    .action(interruptible(run));
}

async function run(file: string | undefined, options: Options): Promise<void> {
  const { files, data: source } = separateSpecs(file === undefined ? [] : [file], options.data);
  if (files.length > 1) throw new UserError(`train takes one spec, not ${files.length}; compare trains several`);
  const model = chooseModel(loadSpec(files[0]!, withSteps(options.set, options.steps)), options);
  const { tokenizer, dataset } = await readTrainingData(source, [model], options);
  const data = dataset({ seqLen: model.seqLen, batch: model.train.batch / model.train.accumulate, seed: options.seed });
  const dataInfo = dataInfoOf(source, data, tokenizer.id);
  const texts = { spec: printSpec(model), tokenizer: tokenizer.file };
  await withOwnFolder(options.out, () => openAndTrain(model, data, dataInfo, { ...options, texts }));
}

async function openAndTrain(model: ModelSpec, data: Dataset, dataInfo: DataInfo, options: TrainOptions): Promise<void> {
  checkFolder(options.out, options.resume === true, runInfo(model, options.seed, dataInfo, { kind: "", name: "" }), options.texts);
  const session = await openTraining(model, data, options);
  try {
    await trainOn(session, data, runInfo(model, options.seed, dataInfo, session.adapter), options);
  } finally {
    session.close();
  }
}

async function openTraining(model: ModelSpec, { seqLen, lengths, masked }: Dataset, choice: AdapterOption): Promise<PlannedSession> {
  say(`compiling ${model.name} …`);
  const { batch, accumulate } = model.train;
  const session = await openSession(choice, model, {
    batch: batch / accumulate, seqLen, lengths, masked, entries: ["train", "update", "evaluate"], countsRouting: true, during: endingAtOnce,
  });
  say(`training on ${session.adapter.name}; ${bytes(session.memoryBytes)} of buffers`);
  return session;
}

async function trainOn(session: PlannedSession, data: Dataset, info: RunInfo, options: TrainOptions): Promise<void> {
  const { model, executor, params, routers } = session;
  const { batch, steps, evalEvery, checkpointEvery } = model.train;
  const start = { folder: options.out, ...options.texts, info, executor, params, routers, note: say };
  const done = startRun({ ...start, resume: options.resume === true });
  const tokensPerStep = batch * data.targetsPerBlock;
  say(done > 0 ? `resuming after step ${done} of ${steps}`
    : `${steps} steps of ${grouped(tokensPerStep)} ${countedTokens(info.data)}; `
      + `${grouped(data.trainBlocks)} sequences to train on, ${grouped(data.validationBlocks)} held out`);
  const progress = createProgress({ output: process.stderr, label: "", steps, tokensPerStep });
  const interrupt = watchInterrupt("stopping after this step; press Ctrl-C again to quit at once", () => leftIn(options.out));
  const trainOptions = {
    folder: options.out, info, executor, params, routers, data, done, evalEvery, checkpointEvery,
    evalTokens: options.evalTokens ?? 4 * batch * data.seqLen,
  };
  const result = await train(trainOptions, { onStep: progress.update, shouldStop: interrupt.requested }).finally(() => {
    progress.finish();
    interrupt.dispose();
  });
  printResult(result, steps, options);
}

function leftIn(out: string): string {
  const checkpoint = currentCheckpoint(out);
  return checkpoint === null ? `${out} holds no checkpoint: --resume starts from the first step` : `--resume continues from ${checkpoint}`;
}

function printResult({ step, finished, last }: TrainResult, steps: number, { out, json }: Options): void {
  const checkpoint = currentCheckpoint(out);
  const saved = checkpoint === null ? "" : `, saved in ${out}`;
  if (json === true) printJson({
    run: out, step, steps, finished, loss: last?.ce_loss ?? null, validation_loss: last?.validation_loss ?? null, checkpoint,
  });
  else if (!finished) process.stdout.write(`stopped after step ${step} of ${steps}${saved}; the same command with --resume continues\n`);
  else {
    const heldOut = last?.validation_loss === undefined ? "" : `, validation loss ${last.validation_loss.toFixed(4)}`;
    process.stdout.write(`${last === null ? "nothing left to train" : `trained ${step} steps`}: ${out}${heldOut}\n`);
  }
}
