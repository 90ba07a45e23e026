import { Option, type Command } from "commander";
import { withPasses } from "../../compiler/stack/depth.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { chosenWindows, windowBatches } from "../../runtime/data/index.ts";
import { messageOf, UserError } from "../../runtime/errors.ts";
import { coveredBy, type Covered } from "../../runtime/evaluate/covered.ts";
import { evaluate, nonFinite, type Evaluation } from "../../runtime/evaluate/index.ts";
import { protocolOf, protocolWords, type Protocol } from "../../runtime/evaluate/protocol.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import type { TaskProtocol } from "../../runtime/tasks/items.ts";
import { PAIR_TASKS } from "../../runtime/pairs/tasks.ts";
import { ratio } from "../../runtime/tasks/results.ts";
import { TASKS } from "../../runtime/tasks/tasks.ts";
import { loadWeights } from "../../runtime/train/index.ts";
import { grouped } from "../../runtime/units.ts";
import { countdown } from "../countdown.ts";
import { readEvalDocuments, readEvalText, type EvalText } from "../eval-text.ts";
import { endingAtOnce, interruptible } from "../interrupt.ts";
import { measurementsOf, type Measurement } from "../measurements.ts";
import {
  addAdapterOption, addDataOption, addSetOption, list, outFile, refuseOptions, whole, wholes, type AdapterOption, type SetOption,
} from "../options.ts";
import { loadModel, withAdapter } from "../../api/session.ts";
import { printJson, say } from "../terminal.ts";
import { readTrainedRun, type TrainedRun } from "../trained-run.ts";

interface Options extends SetOption, AdapterOption {
  readonly data?: readonly string[];
  readonly tasks?: readonly string[];
  readonly protocol?: TaskProtocol;
  readonly items?: string;
  readonly stride?: number;
  readonly maxTokens?: number;
  readonly passes?: readonly number[];
  readonly json?: boolean;
}

const IMPOSSIBLE = "a depth that the model cannot have is named, makes the exit status 1, and does not keep the others from being measured";

const PROTOCOLS = "as the MoEUT training code or lm-evaluation-harness does it "
  + "(default: moeut for benchmarks; texts in disjoint blocks, the last partial one too)";

const NAMED_TASKS = [...Object.keys(TASKS), ...PAIR_TASKS].join(",");

export function define(command: Command): void {
  addAdapterOption(addSetOption(addDataOption(command.argument("<run>", "a run folder"), false)))
    .option("--tasks <list>", `instead of a text: ${NAMED_TASKS}, or JSONL or TSV files of one's own`, list)
    .addOption(new Option("--protocol <name>", PROTOCOLS).choices(["moeut", "harness"]))
    .option("--items <file>", "write what came out for every item of the benchmarks, as JSONL", outFile)
    .option("--stride <n>", "windows n tokens apart: each token once, with at least seq_len - n before it (default: n = seq_len)", whole(1))
    .option("--max-tokens <n>", "predict about so many tokens at most, spread evenly over the data", whole(1))
    .option("--passes <list>", `apply the repeated group of the stack so many times, for instance 1,4,8,16; ${IMPOSSIBLE}`, wholes(1))
    .option("--json", "print one JSON document; of several depths, an array of them")
    .action(interruptible(run));
}

/** A depth at which the model is measured, or why it cannot be; `passes` is null for the depth that it was trained with. */
type Depth = { readonly passes: number | null } & ({ readonly model: ModelSpec } | { readonly problem: string });

interface Outcome {
  readonly passes: number | null;
  /** null: could not be measured. */
  readonly result: Evaluation | null;
  /** null: measured, and the loss is a number. */
  readonly problem: string | null;
}

/** A text and how it is measured: the same for all depths. */
interface Measuring {
  readonly trained: TrainedRun;
  readonly text: EvalText;
  readonly protocol: Protocol;
  /** What is measured of the text. */
  readonly covered: Covered;
  readonly options: TextEvaluation;
}

async function run(folder: string, options: Options, command: Command): Promise<void> {
  if (options.tasks !== undefined) return runTasks(folder, options.tasks, options, command);
  refuseOptions(command, ["items"], "a text, which is measured by its loss");
  if (options.protocol !== undefined) refuseOptions(command, ["stride"], "--protocol");
  if (options.protocol === "harness") refuseOptions(command, ["max-tokens"], "--protocol harness");
  const { data } = options;
  if (data === undefined) throw new UserError("give the text to measure with --data, or benchmarks with --tasks");
  return runText(folder, { ...options, data });
}

