import type { Command } from "commander";
import { passesOf, withPasses } from "../../compiler/depth.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { loadData, type Dataset } from "../../runtime/data/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { evaluate, type Evaluation } from "../../runtime/evaluate/index.ts";
import { loadWeights } from "../../runtime/train/index.ts";
import { addAdapterOption, addDataOption, addSpecOptions, whole, wholes, type AdapterOption, type SpecOptions } from "../options.ts";
import { openSession } from "../session.ts";
import { grouped, printJson, say } from "../terminal.ts";
import { readTrainedRun, type TrainedRun } from "../trained-run.ts";

interface Options extends SpecOptions, AdapterOption {
  readonly data: readonly string[];
  readonly maxTokens?: number;
  readonly passes?: readonly number[];
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(addDataOption(command.argument("<run>", "a run folder"), true)))
    .option("--max-tokens <n>", "predict at most so many tokens, spread evenly over the data", whole(1))
    .option("--passes <list>", "apply the repeated group of the stack so many times, for instance 1,4,8,16", wholes(1))
    .option("--json", "print one JSON document")
    .action(run);
}

async function run(folder: string, options: Options): Promise<void> {
  const trained = readTrainedRun(folder, options.set);
  const models = atDepths(trained.model, options.passes);
  const { data, heldOut } = await loadEvalData(trained, options.data);
  for (const model of models) await evaluateAt(model, folder, trained, data, heldOut, options);
}

/** The model as it was trained, or at each of the depths. UserError if it has no other depths. */
function atDepths(model: ModelSpec, passes: readonly number[] | undefined): readonly ModelSpec[] {
  return passes === undefined ? [model] : passes.map((n) => {
    const changed = withPasses(model, n);
    if ("problem" in changed) throw new UserError(`--passes ${n}: ${changed.problem}`);
    return changed;
  });
}

async function evaluateAt(model: ModelSpec, folder: string, { weights, step }: TrainedRun, data: Dataset, heldOut: boolean, options: Options): Promise<void> {
  const session = await openSession(options.adapter, model, { batch: batchOf(model), seqLen: model.seqLen, entries: ["evaluate"] });
  try {
    loadWeights(weights, session.executor, session.params);
    const result = await evaluate(session.executor, data.validationBatches(options.maxTokens), data.bytesPerToken, countdown(data.validationBlocks));
    const depth = options.passes === undefined ? {} : { passes: passesOf(model) ?? 1 };
    print(result, { run: folder, step, ...depth, data: options.data, data_id: data.dataId, held_out: heldOut }, options.json === true);
  } finally {
    session.close();
  }
}

const batchOf = ({ train: { batch, accumulate } }: ModelSpec): number => batch / accumulate;

/** Of the data that the run was trained on, what was held out; of other data, all (or what the source itself holds out). */
async function loadEvalData({ model, tokenizer, info }: TrainedRun, source: readonly string[]): Promise<{ readonly data: Dataset; readonly heldOut: boolean }> {
  const options = { tokenizer, vocabSize: model.vocabSize, seqLen: model.seqLen, batch: batchOf(model), seed: 0 };
  const all = await loadData(source, { ...options, validationFraction: 1 });
  if (all.trainBlocks > 0 && all.dataId !== info.data.id) return { data: all, heldOut: false };
  const split = await loadData(source, options).catch(() => all); // too short to be split: not what the run was trained on
  return split.dataId === info.data.id ? { data: split, heldOut: true } : { data: all, heldOut: false };
}

/** Says every ten seconds how far it is. */
function countdown(total: number): (sequences: number) => void {
  let last = performance.now();
  return (sequences) => {
    if (performance.now() - last < 10_000) return;
    last = performance.now();
    say(`${grouped(sequences)} of at most ${grouped(total)} sequences`);
  };
}

function print({ loss, perplexity, bitsPerByte, tokens, passes }: Evaluation, about: Readonly<Record<string, unknown>>, json: boolean): void {
  if (json) printJson({ ...about, tokens, loss, perplexity, bits_per_byte: bitsPerByte, ...(passes === null ? {} : { mean_passes: passes }) });
  else process.stdout.write(`${about["passes"] === undefined ? "" : `passes         ${String(about["passes"])}\n`}loss           ${loss.toFixed(4)} nats per token\nperplexity     ${perplexity.toFixed(3)}\nbits per byte  ${bitsPerByte.toFixed(4)}\n${passes === null ? "" : `passes taken   ${passes.toFixed(2)} on average before a token halts\n`}(${grouped(tokens)} tokens${about["held_out"] === true ? " held out from training" : ""})\n`);
}
