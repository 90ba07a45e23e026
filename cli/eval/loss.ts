/** `eval --data`: the loss of a text, at the depth of training or at several. */
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { withAdapter } from "../../api/session.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { chosenWindows, windowBatches } from "../../runtime/data/index.ts";
import { messageOf, UserError } from "../../runtime/errors.ts";
import { coveredBy } from "../../runtime/evaluate/covered.ts";
import { evaluate, nonFinite, type Evaluation } from "../../runtime/evaluate/index.ts";
import { protocolOf, protocolWords } from "../../runtime/evaluate/protocol.ts";
import { grouped } from "../../runtime/units.ts";
import { countdown } from "../countdown.ts";
import { endingAtOnce } from "../interrupt.ts";
import { printJson, say } from "../terminal.ts";
import { readTrainedRun } from "../trained-run.ts";
import { withTrained } from "../with-trained.ts";
import { depthsOf, problemsOf, type Depth } from "./depths.ts";
import { jsonOf, wordsOf, type Measuring, type Outcome, type TextOptions } from "./loss-figures.ts";
import { readEvalDocuments, readEvalText } from "./text.ts";

export async function evaluateText(folder: string, options: TextOptions): Promise<void> {
  const trained = readTrainedRun(folder, options.set);
  const depths = depthsOf(trained.model, options.passes);
  const impossible = problemsOf(depths);
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

function measureOn(handle: AdapterHandle, model: ModelSpec, { trained, protocol, options }: Measuring): Promise<Evaluation> {
  const { context, windows } = protocol;
  const chosen = chosenWindows(windows, options.maxTokens).length;
  const batch = Math.min(model.train.batch / model.train.accumulate, chosen); // further rows would be padding
  const depth = model.schedule.length;
  if (depth >= SLOW_DEPTH) say(`compiling ${model.name} with ${grouped(depth)} layers one behind the other …`);
  const onBatch = countdown(chosen);
  return withTrained(handle, model, trained, { batch, seqLen: context, entries: ["evaluate"], during: endingAtOnce }, (executor) =>
    evaluate(executor, windowBatches(windows, context, batch, options.maxTokens), onBatch));
}