/** Benchmarks, at the depth of training or at several. */
async function runTasks(folder: string, tasks: readonly string[], options: Options, command: Command): Promise<void> {
  refuseOptions(command, ["stride", "max-tokens"], "--tasks");
  const trained = readTrainedRun(folder, options.set);
  const { data, protocol = "moeut" } = options;
  const trainedOn = { source: trained.info.data.source, who: folder };
  const loaded = tasks.flatMap((name) => measurementsOf(name, { trainedOn, folder: data?.[0] ?? null, protocol }));
  const depths = depthsOf(trained.model, options.passes);
  const impossible = depths.flatMap((depth) => ("problem" in depth ? [depth.problem] : []));
  if (impossible.length > 0) throw new UserError(impossible.join("\n"));
  const outcomes = await withAdapter(options, (handle) => runTasksOn(handle, trained, loaded, depths, options));
  if (options.items !== undefined) {
    writeAtomic(options.items, outcomes.flatMap(({ records }) => records.map((record) => `${JSON.stringify(record)}\n`)).join(""));
  }
  if (options.json === true) printJson(outcomes.map(({ records: _, ...outcome }) => ({ run: folder, step: trained.step, ...outcome })));
}

type AtDepth = Readonly<Record<string, unknown>> & { readonly records: readonly object[] };

async function runTasksOn(
  handle: AdapterHandle, trained: TrainedRun, tasks: readonly Measurement[], depths: readonly Depth[], { json }: Options,
): Promise<readonly AtDepth[]> {
  const outcomes: AtDepth[] = [];
  for (const depth of depths) {
    if ("problem" in depth) continue;
    if (depth.passes !== null && json !== true) process.stdout.write(`passes         ${depth.passes}\n`);
    for (const { measure } of tasks) {
      const { document, records, words } = await measure(handle, depth.model, trained);
      if (json !== true) process.stdout.write(words);
      outcomes.push({ passes: depth.passes, ...document, records });
    }
  }
  return outcomes;
}

type TextEvaluation = Options & { readonly data: readonly string[] };

async function runText(folder: string, options: TextEvaluation): Promise<void> {
  const trained = readTrainedRun(folder, options.set);
  const depths = depthsOf(trained.model, options.passes);
  const impossible = depths.flatMap((depth) => ("problem" in depth ? [depth.problem] : []));
  if (impossible.length === depths.length) throw new UserError(impossible.join("\n"));
  const text = await (options.protocol === "harness" ? readEvalDocuments : readEvalText)(trained, options.data);
  const rule = options.protocol ?? (options.stride === undefined ? "blocks" : "strided");
  const protocol = protocolOf(text, trained.model.seqLen, rule, options.stride);
  const chosen = chosenWindows(protocol.windows, options.maxTokens);
  const covered = text.covered ?? coveredBy(trained.tokenizer, protocol.windows, chosen);
  const measuring: Measuring = { trained, text, options, protocol, covered };
  for (const problem of impossible) say(`note: ${problem}; the others are measured`);
  const outcomes = await withAdapter(options, (handle) => measureAll(handle, depths, measuring));
  const documents = outcomes.map((outcome) => jsonOf(outcome, measuring));
  if (options.json === true && outcomes.some(({ result }) => result !== null)) printJson(documents.length === 1 ? documents[0] : documents);
  const problems = outcomes.flatMap(({ problem }) => problem ?? []);
  if (problems.length > 0) throw new UserError(problems.join("\n"));
}

function depthsOf(model: ModelSpec, passes: readonly number[] | undefined): readonly Depth[] {
  if (passes === undefined) return [{ passes: null, model }];
  return passes.map((n) => {
    const changed = withPasses(model, n);
    return "problem" in changed ? { passes: n, problem: `--passes ${n}: ${changed.problem}` } : { passes: n, model: changed };
  });
}

/** Says each result as it comes, unless all are to be one document. */
async function measureAll(handle: AdapterHandle, depths: readonly Depth[], measuring: Measuring): Promise<readonly Outcome[]> {
  const print = measuring.options.json === true ? () => {} : (text: string): void => void process.stdout.write(text);
  const header = `text           ${measuring.text.words}\nprotocol       ${protocolWords(measuring.protocol)}\n`;
  const outcomes: Outcome[] = [];
  for (const depth of depths) {
    const outcome = "problem" in depth ? { ...depth, result: null } : await measure(handle, depth.model, depth.passes, measuring);
    const isFirst = outcomes.every(({ result }) => result === null);
    if (outcome.result !== null) print((isFirst ? header : "") + wordsOf(outcome.passes, outcome.result, measuring));
    outcomes.push(outcome);
  }
  return outcomes;
}

/** A depth that is too large for the device does not hide the others. */
async function measure(handle: AdapterHandle, model: ModelSpec, passes: number | null, measuring: Measuring): Promise<Outcome> {
  const which = passes === null ? "" : `--passes ${passes}: `;
  try {
    const result = await measureOn(handle, model, measuring);
    const problem = nonFinite(result);
    return { passes, result, problem: problem === null ? null : which + problem };
  } catch (error) {
    if (error instanceof UserError) return { passes, result: null, problem: which + messageOf(error) };
    throw error;
  }
}

/** From here on compiling takes seconds. */
const SLOW_DEPTH = 500;

async function measureOn(handle: AdapterHandle, model: ModelSpec, { trained, protocol, options }: Measuring): Promise<Evaluation> {
  const { context, windows } = protocol;
  const batch = Math.min(model.train.batch / model.train.accumulate, windows.starts.length);
  const depth = model.schedule.length;
  if (depth >= SLOW_DEPTH) say(`compiling ${model.name} with ${grouped(depth)} layers one behind the other …`);
  const session = await loadModel(handle, model, { batch, seqLen: context, entries: ["evaluate"], during: endingAtOnce });
  try {
    loadWeights(trained.weights, session.executor, session.params);
    const batches = windowBatches(windows, context, batch, options.maxTokens);
    return await evaluate(session.executor, batches, countdown(windows.starts.length));
  } finally {
    session.close();
  }
}

function jsonOf({ passes, result, problem }: Outcome, measuring: Measuring): unknown {
  const { trained, text, protocol, options } = measuring;
  return {
    run: trained.folder, step: trained.step, ...(passes === null ? {} : { passes }), data: options.data, data_id: text.dataId,
    held_out: text.heldOut, text: text.words, seen_in_training: text.seen,
    protocol: protocolWords(protocol), context: protocol.context, stride: protocol.stride,
    ...(result === null ? {} : numbersOf(result, measuring)), ...(problem === null ? {} : { problem }),
  };
}

function numbersOf({ tokens, loss, perplexity, passes, sequences, counts }: Evaluation, { text, protocol, covered }: Measuring) {
  const unmeasured = protocol.tokens - tokens;
  const per = (count: number): number => Math.exp((loss * tokens) / count);
  return {
    tokens, unmeasured_tokens: unmeasured, unmeasured_bytes: Math.round(unmeasured * text.bytesPerToken), ...covered,
    loss, standard_error: ratio(sequences.map((mean, i) => mean * counts[i]!), counts).standardError,
    perplexity, bits_per_byte: (loss * tokens) / (Math.LN2 * covered.bytes),
    byte_perplexity: per(covered.bytes), word_perplexity: per(covered.words),
    ...(passes === null ? {} : { mean_passes: passes }),
  };
}

/** Errors are those of the loss, from the spread of windows. */
function wordsOf(depth: number | null, result: Evaluation, measuring: Measuring): string {
  const {
    tokens, unmeasured_bytes: rest, loss, standard_error: error, perplexity, bits_per_byte, byte_perplexity, word_perplexity, mean_passes,
  } = numbersOf(result, measuring);
  const scaled = (value: number, by: number, digits: number): string => `${value.toFixed(digits)} ± ${(error * by).toFixed(digits)}`;
  return [
    ...(depth === null ? [] : [`passes         ${depth}`]),
    `loss           ${scaled(loss, 1, 4)} nats per token`,
    `perplexity     ${scaled(perplexity, perplexity, 3)} per token`,
    `               ${byte_perplexity.toFixed(4)} per byte, ${word_perplexity.toPrecision(6)} per word`,
    `bits per byte  ${scaled(bits_per_byte, bits_per_byte / loss, 4)}`,
    ...(mean_passes === undefined ? [] : [`passes taken   ${mean_passes.toFixed(2)} on average before a token halts`]),
    `(${grouped(tokens)} tokens predicted; ${grouped(rest)} ${rest === 1 ? "byte" : "bytes"} of the text not measured)\n`,
  ].join("\n");
}
